"""A model of somebody's own announces its stages without an edit: its components are found by name and wrapped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from torch import nn

from paco_prof import stages as known
from paco_prof.conventions import COMPONENTS, COVARIANCES, LOSSES, VERBS, Component, says_covariance
from paco_prof.measure.user.components import (
    barrier,
    child,
    close_names,
    imported,
    names_in,
    slots_of,
    unwrapped,
    walk,
)
from paco_prof.measure.user.modules import UserModules
from paco_prof.measure.user.wrapping import ABSENT, Slot, Wrapped, Wrapping, is_function

__all__ = ["Adoption", "Missing", "Wrapped", "adopt"]

# What a path is mapped to that nothing is to be done with.
LEFT_ALONE = ("", "-")
CONVENTIONAL_NAMES = frozenset(name for component in COMPONENTS for name in component.names)
ALL_VERBS = tuple(dict.fromkeys(verb for verbs in VERBS.values() for verb in verbs))


@dataclass(frozen=True, slots=True)
class Missing:
    """A Missing is a stage that nothing was found for, or a path that leads nowhere.

    Attributes:
        path: the path that the user gave, or the name that PaCo-2 code has by convention.
        stage: which stage it would have been.
        near: names that are there and resemble it, best first.
    """

    path: str
    stage: str
    near: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Adoption:
    """An Adoption is a model whose components announce their stages, until `undo`.

    As a context manager it is undone at the end of the block. Of two adoptions the later one is to be undone first.

    Attributes:
        wrapped: the components, in the order in which they were found.
        missing: paths that lead nowhere, and the stages that nothing was found for.
        hidden: why nobody can see what is inside of the model, or of a component that a path leads into; empty where
            one can.
    """

    wrapped: tuple[Wrapped, ...]
    missing: tuple[Missing, ...]
    hidden: str
    _wrapping: Wrapping = field(repr=False)

    def undo(self) -> None:
        """Put everything back as it was."""
        self._wrapping.undo()

    def __enter__(self) -> Adoption:
        return self

    def __exit__(self, *exc: object) -> None:
        self.undo()


def adopt(model: nn.Module, stages: Mapping[str, str] = MappingProxyType({})) -> Adoption:
    """Let the components of a model announce their stages.

    Args:
        model: PaCo-2 in anybody's writing, inside of DataParallel or DistributedDataParallel too.
        stages: which stage is announced by what a dotted path leads to, on the model or, where the model has nothing
            of its first name, from a module on: `encoder.blocks`, `matcher.solve`, `my_package.geometry:covariance`.
            They go before the conventions; a stage of `-` or an empty one leaves what the path leads to alone.

    Raises:
        UsageError: a path leads to a module that is there and cannot be imported.
    """
    inner, hidden = unwrapped(model)
    search = _Search(inner, hidden)
    try:
        if not hidden:
            # What is mapped inside of something that is mapped comes first.
            for path, stage in sorted(stages.items(), key=lambda item: -len(_parts(item[0]))):
                search.follow(path, stage)
            search.look_around()
    except BaseException:
        search.wrapping.undo()
        raise
    return Adoption(tuple(search.wrapped), tuple(search.missing), search.hidden, search.wrapping)


class _Search:
    """Finds the components of a model, and wraps each callable of theirs once."""

    def __init__(self, model: nn.Module, hidden: str) -> None:
        self.wrapped: list[Wrapped] = []
        self.missing: list[Missing] = []
        self.hidden = hidden
        self._model = model
        self._code = UserModules(type(model))
        self.wrapping = Wrapping(self._code.modules())
        # What has a stage already, by slot; nobody may give it another. What is left alone has an empty one.
        self._taken: dict[tuple[int, str], str] = {}
        self._found: set[str] = set()
        # Where to look for the losses: the path, the object, its stage.
        self._criteria: list[tuple[str, object, str]] = []

    def follow(self, path: str, stage: str) -> None:
        """Wrap what the user has mapped to a stage."""
        stage = "" if stage in LEFT_ALONE else stage
        parts = _parts(path)
        root, begin = self._root(path, parts)
        holder, index, reason = walk(root, parts, begin)
        is_last = index + 1 == len(parts)
        slots = self._slots(holder, parts[index], ALL_VERBS, asked=True) if is_last and not reason else []
        if slots:
            self._wrap(path, stage, slots)
            self._note(path, child(holder, parts[index]), stage)
            return
        there = [] if reason else names_in(holder)
        near = close_names([parts[index]], (n for n in there if not is_last or self._slots(holder, n, ALL_VERBS)))
        self.missing.append(Missing(path, stage, tuple(".".join((*parts[:index], name)) for name in near)))
        self.hidden = self.hidden or reason

    def _root(self, path: str, parts: list[str]) -> tuple[object, int]:
        """What a path is followed from, and how many of its parts lead to that: the model, or a module."""
        module, colon, _ = path.partition(":")
        if not colon and child(self._model, parts[0]) is not ABSENT:
            return self._model, 0
        return imported(module.split(".") if colon else parts[:-1]) or (self._model, 0)

    def look_around(self) -> None:
        """Wrap what has a conventional name, and note the stages that nothing was found for."""
        owner, prefix = self._conventional_owner()
        if reason := barrier(owner):
            self.hidden = f"{prefix.rstrip('.')} is {reason}"
            return
        for component in COMPONENTS:
            self._look_for(component, owner, prefix, component.stage)
        self._look_for_covariances(owner, prefix)
        inside = [place for place in self._criteria if not barrier(place[1])]
        for component in LOSSES:
            for path, criterion, stage in (*inside, (prefix.rstrip("."), owner, known.LOSS)):
                here = f"{path}." if path else ""
                if self._look_for(component, criterion, here, f"{stage or known.LOSS}/{component.stage}"):
                    break
        self._note_missing((*COMPONENTS, COVARIANCES), owner, prefix, "")
        for path, criterion, stage in inside[:1]:
            self._note_missing(LOSSES, criterion, f"{path}.", f"{stage or known.LOSS}/")

    def _conventional_owner(self) -> tuple[nn.Module, str]:
        """The module with the conventional names, and its path: the model, or a module that it is built around."""
        owner, prefix = self._model, ""
        while not barrier(owner):
            most = max(1, len(self._stages_of(owner)))
            around = [(name, part) for name, part in owner.named_children() if name not in CONVENTIONAL_NAMES]
            inside = [(name, part) for name, part in around if len(self._stages_of(part)) > most]
            if len(inside) != 1:
                break
            name, part = inside[0]
            owner, prefix = part, f"{prefix}{name}."
        return owner, prefix

    def _stages_of(self, owner: nn.Module) -> set[str]:
        return {part.stage for part in COMPONENTS if any(self._slots(owner, n, VERBS[part.stage]) for n in part.names)}

    def _look_for(self, component: Component, owner: object, prefix: str, stage: str) -> bool:
        """Wrap the first of a component's names that is there."""
        for name in component.names:
            slots = self._slots(owner, name, VERBS[component.stage])
            if slots:
                self._wrap(prefix + name, stage, slots)
                self._note(prefix + name, child(owner, name), stage, self._taken.get(slots[0].key(), stage))
                return True
        return False

    def _look_for_covariances(self, owner: nn.Module, prefix: str) -> None:
        verbs = VERBS[known.COVARIANCE]
        for name in names_in(owner):
            if says_covariance(name) and (slots := self._slots(owner, name, verbs)):
                self._wrap(prefix + name, known.COVARIANCE, slots)
                self._found.add(known.COVARIANCE)
        types = [type(part) for part in owner.modules()]
        types += [type(value) for part in owner.modules() for value in vars(part).values()]
        for path, slot in self._code.covariances(types):
            if slot.is_replaceable() and self._may_change(slot):
                self._wrap(path, known.COVARIANCE, [slot])
                self._found.add(known.COVARIANCE)

    def _slots(self, holder: object, name: str, verbs: Iterable[str], asked: bool = False) -> list[Slot]:
        return [slot for slot in slots_of(holder, name, verbs) if self._may_change(slot, asked)]

    def _may_change(self, slot: Slot, asked: bool = False) -> bool:
        changed = slot.changed()
        return not changed or self._code.may_change(changed, asked)

    def _wrap(self, path: str, stage: str, slots: Iterable[Slot]) -> None:
        """Wrap what nobody has wrapped yet; what is left alone is only remembered."""
        wrapped = Wrapped(path, stage)
        for slot in slots:
            key, function = slot.key(), slot.function_key()
            if key in self._taken or (not slot.is_method() and self._taken.get(function) == ""):
                continue
            self._taken[key] = stage
            if slot.is_method() or not stage:
                self._taken.setdefault(function, stage)
            if stage:
                self.wrapping.wrap(slot, wrapped)
                # What is found there from now on is taken as well.
                self._taken[slot.key()] = stage
        # A function that another component holds as well is that component, found again.
        if wrapped.is_used:
            self.wrapped.append(wrapped)

    def _note(self, path: str, value: object, stage: str, announced: str = "") -> None:
        """Remember that a stage has a component, and where the losses may be."""
        own = stage.rpartition("/")[2]
        self._found.add(own)
        if own == known.LOSS and not is_function(value):
            self._criteria.append((path, value, announced or stage))

    def _note_missing(self, components: Iterable[Component], holder: object, prefix: str, parent: str) -> None:
        usual: dict[str, list[str]] = {}
        for component in components:
            usual.setdefault(component.stage, []).extend(component.names)
        there = [name for name in names_in(holder) if not self._is_taken(holder, name)]
        for stage, names in usual.items():
            if stage not in self._found:
                near = tuple(prefix + name for name in close_names(names, there))
                self.missing.append(Missing(prefix + names[0], parent + stage, near))

    def _is_taken(self, holder: object, name: str) -> bool:
        return any(slot.key() in self._taken for slot in self._slots(holder, name, ALL_VERBS))


def _parts(path: str) -> list[str]:
    return path.replace(":", ".").split(".")

"""Drop-ins put in the place of a model's components, with the settings of what they replace."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from torch import nn
from torch.utils.hooks import RemovableHandle

from paco_prof.conventions import ROLES
from paco_prof.errors import UsageError
from paco_prof.measure.user.components import child, close_names, names_in, undistributed
from paco_prof.measure.user.model import find_named
from paco_prof.measure.user.place import told
from paco_prof.measure.user.taking_over import Plain, TakenOver, take_over
from paco_prof.measure.user.wrapping import ABSENT
from paco_prof.records import Replacement

__all__ = ["replace_components", "with_answers"]

AWAY = "Leave this replacement away."


class _Place(NamedTuple):
    """Where a component stands.

    Attributes:
        path: from the model.
        holder: what it is an attribute or an entry of.
        name: of that.
    """

    path: str
    holder: Any
    name: str

    @property
    def component(self) -> Any:
        return child(self.holder, self.name)


def replace_components(model: nn.Module, replacements: Mapping[str, str]) -> tuple[Replacement, ...]:
    """Replace components of a model, inside of DataParallel or DistributedDataParallel too.

    A factory that has `in_place_of` is called so, with what it replaces. Any other is called with those of its
    parameters that what it replaces has as attributes, or its parts, or the model: by the same name, or by another name
    that PaCo-2 code has for the same. A module that it makes goes to the model's device and type.

    Args:
        model: it is changed.
        replacements: role (`criterion`, `matcher`, `sampler`, `pool`) or dotted path -> `module:factory`.

    Raises:
        UsageError: there is nothing to be replaced, or the drop-in cannot be made.
    """
    model = undistributed(model)
    return tuple(_replace(model, asked, by) for asked, by in replacements.items())


def with_answers(model: nn.Module, replaced: Replacement) -> Replacement:
    """A replacement with how many calls the drop-in has answered until now, where it learns to answer them."""
    holder, *names = [undistributed(model), *replaced.path.split(".")]
    for name in names:
        holder = child(holder, name)
    learner = getattr(holder, "__dict__", {}).get("_drop_in_learner")
    if learner is None:
        return replaced
    return replaced.model_copy(update={"answered": learner.num_answered, "asked": learner.num_asked})


def _replace(model: nn.Module, asked: str, by: str) -> Replacement:
    place = _role(model, asked) if asked in ROLES else _path(model, asked)
    factory = find_named(by)
    original = place.component
    settings = TakenOver()
    if callable(in_place_of := getattr(factory, "in_place_of", None)):
        made = _call(in_place_of, by, place.path, original)
    else:
        settings = take_over(factory, by, place.path, original, model)
        made = _call(factory, by, place.path, **settings.taken)
        if isinstance(made, nn.Module):
            _settle(made, original, model)
            _FirstCall(place.path, by).watch(made)
    if not callable(made):
        raise UsageError(f"{by} makes a {type(made).__name__} for {place.path}, which cannot be called.", AWAY)
    _put(place, made)
    return Replacement(path=place.path, by=by, taken=settings.taken, places=settings.places, left=tuple(settings.left))


def _role(model: nn.Module, role: str) -> _Place:
    """Where the component with a role stands: in the model, or in the one module inside of it that has such a one."""
    names = ROLES[role]
    found = [
        _Place(f"{prefix}.{name}" if prefix else name, part, name)
        for prefix, part in model.named_modules()
        for name in names
        if callable(child(part, name))
    ]
    own = [place for place in found if place.holder is model] or found
    if not own:
        hint = _nearest(names, model, "") or "Give its dotted path in the place of the role."
        raise UsageError(f"--replace {role}: the model has no {' and no '.join(names)}.", hint)
    if len({id(place.holder) for place in own}) > 1:
        paths = ", ".join(place.path for place in own)
        raise UsageError(f"--replace {role}: several parts of the model have one.", f"Name one of them: {paths}.")
    return own[0]


def _path(model: nn.Module, path: str) -> _Place:
    """Where a dotted path leads."""
    holder: Any = model
    *before, last = path.split(".")
    for number, name in enumerate([*before, last]):
        prefix = "".join(f"{part}." for part in before[:number])
        found = child(holder, name)
        if found is ABSENT:
            hint = _nearest([name, *(ROLES if number == 0 else ())], holder, prefix)
            raise UsageError(f"--replace {path}: there is no {prefix}{name} in the model.", hint or AWAY)
        if number < len(before):
            holder = found
    if not callable(found):
        raise UsageError(f"--replace {path}: it is a {type(found).__name__}, which nobody calls.", AWAY)
    return _Place(path, holder, last)


def _nearest(names: Iterable[str], holder: Any, prefix: str) -> str:
    near = close_names(names, names_in(holder))
    return f"Did you mean {', '.join(prefix + name for name in near)}?" if near else ""


def _call(make: Callable[..., Any], by: str, path: str, /, *args: Any, **settings: Plain) -> Any:
    try:
        return make(*args, **settings)
    except (Exception, SystemExit) as error:
        raise UsageError(f"{by} cannot be made for {path}: {told(error)}.", AWAY) from error


def _settle(made: nn.Module, original: Any, model: nn.Module) -> None:
    """Mode, device and type are the model's."""
    made.train(original.training if isinstance(original, nn.Module) else model.training)
    like = next((parameter for parameter in model.parameters() if parameter.is_floating_point()), None)
    if like is not None:
        made.to(device=like.device, dtype=like.dtype)


def _put(place: _Place, made: Any) -> None:
    """Let a component's name lead to another one.

    Raises:
        UsageError: it is of a kind that cannot be set.
    """
    holder, name = place.holder, place.name
    of_class = getattr(type(holder), name, None)
    if isinstance(of_class, property):
        raise UsageError(f"{place.path} cannot be replaced: it is a property.", AWAY)
    try:
        if isinstance(holder, (dict, nn.ModuleDict)):
            holder[name] = made
        elif isinstance(holder, list):
            holder[int(name)] = made
        elif isinstance(holder, nn.Module) and (callable(of_class) or not isinstance(made, nn.Module)):
            # What a class has is found before a submodule of that name, and only a module can be a submodule.
            holder._modules.pop(name, None)
            holder.__dict__[name] = made
        else:
            setattr(holder, name, made)
    except (AttributeError, TypeError) as error:
        raise UsageError(f"{place.path} cannot be replaced: {told(error)}.", AWAY) from error


class _FirstCall:
    """A hook on a drop-in that sees whether it takes what it is called with, once.

    Args:
        path: where it stands.
        by: `module:factory` that made it.
    """

    def __init__(self, path: str, by: str) -> None:
        self._path = path
        self._by = by
        self._handle: RemovableHandle | None = None

    def watch(self, made: nn.Module) -> None:
        self._handle = made.register_forward_pre_hook(self, with_kwargs=True)

    def __call__(self, made: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            inspect.signature(made.forward).bind(*args, **kwargs)
        except TypeError as error:
            raise UsageError(f"{self._path} is called with what {self._by} does not take: {error}.", AWAY) from error
        if self._handle is not None:
            self._handle.remove()

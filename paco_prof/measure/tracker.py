"""Follows a step through its stages, forward and backward, and cuts a timeline accordingly.

How backward is divided, on an unmodified model: autograd runs the nodes of a single device in strictly decreasing
order of creation, so what a forward stage recorded is worked off in one stretch, and the stretches follow each other
in reverse. A hook before the `grad_fn` of each of a stage's outputs fires as its stretch begins. Nodes that were
recorded between stages belong to the enclosing stage; those that another stage starts from are hooked on its behalf.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec

from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.utils.hooks import RemovableHandle

from paco_prof.measure.timeline import ROOT, Owner, Timeline
from paco_prof.stages import AUTOGRAD, Phase

__all__ = ["OpenStages", "StageTracker", "tensors_in"]


# Told at a glance to hold none.
_ATOMS = frozenset({int, float, bool, str, type(None)})


def tensors_in(values: object) -> list[Tensor]:
    """The tensors in any nesting of dicts, lists, tuples and dataclasses, and those that another object has at hand."""
    found: list[Tensor] = []
    _collect(values, found, set())
    return found


def _collect(values: object, found: list[Tensor], above: set[int]) -> None:
    """Add the tensors in `values`, which is inside of what `above` has the identities of: that is not entered again."""
    if isinstance(values, Tensor):
        found.append(values)
    elif type(values) not in _ATOMS and (inside := _inside(values)) and id(values) not in above:
        above.add(id(values))
        for value in inside:
            _collect(value, found, above)
        above.remove(id(values))


def _inside(values: object) -> Collection[object]:
    if isinstance(values, dict):
        return values.values()
    if isinstance(values, (list, tuple)):
        return values
    if isinstance(values, (type, nn.Module)):
        return ()
    if dataclasses.is_dataclass(values):
        return [getattr(values, field.name, None) for field in dataclasses.fields(values)]
    # A result of somebody's own class. What it refers to may be anything, a data set say: only its tensors are taken.
    if hasattr(values, "__dict__") and not callable(values):
        return [value for value in list(vars(values).values()) if isinstance(value, Tensor)]
    return ()


class OpenStages:
    """The stages that are open, innermost last, as the thread that made this object announces them.

    A stage that is entered while the innermost open one has its name is that stage: a function that calls itself, or
    a wrapper around code that announces itself. A name with parents, `loss/ce`, opens those of them that are not open.

    Other threads have their own order of things, in which nothing here would come out even: replicas of the model,
    and activations that are computed again while the backward pass runs. Who listens asks `is_elsewhere` first.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        # How many names each entry has added.
        self._added: list[int] = []
        self._thread = threading.get_ident()

    @property
    def path(self) -> str:
        """The innermost open stage with its parents; `ROOT` where none is open."""
        return "/".join(self._names)

    def is_elsewhere(self) -> bool:
        """Whether the caller is in another thread."""
        return threading.get_ident() != self._thread

    def enter(self, name: str) -> int:
        """Enter a stage; how many that opens, with its parents: none where it is open already."""
        if "/" in name:
            new = self._new(name.split("/"))
        else:
            new = [] if self._names and self._names[-1] == name else [name]
        self._names += new
        self._added.append(len(new))
        return len(new)

    def _new(self, names: list[str]) -> list[str]:
        """What is left of a name with parents without as much of it as the innermost open stages are."""
        depth = len(self._names)
        num_open = next(num for num in range(len(names), -1, -1) if self._names[depth - num : depth] == names[:num])
        return names[num_open:]

    def opened(self, num: int) -> Iterator[str]:
        """The paths of the innermost `num` open stages, outermost first."""
        for end in range(len(self._names) - num + 1, len(self._names) + 1):
            yield "/".join(self._names[:end])

    def exit(self) -> bool:
        """Leave the stage that was entered last; False where it is still open."""
        num = self._added.pop()
        del self._names[len(self._names) - num :]
        return num > 0


P = ParamSpec("P")


def _accounted(
    method: Callable[Concatenate[StageTracker, P], None],
) -> Callable[Concatenate[StageTracker, P], None]:
    """Add the time that a method takes to the tracker's own."""

    @wraps(method)
    def timed(self: StageTracker, /, *args: P.args, **kwargs: P.kwargs) -> None:
        start = time.perf_counter_ns()
        method(self, *args, **kwargs)
        self.own_ns += time.perf_counter_ns() - start

    return timed


class StageTracker:
    """A stage listener that cuts `timeline` at every change of stage, for one step.

    Attributes:
        calls: how many stretches each owner has.
        backward_whole: why backward cannot be divided by stage; empty where it can.
        own_ns: host time that the tracker itself has taken so far, in nanoseconds.
    """

    def __init__(self, timeline: Timeline[Any]) -> None:
        self._timeline = timeline
        self._open = OpenStages()
        self._phase: Phase = "other"
        self._is_taken_over = False
        self._claimed: dict[int, Node] = {}
        self._handles: list[RemovableHandle] = []
        self.calls: Counter[Owner] = Counter()
        self.backward_whole = ""
        self.own_ns = 0
        timeline.cut(Owner(ROOT, "other"))

    @_accounted
    def enter(self, name: str, inputs: object) -> None:
        """See `StageListener.enter`."""
        if self._phase == "backward":
            self.backward_whole = "activation checkpointing runs forward stages again inside backward"
        if self._open.is_elsewhere():
            return
        outer = self._open.path
        num = self._open.enter(name)
        if not num or self._phase == "backward":
            return
        # Claiming costs time that is not the stage's: it comes before the cut here and after it in `exit`.
        self._claim(inputs, outer)
        for path in self._open.opened(num):
            self._begin(Owner(path, self._phase))

    @_accounted
    def exit(self, outputs: object) -> None:
        """See `StageListener.exit`."""
        if self._open.is_elsewhere():
            return
        inner = self._open.path
        if not self._open.exit() or self._phase == "backward":
            return
        self._timeline.cut(self._here())
        self._claim(outputs, inner)

    @_accounted
    def enter_phase(self, phase: Phase) -> None:
        """See `StageListener.enter_phase`."""
        self._phase = phase
        self._begin(Owner(AUTOGRAD, "backward") if phase == "backward" else self._here())

    @_accounted
    def take_over(self, name: str) -> None:
        """See `StageListener.take_over`."""
        self._is_taken_over = True
        self._begin(Owner(name, self._phase))

    @_accounted
    def exit_phase(self) -> None:
        """See `StageListener.exit_phase`."""
        if self._phase == "backward":
            self._release()
        self._is_taken_over = False
        self._phase = "other"
        self._timeline.cut(self._here())

    def close(self) -> None:
        """The step is over."""
        self._release()
        self._timeline.close()

    def _here(self) -> Owner:
        return Owner(self._open.path, self._phase)

    def _begin(self, owner: Owner) -> None:
        if self._timeline.cut(owner):
            self.calls[owner] += 1

    def _claim(self, values: object, path: str) -> None:
        """Hook what nobody has claimed yet: it belongs to the stage `path`."""
        owner = Owner(path, "backward")
        for tensor in tensors_in(values):
            node = tensor.grad_fn
            if node is None or id(node) in self._claimed:
                continue
            if "CompiledFunction" in node.name():
                self.backward_whole = "torch.compile replaced the graph that the stages recorded"
            # Kept, so that the identity stays taken until backward is over.
            self._claimed[id(node)] = node
            self._handles.append(node.register_prehook(partial(self._reached, owner)))

    @_accounted
    def _reached(self, owner: Owner, _gradients: object) -> None:
        if not self._is_taken_over:
            self._begin(owner)

    def _release(self) -> None:
        # Whoever holds a node holds the graph behind it, whose release is a stage of its own.
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._claimed.clear()

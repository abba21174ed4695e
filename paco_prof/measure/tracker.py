"""Follows a step through its stages, forward and backward, and cuts a timeline accordingly.

How backward is divided, on an unmodified model: autograd runs the nodes of a single device in strictly decreasing
order of creation, so what a forward stage recorded is worked off in one stretch, and the stretches follow each other
in reverse. A hook before the `grad_fn` of each of a stage's outputs fires as its stretch begins. Nodes that were
recorded between stages belong to the enclosing stage; those that another stage starts from are hooked on its behalf.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec

from torch import Tensor
from torch.autograd.graph import Node
from torch.utils.hooks import RemovableHandle

from paco_prof.measure.timeline import ROOT, Owner, Timeline
from paco_prof.stages import AUTOGRAD, Phase

__all__ = ["StageTracker", "tensors_in"]


def tensors_in(values: object) -> Iterator[Tensor]:
    """The tensors in any nesting of dicts, lists, tuples and dataclasses."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, dict):
        for value in values.values():
            yield from tensors_in(value)
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from tensors_in(value)
    elif dataclasses.is_dataclass(values) and not isinstance(values, type):
        for field in dataclasses.fields(values):
            yield from tensors_in(getattr(values, field.name))


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
        self._path: list[str] = []
        self._phase: Phase = "other"
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
            self._path.append(name)
            return
        # Claiming costs time that is not the stage's: it comes before the cut here and after it in `exit`.
        self._claim(inputs)
        self._path.append(name)
        self._begin(self._here())

    @_accounted
    def exit(self, outputs: object) -> None:
        """See `StageListener.exit`."""
        inner = self._here()
        self._path.pop()
        if self._phase == "backward":
            return
        self._timeline.cut(self._here())
        self._claim(outputs, inner.path)

    @_accounted
    def enter_phase(self, phase: Phase) -> None:
        """See `StageListener.enter_phase`."""
        self._phase = phase
        self._begin(Owner(AUTOGRAD, "backward") if phase == "backward" else self._here())

    @_accounted
    def exit_phase(self) -> None:
        """See `StageListener.exit_phase`."""
        if self._phase == "backward":
            self._release()
        self._phase = "other"
        self._timeline.cut(self._here())

    def close(self) -> None:
        """The step is over."""
        self._release()
        self._timeline.close()

    def _here(self) -> Owner:
        return Owner("/".join(self._path), self._phase)

    def _begin(self, owner: Owner) -> None:
        if self._timeline.cut(owner):
            self.calls[owner] += 1

    def _claim(self, values: object, path: str | None = None) -> None:
        """Hook what nobody has claimed yet: it belongs to `path`, by default to the stage that is open."""
        owner = Owner("/".join(self._path) if path is None else path, "backward")
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
        self._begin(owner)

    def _release(self) -> None:
        # Whoever holds a node holds the graph behind it, whose release is a stage of its own.
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._claimed.clear()

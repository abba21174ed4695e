"""The criterion alone, on parts that are held fixed: the analysis's loss test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from paco_prof.measure.clock import Clock
from paco_prof.measure.losses import losses_of
from paco_prof.measure.pacing import Budget, Tick, is_precise
from paco_prof.measure.training import bare_step
from paco_prof.records import LossTest

__all__ = ["Call", "LossAlone", "capture_call"]


@dataclass
class Call:
    """What a module was called with; nothing, as long as it was not.

    Attributes:
        args, kwargs: in order, and by name.
        was_made: whether it was called at all.
    """

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    was_made: bool = False


@contextmanager
def capture_call(module: nn.Module | None) -> Iterator[Call]:
    """The arguments of the first call of `module`, if there is one, inside the block, tensors detached and copied."""
    captured = Call()
    if module is None:
        yield captured
        return

    def keep(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not captured.was_made:
            captured.args = tuple(_each(value, _detached) for value in args)
            captured.kwargs = {name: _each(value, _detached) for name, value in kwargs.items()}
            captured.was_made = True

    handle = module.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        yield captured
    finally:
        handle.remove()


class LossAlone:
    """Times the criterion forward without a graph, forward with one, and backward.

    Args:
        criterion: returns a dict with `total`, or the loss itself.
        call: how one step called it.
        clock: the device's.
    """

    def __init__(self, criterion: nn.Module, call: Call, clock: Clock) -> None:
        self._criterion = criterion
        self._call = call
        self._clock = clock
        self._rounds: list[tuple[float, float, float]] = []

    def measure(self, budget: Budget, tick: Tick) -> None:
        """Repeat until the budget says stop."""
        seconds = 0.0
        while budget.stop_reason(len(self._rounds), seconds, self._is_precise()) is None:
            self._rounds.append(self._round())
            seconds = sum(self._rounds[-1])
            tick(0.0)

    def result(self) -> LossTest | None:
        """The rounds so far; None before the first."""
        if not self._rounds:
            return None
        without_graph, with_graph, backward = zip(*self._rounds, strict=True)
        return LossTest(without_graph=without_graph, with_graph=with_graph, backward=backward)

    def _is_precise(self) -> bool:
        return bool(self._rounds) and all(is_precise(times) for times in zip(*self._rounds, strict=True))

    def _round(self) -> tuple[float, float, float]:
        args = [_each(value, _leaf) for value in self._call.args]
        kwargs = {name: _each(value, _leaf) for name, value in self._call.kwargs.items()}
        total: list[Tensor] = []

        def forward() -> None:
            total.append(losses_of(self._criterion(*args, **kwargs))["total"])

        with torch.no_grad():
            without_graph = bare_step(forward, self._clock)
        with_graph = bare_step(forward, self._clock)
        return without_graph, with_graph, bare_step(total[-1].backward, self._clock)


def _each(value: Any, do: Callable[[Tensor], Tensor]) -> Any:
    """A value with something done to each tensor in it, in any nesting of dicts, lists and tuples."""
    if isinstance(value, Tensor):
        return do(value)
    if isinstance(value, dict):
        return {name: _each(inner, do) for name, inner in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_each(inner, do) for inner in value))
    if isinstance(value, list | tuple):
        return type(value)(_each(inner, do) for inner in value)
    return value


def _detached(value: Tensor) -> Tensor:
    return value.detach().clone()


def _leaf(value: Tensor) -> Tensor:
    value = value.detach().clone()
    return value.requires_grad_() if value.is_floating_point() else value

"""The inference test: one view in eval mode, logits only."""

from __future__ import annotations

from collections.abc import Callable

from paco_prof.measure.clock import Clock
from paco_prof.measure.pacing import Budget, Tick, is_precise, warm_up
from paco_prof.measure.training import bare_step
from paco_prof.records import Inference

__all__ = ["InferenceTest"]


class InferenceTest:
    """Repeats a forward pass without a graph; what has been measured is there at any time.

    Args:
        infer: one batch's inference, its input already on the device.
        clock: the device's.
    """

    def __init__(self, infer: Callable[[], object], clock: Clock) -> None:
        self._infer = infer
        self._clock = clock
        self._all: list[float] = []
        self._num_warmup: int | None = None

    def measure(self, budget: Budget, tick: Tick) -> None:
        """Warm up, then repeat until the budget says stop."""

        def take() -> float:
            self._all.append(bare_step(self._infer, self._clock))
            tick(0.0)
            return self._all[-1]

        self._num_warmup = warm_up(take, self._clock.now, budget.deadline, None, budget.agree)
        while budget.stop_reason(len(self._runs), self._all[-1], is_precise(self._runs)) is None:
            take()

    def result(self) -> Inference | None:
        """The runs so far; None before the first measured one."""
        if not self._runs:
            return None
        return Inference(runs=tuple(self._runs), warmup=tuple(self._all[: self._num_warmup]))

    @property
    def _runs(self) -> list[float]:
        return [] if self._num_warmup is None else self._all[self._num_warmup :]

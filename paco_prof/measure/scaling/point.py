"""One launch of a measurement of growth while its steps are taken. Free of torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from paco_prof.measure.launch import Runner
from paco_prof.measure.pacing import Budget, is_precise, warm_up
from paco_prof.measure.scaling.work import Unit
from paco_prof.measure.steps import TimedStep, are_precise, training_record
from paco_prof.records import Environment, MachineState, Memory, ScalePoint, StopReason

__all__ = ["PointInProgress"]


@dataclass
class PointInProgress:
    """A launch; its record can be had at any time.

    Attributes:
        stop_reason: why there are no more steps; `interrupted` until its end was reached.
        memory, environment, machine: see `ScalePoint`.
    """

    unit: Unit
    stop_reason: StopReason = "interrupted"
    memory: Memory | None = None
    environment: Environment | None = None
    machine: MachineState | None = None
    _all: list[TimedStep] = field(default_factory=list)
    _num_warmup: int | None = None

    @property
    def steps(self) -> list[TimedStep]:
        """The measured steps so far; of a launch that ended while it warmed up, its last, which is better than none."""
        return self._all[-1:] if self._num_warmup is None else self._all[self._num_warmup :]

    @property
    def step_seconds(self) -> float | None:
        """What a step takes, about; None before the first."""
        return median(step.seconds for step in self.steps) if self.steps else None

    def warm_up(self, runner: Runner, now: Callable[[], float], end: float, *, keep_last: bool) -> None:
        """Take steps until they stop getting faster; `keep_last` lets settled ones count as measured."""

        def take() -> float:
            self._all.append(runner.step())
            return self._all[-1].seconds

        num = warm_up(take, now, end, asked=None)
        self._num_warmup = num if keep_last else len(self._all)

    def measure(self, runner: Runner, budget: Budget, tick: Callable[[], None]) -> None:
        """Take steps until the budget says why to stop."""
        while True:
            times = [step.seconds for step in self.steps]
            is_enough = is_precise(times) and are_precise(self.steps)
            reason = budget.stop_reason(len(times), self._all[-1].seconds, is_enough)
            if reason is not None:
                self.stop_reason = reason
                return
            self._all.append(runner.step())
            tick()

    def fail(self) -> None:
        """Its process has failed; a launch whose steps had come to their end before keeps its reason."""
        if self.stop_reason == "interrupted":
            self.stop_reason = "failed"

    def record(self) -> ScalePoint | None:
        """The launch so far; None before its first step."""
        if not self._all:
            return None
        steps = self.steps or self._all[-1:]
        warmup = [step.seconds for step in self._all[: len(self._all) - len(steps)]]
        return ScalePoint(
            contestant=self.unit.contestant,
            sizes=self.unit.sizes,
            round=self.unit.round,
            training=training_record(steps, warmup, self.stop_reason),
            memory=self.memory,
            environment=self.environment,
            machine=self.machine,
        )

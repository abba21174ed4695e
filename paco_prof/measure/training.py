"""Instrumented training steps, and their bare twins that tell what the instrument costs."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import torch

from paco_prof import stages
from paco_prof.measure.clock import Clock
from paco_prof.measure.neighbours import Neighbours
from paco_prof.measure.pacing import Budget, Tick, is_precise, warm_up
from paco_prof.measure.steps import TimedStep, seconds_by_row, training_record
from paco_prof.measure.timeline import Owner, Span, Timeline
from paco_prof.measure.tracker import StageTracker
from paco_prof.records import Overhead, StopReason, Training
from paco_prof.stages import listening
from paco_prof.stats.summary import SMALLEST_SHARE

__all__ = ["TrainingTest", "bare_step", "timed_step"]

RunStep = Callable[[], dict[str, torch.Tensor]]


def bare_step(run: Callable[[], object], clock: Clock) -> float:
    """Wall seconds of one call that nobody listens to, until the device is idle again."""
    clock.synchronize()
    start = clock.now()
    run()
    clock.synchronize()
    return clock.now() - start


def timed_step(run: RunStep, clock: Clock) -> TimedStep:
    """Take one step with the stage timer listening; the device is waited for once, after the step."""
    clock.synchronize()
    start = clock.now()
    timeline = Timeline(clock)
    tracker = StageTracker(timeline)
    with listening(tracker):
        losses = run()
    tracker.close()
    clock.synchronize()
    seconds = clock.now() - start
    spans: dict[Owner, Span] = {}
    for owner, span in timeline.pieces(clock.between):
        whole = bool(tracker.backward_whole) and owner.phase == "backward"
        key = Owner(stages.BACKWARD, "backward") if whole else owner
        spans[key] = _sum(spans[key], span) if key in spans else span
    values = {name: float(value) for name, value in losses.items()}
    return TimedStep(
        seconds, spans, dict(tracker.calls), values, tracker.own_ns / 1e9, clock.is_asynchronous, tracker.backward_whole
    )


def _sum(one: Span, other: Span) -> Span:
    device = None if one.device is None or other.device is None else one.device + other.device
    return Span(one.host + other.host, device)


class TrainingTest:
    """Training steps: a warm-up, then instrumented steps, each paired with a bare one.

    What has been measured is there at any time, whatever happens next.

    Args:
        run: takes one step, announcing its stages; returns its losses.
        clock: the device's.
        order: decides which of a pair goes first, so that a drift favours neither.
    """

    def __init__(self, run: RunStep, clock: Clock, order: random.Random) -> None:
        self._run = run
        self._clock = clock
        self._order = order
        self._all: list[TimedStep] = []
        self._num_warmup: int | None = None
        self._pairs: list[tuple[float, float]] = []
        self._other_busy_cores: float | None = None
        self._neighbours = Neighbours()
        # Until `measure` knows better: a process that is killed leaves a record that says so.
        self.stop_reason: StopReason = "interrupted"

    @property
    def steps(self) -> list[TimedStep]:
        """The measured steps so far."""
        return [] if self._num_warmup is None else self._all[self._num_warmup :]

    def warm_up(self, end: float, asked: int | None, keep_last: bool, tick: Tick) -> None:
        """Take steps until they stop getting faster, or as many as asked; `keep_last` lets settled ones count."""
        self._neighbours = Neighbours()

        def take() -> float:
            self._all.append(timed_step(self._run, self._clock))
            tick(0.0)
            return self._all[-1].seconds

        num = warm_up(take, self._clock.now, end, asked)
        self._num_warmup = num if keep_last else len(self._all)

    def measure(self, budget: Budget, tick: Tick) -> None:
        """Take pairs of steps until the budget says why to stop, and remember why."""
        pair_seconds = 0.0
        while True:
            reason = budget.stop_reason(len(self.steps), pair_seconds, self._is_precise())
            if reason is not None and (self._pairs or reason == "as asked"):
                self.stop_reason = reason
                return
            start = self._clock.now()
            self._take_pair()
            pair_seconds = self._clock.now() - start
            self._other_busy_cores = self._neighbours.busy_cores()
            tick(pair_seconds * max(0, budget.minimum - len(self.steps)))

    def fail(self) -> None:
        """What is measured has failed; steps that had come to their end before keep their reason."""
        if self.stop_reason == "interrupted":
            self.stop_reason = "failed"

    def training(self, loading: Sequence[float] = ()) -> Training | None:
        """The record of the steps so far, with what loading their batches took; None before the first."""
        # A run that ended inside its warm-up has its last step to show, which is better than nothing.
        steps = self.steps or self._all[-1:]
        if not steps:
            return None
        warmup = [step.seconds for step in self._all[: -len(steps)]]
        return training_record(steps, warmup, self.stop_reason, self._other_busy_cores, loading)

    def overhead(self) -> Overhead | None:
        """The pairs so far; None before the first."""
        if not self._pairs:
            return None
        instrumented, bare = zip(*self._pairs, strict=True)
        return Overhead(instrumented=instrumented, bare=bare)

    def _take_pair(self) -> None:
        bare_first = self._order.random() < 0.5
        bare = bare_step(self._run, self._clock) if bare_first else None
        self._all.append(timed_step(self._run, self._clock))
        if bare is None:
            bare = bare_step(self._run, self._clock)
        self._pairs.append((self._all[-1].seconds, bare))

    def _is_precise(self) -> bool:
        """True once the interval of every row above 1 % of the step is narrow: of each stage with all inside it."""
        steps = self.steps
        whole = sum(step.seconds for step in steps)
        rows = [seconds_by_row(step) for step in steps]
        series = [[row.get(name, 0.0) for row in rows] for name in {name for row in rows for name in row}]
        return bool(steps) and all(is_precise(times) for times in series if sum(times) > SMALLEST_SHARE * whole)

"""Instrumented training steps, and their bare twins that tell what the instrument costs."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import torch

from paco_prof.measure.clock import Clock, Span
from paco_prof.measure.neighbours import Neighbours
from paco_prof.measure.pacing import Budget, Tick, is_precise, warm_up
from paco_prof.measure.timeline import ROOT, Owner, Timeline
from paco_prof.measure.tracker import StageTracker
from paco_prof.records import Overhead, StageSamples, StopReason, Training
from paco_prof.stages import Phase, listening
from paco_prof.stats.summary import SMALLEST_SHARE

__all__ = ["BACKWARD_WHOLE", "TimedStep", "TrainingTest", "bare_step", "timed_step"]

# The stage that stands for all of backward where it cannot be divided.
BACKWARD_WHOLE = "backward"

RunStep = Callable[[], dict[str, torch.Tensor]]


@dataclass(frozen=True)
class TimedStep:
    """One instrumented step.

    Attributes:
        seconds: wall time, until the device was idle.
        spans: own time of each stage and phase, the step itself (`ROOT`) included.
        calls: stretches of each.
        losses: their values.
        own_seconds: host time that the instrument itself took.
        backward_whole: why backward was not divided; empty where it was.
    """

    seconds: float
    spans: dict[Owner, Span]
    calls: dict[Owner, int]
    losses: dict[str, float]
    own_seconds: float
    backward_whole: str = ""


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
        key = Owner(BACKWARD_WHOLE, "backward") if whole else owner
        spans[key] = _sum(spans[key], span) if key in spans else span
    values = {name: float(value) for name, value in losses.items()}
    return TimedStep(seconds, spans, dict(tracker.calls), values, tracker.own_ns / 1e9, tracker.backward_whole)


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

    def training(self) -> Training | None:
        """The record of the steps so far; None before the first."""
        # A run that ended inside its warm-up has its last step to show, which is better than nothing.
        steps = self.steps or self._all[-1:]
        if not steps:
            return None
        owners = {owner for step in steps for owner in step.spans if owner.path != ROOT}
        return Training(
            steps=tuple(step.seconds for step in steps),
            warmup=tuple(step.seconds for step in self._all[: -len(steps)]),
            phases={phase: tuple(_phase_seconds(step, phase) for step in steps) for phase in get_args(Phase)},
            stages=tuple(self._samples(owner, steps) for owner in sorted(owners, key=lambda o: (o.path, o.phase))),
            losses={name: tuple(step.losses[name] for step in steps) for name in steps[0].losses},
            stop_reason=self.stop_reason,
            backward_whole=next((step.backward_whole for step in steps if step.backward_whole), ""),
            other_busy_cores=self._other_busy_cores,
            instrument=tuple(step.own_seconds for step in steps),
        )

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
        rows = [_seconds_by_row(step) for step in steps]
        series = [[row.get(name, 0.0) for row in rows] for name in {name for row in rows for name in row}]
        return bool(steps) and all(is_precise(times) for times in series if sum(times) > SMALLEST_SHARE * whole)

    def _samples(self, owner: Owner, steps: list[TimedStep]) -> StageSamples:
        # A stage that a step never entered took no time in it.
        spans = [step.spans.get(owner, Span(0.0, 0.0)) for step in steps]
        return StageSamples(
            path=owner.path,
            phase=owner.phase,
            calls=max(step.calls.get(owner, 1) for step in steps),
            host=tuple(span.host for span in spans),
            device=tuple(span.device for span in spans) if self._clock.is_asynchronous else None,
        )


def _seconds(span: Span | None) -> float:
    if span is None:
        return 0.0
    # Where an event was lost the host's clock is the better guess.
    return span.host if span.device is None else span.device


def _seconds_by_row(step: TimedStep) -> dict[str, float]:
    """Seconds of each stage that has no parent, all phases and all stages inside it added up."""
    rows: dict[str, float] = defaultdict(float)
    for owner, span in step.spans.items():
        if owner.path != ROOT:
            rows[owner.path.split("/")[0]] += _seconds(span)
    return rows


def _phase_seconds(step: TimedStep, phase: Phase) -> float:
    return sum(_seconds(span) for owner, span in step.spans.items() if owner.phase == phase)

"""Instrumented training steps, and their bare twins that tell what the instrument costs."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import torch

from paco_prof import stages
from paco_prof.measure.clock import Clock
from paco_prof.measure.distributed.group import ALONE, Group
from paco_prof.measure.distributed.reduction import Reduced, Reduction, communication_of
from paco_prof.measure.neighbours import CpuTime, Neighbours
from paco_prof.measure.pacing import Budget, Tick, warm_up
from paco_prof.measure.steps import TimedStep, are_precise, training_record
from paco_prof.measure.timeline import Owner, Span, Timeline
from paco_prof.measure.tracker import StageTracker
from paco_prof.records import Communication, Overhead, StopReason, Training
from paco_prof.stages import listening

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
        # What is left of the pass for other ranks is known whichever graph backward has worked off.
        whole = bool(tracker.backward_whole) and owner.phase == "backward" and owner.path != stages.ALL_REDUCE
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
        group: of several ranks, all of which take the same steps, each beginning when all are ready.
        reduction: what averages gradients over them; None where nothing does.
    """

    def __init__(
        self,
        run: RunStep,
        clock: Clock,
        order: random.Random,
        group: Group = ALONE,
        reduction: Reduction | None = None,
    ) -> None:
        self._run = run
        self._clock = clock
        self._order = order
        self._group = group
        self._reduction = reduction
        self._reduced: list[Reduced | None] = []
        self._all: list[TimedStep] = []
        self._num_warmup: int | None = None
        self._pairs: list[tuple[float, float]] = []
        self._other_busy_cores: float | None = None
        self._neighbours = self._look_around()
        # Until `measure` knows better: a process that is killed leaves a record that says so.
        self.stop_reason: StopReason = "interrupted"

    @property
    def steps(self) -> list[TimedStep]:
        """The measured steps so far."""
        return [] if self._num_warmup is None else self._all[self._num_warmup :]

    def warm_up(self, end: float, asked: int | None, keep_last: bool, tick: Tick) -> None:
        """Take steps until they stop getting faster, or as many as asked; `keep_last` lets settled ones count."""
        self._neighbours = self._look_around()

        def take() -> float:
            self._take_timed()
            tick(0.0)
            return self._all[-1].seconds

        num = warm_up(take, self._clock.now, end, asked, self._group.agree)
        self._num_warmup = num if keep_last else len(self._all)

    def measure(self, budget: Budget, tick: Tick) -> None:
        """Take pairs of steps until the budget says why to stop, and remember why."""
        pair_seconds = 0.0
        while True:
            reason = budget.stop_reason(len(self.steps), pair_seconds, are_precise(self.steps))
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

    def communication(self) -> Communication | None:
        """The all-reduce of the steps that `training` tells of; None where nothing was reduced."""
        num = len(self.steps or self._all[-1:])
        end = len(self._all)
        return communication_of(self._reduced[end - num : end])

    def overhead(self) -> Overhead | None:
        """The pairs so far; None before the first."""
        if not self._pairs:
            return None
        instrumented, bare = zip(*self._pairs, strict=True)
        return Overhead(instrumented=instrumented, bare=bare)

    def _look_around(self) -> Neighbours:
        """Counts what others do from now on; ranks on this machine are no others."""
        return Neighbours([CpuTime(), *(CpuTime(pid) for pid in self._group.neighbours)])

    def _take_pair(self) -> None:
        bare_first = self._order.random() < 0.5
        bare = self._take_bare() if bare_first else None
        self._take_timed()
        if bare is None:
            bare = self._take_bare()
        self._pairs.append((self._all[-1].seconds, bare))

    def _take_bare(self) -> float:
        self._group.barrier()
        return bare_step(self._run, self._clock)

    def _take_timed(self) -> None:
        # Only ranks that begin together wait for each other in the step, where it can be seen, and not before it.
        self._group.barrier()
        if self._reduction is not None:
            self._reduction.begin()
        step = timed_step(self._run, self._clock)
        self._reduced.append(None if self._reduction is None else self._reduction.end())
        self._all.append(step)

"""One launch: two fresh processes, and steps taken from them in turns, in random order within a pair. Free of torch."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from paco_prof.measure.pacing import Budget, warm_up
from paco_prof.measure.steps import TimedStep, training_record
from paco_prof.measure.worker_handle import Ready, WorkerHandle
from paco_prof.records import Launch, MachineState, Memory, Side, StopReason
from paco_prof.stats.summary import CONFIDENCE, median_estimate

__all__ = ["MAX_PAIRS", "MIN_PAIRS", "LaunchInProgress", "Runner", "is_precise"]

# Taken whatever the clock says, and never more than: a launch is one number, however many pairs it rests on.
MIN_PAIRS = 3
MAX_PAIRS = 200
# A launch is precise where its median log ratio is known within 1 % to either side.
PRECISION = 0.01
# A step that takes so many times as long as the longest before it, and more than a while, will not come back.
PATIENCE_FACTOR = 20.0
LEAST_PATIENCE = 60.0


@dataclass
class Runner:
    """A worker with the steps that it has taken.

    Attributes:
        timeout: seconds that its start, and a step before any other, may take.
        warmup: wall seconds of the steps before the measured ones; empty until it is warm.
        longest: seconds of its longest step so far.
    """

    worker: WorkerHandle
    timeout: float
    warmup: list[float] = field(default_factory=list)
    longest: float = 0.0
    _ready: Ready | None = None

    def ready(self) -> Ready:
        """What its worker has built; the first call waits for it.

        Raises:
            WorkerError: it cannot build it.
        """
        if self._ready is None:
            self._ready = self.worker.ready(self.timeout)
        return self._ready

    def step(self) -> TimedStep:
        """Take a step.

        Raises:
            WorkerError: it cannot.
        """
        step = self.worker.step(self.patience)
        self.longest = max(self.longest, step.seconds)
        return step

    @property
    def patience(self) -> float:
        """Seconds to wait for a step."""
        if not self.longest:
            return self.timeout
        return min(self.timeout, max(LEAST_PATIENCE, PATIENCE_FACTOR * self.longest))

    def warm_up(self, now: Callable[[], float], end: float) -> None:
        """Take steps until they stop getting faster, unless that was done in an earlier launch."""
        if self.warmup:
            return

        def take() -> float:
            self.warmup.append(self.step().seconds)
            return self.warmup[-1]

        warm_up(take, now, end, asked=None)


@dataclass
class LaunchInProgress:
    """A launch while its steps are taken; its record can be had at any time.

    Attributes:
        contestant, round, halvings, sequential: see `Launch`.
        pairs: of a paired launch: the baseline's step, the variant's, and whether the baseline's was the first.
        blocks: of a sequential launch: the baseline's steps, and the variant's.
        baseline_first: of a sequential launch.
        stop_reason: why there are no more; `interrupted` until its end was reached.
        baseline_pid: the baseline's process.
    """

    contestant: int
    round: int
    halvings: int = 0
    sequential: bool = False
    pairs: list[tuple[TimedStep, TimedStep, bool]] = field(default_factory=list)
    blocks: tuple[list[TimedStep], list[TimedStep]] = field(default_factory=lambda: ([], []))
    baseline_first: bool = True
    warmups: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    stop_reason: StopReason = "interrupted"
    baseline_pid: int | None = None
    memories: tuple[Memory | None, Memory | None] = (None, None)
    machine: MachineState | None = None

    def take_pairs(
        self,
        baseline: Runner,
        variant: Runner,
        order: random.Random,
        budget: Budget,
        turn: Callable[[int], None],
        tick: Callable[[], None],
    ) -> None:
        """Take pairs until the budget says stop.

        Args:
            order: decides who goes first, so that a drift, or what one leaves in the caches, favours neither; of each
                two pairs it is either side once.
            turn: told whose turn it is, by its process id.
            tick: told after every pair.
        """
        self.warmups = (tuple(baseline.warmup), tuple(variant.warmup))
        seconds = 0.0
        while True:
            reason = budget.stop_reason(self.num_pairs, seconds, is_precise(self._log_ratios()))
            if reason is not None:
                self.stop_reason = reason
                return
            start = budget.now()
            is_second = self.num_pairs % 2 == 1
            baseline_first = not self.pairs[-1][2] if is_second else order.random() < 0.5
            self._take_pair(baseline, variant, baseline_first, turn)
            seconds = budget.now() - start
            tick()

    def take_block(
        self, runner: Runner, is_baseline: bool, budget: Budget, turn: Callable[[int], None], tick: Callable[[], None]
    ) -> StopReason:
        """Take steps of one side alone, for a sequential launch; returns why there are no more."""
        steps = self.blocks[0 if is_baseline else 1]
        warm = tuple(runner.warmup)
        self.warmups = (warm, self.warmups[1]) if is_baseline else (self.warmups[0], warm)
        seconds = 0.0
        while True:
            logs = [math.log(step.seconds) for step in steps]
            reason = budget.stop_reason(len(steps), seconds, is_precise(logs))
            if reason is not None:
                return reason
            turn(runner.worker.pid)
            steps.append(runner.step())
            seconds = steps[-1].seconds
            tick()

    def fail(self) -> None:
        """A process has failed; a launch that had come to its end before keeps its reason."""
        if self.stop_reason == "interrupted":
            self.stop_reason = "failed"

    def record(self) -> Launch | None:
        """The launch so far; None as long as there is nothing to compare."""
        steps = self.blocks
        if not self.sequential:
            steps = ([pair[0] for pair in self.pairs], [pair[1] for pair in self.pairs])
        if not all(steps):
            return None
        baseline, variant = (
            Side(training=training_record(side, warmup, self.stop_reason), memory=memory)
            for side, warmup, memory in zip(steps, self.warmups, self.memories, strict=True)
        )
        return Launch(
            contestant=self.contestant,
            round=self.round,
            halvings=self.halvings,
            sequential=self.sequential,
            baseline=baseline,
            variant=variant,
            baseline_first=(self.baseline_first,) if self.sequential else tuple(pair[2] for pair in self.pairs),
            machine=self.machine,
        )

    @property
    def num_pairs(self) -> int:
        """Pairs so far."""
        return len(self.pairs)

    def _take_pair(self, baseline: Runner, variant: Runner, baseline_first: bool, turn: Callable[[int], None]) -> None:
        """A pair counts as a whole or not at all, whenever it is interrupted."""
        pair: dict[bool, TimedStep] = {}
        for is_baseline in (baseline_first, not baseline_first):
            runner = baseline if is_baseline else variant
            turn(runner.worker.pid)
            pair[is_baseline] = runner.step()
        self.pairs.append((pair[True], pair[False], baseline_first))

    def _log_ratios(self) -> list[float]:
        return [math.log(baseline.seconds / variant.seconds) for baseline, variant, _ in self.pairs]


def is_precise(logs: list[float]) -> bool:
    """Whether the median of logarithms is known within 1 % to either side, with 95 % confidence."""
    if not logs:
        return False
    estimate = median_estimate(logs)
    width = max(estimate.high - estimate.median, estimate.median - estimate.low)
    return estimate.confidence >= CONFIDENCE and width <= PRECISION

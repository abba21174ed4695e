"""Searches for the largest batch that fits into memory, in processes that may run out of it. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import median
from typing import Literal

from paco_prof.measure.launch import Runner
from paco_prof.measure.scaling.expectation import Expectation
from paco_prof.measure.scaling.largest import (
    CONFIRMING_STEPS,
    Asked,
    Bounds,
    bounds_of,
    confirmation,
    next_trial,
    reason_of,
)
from paco_prof.measure.worker_process import MemoryLimit, WorkerError, WorkerHandle
from paco_prof.records import Environment, Largest, LargestReason, ScalePoint, ScaleRecord, Trial

__all__ = ["LargestSearch"]

# Whatever time is left: a process needs so many seconds to start.
LEAST_PATIENCE = 30.0
BATCH = ("batch_size",)


class LargestSearch:
    """The search for one variant.

    The batch alone changes; whatever else is varied is as the options have it.

    Args:
        record: whose points tell what fits already, and how long a step takes; trials that it holds are not made again.
        place: the variant's.
        end: when the search has to be over, on the clock `now`.
        now: seconds on the host's clock.
        start: starts the process of a trial, given the size and the limit of its memory; whoever starts it ends it.
    """

    def __init__(
        self,
        record: ScaleRecord,
        place: int,
        end: float,
        now: Callable[[], float],
        start: Callable[[int, MemoryLimit], WorkerHandle],
    ) -> None:
        self._plan = record.plan
        self._place = place
        self._end = end
        self._now = now
        self._start = start
        self._first = record.contestants[place].workload.batch_size
        self._device = record.contestants[place].workload.device
        before = next((each for each in record.largest if each.contestant == place), Largest(contestant=place))
        # Those that have shown nothing are made once more.
        self._trials = [trial for trial in before.trials if trial.reason in ("", "out of memory")]
        self._limit_bytes, self._of_device = before.limit_bytes, before.of_device
        self._expected = Expectation()
        self._start_seconds = 0.0
        self._known = 0
        self._known_peak: int | None = None
        if tuple(factor.name for factor in record.plan.factors) == BATCH:
            self._learn_from([point for point in record.points if point.contestant == place and point.is_complete])

    def _learn_from(self, points: list[ScalePoint]) -> None:
        for point in points:
            self._expected.learn(point.sizes, median(point.training.steps))
        if points:
            largest = max(points, key=lambda point: point.sizes)
            self._known = largest.sizes[0]
            memory = largest.memory
            self._known_peak = None if memory is None else memory.device_peak_bytes or memory.process_peak_bytes

    def next(self) -> Asked | None:
        """What is to be tried next; None where the search is over, or there is no time for more.

        What is known to fit is confirmed while there is time for that, even if it could be known more precisely.
        """
        asked = next_trial(self._trials, self._known, self._first, self._plan.largest_up_to)
        if asked is None:
            return None
        bounds = self._bounds()
        kept = 0 if bounds.too_large is None or asked.steps == CONFIRMING_STEPS else CONFIRMING_STEPS
        if self._is_time_for(asked, kept):
            return asked
        asked = confirmation(self._trials, bounds)
        return asked if asked is not None and self._is_time_for(asked) else None

    def attempt(self, asked: Asked) -> Environment | None:
        """Try it, and remember what came of it; where that was, as far as its process could tell."""
        begun = self._now()
        runner = Runner(self._start(asked.size, self._limit()), self._plan.timeout)
        runner.timeout = max(LEAST_PATIENCE, min(runner.timeout, self._end - begun))
        environment: Environment | None = None
        steps, detail = 0, ""
        reason: LargestReason | Literal[""] = ""
        try:
            ready = runner.ready()
            environment = ready.environment
            if ready.room_bytes is not None:
                self._limit_bytes, self._of_device = ready.room_bytes, ready.room_of_device
            self._start_seconds = max(self._start_seconds, self._now() - begun)
            while steps < asked.steps and (steps == 0 or self._now() < self._end):
                step = runner.step()
                steps += 1
            self._expected.learn((asked.size,), step.seconds)
            memory = runner.worker.memory(runner.timeout)
            peak = memory.device_peak_bytes or memory.process_peak_bytes
            if steps < asked.steps:
                reason = "time is up"
        except WorkerError as failure:
            reason, detail, peak = self._reason(failure), failure.detail, failure.peak_bytes
        trial = Trial(size=asked.size, steps=steps, fits=not reason, reason=reason, detail=detail, peak_bytes=peak)
        self._trials.append(trial)
        return environment

    def result(self, ended: LargestReason) -> Largest:
        """What is known so far.

        Args:
            ended: why there are no more trials, where they have not shown it.
        """
        bounds = self._bounds()
        mine = [trial for trial in self._trials if trial.size == bounds.fits and trial.fits]
        longest = max(mine, key=lambda trial: trial.steps, default=None)
        is_measured = longest is None and bounds.fits == self._known
        return Largest(
            contestant=self._place,
            size=bounds.fits or None,
            reason=reason_of(self._trials, bounds, self._plan.largest_up_to, ended),
            next_size=bounds.too_large,
            limit_bytes=self._limit_bytes,
            of_device=self._of_device,
            peak_bytes=longest.peak_bytes if longest else self._known_peak if is_measured else None,
            confirmed_steps=longest.steps if longest else 0,
            trials=tuple(self._trials),
        )

    def _limit(self) -> MemoryLimit:
        """The limit of all trials: what is available changes, and what was found so for the first holds for all."""
        if self._plan.memory_limit_bytes is not None:
            return self._plan.memory_limit_bytes
        return "available" if self._of_device else self._limit_bytes or "available"

    def _bounds(self) -> Bounds:
        return bounds_of(self._trials, min(self._known, self._plan.largest_up_to))

    def _is_time_for(self, asked: Asked, kept: int = 0) -> bool:
        """Whether a trial is likely to end in time, with so many steps kept for a confirmation."""
        if math.isinf(self._end):
            return True
        step = self._expected.seconds((asked.size,)) or 0.0
        num_starts = 2 if kept else 1
        return self._now() + num_starts * self._start_seconds + (asked.steps + kept) * step <= self._end

    def _reason(self, failure: WorkerError) -> LargestReason:
        """Why a trial has come to nothing. Where a limit holds, what runs into it need not find words for it."""
        if failure.kind == "hung":
            return "time is up"
        is_limited = not self._of_device and (self._limit_bytes is not None or self._device == "cpu")
        ran_out = failure.kind == "out of memory" or (failure.kind == "died" and is_limited)
        return "out of memory" if ran_out else "failed"

"""Searches for the largest batch that fits into memory, in processes that may run out of it. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import median
from typing import Literal

from paco_prof.measure.available_memory import available_bytes
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
from paco_prof.measure.scaling.running_out import kind_under, own_limit
from paco_prof.measure.scaling.work import is_unlike
from paco_prof.measure.worker_handle import MemoryLimit, Ready, WorkerError, WorkerHandle
from paco_prof.records import Largest, LargestReason, ScalePoint, ScaleRecord, Trial

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
        trial_seconds: that a trial has taken before, which is more than its start; 0 where nobody knows.
    """

    def __init__(
        self,
        record: ScaleRecord,
        place: int,
        end: float,
        now: Callable[[], float],
        start: Callable[[int, MemoryLimit], WorkerHandle],
        trial_seconds: float = 0.0,
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
        self._environment = before.environment
        if self._plan.memory_limit_bytes is None and self._limit_bytes is not None and not self._of_device:
            self._take_what_is_left(self._limit_bytes)
        self._expected = Expectation()
        self._start_seconds = trial_seconds
        self._known = 0
        self._known_peak: int | None = None
        if tuple(factor.name for factor in record.plan.factors) == BATCH:
            self._learn_from([point for point in record.points if point.contestant == place and point.is_complete])

    def _take_what_is_left(self, limit_bytes: int) -> None:
        """Go on with what was available when the search began, or with less where others have taken some of that. What
        was confirmed with more is then confirmed once more.
        """
        self._device = "cpu"
        self._limit_bytes = min(limit_bytes, available_bytes())
        if self._limit_bytes < limit_bytes:
            self._trials = [trial for trial in self._trials if not trial.fits or trial.steps < CONFIRMING_STEPS]

    def _learn_from(self, points: list[ScalePoint]) -> None:
        for point in points:
            self._expected.learn(point.sizes, median(point.training.steps))
        if points:
            largest = max(points, key=lambda point: point.sizes)
            self._known = largest.sizes[0]
            memory = largest.memory
            self._known_peak = None if memory is None else memory.device_peak_bytes or memory.process_peak_bytes

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to be learnt, whatever time there is."""
        return self._next() is None

    def next(self) -> Asked | None:
        """What is to be tried next; None where the search is over, or there is no time for more.

        What is known to fit is confirmed while there is time for that, even if it could be known more precisely.
        """
        asked = self._next()
        if asked is None:
            return None
        bounds = self._bounds()
        kept = 0 if bounds.too_large is None or asked.steps == CONFIRMING_STEPS else CONFIRMING_STEPS
        if self._is_time_for(asked, kept):
            return asked
        asked = confirmation(self._trials, bounds)
        return asked if asked is not None and self._is_time_for(asked) else None

    def attempt(self, asked: Asked) -> Ready | None:
        """Try it, and remember what came of it; what its process could tell of itself.

        Under what was available on another machine nothing is tried: this one is learnt, and the next trial is its own.
        """
        begun = self._now()
        limit = self._limit()
        runner = Runner(self._start(asked.size, limit), self._plan.timeout)
        runner.timeout = max(LEAST_PATIENCE, min(runner.timeout, self._end - begun))
        ready: Ready | None = None
        steps, detail = 0, ""
        reason: LargestReason | Literal[""] = ""
        try:
            ready = runner.ready()
            is_of_here = self._learn_place(ready, limit)
            self._start_seconds = max(self._start_seconds, self._now() - begun)
            if not is_of_here:
                return ready
            while steps < asked.steps and (steps == 0 or self._now() < self._end):
                step = runner.step()
                steps += 1
            self._expected.learn((asked.size,), step.seconds)
            memory = runner.worker.memory(runner.timeout)
            peak = memory.device_peak_bytes or memory.process_peak_bytes
            if steps < asked.steps:
                reason = "time is up"
        except WorkerError as failure:
            reason = self._reason(failure, own_limit(limit, ready, self._device))
            detail, peak = failure.detail, failure.peak_bytes
        trial = Trial(size=asked.size, steps=steps, fits=not reason, reason=reason, detail=detail, peak_bytes=peak)
        self._trials.append(trial)
        return ready

    def _learn_place(self, ready: Ready, limit: MemoryLimit) -> bool:
        """Where trials are made; those of another machine have shown nothing for this one, and what was available there
        is no limit here.

        Returns:
            Whether a trial under the limit would show something.
        """
        is_elsewhere = self._environment is not None and is_unlike(ready.environment, self._environment)
        if is_elsewhere:
            self._trials = []
        self._environment = ready.environment
        self._device = ready.contestant.workload.device
        if is_elsewhere and limit != "available" and self._plan.memory_limit_bytes is None:
            self._limit_bytes = None
            return False
        if ready.room_bytes is not None:
            self._limit_bytes, self._of_device = ready.room_bytes, ready.room_of_device
        return True

    def result(self, ended: LargestReason) -> Largest:
        """What is known so far.

        Args:
            ended: why there are no more trials, where they have not shown it.
        """
        bounds = self._bounds()
        mine = [trial for trial in self._trials if trial.size == bounds.fits and trial.fits]
        longest = max(mine, key=lambda trial: trial.steps, default=None)
        is_measured = longest is None and bounds.fits == self._known
        reason = reason_of(self._trials, bounds, self._plan.largest_up_to, ended)
        if ended == "interrupted" and not self.is_over:
            # What is known to fit is still to be confirmed.
            reason = ended
        return Largest(
            contestant=self._place,
            size=bounds.fits or None,
            reason=reason,
            next_size=bounds.too_large,
            limit_bytes=self._limit_bytes,
            of_device=self._of_device,
            peak_bytes=longest.peak_bytes if longest else self._known_peak if is_measured else None,
            confirmed_steps=longest.steps if longest else 0,
            trials=tuple(self._trials),
            environment=self._environment,
        )

    def _next(self) -> Asked | None:
        return next_trial(self._trials, self._known, self._first, self._plan.largest_up_to)

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

    def _reason(self, failure: WorkerError, limit: MemoryLimit) -> LargestReason:
        """Why a trial has come to nothing, under the limit that its process has set itself."""
        kind = kind_under(failure, limit)
        if kind == "out of memory":
            return kind
        # Who waits no longer because the search is over has learnt nothing of a process that may be well.
        return "time is up" if kind == "hung" and self._now() >= self._end else "failed"

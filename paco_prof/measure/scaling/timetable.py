"""How the time of a measurement of growth is shared out among its launches and searches. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from statistics import median

from paco_prof.measure.pacing import Budget
from paco_prof.measure.scaling.expectation import Expectation
from paco_prof.measure.scaling.work import Search, Unit, Work
from paco_prof.records import ScalePlan, ScaleRecord

__all__ = ["LEAST_STEPS", "MAX_STEPS", "MIN_STEPS", "ScaleTimetable", "least_steps"]

# Steps that a launch takes whatever the clock says, where one of them is not too long; and never more than.
MIN_STEPS = 3
MAX_STEPS = 200
LONG_STEP_SECONDS = 10.0
# A launch is not begun without time for so many: one to warm up with, and one that counts.
LEAST_STEPS = 2
# Steps that are likely, where something is only to be shown.
USUAL_STEPS = 8
SEARCH_SHARE = 0.5
WARMUP_SHARE = 0.25
MAX_WARMUP_SECONDS = 60.0


def least_steps(plan: ScalePlan) -> int:
    """How many steps there has to be time for, for a launch to begin."""
    return LEAST_STEPS + (plan.steps or 0)


class ScaleTimetable:
    """When launches and searches begin and end. All launches that are left get the same time, and so do all searches.

    Args:
        record: what is planned, and what has been measured already, which tells how long the rest will take.
        work: all that is to be done.
        now: seconds on the host's clock.
    """

    def __init__(self, record: ScaleRecord, work: Collection[Work], now: Callable[[], float]) -> None:
        self.now = now
        self._plan = record.plan
        self._start = now()
        seconds = math.inf if record.plan.max_seconds is None else record.plan.max_seconds
        self._deadline = self._start + seconds
        kinds = {type(piece) for piece in work}
        self._units_end = self._start + (SEARCH_SHARE * seconds if kinds == {Unit, Search} else seconds)
        self._start_seconds = 0.0
        self._expected = [Expectation() for _ in record.contestants]
        for point in record.points:
            self.learn_steps(point.contestant, point.sizes, median(point.training.steps))

    def is_time_for(self, unit: Unit) -> bool:
        """Whether a launch is likely to end in time with the fewest steps."""
        if math.isinf(self._units_end):
            return True
        step = self._expected[unit.contestant].seconds(unit.sizes)
        if step is None:
            # Somebody has to be the first of its kind.
            return self.now() < self._units_end or all(each.is_empty for each in self._expected)
        return self.now() + self._start_seconds + least_steps(self._plan) * step <= self._units_end

    def launch_end(self, num_left: int) -> float:
        """When the share of a launch that begins now is over, one of so many that are left."""
        return self.now() + max(0.0, self._units_end - self.now()) / max(1, num_left)

    def search_end(self, num_left: int) -> float:
        """When the share of a search that begins now is over, one of so many that are left."""
        return self.now() + max(0.0, self._deadline - self.now()) / max(1, num_left)

    def warm_until(self, until: float) -> float:
        """When warming up a process has to end, in a launch that ends at `until`."""
        return self.now() + min(MAX_WARMUP_SECONDS, WARMUP_SHARE * (until - self.now()))

    def budget(self, until: float, step_seconds: float) -> Budget:
        """When the steps of a launch end that take about so long."""
        if self._plan.steps is not None:
            return Budget(self.now, until, self._plan.steps, self._plan.steps)
        return Budget(self.now, until, MIN_STEPS if step_seconds <= LONG_STEP_SECONDS else 1, MAX_STEPS)

    def learn_start(self, seconds: float) -> None:
        """What it takes until a process is ready to take its first step."""
        self._start_seconds = max(self._start_seconds, seconds)

    def learn_steps(self, place: int, sizes: tuple[int, ...], seconds: float) -> None:
        """What a variant's step takes."""
        self._expected[place].learn(sizes, seconds)

    def progress(self, left: Collection[Unit]) -> tuple[float, float]:
        """Seconds since the beginning, and about how many until the end of the launches, with these left."""
        now = self.now()
        steps = [self._expected[unit.contestant].seconds(unit.sizes) or 0.0 for unit in left]
        seconds = sum(self._start_seconds + USUAL_STEPS * step for step in steps)
        return now - self._start, max(0.0, min(seconds, self._units_end - now))

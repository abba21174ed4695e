"""How a comparison's time is shared out among its launches. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Callable

from paco_prof.measure.launch import MAX_PAIRS, MIN_PAIRS
from paco_prof.measure.pacing import Budget
from paco_prof.records import ComparisonPlan

__all__ = ["Timetable"]

WARMUP_SHARE = 0.25
MAX_WARMUP_SECONDS = 60.0
# A comparison with float64 takes about as long as so many steps of the reference.
FIDELITY_STEPS = 4.0


class Timetable:
    """When launches begin and end. All launches that are left get the same time.

    Args:
        plan: how long everything may take, and how many pairs a launch has.
        now: seconds on the host's clock.
    """

    def __init__(self, plan: ComparisonPlan, now: Callable[[], float]) -> None:
        self.now = now
        self._plan = plan
        self._start = now()
        self._deadline = math.inf if plan.max_seconds is None else self._start + plan.max_seconds
        self._has_begun = False
        self._launch_seconds: list[float] = []
        self._least_seconds: dict[int, float] = {}

    def is_time_for(self, place: int) -> bool:
        """Whether a variant's launch would end in time with the fewest pairs; the very first one always does."""
        if not self._has_begun:
            return True
        known = [self._least_seconds[place]] if place in self._least_seconds else [*self._least_seconds.values()]
        return self.now() + max(known, default=0.0) <= self._deadline

    def begin(self, num_left: int) -> float:
        """A launch begins, one of so many that are left; when its share of the time is over."""
        self._has_begun = True
        return self.now() + max(0.0, self._deadline - self.now()) / max(1, num_left)

    def end(self, begun: float) -> None:
        """A launch that left something behind is over."""
        self._launch_seconds.append(self.now() - begun)

    def learn(self, place: int, least_seconds: float) -> None:
        """What a variant's launch takes at least."""
        self._least_seconds[place] = least_seconds

    def warm_until(self, until: float) -> float:
        """When warming up a process has to end, in a launch that ends at `until`."""
        return self.now() + min(MAX_WARMUP_SECONDS, WARMUP_SHARE * (until - self.now()))

    def budget(self, until: float, round_number: int, step_seconds: float) -> Budget:
        """When the steps of a launch end; in the first round what follows them takes its part."""
        compares = self._plan.fidelity and round_number == 0
        reserve = FIDELITY_STEPS * step_seconds if compares else 0.0
        return Budget(self.now, until - reserve, self._plan.pairs or MIN_PAIRS, self._plan.pairs or MAX_PAIRS)

    def progress(self, num_left: int) -> tuple[float, float]:
        """Seconds since the beginning, and about how many until the end, with so many launches left."""
        now = self.now()
        left = max(0.0, self._deadline - now)
        if self._launch_seconds:
            left = min(left, num_left * sum(self._launch_seconds) / len(self._launch_seconds))
        return now - self._start, 0.0 if math.isinf(left) else left

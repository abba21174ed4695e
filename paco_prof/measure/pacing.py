"""How many times to measure: until warm, until the intervals are narrow, or until the time is up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from paco_prof.records import StopReason
from paco_prof.stats.summary import CONFIDENCE, PRECISION, median_estimate

__all__ = ["Budget", "Tick", "by_itself", "is_precise", "is_settled", "warm_up"]

# Told after every repetition; the argument is how many seconds the part still needs at least.
Tick = Callable[[float], None]

WARM_TOLERANCE = 0.10


def by_itself(decision: Any) -> Any:
    """What a process decides that asks nobody."""
    return decision


@dataclass(frozen=True)
class Budget:
    """When to stop repeating something.

    Attributes:
        now: the host's clock, in seconds.
        deadline: on that clock; a repetition that would end after it is not begun.
        minimum: repetitions that are made whatever the clock says.
        maximum: repetitions that are never exceeded; None for no limit.
        agree: makes the decision one of several ranks, which all have to stop at the same time.
    """

    now: Callable[[], float]
    deadline: float
    minimum: int
    maximum: int | None = None
    agree: Callable[[Any], Any] = by_itself

    def stop_reason(self, done: int, last_seconds: float, is_precise: bool) -> StopReason | None:
        """Why to stop after `done` repetitions, the last of which took `last_seconds`; None to go on."""
        reason: StopReason | None = self.agree(self._reason(done, last_seconds, is_precise))
        return reason

    def _reason(self, done: int, last_seconds: float, is_precise: bool) -> StopReason | None:
        if self.maximum is not None and done >= self.maximum:
            return "as asked"
        if done < self.minimum:
            return None
        if is_precise:
            return "settled"
        return "time is up" if self.now() + last_seconds > self.deadline else None


def is_precise(samples: Sequence[float]) -> bool:
    """True once the median's interval has its full confidence and reaches at most 5 % to either side."""
    if not samples:
        return False
    estimate = median_estimate(samples)
    half_width = estimate.relative_half_width
    return estimate.confidence >= CONFIDENCE and half_width is not None and half_width <= PRECISION


def is_settled(times: Sequence[float]) -> bool:
    """True once a step is no more than 10 % faster than the one before; the first step never counts as warm."""
    return len(times) >= 3 and times[-1] >= (1 - WARM_TOLERANCE) * times[-2]


def warm_up(
    take: Callable[[], float],
    now: Callable[[], float],
    end: float,
    asked: int | None,
    agree: Callable[[Any], Any] = by_itself,
) -> int:
    """Repeat `take` until warm; returns how many of the repetitions to leave out.

    Asked for a number, that many are made and all are left out. Otherwise they go on until they have settled, or
    until another would end after `end` on the clock `now`; the last two settled ones are the evidence that the
    warm-up is over and count as measurements, and so does the last of an unfinished warm-up. `agree` makes each
    decision one of several ranks.
    """
    if asked is not None:
        for _ in range(asked):
            take()
        return asked
    times = [take()]
    while agree(not is_settled(times) and (len(times) < 2 or now() + times[-1] <= end)):
        times.append(take())
    return agree(len(times) - (2 if is_settled(times) else 1))

"""Whether launches keep to a bound: passed, failed, or not to be told.

A gate that asks "is it worse?" has two ways to be wrong, and an answer of its own for when it cannot know. It fails
where the launches reject that the bound is kept *and* the estimate lies beyond it by more than the smallest effect
that matters; it passes where the whole interval lies below that; anything else is inconclusive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from paco_prof.stats.ranks import Centre, centre, rank_sum_p_value, shift, signed_rank_p_value
from paco_prof.stats.summary import CONFIDENCE

__all__ = ["LEAST_LAUNCHES", "BoundTest", "Outcome", "beside_bound", "beside_sample", "least_launches", "level_of_look"]

Outcome = Literal["pass", "fail", "inconclusive"]

# With alpha of 0.01: the one-sided exact test over fewer launches never reaches it.
LEAST_LAUNCHES = 7
# What a logarithm of two times has beyond so many decimals is the rounding of doubles.
_DECIMALS = 12


@dataclass(frozen=True, slots=True)
class BoundTest:
    """Launches held against an upper bound.

    Attributes:
        value: the estimate (Hodges and Lehmann), in the unit of the launches' numbers.
        low, high: its interval; None where there are too few launches.
        confidence: of the interval, two-sided.
        p_above: one-sided, against the bound being kept.
        p_below: one-sided, against the bound being reached: how surely it is better than that.
        level: at which a failure is claimed.
        bound: the most that is allowed.
        limit: the bound and the smallest effect that matters beyond it.
        num_launches: how many it rests on.
    """

    value: float
    low: float | None
    high: float | None
    confidence: float
    p_above: float
    p_below: float
    level: float
    bound: float
    limit: float
    num_launches: int

    @property
    def outcome(self) -> Outcome:
        """What the launches say."""
        if self.num_launches < LEAST_LAUNCHES:
            return "inconclusive"
        if self.p_above <= self.level and self.value > self.limit:
            return "fail"
        return "pass" if self.high is not None and self.high <= self.limit else "inconclusive"

    @property
    def improved(self) -> bool:
        """Whether it is established to be better than the bound, by more than the smallest effect."""
        return (
            self.num_launches >= LEAST_LAUNCHES
            and self.p_below <= self.level
            and self.value < 2 * self.bound - self.limit
        )


def beside_bound(values: Sequence[float], bound: float, slack: float, level: float) -> BoundTest:
    """Hold launches, a number each, against a bound from above, by the exact signed-rank test.

    Assumption: the numbers lie symmetrically about their middle.

    Args:
        bound: in the unit of the values.
        slack: how far beyond it a value has to be to matter.

    Raises:
        ValueError: no values, or one that is not finite.
    """
    # Rounded after the bound was taken off: equal distances from it are ties, whatever the bound.
    beyond = _rounded([value - bound for value in values])
    return _test(
        centre((beyond + bound).tolist(), CONFIDENCE),
        signed_rank_p_value(beyond.tolist()),
        signed_rank_p_value((-beyond).tolist()),
        (level, bound, slack, len(values)),
    )


def beside_sample(before: Sequence[float], after: Sequence[float], slack: float, level: float) -> BoundTest:
    """Hold launches against others that were taken before, by the exact rank-sum test; the bound is no shift.

    Assumption: but for a shift, launches of then and now have the same distribution.

    Raises:
        ValueError: no values on one side, or one that is not finite.
    """
    one, other = _rounded(before), _rounded(after)
    return _test(
        shift(one.tolist(), other.tolist(), CONFIDENCE),
        rank_sum_p_value(one.tolist(), other.tolist()),
        rank_sum_p_value(other.tolist(), one.tolist()),
        (level, 0.0, slack, min(len(one), len(other))),
    )


def level_of_look(alpha: float, num_launches: int, first_look: int | None) -> float:
    """The level of the look that so many launches are judged at.

    Two planned looks share alpha equally, whatever they show. A gate whose time is up before its first look looks once
    only, and has all of it: how many launches there was time for does not depend on what they say.
    """
    return alpha if first_look is None or num_launches < first_look else alpha / 2


def least_launches(level: float) -> int:
    """The fewest launches with which the one-sided signed-rank test reaches a level."""
    return math.ceil(-math.log2(level))


def _test(middle: Centre, p_above: float, p_below: float, terms: tuple[float, float, float, int]) -> BoundTest:
    level, bound, slack, num = terms
    return BoundTest(
        value=middle.value,
        low=middle.low,
        high=middle.high,
        confidence=CONFIDENCE,
        p_above=p_above,
        p_below=p_below,
        level=level,
        bound=bound,
        limit=bound + slack,
        num_launches=num,
    )


def _rounded(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    numbers = np.round(np.asarray(values, dtype=float), _DECIMALS)
    if len(numbers) == 0 or not np.isfinite(numbers).all():
        raise ValueError("a bound is held against finite numbers, one a launch, at least one of them")
    return numbers

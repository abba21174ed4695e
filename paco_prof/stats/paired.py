"""The judgement of a ratio of two times, from launches: how much faster, how surely, and whether to claim it.

A launch is one fresh pair of processes, and yields one number: its effect. Launches are what is replicated: the steps
of one launch share its memory layout, its clock frequency and its neighbours, so that a test over steps takes the luck
of a launch for a difference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Literal

import numpy as np
from scipy.special import ndtr, stdtr, stdtrit

from paco_prof.stats.ranks import Floats, centre, signed_rank_p_value
from paco_prof.stats.summary import CONFIDENCE

__all__ = ["ALPHA", "RatioEstimate", "holm", "judge", "launch_effect", "launches_for_exact_test", "launches_needed"]

ALPHA = 0.01

_LEAST_EXACT_LAUNCHES = 8
_LEAST_OF_ORDER = 5
# That the effects are normal is taken on trust, so Student's test has to be twice as sure.
_TRUST = 0.5
# Beyond this many decimals, the logarithm of a ratio of times is the rounding of doubles. Without it, the same
# times in another unit would break ties and make a spread of 1e-16 out of none.
_DECIMALS = 12
_POWER = 0.8
_MOST_LAUNCHES = 99
# Of the signed-rank test relative to Student's, at normal effects (Hodges and Lehmann, 1956).
_SIGNED_RANK_EFFICIENCY = 3 / math.pi


@dataclass(frozen=True, slots=True)
class RatioEstimate:
    """How many times faster the variant is than the baseline, with an interval and a test.

    Attributes:
        log_ratio: estimate of the natural logarithm of baseline time over variant time; positive: variant is faster.
        log_low, log_high: ends of its interval; None where the launches support none with this confidence (a single
            launch, or too few that all agree to the last digit).
        confidence: the least probability that such an interval holds the true value, under the test's assumption.
        p_value: two-sided, against a ratio of 1; None for a single launch.
        num_launches: how many launches it rests on.
        test: what the interval and the p-value come from; `judge` says what each assumes.
        alpha: the level at which a difference is claimed.
    """

    log_ratio: float
    log_low: float | None
    log_high: float | None
    confidence: float
    p_value: float | None
    num_launches: int
    test: Literal["none", "student", "signed-rank"]
    alpha: float

    @property
    def ratio(self) -> float:
        """The speed-up: baseline time over variant time."""
        return _exp(self.log_ratio)

    @property
    def low(self) -> float | None:
        """Lower end of the speed-up's interval; 0 where it is too small for a float."""
        return None if self.log_low is None else _exp(self.log_low)

    @property
    def high(self) -> float | None:
        """Upper end of the speed-up's interval; infinite where it is too large for a float."""
        return None if self.log_high is None else _exp(self.log_high)

    @property
    def established(self) -> bool:
        """Whether the test rejects a ratio of 1 at alpha. That the difference also matters is another question."""
        return self.p_value is not None and self.p_value <= self.alpha

    @property
    def inverse(self) -> RatioEstimate:
        """The same judgement with baseline and variant swapped."""
        low, high = (None if end is None else -end for end in (self.log_high, self.log_low))
        return replace(self, log_ratio=-self.log_ratio, log_low=low, log_high=high)


def launch_effect(
    baseline: Sequence[float],
    variant: Sequence[float],
    paired: bool = True,
    baseline_first: Sequence[bool] = (),
) -> float:
    """The one number of a launch: the median of log(baseline / variant); positive where the variant is faster.

    Whoever goes first in a pair may be at an advantage: half the time its own step came before it, and never that of
    the one that goes second (1.4 % of a step of 35 ms on two cores, with equal sides). So the pairs of either order
    have a median of their own, and the effect is the middle of the two; where either order has fewer than five pairs,
    whose median one outlier would move, it is the median of all.

    Arguments:
        baseline, variant: times of the steps of one launch, in any unit that both share.
        paired: whether the i-th times of both belong together. If not, the effect is the median logarithm of the
            baseline less that of the variant.
        baseline_first: for each pair, whose step was taken first; empty where nobody knows.

    Raises:
        ValueError: no times, times that are not positive and finite, or pairs of which one half is missing.
    """
    if paired and len(baseline) != len(variant):
        raise ValueError(f"pairs need as many baseline times as variant times, not {len(baseline)} and {len(variant)}")
    before, after = _log_times(baseline), _log_times(variant)
    # A difference of logarithms changes nothing but its sign when the sides are swapped; that of a quotient may not.
    if not paired:
        return float(np.median(before) - np.median(after))
    ratios, is_first = before - after, np.asarray(baseline_first, dtype=bool)
    if len(is_first) == len(ratios) and min(is_first.sum(), (~is_first).sum()) >= _LEAST_OF_ORDER:
        return float((np.median(ratios[is_first]) + np.median(ratios[~is_first])) / 2)
    return float(np.median(ratios))


def judge(effects: Sequence[float], alpha: float = ALPHA, confidence: float = CONFIDENCE) -> RatioEstimate:
    """What launches say about the ratio, one effect each (see `launch_effect`).

    The number of launches and alpha choose the method, never the size of the effects:

    - 1 launch: its ratio. Nothing is established, since the noise between launches is unknown.
    - 2 to 7: the mean, with Student's interval and t-test over launches (Student, 1908). Assumption: *normality* of the
      effects. Tails heavier than normal make it careful, lopsided effects can make it rash; a difference is claimed at
      half of alpha, which the estimate's own alpha says.
    - 8 or more: the median of the Walsh averages (Hodges and Lehmann, 1963), an interval whose ends are Walsh averages,
      and the exact signed-rank test (Wilcoxon, 1945). Assumption: *symmetry* of the effects about their middle, which
      holds for equal variants whose order is drawn at random. Eight is the least with which the test can reach 0.01;
      for an alpha below 2 / 2^8 the change is where the test can reach that, at `launches_for_exact_test(alpha)`.

    Effects that are all equal are judged by the signed-rank test however few they are: equal launches come from a clock
    too coarse to show their spread, not from a spread of zero, which would let Student's test claim anything. Fewer
    than eight of them establish nothing at 0.01. Effects are rounded to 1e-12 first.

    Raises:
        ValueError: no effects, an effect that is not finite, or a level that is not between 0 and 1.
    """
    _check_level("alpha", alpha)
    _check_level("confidence", confidence)
    values = _rounded(effects)
    if len(values) == 1:
        return RatioEstimate(float(values[0]), None, None, confidence, None, 1, "none", alpha)
    if len(values) >= launches_for_exact_test(alpha) or values[0] == values[-1]:
        return _judge_by_ranks(values, alpha, confidence)
    return _judge_by_student(values, _TRUST * alpha, confidence)


def holm(p_values: Sequence[float | None], alpha: float = ALPHA) -> tuple[bool, ...]:
    """Which of several comparisons are established, if all together may raise one false alarm with probability alpha.

    The smallest p-value is held against alpha / m, the next against alpha / (m - 1), and so on until one fails
    (Holm, 1979); any dependence between the comparisons is allowed. None, a comparison with no test, counts among the m
    and is never established. The signed-rank test of eight launches reaches 0.0078 and no less, which is never enough
    for two comparisons at 0.01: give `judge` an alpha of alpha / m, and launch `launches_for_exact_test(alpha / m)`
    times or more.

    Raises:
        ValueError: a p-value that is not in [0, 1], or an alpha that is not between 0 and 1.
    """
    _check_level("alpha", alpha)
    if any(p is not None and not 0 <= p <= 1 for p in p_values):
        raise ValueError("a p-value lies between 0 and 1")
    tested = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    established = [False] * len(p_values)
    for num_before, (p, index) in enumerate(tested):
        if p > alpha / (len(p_values) - num_before):
            break
        established[index] = True
    return tuple(established)


def launches_for_exact_test(alpha: float = ALPHA) -> int:
    """The number of launches from which `judge` uses the signed-rank test, whose least p-value is 2 / 2^launches.

    Raises:
        ValueError: alpha is not between 0 and 1.
    """
    _check_level("alpha", alpha)
    return max(_LEAST_EXACT_LAUNCHES, _least_exact(alpha))


def launches_needed(effects: Sequence[float], alpha: float = ALPHA) -> int | None:
    """About how many launches in all would probably establish a difference of this size amid noise of this size.

    A rough guide for planning another comparison: it gives Student's test 80 % power (noncentral t distribution), the
    signed-rank test 3 / pi of its efficiency, and takes the estimate and its noise for the truth, which few launches
    know badly. Never fewer than one more than there are where these establish nothing. It is no licence to launch on
    until the test agrees: that makes false alarms certain in the end.

    Returns:
        None where a single launch leaves the noise unknown, or where it would take more than 99: the difference is
        about zero, as far as anyone can afford to tell.

    Raises:
        ValueError: as for `judge`.
    """
    estimate = judge(effects, alpha)
    size = abs(estimate.log_ratio)
    if estimate.num_launches == 1 or size == 0:
        return None
    noise = stdev(_rounded(effects).tolist())
    least = 2 if estimate.established else estimate.num_launches + 1
    if noise == 0:
        enough: int | None = max(least, _least_exact(alpha))
    else:
        candidates = range(least, _MOST_LAUNCHES + 1)
        enough = next((num for num in candidates if _power(size / noise, num, alpha) >= _POWER), None)
    return enough if enough is not None and enough <= _MOST_LAUNCHES else None


def _judge_by_student(values: Floats, alpha: float, confidence: float) -> RatioEstimate:
    """Mean, interval and test over launches whose effects are about normal and not all equal."""
    num = len(values)
    # Both are rounded once, from exact sums, so that neither the order nor the sign of the effects shows.
    mean, error = fmean(values), stdev(values.tolist()) / math.sqrt(num)
    reach = float(stdtrit(num - 1, (1 + confidence) / 2)) * error
    p_value = 2 * float(stdtr(num - 1, -abs(mean) / error))
    return RatioEstimate(mean, mean - reach, mean + reach, confidence, p_value, num, "student", alpha)


def _judge_by_ranks(values: Floats, alpha: float, confidence: float) -> RatioEstimate:
    """Hodges-Lehmann estimate, its interval and the signed-rank test over effects that are symmetric in law."""
    middle = centre(values.tolist(), confidence)
    sides = signed_rank_p_value(values.tolist()), signed_rank_p_value((-values).tolist())
    p_value = min(1.0, 2 * min(sides))
    return RatioEstimate(middle.value, middle.low, middle.high, confidence, p_value, len(values), "signed-rank", alpha)


def _least_exact(alpha: float) -> int:
    """The fewest launches with which the signed-rank test can reach alpha at all."""
    return math.ceil(1 - math.log2(alpha))


def _power(standardized: float, num: int, alpha: float) -> float:
    """About the probability that so many launches establish an effect of so many standard deviations.

    Noncentral t by a normal approximation (Abramowitz and Stegun, 26.7.10), about 0.02 off around 80 % at worst.
    The distribution itself is not computed reliably for large effects (scipy 1.17 gives NaN for some).
    """
    is_exact = num >= launches_for_exact_test(alpha)
    efficiency, level = (_SIGNED_RANK_EFFICIENCY, alpha) if is_exact else (1.0, _TRUST * alpha)
    noncentrality = standardized * math.sqrt(num * efficiency)
    freedom = num - 1
    critical = float(stdtrit(freedom, 1 - level / 2))
    shortfall = critical * (1 - 1 / (4 * freedom)) - noncentrality
    return float(ndtr(-shortfall / math.sqrt(1 + critical**2 / (2 * freedom))))


def _rounded(effects: Sequence[float]) -> Floats:
    """The effects in ascending order, without the digits that are rounding."""
    values = np.asarray(effects, dtype=float)
    if len(values) == 0:
        raise ValueError("a judgement needs at least one launch")
    if not np.isfinite(values).all():
        raise ValueError("the effect of a launch is a finite number")
    return np.sort(np.round(values, _DECIMALS))


def _log_times(times: Sequence[float]) -> Floats:
    values = np.asarray(times, dtype=float)
    if len(values) == 0:
        raise ValueError("the effect of a launch needs at least one time on each side")
    if not (np.isfinite(values) & (values > 0)).all():
        raise ValueError("times are positive and finite")
    return np.log(values)


def _check_level(name: str, level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"{name} lies between 0 and 1, not at {level}")


def _exp(exponent: float) -> float:
    """The exponential, infinite where it overflows: two launches apart can have an interval that is practically all."""
    try:
        return math.exp(exponent)
    except OverflowError:
        return math.inf

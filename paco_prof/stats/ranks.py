"""Rank statistics of small samples, exact: of numbers about zero, and of two samples beside each other.

The estimate of either is that of Hodges and Lehmann (1963), and its interval encloses just those values that the test
would not reject; so an interval, a test and an estimate never disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Centre", "Floats", "centre", "rank_sum_p_value", "shift", "signed_rank_p_value"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Centre:
    """The middle of a sample, or what one sample is shifted by against another.

    Attributes:
        value: the estimate.
        low, high: ends of its interval; None where the sample is too small for one with the confidence.
    """

    value: float
    low: float | None
    high: float | None


def centre(values: Sequence[float], confidence: float) -> Centre:
    """The median of the Walsh averages (Hodges and Lehmann, 1963), with the interval of the signed-rank test.

    The number of positive Walsh averages is the signed-rank statistic (Tukey, 1949). Its distribution is that without
    ties: where many values are tied, which times are not, the interval may be a little too narrow. Assumption: symmetry
    about the middle.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    num = len(ordered)
    first, second = np.triu_indices(num)
    averages = np.sort((ordered[first] + ordered[second]) / 2)
    untied = _signed_rank_null(2 * np.arange(1, num + 1))[::2]
    return _centre(averages, untied, confidence)


def signed_rank_p_value(values: Sequence[float]) -> float:
    """How probable, at most, so few or so small values below zero are if values lie symmetrically about zero or below.

    One-sided (Wilcoxon, 1945), exact given the sizes of the values. Equal sizes share the middle of their ranks; zeros
    are ranked with the others and then left out (Pratt, 1959), since leaving them out first can turn more evidence into
    a larger p-value.
    """
    numbers = np.asarray(values, dtype=float)
    doubled = _doubled_ranks(np.abs(numbers))
    below = int(doubled[numbers < 0].sum())
    chances = _signed_rank_null(doubled[numbers != 0])
    return min(1.0, float(chances[: below + 1].sum()))


def shift(first: Sequence[float], second: Sequence[float], confidence: float) -> Centre:
    """By how much the second sample lies above the first: the median of all differences, with the rank-sum interval.

    Assumption: both have the same distribution but for the shift (Hodges and Lehmann, 1963; Moses, 1965).
    """
    differences = np.sort(np.subtract.outer(np.asarray(second, dtype=float), np.asarray(first, dtype=float)).ravel())
    num = len(first) + len(second)
    sums = _rank_sum_null(2 * np.arange(1, num + 1), len(second))[::2]
    # The least sum of ranks is that of the first few; above it the statistic counts from zero.
    least = len(second) * (len(second) + 1) // 2
    return _centre(differences, sums[least:], confidence)


def rank_sum_p_value(first: Sequence[float], second: Sequence[float]) -> float:
    """How probable, at most, so large ranks of the second sample are if it does not lie above the first.

    One-sided (Wilcoxon, 1945; Mann and Whitney, 1947), exact given the ties.
    """
    doubled = _doubled_ranks(np.concatenate([np.asarray(first, dtype=float), np.asarray(second, dtype=float)]))
    chances = _rank_sum_null(doubled, len(second))
    return min(1.0, float(chances[int(doubled[len(first) :].sum()) :].sum()))


def _centre(ordered: Floats, chances: Floats, confidence: float) -> Centre:
    """The median of ordered values, and the narrowest symmetric pair of them that has the confidence.

    Args:
        chances: the null distribution of how many of them are positive, from none on.
    """
    depth = int(np.count_nonzero(2 * np.cumsum(chances) <= 1 - confidence))
    value = float(np.median(ordered))
    if depth == 0:
        return Centre(value, None, None)
    return Centre(value, float(ordered[depth - 1]), float(ordered[-depth]))


def _doubled_ranks(values: Floats) -> npt.NDArray[np.intp]:
    """Twice the rank of each value; the places that equal ones take run from left + 1 to right, so that twice their
    middle is a whole number.
    """
    ascending = np.sort(values)
    left, right = np.searchsorted(ascending, values, "left"), np.searchsorted(ascending, values, "right")
    ranks: npt.NDArray[np.intp] = left + right + 1
    return ranks


def _signed_rank_null(doubled_ranks: npt.NDArray[np.intp]) -> Floats:
    """Probability of every sum of doubled ranks (the index) if each is counted or not by the toss of a coin."""
    chances = np.zeros(int(doubled_ranks.sum()) + 1)
    chances[0] = 1.0
    for rank in doubled_ranks:
        counted = np.zeros_like(chances)
        counted[rank:] = chances[:-rank]
        chances = (chances + counted) / 2
    return chances


def _rank_sum_null(doubled_ranks: npt.NDArray[np.intp], num: int) -> Floats:
    """Probability of every sum of doubled ranks (the index) if `num` of them are drawn by lot."""
    ways = np.zeros((num + 1, int(doubled_ranks.sum()) + 1))
    ways[0, 0] = 1.0
    for seen, rank in enumerate(doubled_ranks):
        for drawn in range(min(seen + 1, num), 0, -1):
            ways[drawn, rank:] += ways[drawn - 1, :-rank]
    chances: Floats = ways[num] / ways[num].sum()
    return chances

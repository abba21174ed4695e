"""Rank statistics against scipy, against counting by hand, and against what they must not depend on."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from paco_prof.stats.ranks import centre, rank_sum_p_value, shift, signed_rank_p_value

EFFECTS = st.lists(st.integers(-40, 40).map(float), min_size=1, max_size=9)


def signed_rank_by_counting(values: list[float]) -> float:
    """All ways to give the values signs, and how many have so little below zero."""
    ranks = stats.rankdata(np.abs(values))
    others = [rank for rank, value in zip(ranks, values, strict=True) if value != 0]
    below = sum(rank for rank, value in zip(ranks, values, strict=True) if value < 0)
    ways = [
        sum(rank for rank, is_below in zip(others, signs, strict=True) if is_below)
        for signs in product([False, True], repeat=len(others))
    ]
    return sum(way <= below for way in ways) / len(ways)


def rank_sum_by_counting(first: list[float], second: list[float]) -> float:
    """All ways to draw the second sample, and how many have so large ranks."""
    ranks = stats.rankdata([*first, *second])
    own = sum(ranks[len(first) :])
    ways = [sum(drawn) for drawn in combinations(ranks, len(second))]
    return sum(way >= own - 1e-9 for way in ways) / len(ways)


@given(EFFECTS)
def test_the_signed_rank_test_counts_right_ties_and_zeros_included(values: list[float]) -> None:
    assert signed_rank_p_value(values) == pytest.approx(signed_rank_by_counting(values), abs=1e-12)


@given(EFFECTS, EFFECTS)
def test_the_rank_sum_test_counts_right_ties_included(first: list[float], second: list[float]) -> None:
    first, second = first[:5], second[:5]
    assert rank_sum_p_value(first, second) == pytest.approx(rank_sum_by_counting(first, second), abs=1e-12)


def test_both_tests_agree_with_scipy() -> None:
    draw = np.random.default_rng(3)
    for _ in range(20):
        one, other = draw.normal(size=9), draw.normal(0.4, size=12)
        assert signed_rank_p_value(one.tolist()) == pytest.approx(
            stats.wilcoxon(one, alternative="greater", method="exact").pvalue
        )
        assert rank_sum_p_value(one.tolist(), other.tolist()) == pytest.approx(
            stats.mannwhitneyu(other, one, alternative="greater", method="exact").pvalue
        )


def test_seven_launches_are_the_fewest_that_reach_one_in_a_hundred() -> None:
    assert signed_rank_p_value([1.0] * 6) == 1 / 64
    assert signed_rank_p_value([1.0] * 7) == 1 / 128 < 0.01


# Seven equal values of ten, and an interval of one point, would not be rejected just beside it: ties are another test.
@given(st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=6, max_size=12, unique=True))
def test_the_interval_holds_just_what_the_test_would_not_reject(values: list[float]) -> None:
    middle = centre(values, 0.95)
    assert middle.low is not None
    assert middle.high is not None
    assert middle.low <= middle.value <= middle.high
    above = [value - middle.high - 1e-6 for value in values]
    below = [middle.low - 1e-6 - value for value in values]
    for moved in (above, below):
        # Beyond an end the values lie on one side, more surely than the interval leaves open.
        assert signed_rank_p_value([-value for value in moved]) <= 0.025 + 1e-12


@given(
    st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=5, max_size=9, unique=True),
    st.lists(st.floats(-1, 1).map(lambda x: round(x, 3) + 1e-4), min_size=5, max_size=9, unique=True),
)
def test_the_shifts_interval_holds_just_what_the_rank_sum_test_would_not_reject(
    first: list[float], second: list[float]
) -> None:
    middle = shift(first, second, 0.95)
    assert middle.low is not None
    assert middle.high is not None
    assert middle.low <= middle.value <= middle.high
    assert rank_sum_p_value([x + middle.low - 1e-6 for x in first], second) <= 0.025 + 1e-12
    assert rank_sum_p_value([-(x + middle.high + 1e-6) for x in first], [-x for x in second]) <= 0.025 + 1e-12


def test_too_few_values_have_no_interval() -> None:
    assert centre([0.1, 0.2, 0.3, 0.4, 0.5], 0.95).low is None
    assert shift([1.0, 2.0, 3.0], [1.5, 2.5, 3.5], 0.95).high is None


def test_a_shift_moves_with_the_sample_and_swapping_turns_it_around() -> None:
    first, second = [1.0, 2.0, 4.0, 8.0, 9.0, 11.0, 12.5], [1.5, 2.5, 3.0, 7.0, 10.0, 12.0, 14.0]
    there, moved, back = (
        shift(first, second, 0.95),
        shift(first, [x + 5 for x in second], 0.95),
        shift(second, first, 0.95),
    )
    assert moved.value == pytest.approx(there.value + 5)
    assert (back.value, back.low, back.high) == (-there.value, -there.high, -there.low)  # type: ignore[operator]

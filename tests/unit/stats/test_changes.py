"""Change points: found where there are some, not claimed where there is noise only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paco_prof.stats.changes import LEAST_COMMITS, SMALLEST_CHANGE, Segment, segments

NUM_SERIES = 300


def series(levels: Sequence[float], noise: float, seed: int) -> list[float]:
    """Levels with independent relative noise."""
    factors = np.exp(noise * np.random.default_rng(seed).standard_normal(len(levels)))
    return [level * float(factor) for level, factor in zip(levels, factors, strict=True)]


def flat(seed: int) -> list[float]:
    """20 to 60 commits on one level, with 1 to 5 % of noise."""
    random = np.random.default_rng(10_000 + seed)
    return series([0.1] * int(random.integers(20, 61)), float(random.uniform(0.01, 0.05)), seed)


def starts(values: Sequence[float]) -> list[int]:
    """The change points."""
    return [segment.first for segment in segments(values)][1:]


def test_noise_is_no_change() -> None:
    alarms = sum(bool(starts(flat(seed))) for seed in range(NUM_SERIES))
    assert alarms <= 0.05 * NUM_SERIES


@pytest.mark.parametrize("factor", [1.1, 1 / 1.1])
def test_a_step_of_a_tenth_is_found_where_it_is(factor: float) -> None:
    found = 0
    for seed in range(NUM_SERIES):
        places = starts(series([0.1] * 15 + [0.1 * factor] * 15, 0.02, seed))
        found += len(places) == 1 and abs(places[0] - 15) <= 1
    assert found >= 0.95 * NUM_SERIES


def test_few_commits_raise_few_alarms() -> None:
    alarms = sum(bool(starts(series([0.1] * 6, 0.05, seed))) for seed in range(NUM_SERIES))
    assert alarms <= 0.05 * NUM_SERIES


@pytest.mark.parametrize("place", [0, 1, 14, 28, 29])
@pytest.mark.parametrize("factor", [0.5, 1.5, 10.0])
def test_a_single_outlier_is_no_change(place: int, factor: float) -> None:
    for seed in range(20):
        values = series([0.1] * 30, 0.02, seed)
        values[place] *= factor
        assert starts(values) == []


def test_an_outlier_beside_a_change_hides_nothing() -> None:
    for seed in range(20):
        values = series([0.1] * 15 + [0.115] * 15, 0.01, seed)
        values[20] *= 3
        assert starts(values) == [15]


def test_levels_are_medians_and_cover_all() -> None:
    values = series([0.1] * 12 + [0.12] * 9 + [0.09] * 10, 0.01, 1)
    found = segments(values)
    assert [(segment.first, segment.end) for segment in found] == [(0, 12), (12, 21), (21, 31)]
    assert found[1].level == pytest.approx(np.median(values[12:21]))


def test_times_that_are_all_equal_have_one_level() -> None:
    assert segments([0.1] * 12) == (Segment(0, 12, pytest.approx(0.1)),)


@pytest.mark.parametrize(("size", "num"), [(SMALLEST_CHANGE + 0.002, 1), (SMALLEST_CHANGE - 0.002, 0)])
@pytest.mark.parametrize("is_slower", [True, False])
def test_what_is_too_small_to_matter_is_no_change(size: float, num: int, is_slower: bool) -> None:
    """Without noise it is there for certain."""
    levels = [0.1] * 20 + [0.1 * (1 + size)] * 20
    assert len(starts(levels if is_slower else levels[::-1])) == num


def test_many_small_steps_are_found_once_they_add_up() -> None:
    values = [0.1 * 1.02**step for step in range(4) for _ in range(10)]
    found = segments(values)
    assert 1 < len(found) < 4
    for before, after in pairwise(found):
        assert abs(math.log(after.level / before.level)) >= math.log1p(SMALLEST_CHANGE)


def test_a_change_needs_six_commits() -> None:
    step = [0.1] * 3 + [0.2] * 3
    assert starts(step) == [3]
    assert starts(step[:-1]) == []
    assert len(step) == LEAST_COMMITS


def test_a_change_is_of_two_commits_or_more() -> None:
    assert starts([0.1] * 20 + [0.15] * 2) == [20]
    assert starts([0.1] * 20 + [0.15]) == []


@given(st.integers(0, 99), st.floats(1e-6, 1e6))
def test_another_unit_changes_nothing(seed: int, scale: float) -> None:
    values = series([0.1] * 10 + [0.11] * 8, 0.03, seed)
    assert starts([value * scale for value in values]) == starts(values)


@given(st.integers(0, 99))
def test_backwards_the_same_levels_are_found(seed: int) -> None:
    values = series([0.1] * 12 + [0.15] * 9, 0.01, seed)
    assert [segment.level for segment in segments(values[::-1])][::-1] == pytest.approx(
        [segment.level for segment in segments(values)]
    )


@pytest.mark.parametrize("values", [[], [0.1, 0.0], [0.1, -1.0], [math.nan], [math.inf]])
def test_what_is_no_time_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        segments(values)

"""Launches that were really taken, of equal work and of five per cent more, judged again and again.

`tests/benchmarks/record_launches.py` recorded them; `make bench ONLY=judgement` replays them a thousand times, beside
what others make of them.
"""

from __future__ import annotations

import pytest

from paco_prof.stats.paired import launch_effect
from recorded import Series, read_series, replay

REPLAYS = 1000


@pytest.fixture(scope="module")
def equal() -> Series:
    return read_series("equal")


@pytest.fixture(scope="module")
def planted() -> Series:
    return read_series("planted")


def test_there_are_launches_enough_and_they_are_in_pairs(equal: Series, planted: Series) -> None:
    for series in (equal, planted):
        assert len(series.pairs) >= 40
        assert all(len(before) == len(after) >= 5 for before, after in series.pairs)
        assert series.machine["cores"] == 2


@pytest.mark.parametrize("launches", [3, 5, 7, 8])
def test_equal_work_is_claimed_to_differ_once_in_a_hundred_at_most(equal: Series, launches: int) -> None:
    assert replay(equal, launches, REPLAYS).claims <= REPLAYS // 100


@pytest.mark.parametrize("launches", [10, 12])
def test_where_the_exact_test_can_use_up_its_level_it_errs_as_often_as_that(equal: Series, launches: int) -> None:
    """One in a hundred, give or take two standard errors of a thousand replays (0.6 in a hundred)."""
    assert replay(equal, launches, REPLAYS).claims <= 1.6 * REPLAYS // 100


@pytest.mark.parametrize("launches", [10, 12])
def test_five_per_cent_more_work_is_found(planted: Series, launches: int) -> None:
    assert replay(planted, launches, REPLAYS).claims >= 0.95 * REPLAYS


@pytest.mark.parametrize("launches", [3, 5, 7, 8, 10, 12])
def test_the_interval_holds_the_work_that_was_planted(planted: Series, launches: int) -> None:
    assert replay(planted, launches, REPLAYS).covered >= 0.90 * REPLAYS


def test_swapping_the_sides_of_a_launch_turns_its_effect_around(planted: Series) -> None:
    for before, after in planted.pairs:
        assert launch_effect(after, before) == -launch_effect(before, after)

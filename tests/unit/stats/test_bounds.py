"""Three answers: pass, fail, and that nobody can tell."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paco_prof.stats.bounds import (
    LEAST_LAUNCHES,
    beside_bound,
    beside_sample,
    least_launches,
    level_of_look,
)

SLACK = math.log1p(0.03)
LEVEL = 0.005
# Seven numbers about zero, none of them like another.
NOISE = (0.004, -0.003, 0.001, -0.005, 0.006, -0.002, -0.001, 0.003)


def moved(by: float, noise: tuple[float, ...] = NOISE) -> list[float]:
    return [by + value for value in noise]


@pytest.mark.parametrize(
    ("by", "outcome"), [(-0.10, "pass"), (0.0, "pass"), (0.01, "pass"), (0.10, "fail"), (0.05, "fail")]
)
def test_what_is_clear_is_said(by: float, outcome: str) -> None:
    assert beside_bound(moved(by), 0.0, SLACK, LEVEL).outcome == outcome


def test_what_matters_and_is_not_sure_is_inconclusive() -> None:
    test = beside_bound(moved(0.035, tuple(8 * value for value in NOISE)), 0.0, SLACK, LEVEL)
    assert test.value > test.limit
    assert test.p_above > test.level
    assert test.outcome == "inconclusive"


def test_what_is_sure_and_does_not_matter_fails_nothing() -> None:
    test = beside_bound(moved(0.02), 0.0, SLACK, LEVEL)
    assert test.p_above <= test.level
    assert test.outcome == "pass"


def test_what_is_sure_and_may_matter_is_inconclusive() -> None:
    test = beside_bound(moved(0.027), 0.0, SLACK, LEVEL)
    assert test.p_above <= test.level
    assert test.value < test.limit < (test.high or 0.0)
    assert test.outcome == "inconclusive"


@pytest.mark.parametrize("num", range(1, LEAST_LAUNCHES))
def test_fewer_than_seven_launches_decide_nothing_however_clear_they_are(num: int) -> None:
    for by in (-1.0, 0.0, 1.0):
        test = beside_bound([by + 1e-4 * place for place in range(num)], 0.0, SLACK, 0.01)
        assert test.outcome == "inconclusive"
        assert not test.improved


def test_seven_launches_fail_at_the_whole_level_and_not_at_half_of_it() -> None:
    values = moved(0.1)[:7]
    assert beside_bound(values, 0.0, SLACK, 0.01).outcome == "fail"
    assert beside_bound(values, 0.0, SLACK, 0.005).outcome == "inconclusive"


def test_an_improvement_is_one_that_matters() -> None:
    assert beside_bound(moved(-0.1), 0.0, SLACK, LEVEL).improved
    assert not beside_bound(moved(-0.02), 0.0, SLACK, LEVEL).improved
    assert not beside_bound(moved(0.1), 0.0, SLACK, LEVEL).improved


def test_a_budget_is_a_bound_of_its_own_and_may_leave_room_beyond_it() -> None:
    shares = [0.104 + 0.0001 * place for place in range(8)]
    assert beside_bound(shares, 0.10, 0.0, LEVEL).outcome == "fail"
    assert beside_bound(shares, 0.10, 0.005, LEVEL).outcome == "pass"
    assert beside_bound(shares, 0.12, 0.0, LEVEL).outcome == "pass"


def test_all_launches_equal_are_as_sure_as_their_number() -> None:
    assert beside_bound([3e9] * 8, 2e9, 0.0, LEVEL).outcome == "fail"
    assert beside_bound([3e9] * 8, 3.5e9, 0.0, LEVEL).outcome == "pass"
    # At most is at most.
    assert beside_bound([3e9] * 8, 3e9, 0.0, LEVEL).outcome == "pass"


@pytest.mark.parametrize(("by", "outcome"), [(-0.10, "pass"), (0.0, "pass"), (0.10, "fail")])
def test_launches_of_then_and_now(by: float, outcome: str) -> None:
    test = beside_sample(moved(0.7), moved(0.7 + by), SLACK, LEVEL)
    assert test.outcome == outcome
    assert test.value == pytest.approx(by, abs=1e-9)
    assert test.improved == (by < 0)


def test_few_launches_on_either_side_decide_nothing() -> None:
    assert beside_sample(moved(0.0)[:6], moved(0.5), SLACK, LEVEL).outcome == "inconclusive"
    assert beside_sample(moved(0.0), moved(0.5)[:6], SLACK, LEVEL).outcome == "inconclusive"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_no_number_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        beside_bound([0.0, bad], 0.0, SLACK, LEVEL)
    with pytest.raises(ValueError, match="finite"):
        beside_sample([0.0], [bad], SLACK, LEVEL)
    with pytest.raises(ValueError, match="finite"):
        beside_bound([], 0.0, SLACK, LEVEL)


def test_two_looks_share_alpha_and_a_look_that_came_to_nothing_costs_none() -> None:
    assert level_of_look(0.01, 8, 8) == 0.005
    assert level_of_look(0.01, 14, 8) == 0.005
    assert level_of_look(0.01, 7, 8) == 0.01
    assert level_of_look(0.01, 9, None) == 0.01
    assert [least_launches(level) for level in (0.01, 0.005, 0.5)] == [7, 8, 1]


@given(
    st.lists(st.floats(-0.2, 0.2).map(lambda x: round(x, 4)), min_size=7, max_size=14),
    st.floats(0.1, 10).map(lambda x: round(x, 2)),
)
def test_the_unit_of_time_decides_nothing(values: list[float], scale: float) -> None:
    """Logarithms of ratios have none; of shares and bytes both sides of the bound are scaled."""
    one = beside_bound(values, 0.1, 0.01, LEVEL)
    other = beside_bound([scale * value for value in values], scale * 0.1, scale * 0.01, LEVEL)
    assert (one.p_above, one.p_below) == (other.p_above, other.p_below)
    assert one.value * scale == pytest.approx(other.value)
    if abs(one.value - one.limit) > 1e-6:
        assert one.outcome == other.outcome


def test_equal_sides_fail_less_often_than_alpha() -> None:
    """2,000 gates of two looks at noise of 2 % a launch; what matters is so small that the test alone decides."""
    draw = np.random.default_rng(0)
    fails = 0
    for _ in range(2000):
        values = draw.normal(0, 0.02, 14).tolist()
        looks = [beside_bound(values[:num], 0.0, 1e-9, level_of_look(0.01, num, 8)) for num in (8, 14)]
        fails += any(look.outcome == "fail" for look in looks)
    assert fails <= 30
    assert fails > 0

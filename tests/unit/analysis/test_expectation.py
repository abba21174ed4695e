"""What becomes of a claim, by the place of the interval beside it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paco_prof.analysis.expectation import Outcome, expectation
from paco_prof.records import SpeedupClaim
from paco_prof.stats.paired import RatioEstimate

RANGE = SpeedupClaim("1.4-1.6x", 1.4, 1.6)
POINT = SpeedupClaim("1.9x", 1.9, 1.9)
WORDS = SpeedupClaim("massive speedup")


def measured(low: float, high: float) -> RatioEstimate:
    ends = math.log(low), math.log(high)
    return RatioEstimate(sum(ends) / 2, *ends, 0.95, 0.001, 3, "student", 0.01)


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (1.45, 1.55, "holds"),
        (1.41, 1.59, "holds"),
        (1.5, 2.5, "holds"),
        (1.59, 1.7, "holds"),
        (1.61, 1.7, "exceeds"),
        (3.0, 4.0, "exceeds"),
        (1.2, 1.39, "falls short"),
        (0.5, 0.9, "falls short"),
        (1.3, 1.41, "not distinguishable"),
        (1.3, 1.7, "not distinguishable"),
        (0.1, 99.0, "not distinguishable"),
    ],
)
def test_a_range_that_was_claimed(low: float, high: float, outcome: str) -> None:
    assert expectation(RANGE, measured(low, high)).outcome == outcome


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (1.86, 1.94, "holds"),
        (1.86, 2.5, "holds"),
        (1.96, 2.1, "exceeds"),
        (1.7, 1.84, "falls short"),
        (1.8, 1.9, "not distinguishable"),
        (1.84, 1.96, "not distinguishable"),
    ],
)
def test_one_figure_that_was_claimed_is_what_rounds_to_it(low: float, high: float, outcome: str) -> None:
    assert expectation(POINT, measured(low, high)).outcome == outcome


def test_words_without_a_figure_are_held_against_nothing() -> None:
    found = expectation(WORDS, measured(2.0, 3.0))
    assert (found.claim, found.outcome) == (WORDS, None)
    assert found.measured is not None


def test_what_was_not_measured_has_no_outcome() -> None:
    assert expectation(RANGE, None).outcome is None


def test_a_single_launch_tells_nothing_of_a_claim() -> None:
    alone = RatioEstimate(math.log(3), None, None, 0.95, None, 1, "none", 0.01)
    assert expectation(RANGE, alone).outcome == Outcome.NOT_DISTINGUISHABLE


@given(st.floats(0.1, 10), st.floats(1.0, 10))
def test_every_interval_has_just_one_outcome(low: float, width: float) -> None:
    found = expectation(RANGE, measured(low, low * width)).outcome
    assert found in Outcome
    assert (found == Outcome.FALLS_SHORT) == (measured(low, low * width).high < 1.4)  # type: ignore[operator]

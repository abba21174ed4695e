"""What is expected of sizes that have not been measured."""

from __future__ import annotations

import pytest

from paco_prof.measure.scaling.expectation import Expectation


def expectation(**known: float) -> Expectation:
    """From `_2_16=1.0`: a step takes a second at (2, 16)."""
    found = Expectation()
    for name, seconds in known.items():
        found.learn(tuple(map(int, name.split("_")[1:])), seconds)
    return found


def test_of_nothing_nothing_is_expected() -> None:
    assert Expectation().is_empty
    assert Expectation().seconds((2,)) is None
    assert expectation(_4=1.0).seconds((2,)) is None
    assert not expectation(_4=1.0).is_empty


def test_what_was_measured_is_expected() -> None:
    assert expectation(_2=1.0, _4=3.0).seconds((4,)) == 3.0


def test_from_one_size_it_is_guessed() -> None:
    assert expectation(_2=1.0).seconds((4,)) == pytest.approx(2**1.5)


def test_growth_goes_on_as_between_the_last_two() -> None:
    assert expectation(_1=1.0, _2=1.0, _4=8.0).seconds((8,)) == pytest.approx(64.0)


def test_what_shrinks_is_expected_to_stay_and_what_explodes_to_be_tame() -> None:
    assert expectation(_2=2.0, _4=1.0).seconds((8,)) == pytest.approx(1.0)
    assert expectation(_2=1.0, _4=1000.0).seconds((8,)) == pytest.approx(16_000.0)


def test_of_a_grid_the_largest_that_is_smaller_in_both_counts() -> None:
    known = expectation(_2_16=1.0, _2_32=2.0, _4_16=4.0)
    assert known.seconds((4, 32)) == pytest.approx(4.0 * 2**2)
    assert known.seconds((2, 64)) == pytest.approx(4.0)

"""The smallest difference that launches can tell apart: against the test itself, and as noise changes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paco_prof.stats.detectable import LEAST_LAUNCHES, smallest_detectable
from paco_prof.stats.paired import judge

EFFECTS = (0.004, -0.011, 0.007, 0.013, -0.006, -0.002, 0.009, -0.008)


def test_it_is_found_as_often_as_it_says_by_the_test_that_comparisons_use() -> None:
    """Launches of that noise around that difference, judged: 80 % of them establish it."""
    found = smallest_detectable(EFFECTS)
    assert found is not None
    draw = np.random.default_rng(0).normal(found.log_ratio, found.noise, (2000, found.num_launches))
    share = np.mean([judge(row.tolist()).established for row in draw])
    assert share == pytest.approx(0.8, abs=0.03)


def test_without_a_difference_it_is_found_once_in_a_hundred() -> None:
    found = smallest_detectable(EFFECTS)
    assert found is not None
    draw = np.random.default_rng(1).normal(0.0, found.noise, (2000, found.num_launches))
    assert np.mean([judge(row.tolist()).established for row in draw]) < 0.015


def test_its_upper_bound_holds_the_true_noise_as_often_as_it_says() -> None:
    draw = np.random.default_rng(2).normal(0.0, 0.01, (2000, 5))
    found = [smallest_detectable(row.tolist()) for row in draw]
    held = [one.noise_high >= 0.01 for one in found if one is not None]
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)


def test_eight_launches_are_what_a_claim_at_one_per_cent_needs() -> None:
    found = smallest_detectable(EFFECTS)
    assert found is not None
    assert found.num_launches == 8


@pytest.mark.parametrize("number", range(LEAST_LAUNCHES))
def test_too_few_launches_tell_nothing(number: int) -> None:
    assert smallest_detectable(EFFECTS[:number]) is None


def test_launches_without_noise_tell_everything_apart() -> None:
    found = smallest_detectable([0.0] * 8)
    assert found is not None
    assert found.log_ratio == found.log_high == 0.0


@given(st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=20), st.floats(0.01, 10.0))
def test_twice_the_noise_is_twice_the_difference_and_swapping_sides_changes_nothing(
    effects: list[float], by: float
) -> None:
    found, swapped = smallest_detectable(effects), smallest_detectable([-effect for effect in effects])
    larger = smallest_detectable([by * effect for effect in effects])
    assert found is not None
    assert larger is not None
    assert swapped == found
    assert larger.log_ratio == pytest.approx(by * found.log_ratio, rel=1e-9, abs=1e-300)
    assert found.noise <= found.noise_high
    assert math.isfinite(found.log_high)

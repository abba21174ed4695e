"""The median's interval against the binomial formula, computed exactly, and against a simulation."""

from __future__ import annotations

import random
from fractions import Fraction
from math import comb
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paco_prof.stats.summary import CONFIDENCE, Estimate, median_estimate

SAMPLES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


def exact_coverage(num: int, depth: int) -> Fraction:
    """Probability that the depth-th smallest and largest of num samples enclose the median."""
    outside = sum(comb(num, k) for k in range(depth))
    return 1 - 2 * Fraction(outside, 2**num)


def expected_depth(num: int, confidence: float) -> int:
    """The deepest pair of order statistics with the confidence; the outermost where none has it."""
    enough = [depth for depth in range(1, num // 2 + 1) if exact_coverage(num, depth) >= confidence]
    return max(enough, default=1)


@pytest.mark.parametrize("confidence", [0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("num", [2, 3, 4, 5, 6, 7, 8, 9, 12, 20, 31, 64, 101, 200])
def test_the_interval_is_the_narrowest_with_the_confidence(num: int, confidence: float) -> None:
    ranks = list(range(1, num + 1))
    random.Random(num).shuffle(ranks)
    estimate = median_estimate(ranks, confidence)
    depth = expected_depth(num, confidence)
    assert (estimate.low, estimate.high) == (depth, num + 1 - depth)
    assert estimate.confidence == pytest.approx(float(exact_coverage(num, depth)), abs=1e-12)
    assert estimate.value == (num + 1) / 2


def test_six_samples_are_the_fewest_for_95_percent() -> None:
    assert median_estimate(range(5)).confidence == 0.9375
    assert median_estimate(range(6)).confidence == 0.96875
    assert CONFIDENCE == 0.95


@pytest.mark.parametrize("num", [5, 6, 9, 25])
def test_simulated_intervals_hold_the_true_median_as_often_as_they_say(num: int) -> None:
    """Of 3,000 intervals from a lopsided distribution; the median of an exponential is ln 2."""
    draws = np.random.default_rng(num).exponential(size=(3000, num))
    estimates = [median_estimate(sample) for sample in draws]
    held = np.mean([estimate.low <= np.log(2) <= estimate.high for estimate in estimates])
    stated = estimates[0].confidence
    assert abs(held - stated) < 4 * np.sqrt(stated * (1 - stated) / len(estimates))


@given(SAMPLES)
def test_the_interval_is_made_of_samples_and_encloses_the_median(samples: list[float]) -> None:
    estimate = median_estimate(samples)
    assert estimate.value == pytest.approx(median(samples))
    assert estimate.low in samples
    assert estimate.high in samples
    assert estimate.low <= estimate.value <= estimate.high
    assert estimate.num_samples == len(samples)


@given(SAMPLES, st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_matter(samples: list[float], order: random.Random) -> None:
    shuffled = samples.copy()
    order.shuffle(shuffled)
    assert median_estimate(shuffled) == median_estimate(samples)


@given(st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=20), st.integers(-20, 20))
def test_scaling_leaves_the_relative_width(samples: list[float], exponent: int) -> None:
    scaled = median_estimate([sample * 2.0**exponent for sample in samples])
    assert scaled.relative_half_width == median_estimate(samples).relative_half_width


@given(SAMPLES, st.floats(0.5, 0.99), st.floats(0.5, 0.99))
def test_more_confidence_is_never_a_narrower_interval(samples: list[float], one: float, other: float) -> None:
    less, more = (median_estimate(samples, confidence) for confidence in sorted((one, other)))
    assert more.low <= less.low
    assert less.high <= more.high


def test_one_sample_has_no_interval() -> None:
    estimate = median_estimate([3.0])
    assert (estimate.value, estimate.low, estimate.high, estimate.confidence) == (3.0, 3.0, 3.0, 0.0)
    assert estimate.relative_half_width is None


def test_the_relative_width_reaches_to_the_farther_end() -> None:
    assert Estimate(10.5, 10.0, 9.0, 12.0, 0.95, 7).relative_half_width == pytest.approx(0.2)
    assert Estimate(10.5, 10.0, 7.0, 12.0, 0.95, 7).relative_half_width == pytest.approx(0.3)
    assert Estimate(-10.5, -10.0, -11.0, -9.0, 0.95, 7).relative_half_width == pytest.approx(0.1)
    assert Estimate(0.5, 0.0, -1.0, 1.0, 0.95, 7).relative_half_width is None


def test_no_samples_have_no_median() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        median_estimate([])

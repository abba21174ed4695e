"""The mean of a later run, computed by hand, and what no interval may do."""

from __future__ import annotations

import math
from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paco_prof.stats.pace import LEAST_SPREAD, Span, added, pace, quotient, wait

SECONDS = st.floats(1e-3, 1e3)
BLOCKS = st.lists(st.lists(SECONDS, min_size=1, max_size=5), min_size=2, max_size=6)
# Student's 97.5 % quantile for one, two and three degrees of freedom, from a table.
T1, T2, T3 = 12.706205, 4.302653, 3.182446
Z = 1.959964


def test_the_interval_is_that_of_one_more_draw_of_a_level() -> None:
    found = pace([(1.0, 3.0), (2.2,), (1.9, 1.9)])
    levels = [math.log(2.0), math.log(2.2), math.log(1.9)]
    half = math.hypot(T2 * stdev(levels) * math.sqrt(4 / 3), Z * LEAST_SPREAD)
    assert found.mean == pytest.approx(fmean((1.0, 3.0, 2.2, 1.9, 1.9)))
    assert found.high == pytest.approx(found.mean * math.exp(half), rel=1e-5)
    assert found.low == pytest.approx(found.mean * math.exp(-half), rel=1e-5)
    assert (found.num_samples, found.num_blocks, found.confidence) == (5, 3, 0.95)


def test_blocks_that_agree_leave_the_spread_between_launches() -> None:
    found = pace([(2.0,), (2.0,)])
    assert found.high == pytest.approx(2.0 * math.exp(Z * LEAST_SPREAD), rel=1e-6)
    assert wait([(2.0,), (2.0,)]).high == pytest.approx(2.0 * (1 + Z * LEAST_SPREAD), rel=1e-6)


def test_a_single_block_of_eight_is_cut_into_four() -> None:
    samples = (1.0, 1.2, 0.9, 1.1, 1.0, 1.0, 1.3, 0.9)
    levels = [math.log(1.1), math.log(1.0), math.log(1.0), math.log(1.1)]
    found = pace([samples])
    half = math.hypot(T3 * stdev(levels) * math.sqrt(5 / 4), Z * LEAST_SPREAD)
    assert found.num_blocks == 4
    assert found.high == pytest.approx(fmean(samples) * math.exp(half), rel=1e-5)


@pytest.mark.parametrize("measure", [pace, wait])
@pytest.mark.parametrize("num", [1, 7])
def test_fewer_in_one_block_have_no_interval(measure: object, num: int) -> None:
    found = measure([tuple(range(1, num + 1))])  # type: ignore[operator]
    assert (found.mean, found.low, found.high) == ((num + 1) / 2, None, None)


def test_a_wait_may_be_nothing_and_is_never_less() -> None:
    found = wait([(0.0, 0.0), (0.3, 0.1)])
    assert found.low == 0.0
    assert found.high == pytest.approx(0.1 + math.hypot(T1 * stdev((0.0, 0.2)) * math.sqrt(1.5), Z * 0.001), rel=1e-5)
    assert wait([(0.0,), (0.0,)]).span == Span(0.0, 0.0, 0.0)


@pytest.mark.parametrize("blocks", [[], [()], [(1.0, math.nan)], [(1.0, math.inf)], [(1.0, -1.0)]])
def test_what_is_no_duration_is_refused(blocks: list[tuple[float, ...]]) -> None:
    for measure in (pace, wait):
        with pytest.raises(ValueError):
            measure(blocks)


def test_a_step_in_no_time_is_refused() -> None:
    with pytest.raises(ValueError):
        pace([(0.0, 1.0)])


@given(BLOCKS, st.floats(1e-3, 1e3))
def test_scaling_all_times_scales_mean_and_ends(blocks: list[list[float]], factor: float) -> None:
    for measure in (pace, wait):
        one, other = measure(blocks), measure([[s * factor for s in block] for block in blocks])
        assert other.mean == pytest.approx(one.mean * factor)
        assert other.low == pytest.approx((one.low or 0.0) * factor, rel=1e-6, abs=1e-9 * one.mean * factor)
        assert other.high == pytest.approx((one.high or 0.0) * factor, rel=1e-6)


@given(BLOCKS)
def test_the_mean_lies_in_its_interval(blocks: list[list[float]]) -> None:
    for measure in (pace, wait):
        found = measure(blocks)
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.mean <= found.high


@given(st.lists(SECONDS, min_size=2, max_size=5), st.floats(0.0, 0.5))
def test_more_spread_never_narrows_it(levels: list[float], spread: float) -> None:
    center = fmean(levels)
    narrow = pace([[center + spread * (level - center)] for level in levels])
    wide = pace([[level] for level in levels])
    assert (wide.high or 0.0) / wide.mean >= (narrow.high or 0.0) / narrow.mean * (1 - 1e-9)


def test_blocks_worlds_apart_have_an_interval_without_an_end() -> None:
    found = pace([(1e-300,), (1e300,)])
    assert found.high == math.inf
    assert found.low == 0.0


def test_it_covers_the_level_of_a_later_run_as_often_as_it_says() -> None:
    """Four blocks and one more run, all of one law; the spread between launches makes it a little careful."""
    random = np.random.default_rng(7)
    levels = np.exp(random.normal(0.0, 0.05, (2000, 5)))
    covered = 0
    for *blocks, later in levels:
        found = pace([[level] for level in blocks])
        covered += (found.low or 0.0) <= later <= (found.high or 0.0)
    assert 0.94 <= covered / len(levels) <= 0.98


def test_terms_add_their_ends() -> None:
    assert added([Span(1.0, 0.5, 2.0), Span(3.0, 2.0, 5.0)]) == Span(4.0, 2.5, 7.0)
    assert added([Span(1.0, 0.5, 2.0), Span(3.0)]) == Span(4.0)
    assert added([]) == Span(0, 0, 0)


def test_what_is_saved_has_the_uncertainty_of_both() -> None:
    assert Span(10.0, 8.0, 13.0) - Span(4.0, 3.0, 6.0) == Span(6.0, 2.0, 10.0)
    assert Span(10.0, 8.0, 13.0) - Span(4.0) == Span(6.0)


def test_what_was_measured_once_is_as_uncertain_as_something_else() -> None:
    assert Span(5.0).like(Span(10.0, 8.0, 13.0)) == Span(5.0, 4.0, 6.5)
    assert Span(5.0).like(Span(10.0)) == Span(5.0)


def test_a_quotient_has_both_half_widths_in_quadrature() -> None:
    found = quotient(
        Span(8.0, 8.0 / math.exp(0.3), 8.0 * math.exp(0.3)), Span(2.0, 2 * math.exp(-0.4), 2 * math.e**0.4)
    )
    assert found.value == 4.0
    assert found.high == pytest.approx(4.0 * math.exp(0.5))
    assert found.low == pytest.approx(4.0 * math.exp(-0.5))
    assert quotient(Span(8.0), Span(2.0, 1.0, 3.0)) == Span(4.0)
    assert quotient(Span(8.0, 0.0, 9.0), Span(2.0, 1.0, 3.0)).low == 0.0
    with pytest.raises(ValueError):
        quotient(Span(0.0), Span(1.0))


@given(BLOCKS, BLOCKS)
def test_swapping_inverts_a_quotient(one: list[list[float]], other: list[list[float]]) -> None:
    there, back = quotient(pace(one).span, pace(other).span), quotient(pace(other).span, pace(one).span)
    assert there.value * back.value == pytest.approx(1.0)
    assert back.low is not None
    assert there.high is not None
    if back.low > 0 and math.isfinite(there.high):
        assert there.high * back.low == pytest.approx(1.0)

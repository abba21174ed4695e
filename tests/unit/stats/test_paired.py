"""The judgement of launches against scipy's tests, against its promises, and against simulated launches."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import product
from statistics import NormalDist, median

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from paco_prof.stats.paired import (
    ALPHA,
    RatioEstimate,
    holm,
    judge,
    launch_effect,
    launches_for_exact_test,
    launches_needed,
)

Draw = Callable[[np.random.Generator, tuple[int, int]], npt.NDArray[np.float64]]

TIMES = st.floats(1e-6, 1e3)
PAIRS = st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=30)
EFFECTS = st.lists(st.floats(-3, 3), min_size=1, max_size=20)
# Few distinct sizes, so that ties and zeros are the rule.
COARSE_EFFECTS = st.lists(st.integers(-3, 3).map(lambda ticks: ticks / 100), min_size=1, max_size=14)
UNTIED_EFFECTS = st.lists(st.integers(-(10**6), 10**6).filter(bool), min_size=8, max_size=20, unique_by=abs).map(
    lambda sizes: [size / 10**6 for size in sizes]
)
LEVELS = st.floats(0.01, 0.5)


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    return rng.normal(0, 0.02, shape)


def heavy_tailed(rng: np.random.Generator, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    return 0.02 * rng.standard_t(3, shape)


def coarse(rng: np.random.Generator, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """A clock whose tick is about as long as the noise."""
    return np.round(rng.normal(0, 1, shape)) * 0.02


def sampling_error(share: float, num: int) -> float:
    """Four standard deviations of an observed share."""
    return 4 * math.sqrt(share * (1 - share) / num)


# The effect of a launch


def test_the_effect_is_the_median_log_ratio_of_pairs() -> None:
    assert launch_effect([2.0, 3.0, 10.0], [1.0, 1.0, 20.0]) == pytest.approx(math.log(2))
    assert launch_effect([4.0], [1.0]) == pytest.approx(math.log(4))


def test_without_pairs_the_effect_is_the_difference_of_median_logs() -> None:
    assert launch_effect([1.0, 8.0, 9.0], [2.0, 2.0, 1.0, 4.0], paired=False) == pytest.approx(math.log(8 / 2))


def test_a_faster_variant_has_a_positive_effect() -> None:
    assert launch_effect([1.1, 1.1], [1.0, 1.0]) > 0
    assert launch_effect([1.1, 1.1], [1.0, 1.0], paired=False) > 0


@given(PAIRS, st.booleans())
def test_swapping_the_sides_of_a_launch_negates_its_effect(pairs: list[tuple[float, float]], paired: bool) -> None:
    baseline, variant = zip(*pairs, strict=True)
    assert launch_effect(baseline, variant, paired) == -launch_effect(variant, baseline, paired)


@given(PAIRS, st.floats(1e-3, 1e9), st.booleans())
def test_scaling_every_time_leaves_the_effect(pairs: list[tuple[float, float]], unit: float, paired: bool) -> None:
    baseline, variant = zip(*pairs, strict=True)
    scaled = launch_effect([unit * time for time in baseline], [unit * time for time in variant], paired)
    assert scaled == pytest.approx(launch_effect(baseline, variant, paired), abs=1e-12)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("paired", [True, False])
def test_times_are_positive_and_finite(bad: float, paired: bool) -> None:
    for sides in (([1.0, bad], [1.0, 1.0]), ([1.0, 1.0], [bad, 1.0])):
        with pytest.raises(ValueError, match="positive and finite"):
            launch_effect(*sides, paired=paired)


def test_pairs_have_two_halves() -> None:
    with pytest.raises(ValueError, match="not 2 and 1"):
        launch_effect([1.0, 2.0], [1.0])


@pytest.mark.parametrize("sides", [([], []), ([], [1.0]), ([1.0], [])])
def test_a_launch_has_times(sides: tuple[list[float], list[float]]) -> None:
    with pytest.raises(ValueError, match="at least one time"):
        launch_effect(*sides, paired=False)


# Which method judges


def test_one_launch_gives_a_ratio_and_nothing_else() -> None:
    estimate = judge([math.log(1.25)])
    assert estimate.ratio == pytest.approx(1.25)
    assert (estimate.low, estimate.high, estimate.p_value, estimate.test) == (None, None, None, "none")
    assert not estimate.established


def test_the_number_of_launches_chooses_the_test() -> None:
    tests = [judge([0.01 * i for i in range(1, num + 1)]).test for num in range(1, 13)]
    assert tests == ["none"] + 6 * ["student"] + 5 * ["signed-rank"]


@pytest.mark.parametrize(("alpha", "num"), [(0.2, 8), (0.05, 8), (0.01, 8), (2 / 2**8, 8), (0.0078, 9), (0.001, 11)])
def test_the_exact_test_takes_over_where_it_can_reach_alpha(alpha: float, num: int) -> None:
    effects = [0.01 * i for i in range(1, num + 1)]
    assert launches_for_exact_test(alpha) == num
    assert judge(effects, alpha).test == "signed-rank"
    assert judge(effects, alpha).established
    assert judge(effects[1:], alpha).test == "student"


# Against other implementations


@pytest.mark.parametrize("num", range(2, 8))
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_few_launches_are_judged_as_scipy_judges_them(num: int, confidence: float) -> None:
    effects = np.random.default_rng(num).normal(0.03, 0.02, num)
    estimate = judge(effects.tolist(), confidence=confidence)
    oracle = stats.ttest_1samp(effects, 0.0)
    interval = oracle.confidence_interval(confidence)
    assert estimate.p_value == pytest.approx(oracle.pvalue, rel=1e-8)
    assert estimate.log_ratio == pytest.approx(effects.mean())
    assert estimate.log_low == pytest.approx(interval.low)
    assert estimate.log_high == pytest.approx(interval.high)


@pytest.mark.parametrize("num", [8, 9, 12, 20, 45, 70])
@pytest.mark.parametrize("shift", [0.0, 0.01, 0.05])
def test_the_signed_rank_test_is_scipys_without_ties(num: int, shift: float) -> None:
    effects = np.random.default_rng(num).normal(shift, 0.02, num)
    oracle = stats.wilcoxon(effects, method="exact")
    assert judge(effects.tolist()).p_value == pytest.approx(oracle.pvalue, rel=1e-9)


@given(st.lists(st.integers(-3, 3), min_size=8, max_size=9))
def test_the_signed_rank_test_counts_all_flips_of_signs(ticks: list[int]) -> None:
    """With ties and zeros: midranks among all (Pratt), then the sign of every effect that has one flipped or not."""
    ranks = stats.rankdata(np.abs(ticks))[np.array(ticks) != 0]
    sizes = np.array([tick for tick in ticks if tick])
    flips = [np.dot(signs, ranks) for signs in product([-1, 1], repeat=len(ranks))]
    expected = np.mean(np.abs(flips) >= abs(np.dot(np.sign(sizes), ranks))) if len(sizes) else 1.0
    assert judge([tick / 100 for tick in ticks]).p_value == pytest.approx(expected)


@given(st.lists(st.floats(-3, 3), min_size=8, max_size=12))
def test_many_launches_are_estimated_by_the_median_of_walsh_averages(effects: list[float]) -> None:
    averages = [(a + b) / 2 for i, a in enumerate(effects) for b in effects[i:]]
    assert judge(effects).log_ratio == pytest.approx(median(averages), abs=1e-11)


def test_the_interval_of_walsh_averages_is_the_tabulated_one() -> None:
    """Of 10 launches, P(T <= 8) is 0.0244 (Wilcoxon's table: 8 for 5 % two-sided), so the ninth average is the end."""
    effects = [1.0, 2.1, 3.3, 4.6, 6.0, 7.5, 9.1, 10.8, 12.6, 14.5]
    averages = sorted((a + b) / 2 for i, a in enumerate(effects) for b in effects[i:])
    estimate = judge(effects)
    assert estimate.log_low == pytest.approx(averages[8])
    assert estimate.log_high == pytest.approx(averages[-9])


# Promises


@given(EFFECTS | COARSE_EFFECTS, LEVELS, st.floats(0.5, 0.999))
def test_negated_effects_are_judged_inversely(effects: list[float], alpha: float, confidence: float) -> None:
    estimate = judge(effects, alpha, confidence)
    assert judge([-effect for effect in effects], alpha, confidence) == estimate.inverse
    assert estimate.inverse.inverse == estimate
    assert estimate.inverse.ratio == pytest.approx(1 / estimate.ratio)


@given(EFFECTS | COARSE_EFFECTS, st.randoms(use_true_random=False))
def test_the_order_of_launches_does_not_matter(effects: list[float], order: random.Random) -> None:
    shuffled = effects.copy()
    order.shuffle(shuffled)
    assert judge(shuffled) == judge(effects)


@given(EFFECTS | COARSE_EFFECTS, LEVELS, st.floats(0.5, 0.999))
def test_the_interval_encloses_the_ratio(effects: list[float], alpha: float, confidence: float) -> None:
    estimate = judge(effects, alpha, confidence)
    assert (estimate.low is None) == (estimate.high is None)
    assert estimate.p_value is None or 0 <= estimate.p_value <= 1
    assert estimate.alpha == (alpha / 2 if estimate.test == "student" else alpha)
    assert estimate.established == (estimate.p_value is not None and estimate.p_value <= estimate.alpha)
    if estimate.low is not None and estimate.high is not None:
        assert estimate.low <= estimate.ratio <= estimate.high


@given(EFFECTS | COARSE_EFFECTS, st.floats(0.5, 0.99), st.floats(0.5, 0.99))
def test_more_confidence_is_never_a_narrower_interval(effects: list[float], one: float, other: float) -> None:
    less, more = (judge(effects, confidence=confidence) for confidence in sorted((one, other)))
    if less.log_low is not None and less.log_high is not None:
        assert more.log_low is None or more.log_low <= less.log_low
        assert more.log_high is None or more.log_high >= less.log_high


@given(st.lists(st.floats(0, 3), min_size=1, max_size=10), LEVELS)
def test_a_against_a_is_never_established(sizes: list[float], alpha: float) -> None:
    """Effects symmetric about zero: as many launches favour either side, by as much."""
    estimate = judge([sign * size for size in sizes for sign in (-1, 1)], alpha)
    assert estimate.p_value == 1.0
    assert estimate.ratio == 1.0
    assert not estimate.established


@given(UNTIED_EFFECTS, LEVELS)
def test_the_exact_interval_excludes_one_where_the_test_rejects(effects: list[float], alpha: float) -> None:
    estimate = judge(effects, alpha, confidence=1 - alpha)
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.established == (not estimate.low <= 1 <= estimate.high)


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=7), LEVELS)
def test_students_interval_excludes_one_where_the_test_rejects(effects: list[float], alpha: float) -> None:
    # Normality is taken on trust, which costs half of alpha.
    level = alpha / 2
    estimate = judge(effects, alpha, confidence=1 - level)
    assume(estimate.test == "student")
    assume(estimate.low is not None and estimate.high is not None and estimate.p_value is not None)
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.p_value is not None
    assume(abs(estimate.p_value - level) > 1e-9)
    assert estimate.established == (not estimate.low <= 1 <= estimate.high)


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_the_rounding_of_doubles_is_no_evidence(ticks: list[int], noise: random.Random) -> None:
    """The same launches timed in another unit differ in the last digits, and are judged the same."""
    effects = [tick / 64 for tick in ticks]
    assert judge([effect + noise.uniform(-1e-14, 1e-14) for effect in effects]) == judge(effects)


# Effects that do not vary


@pytest.mark.parametrize("num", [2, 3, 7, 8, 12])
def test_equal_launches_claim_no_more_than_their_signs(num: int) -> None:
    estimate = judge(num * [math.log(1.1)])
    assert estimate.ratio == pytest.approx(1.1)
    assert estimate.p_value == 2.0 ** (1 - num)
    assert estimate.established == (num >= 8)
    assert estimate.test == "signed-rank"
    assert (estimate.low is None) == (num < 6)


@pytest.mark.parametrize("num", [2, 3, 7, 8, 12])
def test_launches_without_any_difference_establish_none(num: int) -> None:
    estimate = judge(num * [0.0])
    assert (estimate.ratio, estimate.p_value, estimate.established) == (1.0, 1.0, False)


def test_zeros_are_ranked_before_they_are_left_out() -> None:
    """Pratt's example (1959): leaving the zero out first gives smaller effects the smaller p-value."""
    effects = [0.0, 2, 3, 4, 6, 7, 8, 9, 11, 14, 15, 17, -18]
    smaller = [effect - 0.01 for effect in effects]
    left_out = judge([effect for effect in effects if effect]).p_value
    p_value, smaller_p_value = judge(effects).p_value, judge(smaller).p_value
    assert left_out == pytest.approx(stats.wilcoxon([effect for effect in effects if effect]).pvalue)
    assert p_value is not None
    assert smaller_p_value is not None
    assert left_out is not None
    assert p_value < smaller_p_value < left_out


def test_an_effect_of_zero_is_in_the_interval_that_the_test_cannot_exclude() -> None:
    estimate = judge([0.0, 1, 2, 3, 4, 5, 6, 7], confidence=0.99)
    assert (estimate.p_value, estimate.low) == (2 / 2**7, 1.0)


def test_an_interval_may_be_larger_than_floats() -> None:
    estimate = judge([0.0, 3.0], confidence=0.999)
    assert estimate.low == 0.0
    assert estimate.high == math.inf
    assert estimate.inverse.high == math.inf


# Simulated launches


def judged(draw: Draw, num: int, count: int, seed: int = 0) -> list[RatioEstimate]:
    """Judgements of many comparisons of equals."""
    return [judge(effects.tolist()) for effects in draw(np.random.default_rng([seed, num]), (count, num))]


@pytest.mark.parametrize("draw", [normal, heavy_tailed, coarse])
@pytest.mark.parametrize("num", [2, 3, 5, 8, 12])
def test_false_alarms_are_as_rare_as_promised(draw: Draw, num: int) -> None:
    count = 1000
    p_values = np.array([estimate.p_value for estimate in judged(draw, num, count)], dtype=float)
    for alpha in (ALPHA, 0.05):
        assert np.mean(p_values <= alpha) <= alpha + sampling_error(alpha, count)


@pytest.mark.parametrize("draw", [normal, heavy_tailed])
@pytest.mark.parametrize("num", [3, 8])
def test_intervals_hold_the_true_ratio_as_often_as_they_say(draw: Draw, num: int) -> None:
    estimates = judged(draw, num, 1000, seed=1)
    held = np.mean([(e.low or math.inf) <= 1 <= (e.high or -math.inf) for e in estimates])
    assert held >= 0.95 - sampling_error(0.95, len(estimates))
    if draw is normal:
        assert held <= 0.961 + sampling_error(0.961, len(estimates))


@pytest.mark.parametrize("num", [5, 8])
def test_the_luck_of_a_launch_is_no_difference(num: int) -> None:
    """Steps that share their launch's luck: a test over steps would be sure of it, one over launches is not."""
    rng = np.random.default_rng(num)
    count, steps = 400, 21
    alarms = 0
    for _ in range(count):
        luck = rng.normal(0, 0.02, (num, 1))
        baseline, variant = np.exp(rng.normal(0, 0.02, (2, num, steps)))
        effects = [launch_effect(*sides) for sides in zip(baseline * np.exp(luck), variant, strict=True)]
        alarms += judge(effects, alpha=0.05).established
    assert alarms / count <= 0.05 + sampling_error(0.05, count)


# Several comparisons


def test_holm_steps_down_until_one_fails() -> None:
    """Holm's bars for four at 0.05: 0.0125, 0.0167, 0.025, 0.05."""
    assert holm([0.01, 0.04, 0.03, 0.005], 0.05) == (True, False, False, True)
    assert holm([0.0125, 0.016, 0.025, 0.05], 0.05) == (True, True, True, True)
    assert holm([0.013, 0.013, 0.013, 0.013], 0.05) == (False, False, False, False)


def test_holm_counts_comparisons_without_a_test() -> None:
    assert holm([0.02, None], 0.03) == (False, False)
    assert holm([None, 0.01], 0.03) == (False, True)
    assert holm([None], 0.03) == (False,)
    assert holm([], 0.03) == ()


P_VALUES = st.lists(st.none() | st.floats(0, 1) | st.floats(0, 0.02), max_size=8)


@given(P_VALUES, LEVELS)
def test_holm_lies_between_bonferroni_and_no_correction(p_values: list[float | None], alpha: float) -> None:
    for p, established in zip(p_values, holm(p_values, alpha), strict=True):
        assert not established or (p is not None and p <= alpha)
        assert established or p is None or p > alpha / len(p_values)


@given(P_VALUES, LEVELS)
def test_holm_does_not_care_for_the_order(p_values: list[float | None], alpha: float) -> None:
    assert holm(p_values[::-1], alpha)[::-1] == holm(p_values, alpha)


# How many launches


def test_a_smaller_difference_needs_more_launches() -> None:
    noise = [-0.02, -0.01, 0.0, 0.01, 0.02]
    needed = [launches_needed([size + deviation for deviation in noise]) for size in (0.1, 0.05, 0.02, 0.01, 0.001)]
    assert needed[-1] is None
    counts = [count for count in needed if count is not None]
    assert len(counts) == 4
    assert counts == sorted(counts)
    assert counts[0] < 8 < counts[-1]


@pytest.mark.parametrize("num", [10, 16, 30])
def test_about_that_many_launches_have_80_percent_power(num: int) -> None:
    """Twenty launches that look like a normal distribution, shifted by what so many launches should find."""
    quantiles = [NormalDist().inv_cdf((i + 0.5) / 20) for i in range(20)]
    shift = 3.45 / math.sqrt(num - 3)
    needed = launches_needed([shift + 0.98 * quantile for quantile in quantiles])
    assert needed is not None
    draws = np.random.default_rng(num).normal(shift, 1.0, (600, needed))
    power = np.mean([judge(effects.tolist()).established for effects in draws])
    assert 0.7 < power < 0.92


def test_noise_that_is_not_known_gives_no_number() -> None:
    assert launches_needed([0.1]) is None
    assert launches_needed([-0.1, 0.1]) is None
    assert launches_needed([0.0, 0.0, 0.0]) is None


def test_equal_launches_need_what_the_signs_need() -> None:
    assert launches_needed([0.1, 0.1]) == 8
    assert launches_needed([0.1, 0.1], alpha=0.05) == 6


def test_where_eight_launches_failed_fewer_are_not_recommended() -> None:
    """Student's test would do with six such launches, but eight with one against the rest just missed 0.01."""
    effects = [-0.01, 0.1, 0.11, 0.12, 0.13, 0.14, 0.15, 0.16]
    assert judge(effects).p_value == 4 / 2**8
    assert launches_needed(effects) == 9


@given(EFFECTS | COARSE_EFFECTS)
def test_launches_that_establish_nothing_are_not_enough(effects: list[float]) -> None:
    needed = launches_needed(effects)
    assert needed is None or 2 <= needed <= 99
    assert needed is None or judge(effects).established or needed > len(effects)


# What is refused


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_effects_are_finite(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        judge([0.1, bad])


def test_a_judgement_needs_a_launch() -> None:
    with pytest.raises(ValueError, match="at least one launch"):
        judge([])


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, math.nan])
def test_levels_lie_between_0_and_1(level: float) -> None:
    with pytest.raises(ValueError, match="alpha lies between"):
        judge([0.1], alpha=level)
    with pytest.raises(ValueError, match="confidence lies between"):
        judge([0.1], confidence=level)
    with pytest.raises(ValueError, match="alpha lies between"):
        holm([0.1], level)
    with pytest.raises(ValueError, match="alpha lies between"):
        launches_for_exact_test(level)


@pytest.mark.parametrize("p_value", [-0.1, 1.1, math.nan])
def test_p_values_are_probabilities(p_value: float) -> None:
    with pytest.raises(ValueError, match="p-value"):
        holm([0.5, p_value], ALPHA)


def of_pairs(ratio: float, advantage: float, first: list[bool]) -> tuple[list[float], list[float]]:
    """Times of a variant that takes `ratio` times as long, where who goes first is faster by `advantage`."""
    draw = np.random.default_rng(len(first))
    noise = draw.normal(0, 0.002, (len(first), 2))
    baseline = [math.exp(one - (advantage if is_first else 0)) for (one, _), is_first in zip(noise, first, strict=True)]
    variant = [
        ratio * math.exp(other - (0 if is_first else advantage))
        for (_, other), is_first in zip(noise, first, strict=True)
    ]
    return baseline, variant


@pytest.mark.parametrize("advantage", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("num_first", [5, 9, 12])
def test_going_first_is_no_advantage_however_the_order_was_drawn(advantage: float, num_first: int) -> None:
    first = [place < num_first for place in range(20)]
    baseline, variant = of_pairs(1.1, advantage, first)
    effect = launch_effect(baseline, variant, True, first)
    assert effect == pytest.approx(-math.log(1.1), abs=0.004)
    swapped = launch_effect(variant, baseline, True, [not is_first for is_first in first])
    assert swapped == pytest.approx(-effect)


def test_few_pairs_of_an_order_have_no_median_of_their_own() -> None:
    first = [True] * 4 + [False] * 9
    baseline, variant = of_pairs(1.1, 0.1, first)
    assert launch_effect(baseline, variant, True, first) == launch_effect(baseline, variant)
    assert launch_effect(baseline, variant, False, first) == launch_effect(baseline, variant, paired=False)

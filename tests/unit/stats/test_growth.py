"""Growth that is planted is found again, and what cannot be known is not claimed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paco_prof.stats.growth import Growth, fit_growth

DOUBLING = (2, 4, 8, 16, 32)
DENSE = (2, 3, 4, 6, 8, 12, 16)
Law = Callable[[float], float]


def planted(
    law: Law,
    sizes: Sequence[int],
    draw: random.Random,
    of_sizes: float = 0.02,
    of_launches: float = 0.01,
    number: int = 2,
) -> Growth:
    """The fit to launches of a law, sizes and launches each off by so much."""
    places, times = [], []
    for size in sizes:
        off = draw.gauss(0.0, of_sizes)
        for _ in range(number):
            places.append((float(size),))
            times.append(law(size) * math.exp(off + draw.gauss(0.0, of_launches)))
    growth = fit_growth(places, times)
    assert growth is not None
    return growth


def exactly(law: Law, sizes: Sequence[int] = DOUBLING) -> Growth:
    growth = fit_growth([(float(size),) for size in sizes], [law(size) for size in sizes])
    assert growth is not None
    return growth


@pytest.mark.parametrize(
    ("law", "exponent"),
    [
        (lambda x: 1e-3 * x**1.5, 1.5),
        (lambda x: 1e-3 * x**3, 3.0),
        (lambda x: 0.1 + 0.002 * x**2, 2.0),
        (lambda x: 0.1 + 0.02 * x, 1.0),
        (lambda x: 1e-3 * x * x * (x - 1), 3.0),
        (lambda x: 0.1, 0.0),
    ],
    ids=["power", "cube", "fixed and square", "fixed and linear", "pairs of others", "constant"],
)
def test_intervals_hold_what_was_planted(law: Law, exponent: float) -> None:
    """At least 93 % of them, within what as many simulations can tell (two standard errors); and they say something."""
    draw, number, sizes = random.Random(1), 40, DOUBLING
    held = predicted = 0
    widths, factors = [], []
    for _ in range(number):
        growth = planted(law, sizes, draw)
        low, high = growth.exponent.low, growth.exponent.high
        assert low is not None
        assert high is not None
        held += low <= exponent <= high
        at = growth.predict((2.0 * sizes[-1],))
        new = law(2 * sizes[-1]) * math.exp(draw.gauss(0.0, 0.02) + draw.gauss(0.0, 0.01))
        assert at.low is not None
        assert at.high is not None
        predicted += at.low <= new <= at.high
        widths.append(high - low)
        factors.append(at.high / at.low)
    assert median(widths) < 0.6
    assert median(factors) < 1.5, "at twice the largest size"
    least = (0.93 - 2 * math.sqrt(0.93 * 0.07 / number)) * number
    assert held >= least
    assert predicted >= least


@pytest.mark.parametrize("place", [6.0, 32.0])
def test_the_interval_of_a_prediction_is_for_one_new_launch(place: float) -> None:
    """Sizes lie on the law, launches scatter by 3 %: a new launch scatters more than the medians that were fitted."""
    draw, runs, new_launches, inside = random.Random(2), 25, 20, 0
    for _ in range(runs):
        at = planted(lambda x: 1e-3 * x**2, DENSE, draw, 0.0, 0.03, number=5).predict((place,))
        assert at.low is not None
        assert at.high is not None
        for _ in range(new_launches):
            inside += at.low <= 1e-3 * place**2 * math.exp(draw.gauss(0.0, 0.03)) <= at.high
    assert inside >= 0.93 * runs * new_launches


@pytest.mark.parametrize(
    ("law", "exponent"),
    [(lambda x: 1e-3 * x**1.5, 1.5), (lambda x: 0.1 + 0.02 * x, 1.0), (lambda x: 1e-3 * x * x * (x - 1), 3.0)],
    ids=["power", "fixed and linear", "pairs of others"],
)
def test_four_sizes_allow_for_what_a_power_alone_hides(law: Law, exponent: float) -> None:
    draw, runs, held = random.Random(1), 25, 0
    widths = []
    for _ in range(runs):
        growth = planted(law, (2, 4, 8, 16), draw, 0.01, 0.01)
        assert not growth.is_power_alone
        assert growth.exponent.low is not None
        assert growth.exponent.high is not None
        held += growth.exponent.low <= exponent <= growth.exponent.high
        widths.append(growth.exponent.high - growth.exponent.low)
    assert median(widths) < 1.0
    assert held >= (0.93 - 2 * math.sqrt(0.93 * 0.07 / runs)) * runs


@pytest.mark.parametrize(("sizes", "is_alone"), [((4, 8), False), ((2, 4, 8), True), ((2, 4, 8, 16), False)])
def test_three_sizes_know_the_power_alone(sizes: Sequence[int], is_alone: bool) -> None:
    growth = exactly(lambda x: 1e-3 * x**2, sizes)
    assert growth.is_power_alone == is_alone
    assert (growth.exponent.low is None) == (len(sizes) == 2)


def test_noise_that_ends_no_exponent_leaves_it_open() -> None:
    growth = fit_growth([(2.0,), (3.0,), (4.0,)], [1.0, 100.0, 1.0])
    assert growth is not None
    assert (growth.exponent.low, growth.exponent.high) == (-math.inf, math.inf)
    for beyond in (8.0, 1.0):
        assert (growth.predict((beyond,)).low, growth.predict((beyond,)).high) == (0.0, math.inf)
    within = growth.predict((4.0,))
    assert within.low is not None
    assert within.high is not None
    assert 0.0 < within.low < within.high < math.inf


def test_an_exponent_without_an_end_has_a_prediction_without_one() -> None:
    """What sets in at the last size may grow with any power from there on; where the search ended is no end."""
    sizes, times = (2, 3, 4, 6, 8, 12), (1.0, 1.02, 1.05, 1.02, 1.10, 1.30)
    growth = fit_growth([(float(size),) for size in sizes], times)
    assert growth is not None
    assert growth.exponent.high == math.inf
    at = growth.predict((64.0,))
    assert at.low is not None
    assert 1.0 < at.low < at.value
    assert at.high == math.inf
    last = growth.predict((12.0,)).high
    assert last is not None
    assert last < 2.0


def test_a_pure_power_is_found_as_such() -> None:
    draw = random.Random(7)
    shapes = [planted(lambda x: 2e-3 * x**1.7, DENSE, draw).shape for _ in range(10)]
    assert shapes.count("power") >= 8
    assert exactly(lambda x: 2e-3 * x**1.7).shape == "power"


def test_a_fixed_cost_is_separated_where_the_sizes_show_it() -> None:
    growth = exactly(lambda x: 0.1 + 0.002 * x**2)
    assert growth.shape == "fixed cost"
    assert growth.fixed_cost is not None
    assert growth.fixed_cost.value == pytest.approx(0.1, rel=1e-4)
    assert growth.exponent.value == pytest.approx(2.0, abs=1e-4)
    assert growth.coefficient == pytest.approx(0.002, rel=1e-3)


def test_a_cost_of_pairs_has_the_exponent_of_its_leading_term() -> None:
    """B^2 (B - 1): between 2 and 4 it grows like a power of 3.6, and a power alone would predict far too much."""
    growth = exactly(lambda x: 1e-4 * x * x * (x - 1))
    assert growth.shape == "lower order"
    assert growth.exponent.value == pytest.approx(3.0, abs=1e-3)
    assert growth.lower_order == pytest.approx(-1e-4, rel=1e-2)
    assert growth.predict((64,)).value == pytest.approx(1e-4 * 64 * 64 * 63, rel=1e-2)


def test_a_time_that_does_not_grow_has_an_exponent_near_zero_and_no_more() -> None:
    growth = planted(lambda x: 0.1, DOUBLING, random.Random(3))
    assert growth.shape == "power"
    assert not growth.grows
    assert abs(growth.exponent.value) < 0.05
    assert growth.exponent.high is not None
    assert growth.exponent.high < 0.2
    assert growth.predict((320,)).value == pytest.approx(0.1, rel=0.2)
    assert growth.is_taken_for_power


@pytest.mark.parametrize(
    ("law", "sizes", "is_power", "is_taken"),
    [
        (lambda x: 0.1 + 1e-5 * x**2, DOUBLING, False, True),
        (lambda x: 0.1 + 1e-5 * x**2, (2, 4, 8), False, False),
        (lambda x: 1e-3 * x**2, DOUBLING, False, False),
        (lambda x: 1e-3 * x**2, DOUBLING, True, True),
    ],
    ids=["flat", "flat at three sizes", "growing", "as asked"],
)
def test_what_is_taken_for_a_power_although_it_need_not_be_one_says_so(
    law: Law, sizes: Sequence[int], is_power: bool, is_taken: bool
) -> None:
    """A tenth more at the largest size than at the smallest, and noise: no interval holds the square that it is."""
    off = {4: 1.03, 8: 0.98, 16: 1.02}
    times = [law(size) * off.get(size, 1.0) for size in sizes]
    growth = fit_growth([(float(size),) for size in sizes], times, is_power=is_power)
    assert growth is not None
    assert growth.is_taken_for_power == is_taken
    assert growth.is_power_alone == (len(sizes) == 3)
    if is_taken:
        assert growth.shape == "power"


def test_two_sizes_give_an_exponent_and_no_interval() -> None:
    growth = exactly(lambda x: x**2, (4, 8))
    assert growth.exponent.value == pytest.approx(2.0)
    assert (growth.exponent.low, growth.exponent.high) == (None, None)
    predicted = growth.predict((16,))
    assert predicted.value == pytest.approx(256)
    assert (predicted.low, predicted.high, predicted.beyond) == (None, None, 2.0)


def test_one_size_gives_nothing() -> None:
    assert fit_growth([(4.0,), (4.0,)], [1.0, 1.1]) is None


def test_a_size_that_was_disturbed_is_left_out_and_named() -> None:
    law = {size: 1e-4 * size**2 for size in range(2, 10)}
    law[5] *= 1.6
    growth = planted(lambda x: law[int(x)], tuple(law), random.Random(1), 0.005, 0.005)
    assert growth.apart == ((5.0,),)
    assert (5.0,) not in growth.sizes
    assert growth.exponent.value == pytest.approx(2.0, abs=0.05)


def test_the_largest_size_is_never_left_out() -> None:
    law = {size: 1e-4 * size**2 for size in range(2, 10)}
    law[9] *= 1.6
    growth = planted(lambda x: law[int(x)], tuple(law), random.Random(1), 0.005, 0.005)
    assert growth.sizes[-1] == (9.0,)


def test_launches_that_scatter_widen_what_sizes_alone_would_say() -> None:
    times = [(size, 1e-3 * size**2 * factor) for size in DOUBLING for factor in (0.8, 1.25)]
    scattered = fit_growth([(float(size),) for size, _ in times], [time for _, time in times])
    assert scattered is not None
    assert scattered.launch_scatter == pytest.approx(0.3156, rel=0.01)
    low, high = scattered.exponent.low, scattered.exponent.high
    assert low is not None
    assert high is not None
    assert high - low > 0.2


@settings(max_examples=15)
@given(factor=st.floats(1e-6, 1e6), seed=st.integers(0, 50))
def test_the_unit_of_time_changes_costs_and_no_exponent(factor: float, seed: int) -> None:
    def law(x: float) -> float:
        return 0.1 + 0.003 * x**2

    one = planted(law, DOUBLING, random.Random(seed))
    other = planted(lambda x: factor * law(x), DOUBLING, random.Random(seed))
    assert other.shape == one.shape
    assert other.exponent.value == pytest.approx(one.exponent.value, abs=1e-4)
    assert other.coefficient == pytest.approx(factor * one.coefficient, rel=1e-3)
    assert other.predict((64,)).value == pytest.approx(factor * one.predict((64,)).value, rel=1e-3)
    if one.fixed_cost is not None and other.fixed_cost is not None:
        assert other.fixed_cost.value == pytest.approx(factor * one.fixed_cost.value, rel=1e-3)


@settings(max_examples=15)
@given(data=st.data())
def test_the_order_of_launches_changes_nothing(data: st.DataObject) -> None:
    draw = random.Random(data.draw(st.integers(0, 20)))
    launches = [((float(s),), 1e-3 * s**2 * math.exp(draw.gauss(0, 0.05))) for s in DOUBLING for _ in range(3)]
    shuffled = data.draw(st.permutations(launches))
    fits = [fit_growth([size for size, _ in each], [time for _, time in each]) for each in (launches, shuffled)]
    assert fits[0] == fits[1]


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 64), st.floats(1e-6, 1e6)), min_size=2, max_size=9))
def test_whatever_was_measured_intervals_hold_their_figures(pairs: list[tuple[int, float]]) -> None:
    growth = fit_growth([(float(size),) for size, _ in pairs], [time for _, time in pairs])
    if growth is None:
        return
    predicted = growth.predict((128.0,))
    assert predicted.value > 0
    for figure in (growth.exponent, predicted):
        if figure.low is not None and figure.high is not None:
            assert figure.low <= figure.value + 1e-4
            assert figure.value <= figure.high + 1e-4


@pytest.mark.parametrize(("sizes", "times"), [([(1.0,)], [0.0]), ([(0.0,)], [1.0]), ([], []), ([(1.0,)], [1.0, 2.0])])
def test_what_is_no_size_or_no_time_is_refused(sizes: list[tuple[float, ...]], times: list[float]) -> None:
    with pytest.raises(ValueError, match=r"positive|needs"):
        fit_growth(sizes, times)

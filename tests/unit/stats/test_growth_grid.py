"""Growth in two factors."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from paco_prof.stats.growth import fit_growth

GRID = [(float(batch), float(parts)) for batch in (2, 4, 8) for parts in (2, 4, 8)]
Law = Callable[[float, float], float]


def test_two_factors_have_an_exponent_each() -> None:
    grid = [(float(b), float(k)) for b in (2, 4, 8, 16) for k in (2, 4, 8)]
    growth = fit_growth(grid, [0.01 + 1e-4 * b**2 * k**1.5 for b, k in grid])
    assert growth is not None
    assert [e.value for e in growth.exponents] == pytest.approx([2.0, 1.5], abs=1e-2)
    assert growth.fixed_cost is not None
    assert growth.fixed_cost.value == pytest.approx(0.01, rel=0.01)
    assert growth.predict((32, 16)).value == pytest.approx(0.01 + 1e-4 * 32**2 * 16**1.5, rel=0.02)
    assert growth.predict((32, 16)).beyond == 2.0


def test_a_factor_that_was_not_varied_by_itself_gives_nothing() -> None:
    assert fit_growth([(2.0, 4.0), (4.0, 8.0), (8.0, 16.0)], [1.0, 2.0, 4.0]) is None


@pytest.mark.parametrize(
    ("law", "exponents", "lower_of"),
    [
        (lambda b, k: 1e-4 * b * b * (b - 1) * k * k, (3.0, 2.0), 0),
        (lambda b, k: 1e-4 * b * b * k * (k - 1), (2.0, 2.0), 1),
    ],
    ids=["pairs of images", "pairs of parts"],
)
def test_intervals_of_a_grid_hold_what_was_planted(law: Law, exponents: tuple[float, float], lower_of: int) -> None:
    """Between 2 and 8 a factor n (n - 1) looks like n^2.3: a power alone is sure of that, and wrong."""
    draw, runs = random.Random(1), 10
    held, predicted = [0, 0], 0
    for _ in range(runs):
        growth = fit_growth(GRID, [law(*sizes) * math.exp(draw.gauss(0.0, 0.02)) for sizes in GRID])
        assert growth is not None
        assert (growth.shape, growth.lower_of) == ("lower order", lower_of)
        for place, (found, true) in enumerate(zip(growth.exponents, exponents, strict=True)):
            assert found.low is not None
            assert found.high is not None
            held[place] += found.low <= true <= found.high
            assert found.high - found.low < 0.5
        at = growth.predict((32.0, 16.0))
        assert at.low is not None
        assert at.high is not None
        predicted += at.low <= law(32.0, 16.0) * math.exp(draw.gauss(0.0, 0.02)) <= at.high
        assert at.high < 2 * at.low
    assert min(*held, predicted) >= 8


def test_a_lower_order_of_either_factor_is_told_with_its_coefficient() -> None:
    growth = fit_growth(GRID, [1e-4 * b * b * k * (k - 1) for b, k in GRID])
    assert growth is not None
    assert growth.lower_order == pytest.approx(-1e-4, rel=0.02)
    assert growth.coefficient == pytest.approx(1e-4, rel=0.02)
    assert growth.predict((64, 64)).value == pytest.approx(1e-4 * 64**2 * 64 * 63, rel=0.02)

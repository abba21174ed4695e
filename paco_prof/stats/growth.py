"""How a time grows with sizes: an exponent with its interval, a fixed cost where the data show one, and predictions.

Assumptions. Times are compared on the scale of their logarithms, where the noise of a large one is that of a small one.
Launches of a size are one number, the median of theirs: a curvature that a shape does not have is seen between sizes,
and no number of launches at each of them makes it smaller. So intervals rest on the misfit between sizes, with as
many degrees of freedom as there are sizes to spare, and are never narrower than the scatter of launches makes them.
That of a prediction is for one new launch, which scatters more than the median of several does.

Three shapes are held against each other: a pure power; a fixed cost and a power; and a power with the next lower one
beside it, which is what the count of operations of most code is. The pure power stands unless one of the others fits
better by more than noise can explain (extra-sum-of-squares F test; Seber and Wild, Nonlinear Regression, 1989, 5.3).
Whichever stands, the interval holds what *any* of the three can be without misfitting (the profile likelihood, ibid.
5.5): what a power alone says of its own exponent is too sure, because nobody knows that there is no fixed cost. A shape
needs one size more than it has numbers: three sizes of one factor, or four of two, know the power alone. Of two factors
a lower order is tried for each, and not for both at once.

A time that does not grow noticeably within the sizes is taken for a power alone, as if it stayed so: a fixed cost that
is all but the whole of it could hide a power of any exponent, and nothing would be known of it beyond the sizes. If one
is hidden there, these intervals do not hold it; `Growth.is_taken_for_power` says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from paco_prof.stats.growth_medians import Medians, is_enough, medians_of
from paco_prof.stats.growth_profile import Region, best_curve, region_of
from paco_prof.stats.growth_shapes import Curves, Data, Shape, ShapeName
from paco_prof.stats.summary import CONFIDENCE

__all__ = ["GROWS_FROM", "Exponent", "Growth", "Prediction", "fit_growth"]

Array = npt.NDArray[np.float64]
POWER, FIXED = Shape("power"), Shape("fixed cost")
# Sizes that shapes with one more parameter need beyond their parameters, and those that a fit needs beyond its own for
# another size to be held against it.
SPARE, SPARE_TO_JUDGE = 1, 2
# A time that is not this many times as long at its largest size as at its smallest does not show how it grows.
GROWS_FROM = 1.25
# A size stands apart if the others, alone, put it outside of their interval; all sizes together err so rarely.
APART = 0.01
# What a size must miss the curve by before it is looked at: in logarithms, and as a part of all squared misfits. And
# how many sizes there must be to each that may stand apart.
FAR_OFF, MUCH, SIZES_PER_ONE = 0.05, 0.25, 5
# A logarithm of a time over its unit that computes.
LARGEST_LOG = 700.0
# Nothing is known better than this, relatively: beyond it, all is rounding.
FINEST = 1e-6


@dataclass(frozen=True, slots=True)
class Exponent:
    """An exponent; without an interval where two sizes are all there is.

    Attributes:
        low, high: ends of the interval; infinite where the data do not end it.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """A time at sizes, and where the median over the steps of one new launch there will lie.

    Attributes:
        low, high: ends of the interval, 0 and infinite where the data do not end it; None where sizes are too few.
        beyond: how many times the largest size of the fit it is, of the factor that is farthest out; at most 1 is no
            extrapolation.
    """

    value: float
    low: float | None
    high: float | None
    beyond: float


@dataclass(frozen=True)
class Growth:
    """How a time grows.

    Attributes:
        shape: which of the three stands.
        exponents: one a factor.
        fixed_cost: seconds that do not grow, with their interval; None where the data do not show them.
        coefficient: seconds at size 1 of what grows, without lower-order terms.
        lower_order: coefficient of the power that is one less; None unless that shape stands.
        lower_of: the place of the factor whose power that is; None unless that shape stands.
        launch_scatter: of a launch about the others of its size, relative; None where no size has two.
        sizes: that the fit rests on, ascending.
        apart: sizes that were left out of the fit, because they do not follow the others.
        degrees_of_freedom: sizes beyond what the intervals' parameters take.
        confidence: of all intervals.
        grows: whether it is noticeably longer at the largest size than at the smallest, or shorter.
        is_power_alone: whether there are intervals and sizes are too few for any shape but the power: what a fixed
            cost or a lower power would do to its exponent, these intervals do not allow for.
        is_taken_for_power: whether the same holds although sizes are enough: it does not grow, or nothing else was to
            be looked at.
    """

    shape: ShapeName
    exponents: tuple[Exponent, ...]
    fixed_cost: Exponent | None
    coefficient: float
    lower_order: float | None
    launch_scatter: float | None
    sizes: tuple[tuple[float, ...], ...]
    apart: tuple[tuple[float, ...], ...]
    degrees_of_freedom: int
    confidence: float = CONFIDENCE
    grows: bool = True
    is_power_alone: bool = False
    is_taken_for_power: bool = False
    lower_of: int | None = None
    _data: Data = field(kw_only=True, repr=False, compare=False)
    _curve: Curves = field(kw_only=True, repr=False, compare=False)
    _regions: tuple[Region, ...] = field(kw_only=True, repr=False, compare=False)
    # The variance of one launch beyond that of a size's median, over what a size's is taken to be.
    _of_launch: float = field(default=0.0, kw_only=True, repr=False, compare=False)

    @property
    def exponent(self) -> Exponent:
        """Of the first factor, which mostly is the only one."""
        return self.exponents[0]

    @property
    def largest(self) -> tuple[float, ...]:
        """The largest size of each factor that the fit rests on."""
        return tuple(max(of_factor) for of_factor in zip(*self.sizes, strict=True))

    def at(self, sizes: Sequence[float]) -> float:
        """The fitted time at sizes, one a factor."""
        place = self._data.place(np.asarray(sizes, dtype=float))
        shape = Shape(self.shape, self.lower_of or 0)
        return math.exp(float(shape.log_at(self._curve, place)[0])) * self._data.time_unit

    def predict(self, sizes: Sequence[float]) -> Prediction:
        """The time at sizes, one a factor, with an interval for the median of one new launch there."""
        beyond = max(size / most for size, most in zip(sizes, self.largest, strict=True))
        value = self.at(sizes)
        if not self._regions:
            return Prediction(value, None, None, beyond)
        low, high = self._reach(sizes, self._of_launch)
        return Prediction(value, min(low, value), max(high, value), beyond)

    def _reach(self, sizes: Sequence[float], beyond_medians: float) -> tuple[float, float]:
        """Ends of what may be measured at sizes; see `Region.reach`."""
        place = np.asarray(sizes, dtype=float)
        reaches = [region.reach(self._data, place, beyond_medians) for region in self._regions]
        low, high = min(low for low, _ in reaches), max(high for _, high in reaches)
        unit = self._data.time_unit
        # What is too large for a number has no end either.
        return math.exp(low) * unit, math.exp(high) * unit if high < LARGEST_LOG else math.inf


def fit_growth(
    sizes: Sequence[Sequence[float]],
    times: Sequence[float],
    confidence: float = CONFIDENCE,
    *,
    is_power: bool = False,
) -> Growth | None:
    """The growth of a time.

    Args:
        sizes: for each launch, its size of each factor, one or two; positive.
        times: of each launch, its median; positive.
        confidence: of intervals.
        is_power: whether it is taken for a power without looking at the other shapes.

    Returns:
        None where there are fewer sizes than the exponents need, or, of two factors, one was not varied by itself.

    Raises:
        ValueError: a size or a time is not positive, or there is not one size a time.
    """
    medians = medians_of(sizes, times)
    if not is_enough(medians.sizes):
        return None
    apart: list[tuple[float, ...]] = []
    growth = _fit(medians, confidence, is_power)
    allowed = len(medians.times) // SIZES_PER_ONE
    while len(apart) < allowed and (index := _standing_apart(medians, growth, is_power)) is not None:
        apart.append(tuple(float(size) for size in medians.sizes[index]))
        medians = medians.without(index)
        growth = _fit(medians, confidence, is_power)
    return replace(growth, apart=tuple(sorted(apart)))


def _fit(medians: Medians, confidence: float, is_power: bool) -> Growth:
    data = Data.of(medians.sizes, medians.times)
    power = best_curve(POWER, data)
    rivals = _rivals(data)
    others = () if is_power else rivals
    found = {POWER: power, **{shape: best_curve(shape, data) for shape in others}}
    spare = data.num - max(shape.num_parameters(data.num_factors) for shape in found)
    cost = min(float(curve.cost[0]) for curve in found.values())
    limit = cost + _allowance(cost, spare, medians, confidence) if spare else math.inf
    stands = _standing(found, limit)
    grows = float(np.ptp(found[stands].logs[0])) >= math.log(GROWS_FROM)
    if stands is POWER and (not grows or not others):
        # Alone: sizes are too few for more, or a time that is all but constant could hide a power of any exponent.
        found = {POWER: power}
        spare, cost = data.num - POWER.num_parameters(data.num_factors), float(power.cost[0])
        limit = cost + _allowance(cost, spare, medians, confidence) if spare else math.inf
    regions = [region_of(shape, data, curve, limit) for shape, curve in found.items()] if spare else []
    of_launch = _of_launch(medians, limit - cost, confidence) if spare else 0.0
    return replace(
        _growth(medians, data, stands, found[stands], tuple(r for r in regions if r is not None), spare),
        confidence=confidence,
        grows=grows,
        is_power_alone=bool(spare) and not rivals,
        is_taken_for_power=bool(rivals) and len(found) == 1,
        _of_launch=of_launch,
    )


def _rivals(data: Data) -> tuple[Shape, ...]:
    """The shapes that sizes are enough for, beside the power."""
    shapes = (FIXED, *(Shape("lower order", factor) for factor in range(data.num_factors)))
    return tuple(s for s in shapes if data.num >= s.num_parameters(data.num_factors) + SPARE)


def _allowance(cost: float, spare: int, medians: Medians, confidence: float) -> float:
    """The cost beyond the least that noise explains, as misfit tells, and not less than launches tell."""
    quantile = 0.5 + confidence / 2
    by_misfit = float(stats.t.ppf(quantile, spare)) ** 2 * cost / spare
    by_launches = float(stats.t.ppf(quantile, medians.spare)) ** 2 * medians.floor if medians.spare else 0.0
    return max(by_misfit, by_launches, FINEST**2)


def _of_launch(medians: Medians, allowance: float, confidence: float) -> float:
    """The variance of one launch beyond that of a size's median, over the variance that a size is taken to have; each
    with as many degrees of freedom as there are to know it by.
    """
    if medians.variance is None:
        return 0.0
    quantile = float(stats.t.ppf(0.5 + confidence / 2, medians.spare))
    return quantile**2 * max(0.0, medians.variance - medians.floor) / allowance


def _standing(found: dict[Shape, Curves], limit: float) -> Shape:
    """The first shape, in the order of their simplicity, that fits as well as the best but for noise."""
    if found[POWER].cost[0] <= limit:
        return POWER
    others = [shape for shape in found if shape is not POWER]
    return next(shape for shape in others if found[shape].cost[0] <= limit)


def _growth(
    medians: Medians,
    data: Data,
    shape: Shape,
    curve: Curves,
    regions: tuple[Region, ...],
    spare: int,
) -> Growth:
    values = [float(value) for value in curve.exponents[0]]
    ends = [_joined(regions, factor) for factor in range(len(values))]
    first, second = (float(c) * data.time_unit for c in curve.coefficients[0])
    fixed = next((region.fixed_cost(data) for region in regions if region.shape is FIXED), (None, None))
    scale = math.exp(-math.fsum(v * math.log(u) for v, u in zip(values, data.size_units, strict=True)))
    is_lower = shape.name == "lower order"
    return Growth(
        shape=shape.name,
        exponents=tuple(Exponent(value, *pair) for value, pair in zip(values, ends, strict=True)),
        fixed_cost=Exponent(second, *fixed) if shape is FIXED else None,
        coefficient=first * scale,
        lower_order=second * scale * float(data.size_units[shape.lower_of]) if is_lower else None,
        lower_of=shape.lower_of if is_lower else None,
        launch_scatter=None if medians.variance is None else math.sqrt(medians.variance),
        sizes=tuple(tuple(float(size) for size in row) for row in medians.sizes),
        apart=(),
        degrees_of_freedom=spare,
        _data=data,
        _curve=curve,
        _regions=regions,
    )


def _joined(regions: Sequence[Region], factor: int) -> tuple[float | None, float | None]:
    if not regions:
        return None, None
    return min(region.ends[factor][0] for region in regions), max(region.ends[factor][1] for region in regions)


def _standing_apart(medians: Medians, growth: Growth, is_power: bool) -> int | None:
    """The size that does not follow the others, if there is one; never the largest, which predictions start from."""
    data, curve = growth._data, growth._curve
    squares = (data.logs - curve.logs[0]) ** 2
    total, last = float(squares.sum()), int(np.argmax(data.places.sum(axis=1)))
    for index in np.argsort(-squares):
        if squares[index] < max(FAR_OFF**2, MUCH * total):
            return None
        others = medians.without(int(index))
        if index == last or not is_enough(others.sizes):
            continue
        # Each of the sizes had its chance of standing apart.
        alone = _fit(others, 1.0 - APART / data.num, is_power)
        if alone.degrees_of_freedom < SPARE_TO_JUDGE:
            continue
        low, high = alone._reach(tuple(medians.sizes[index]), 0.0)
        if not low <= medians.times[index] <= high:
            return int(index)
    return None

"""The best exponents of a shape, and all those that the data cannot tell from them: the profile of its cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paco_prof.stats.growth_shapes import Curves, Data, Shape

__all__ = ["Region", "best_curve", "region_of"]

Array = npt.NDArray[np.float64]
# Points of the first, coarse search along an exponent, and of each closer look at what was found.
COARSE, FINE = 61, 33
ZOOMS = 3
# Steps by which a profile is walked away from its best: each is twice as long as the one before.
FIRST_STEP, NUM_STEPS, LOOKS = 1e-5, 22, 3
MEMBERS = 41
# By which the logarithm of a size may miss itself.
ROUNDING = 1e-9
# Looks at the other one of two exponents, and points in each.
WINDOWS, IN_WINDOW = 5, 9


@dataclass(frozen=True)
class Region:
    """The exponents that a shape can have without misfitting, with the best of everything else for each.

    Attributes:
        shape: of which.
        curves: from the least first exponent to the largest.
        ends: of each exponent; where nothing in the data ends it, that of the shape itself, mostly infinite.
        limit: cost that is still accepted.
    """

    shape: Shape
    curves: Curves
    ends: tuple[tuple[float, float], ...]
    limit: float

    def reach(self, data: Data, sizes: Array, beyond: float) -> tuple[float, float]:
        """Ends of the logarithm of a new time at sizes (factors,), over the time unit; infinite beyond the sizes of a
        factor of which the exponent has no end: that of the search is none.

        A time is inside if, taken for one more observation, it leaves a cost within the limit: what Student's interval
        for a prediction is where the shape is a straight line.

        Args:
            data: that was fitted.
            sizes: of the new time.
            beyond: the variance that the new time has beyond that of the others, over theirs: it weighs less by that.
        """
        place = data.place(sizes)
        centre, spread = self.shape.log_at(self.curves, place), self._spread(data, place)
        left = np.maximum(0.0, self.limit - self.curves.cost)
        wide = np.sqrt(left * (1.0 + spread + beyond))
        least, most = self._unknown(data, place)
        return least or float((centre - wide).min()), most or float((centre + wide).max())

    def _unknown(self, data: Data, place: Array) -> tuple[float, float]:
        """Minus infinity, and infinity, where an exponent that has no end leaves that end open; else zero."""
        least = most = 0.0
        for there, of_factor, (low, high) in zip(place, data.places.T, self.ends, strict=True):
            if of_factor.min() - ROUNDING <= there <= of_factor.max() + ROUNDING:
                continue
            down, up = (low, high) if there > 0 else (-high, -low)
            least, most = min(least, down if math.isinf(down) else 0.0), max(most, up if math.isinf(up) else 0.0)
        return least, most

    def fixed_cost(self, data: Data) -> tuple[float, float]:
        """Ends of the coefficient of the second term, in the unit of the times; not below zero."""
        inverse = self._inverse(data)[:, 1, 1]
        left = np.maximum(0.0, self.limit - self.curves.cost)
        centre, wide = self.curves.coefficients[:, 1], np.sqrt(left * inverse)
        low, high = float((centre - wide).min()), float((centre + wide).max())
        return max(0.0, low) * data.time_unit, high * data.time_unit

    def _inverse(self, data: Data) -> Array:
        slopes = self.shape.slopes(self.curves, data.places)
        return np.asarray(np.linalg.pinv(np.swapaxes(slopes, 1, 2) @ slopes, hermitian=True))

    def _spread(self, data: Data, place: Array) -> Array:
        """Variance of each curve's logarithm at a place, over that of an observation, its first exponent given."""
        slopes = self.shape.slopes(self.curves, place[None, :])[:, 0, :]
        return np.asarray(np.einsum("mi,mij,mj->m", slopes, self._inverse(data), slopes))


def best_curve(shape: Shape, data: Data) -> Curves:
    """The least squares of a shape: one curve."""
    low, high = shape.bounds
    values = np.linspace(low, high, COARSE)
    for _ in range(ZOOMS):
        curves = _profile(shape, data, values, 0)
        best = int(np.argmin(curves.cost))
        near = slice(max(0, best - 1), best + 2)
        lowest = _lowest(curves.exponents[near, 0], curves.cost[near])
        values = np.linspace(values[near][0], values[near][-1], FINE)
    last = _profile(shape, data, np.array([lowest, float(curves.exponents[best, 0])]), 0)
    return last.take(int(np.argmin(last.cost)))


def _lowest(values: Array, cost: Array) -> float:
    """Where the parabola through three points is lowest; the lowest of them where it is none."""
    best = float(values[int(np.argmin(cost))])
    if len(values) < 3:
        return best
    (x0, x1, x2), (y0, y1, y2) = values, cost
    down, up = (y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1)
    if not up > down:
        return best
    found = float((x0 + x1) / 2 - down * (x2 - x0) / (2 * (up - down)))
    return min(max(found, float(x0)), float(x2))


def region_of(shape: Shape, data: Data, best: Curves, limit: float) -> Region | None:
    """All that a shape can be at a cost within the limit; None where even its best is beyond."""
    if best.cost[0] > limit:
        return None
    ends = [_ends(shape, data, best, limit, factor) for factor in range(data.num_factors)]
    low, high = ends[0]
    values = np.concatenate([np.linspace(low, high, MEMBERS), best.exponents[:, 0]])
    curves = _profile(shape, data, np.sort(values), 0)
    return Region(shape, curves, tuple(_open(shape, *pair) for pair in ends), limit)


def _open(shape: Shape, low: float, high: float) -> tuple[float, float]:
    """The ends, each of them that the search has for its own bound where the shape itself has it.

    Above, nobody knows how far exponents go on; below, those of a power neither. With a fixed cost the least is zero,
    where nothing grows; a lower order stays at its bound, one, below which its second term would shrink.
    """
    least, most = shape.bounds
    if low <= least:
        low = {"power": -math.inf, "fixed cost": 0.0, "lower order": least}[shape.name]
    return low, math.inf if high >= most else high


def _ends(shape: Shape, data: Data, best: Curves, limit: float, factor: int) -> tuple[float, float]:
    """Where the profile of one exponent passes the limit, downwards and upwards."""
    at = float(best.exponents[0, factor])
    steps = FIRST_STEP * 2.0 ** np.arange(NUM_STEPS)
    tried = [
        np.append(np.clip(at + sign * steps, *shape.bounds), bound)
        for sign, bound in zip((-1, 1), shape.bounds, strict=True)
    ]
    inside = [at, at]
    for _ in range(LOOKS):
        costs = np.split(_profile(shape, data, np.concatenate(tried), factor).cost, [len(tried[0])])
        for side, (values, cost) in enumerate(zip(tried, costs, strict=True)):
            beyond = np.flatnonzero(cost > limit)
            first = int(beyond[0]) if len(beyond) else len(values)
            inside[side] = float(values[first - 1]) if first else inside[side]
            outside = float(values[first]) if len(beyond) else inside[side]
            tried[side] = np.linspace(inside[side], outside, FINE)[1:]
    return inside[0], inside[1]


def _profile(shape: Shape, data: Data, values: Array, factor: int) -> Curves:
    """The best curve for each value of one exponent."""
    if data.num_factors == 1:
        return shape.fit(data, values[:, None])
    low, high = shape.bounds
    rows = np.arange(len(values))
    centre, width = np.full(len(values), (low + high) / 2), (high - low) / 2
    # The window follows what is best, and narrows around it.
    for _ in range(WINDOWS):
        others = np.clip(centre[:, None] + width * np.linspace(-1.0, 1.0, IN_WINDOW), low, high)
        exponents = np.stack([np.broadcast_to(values[:, None], others.shape), others], axis=2)
        curves = shape.fit(data, exponents.reshape(-1, 2)[:, :: 1 - 2 * factor])
        cost = curves.cost.reshape(others.shape)
        best = cost.argmin(axis=1)
        centre, width = others[rows, best], width / 4
    # Where the parabola through the best and its neighbours is lowest, if it is one and that is better.
    middle = np.clip(best, 1, IN_WINDOW - 2)
    before, here, after = (cost[rows, middle + side] for side in (-1, 0, 1))
    bend = before - 2.0 * here + after
    shift = np.where(bend > 0, 0.5 * (before - after) / np.where(bend > 0, bend, 1.0), 0.0)
    finest = others[rows, middle] + np.clip(shift, -1.0, 1.0) * (others[:, 1] - others[:, 0])
    refined = shape.fit(data, np.stack([values, finest], axis=1)[:, :: 1 - 2 * factor])
    found = curves.take(rows * IN_WINDOW + best)
    return refined.where(refined.cost < found.cost, found)

"""Shapes that a time can grow in with sizes, and their least squares in the logs for exponents that are given.

For given exponents each shape is a sum of one or two terms whose coefficients are found in a few linear steps
(Gauss-Newton on the logarithm); so a fit has nothing left to search for but its exponents (variable projection: Golub
and Pereyra, 1973). Many exponents are tried at once: the first axis of every array is theirs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Curves", "Data", "Shape", "ShapeName"]

Array = npt.NDArray[np.float64]
# power: a x^p; fixed cost: c + a x^p, c >= 0; lower order: a x^p (1 + b / x), the two leading terms of a polynomial.
# Of two factors, x^p stands for the product of a power of each, and 1 + b / x is of one of them.
ShapeName = Literal["power", "fixed cost", "lower order"]

# Exponents that are tried, for the shape with one term and for those with two.
LEAST, MOST = -3.0, 12.0
LEAST_OF_TWO, LEAST_OF_LOWER, MOST_OF_TWO = 0.1, 1.0, 8.0
# How near to its zero a lower-order term may bring the time at the smallest size: less than that, and all is rounding.
NEAREST_TO_ZERO = 0.9
NEXT_TO_NOTHING = 1e-3
# Steps of the linear search for coefficients, and the change from which on there is nothing left to find.
ITERATIONS, SETTLED = 6, 1e-9


@dataclass(frozen=True)
class Data:
    """What is fitted, in units in which neither sizes nor times have one.

    Attributes:
        logs: logarithms of the times over `time_unit`, (n,).
        places: logarithms of the sizes over `size_units`, (n, factors).
        time_unit: geometric mean of the times.
        size_units: geometric mean of each factor's sizes.
    """

    logs: Array
    places: Array
    time_unit: float
    size_units: Array

    @classmethod
    def of(cls, sizes: Array, times: Array) -> Data:
        """Sizes (n, factors) and times (n,)."""
        middle, places = float(np.mean(np.log(times))), np.log(sizes)
        units = places.mean(axis=0)
        return cls(np.log(times) - middle, places - units, math.exp(middle), np.exp(units))

    @property
    def num(self) -> int:
        return len(self.logs)

    @property
    def num_factors(self) -> int:
        return self.places.shape[1]

    def place(self, sizes: Array) -> Array:
        """Where sizes (factors,) are."""
        return np.log(sizes) - np.log(self.size_units)


@dataclass(frozen=True)
class Curves:
    """Fits of one shape for many exponents.

    Attributes:
        exponents: (m, factors).
        coefficients: of the two terms, (m, 2); the second is zero for a shape with one.
        logs: of the fitted times, (m, n).
        cost: sum of squared residuals of the logarithms, (m,).
    """

    exponents: Array
    coefficients: Array
    logs: Array
    cost: Array

    def take(self, index: Array | int) -> Curves:
        """Some of them."""
        some = np.atleast_1d(index)
        return Curves(self.exponents[some], self.coefficients[some], self.logs[some], self.cost[some])

    def where(self, is_so: npt.NDArray[np.bool_], other: Curves) -> Curves:
        """Each of them where something is so, else the other one."""
        rows = is_so[:, None]
        return Curves(
            np.where(rows, self.exponents, other.exponents),
            np.where(rows, self.coefficients, other.coefficients),
            np.where(rows, self.logs, other.logs),
            np.where(is_so, self.cost, other.cost),
        )


@dataclass(frozen=True)
class Shape:
    """A shape, and the exponents that it may have.

    Attributes:
        lower_of: which factor's lower power stands beside; of no meaning for the other shapes.
    """

    name: ShapeName
    lower_of: int = 0

    def num_parameters(self, num_factors: int) -> int:
        """How many numbers it takes."""
        return num_factors + (1 if self.name == "power" else 2)

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and largest exponent."""
        if self.name == "power":
            return LEAST, MOST
        return (LEAST_OF_TWO if self.name == "fixed cost" else LEAST_OF_LOWER), MOST_OF_TWO

    def terms(self, places: Array, exponents: Array) -> tuple[Array, Array]:
        """The two terms without their coefficients, (m, n) each."""
        leading = np.exp(exponents @ places.T)
        if self.name == "fixed cost":
            return leading, np.ones_like(leading)
        if self.name == "lower order":
            return leading, leading * np.exp(-places[:, self.lower_of])
        return leading, np.zeros_like(leading)

    def fit(self, data: Data, exponents: Array) -> Curves:
        """The best coefficients for each row of exponents (m, factors)."""
        first, second = self.terms(data.places, exponents)
        if self.name == "power":
            return self._centred(data, exponents, np.ones_like(first[:, :1]), first, second)
        logs = np.broadcast_to(data.logs, first.shape)
        coefficients = np.zeros((len(first), 2))
        for _ in range(ITERATIONS):
            weight, wanted, before = np.exp(-logs), 1.0 + data.logs - logs, logs
            coefficients = self._solve(data, first * weight, second * weight, wanted)
            logs = np.log(_sum(coefficients, first, second))
            if float(np.abs(logs - before).max()) < SETTLED:
                break
        return self._centred(data, exponents, coefficients, first, second)

    def _centred(self, data: Data, exponents: Array, coefficients: Array, first: Array, second: Array) -> Curves:
        """The curves, each moved up or down to where its residuals add up to nothing."""
        if coefficients.shape[1] == 1:
            coefficients = np.hstack([coefficients, np.zeros_like(coefficients)])
        logs = np.log(_sum(coefficients, first, second))
        shift = (data.logs - logs).mean(axis=1, keepdims=True)
        residuals = data.logs - logs - shift
        return Curves(exponents, coefficients * np.exp(shift), logs + shift, (residuals**2).sum(axis=1))

    def _solve(self, data: Data, first: Array, second: Array, wanted: Array) -> Array:
        """Coefficients of the least squares of two columns, their ratio kept between its ends."""
        ff, fs, ss = _dot(first, first), _dot(first, second), _dot(second, second)
        fw, sw = _dot(first, wanted), _dot(second, wanted)
        determinant = np.maximum(ff * ss - fs * fs, 1e-14 * ff * ss)
        free = np.stack([ss * fw - fs * sw, ff * sw - fs * fw], axis=1) / determinant[:, None]
        least, most = self._ratios(data)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = free[:, 1] / free[:, 0]
        is_inside = (free[:, 0] > 0) & (ratio >= least) & (ratio <= most)
        if is_inside.all():
            return free
        ends = [_along(one, other, first, second, wanted) for one, other in ((1.0, least), _direction(most))]
        better = np.where((ends[0][1] <= ends[1][1])[:, None], ends[0][0], ends[1][0])
        return np.where(is_inside[:, None], free, better)

    def _ratios(self, data: Data) -> tuple[float, float]:
        """The least and the largest that the second coefficient may be, over the first."""
        if self.name == "fixed cost":
            return 0.0, math.inf
        of_factor = data.places[:, self.lower_of]
        smallest, largest = np.exp(of_factor.min()), np.exp(of_factor.max())
        return -NEAREST_TO_ZERO * float(smallest), float(largest)

    def slopes(self, curves: Curves, places: Array) -> Array:
        """How the logarithms at places (n, factors) change with what is free once the first exponent is given: both
        coefficients, relative to the time unit, and the other exponents; (m, n, parameters).
        """
        first, second = self.terms(places, curves.exponents)
        times = _sum(curves.coefficients, first, second)
        columns = [first / times]
        if self.name != "power":
            columns.append(second / times)
        # Both terms of a lower order grow with the other exponents; a fixed cost with none.
        share = curves.coefficients[:, :1] * first / times if self.name == "fixed cost" else np.ones_like(times)
        columns += [share * places[:, factor] for factor in range(1, places.shape[1])]
        return np.stack(columns, axis=2)

    def log_at(self, curves: Curves, place: Array) -> Array:
        """Logarithm of the time at a place (factors,), over the time unit, (m,)."""
        first, second = self.terms(place[None, :], curves.exponents)
        return np.log(_sum(curves.coefficients, first, second))[:, 0]


def _sum(coefficients: Array, first: Array, second: Array) -> Array:
    """The times; next to nothing where, below the smallest size, a negative second term would make them negative."""
    leading, other = coefficients[:, :1] * first, coefficients[:, 1:] * second
    return np.maximum(leading + other, NEXT_TO_NOTHING * np.maximum(leading, other))


def _dot(one: Array, other: Array) -> Array:
    """The products of rows."""
    return np.asarray(np.einsum("mn,mn->m", one, other))


def _direction(ratio: float) -> tuple[float, float]:
    """Both coefficients, up to a factor, of which the ratio is that of the second to the first."""
    return (0.0, 1.0) if math.isinf(ratio) else (1.0, ratio)


def _along(one: float, other: float, first: Array, second: Array, wanted: Array) -> tuple[Array, Array]:
    """The least squares of one column that is put together of both, and what it leaves."""
    column = one * first + other * second
    factor = np.maximum(_dot(column, wanted) / _dot(column, column), 1e-12)
    misfit = wanted - factor[:, None] * column
    left = _dot(misfit, misfit)
    return factor[:, None] * np.array([one, other]), left

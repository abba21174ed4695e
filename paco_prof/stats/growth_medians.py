"""Launches of one size as one number, and what their scatter says of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

__all__ = ["Medians", "is_enough", "medians_of"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Medians:
    """One number a size.

    Attributes:
        sizes: (n, factors), ascending.
        times: (n,).
        variance: of a launch's logarithm about its size's, pooled; None where no size has two.
        spare: launches beyond the first of each size.
        floor: the variance that launches alone give a size's median; zero where nobody knows.
    """

    sizes: Array
    times: Array
    variance: float | None
    spare: int
    floor: float

    def without(self, index: int) -> Medians:
        """The same without one size."""
        return replace(self, sizes=np.delete(self.sizes, index, axis=0), times=np.delete(self.times, index))


def medians_of(sizes: Sequence[Sequence[float]], times: Sequence[float]) -> Medians:
    """The median of the launches at each size.

    Raises:
        ValueError: a size or a time is not positive, or there is not one size a time.
    """
    if len(sizes) != len(times) or not len(times):
        raise ValueError("every time needs its sizes")
    if not all(0 < value < math.inf for value in (*times, *(size for some in sizes for size in some))):
        raise ValueError("sizes and times are positive")
    logs: dict[tuple[float, ...], list[float]] = {}
    for some, time in zip(sizes, times, strict=True):
        logs.setdefault(tuple(float(size) for size in some), []).append(math.log(time))
    places = sorted(logs)
    groups = [sorted(logs[place]) for place in places]
    spare = sum(len(group) - 1 for group in groups)
    squares = math.fsum((value - math.fsum(group) / len(group)) ** 2 for group in groups for value in group)
    variance = squares / spare if spare else None
    # The variance of a median over that of a mean: at most a half of pi, and one for two launches.
    shares = [(1.0 if len(group) < 3 else math.pi / 2) / len(group) for group in groups]
    floor = 0.0 if variance is None else variance * math.fsum(shares) / len(shares)
    middles = np.exp([float(np.median(group)) for group in groups])
    return Medians(np.asarray(places), middles, variance, spare, floor)


def is_enough(sizes: Array) -> bool:
    """Whether there is an exponent to each factor."""
    logs = np.log(sizes)
    design = np.hstack([np.ones((len(logs), 1)), logs])
    return bool(np.linalg.matrix_rank(design, tol=1e-9) == design.shape[1])

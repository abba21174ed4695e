"""What a step is the sum of and predicted as, and the largest size predicted so from all others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from paco_prof.analysis.scale_rows import (
    BACKWARD,
    FORWARD,
    REST,
    STEP,
    GrowthRow,
    Sizes,
    fit_launches,
    growth_row,
    rest_row,
    total,
)
from paco_prof.records import ScalePoint
from paco_prof.stats.growth import Prediction

__all__ = ["Hindcast", "hindcast", "hindcast_of_step", "shares_of", "step_parts"]

# Sizes that must be left for a fit that is held against the largest.
HINDCAST_FROM = 3
# Share of the step, measured or predicted at the target, from which on a stage is predicted by itself.
PART_FROM = 0.05
# Share of the step up to which the rest is small.
SMALL_REST = 0.10


@dataclass(frozen=True, slots=True)
class Hindcast:
    """The largest size, left out of the fit and predicted from the others.

    Attributes:
        predicted: with the interval.
        measured: the median over launches.
    """

    sizes: Sizes
    predicted: Prediction
    measured: float

    @property
    def error(self) -> float:
        """Predicted over measured, less one."""
        return self.predicted.value / self.measured - 1.0

    @property
    def is_inside(self) -> bool | None:
        """Whether the interval holds what was measured; None where there is no interval."""
        low, high = self.predicted.low, self.predicted.high
        return None if low is None or high is None else low <= self.measured <= high


def shares_of(points: Sequence[ScalePoint], measured: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of each quantity, its share of the step at the size where that is largest."""
    shares: dict[str, float] = {}
    for sizes in dict.fromkeys(point.sizes for point in points):
        here = [seconds for point, seconds in zip(points, measured, strict=True) if point.sizes == sizes]
        step = median(seconds[STEP] for seconds in here)
        for path in sorted({path for seconds in here for path in seconds}):
            share = median(seconds.get(path, 0.0) for seconds in here) / step
            shares[path] = max(share, shares.get(path, 0.0))
    return shares


def step_parts(
    points: Sequence[ScalePoint],
    measured: Sequence[Mapping[str, float]],
    rows: Sequence[GrowthRow],
    target: Sizes | None,
) -> tuple[GrowthRow, ...]:
    """The stages without parents that are large enough, or will be, and what the step takes beside them.

    Args:
        points: launches.
        measured: for each of them, name -> seconds.
        rows: of the step, and of all stages without parents.
        target: sizes that parts are predicted for.
    """
    step = next((row for row in rows if row.path == STEP), None)
    if step is None:
        return ()
    stages = [row for row in rows if row.is_stage and row.depth == 0]
    parts = _with_rest(points, measured, step, [row for row in stages if row.share >= PART_FROM], target)
    whole = total([part.target for part in parts])
    if whole is None:
        return parts
    large = [row for row in stages if row.share >= PART_FROM or _will_be_large(row, whole.value)]
    return _with_rest(points, measured, step, large, target)


def _with_rest(
    points: Sequence[ScalePoint],
    measured: Sequence[Mapping[str, float]],
    step: GrowthRow,
    stages: Sequence[GrowthRow],
    target: Sizes | None,
) -> tuple[GrowthRow, ...]:
    """Stages, and the rest; a stage at too few sizes for an interval, where the step has one, is in the rest.

    What is small at every size that was run is put together of unlike things, and noise as large as a part of it could
    hide a power of any exponent beside a fixed cost: all of them together would leave nothing known of the step. So it
    is a power alone, unless a stage is in it, or so many small ones that they are much of the step. If a stage that
    belongs to the rest cannot be had from it, the step is a quantity by itself.
    """
    known = [row for row in stages if row.has_interval] if step.has_interval else list(stages)
    is_whole = len(known) == len(stages)
    rest = rest_row(REST, STEP, points, measured, known, target, power_up_to=SMALL_REST if is_whole else 0.0)
    if rest is None:
        return tuple(known) if is_whole else (step,)
    return (*known, rest)


def _will_be_large(row: GrowthRow, whole: float) -> bool:
    """Whether a stage takes much of a step at the target, and is known to grow: noise predicts anything."""
    if row.growth is None or row.target is None:
        return False
    is_growing = any(exponent.low is not None and exponent.low > 0 for exponent in row.growth.exponents)
    return is_growing and row.target.value >= PART_FROM * whole


def hindcast(row: GrowthRow) -> Hindcast | None:
    """The largest size of one quantity by its own fit to all others; None where these are too few."""
    largest = _held_out(row)
    if largest is None:
        return None
    growth = fit_launches({sizes: values for sizes, values in row.launches.items() if sizes != largest})
    return None if growth is None else Hindcast(largest, growth.predict(largest), median(row.launches[largest]))


def hindcast_of_step(
    points: Sequence[ScalePoint], measured: Sequence[Mapping[str, float]], step: GrowthRow
) -> Hindcast | None:
    """The largest size of a step, from what its parts are at all others, which also say what its parts are."""
    largest = _held_out(step)
    if largest is None:
        return None
    others = [place for place, point in enumerate(points) if point.sizes != largest]
    points, measured = [points[place] for place in others], [measured[place] for place in others]
    shares = shares_of(points, measured)
    paths = [STEP, *(path for path in shares if "/" not in path and path not in (STEP, FORWARD, BACKWARD))]
    rows = [growth_row(path, points, measured, largest, shares[path]) for path in paths]
    predicted = total([part.target for part in step_parts(points, measured, rows, largest)])
    return None if predicted is None else Hindcast(largest, predicted, median(step.launches[largest]))


def _held_out(row: GrowthRow) -> Sizes | None:
    """The largest size, if there are sizes enough beside it."""
    if len(row.launches) <= HINDCAST_FROM:
        return None
    return max(row.launches, key=lambda sizes: (math.prod(sizes), sizes))

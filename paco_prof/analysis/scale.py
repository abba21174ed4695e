"""A measurement of growth as rows: what each stage takes at each size, and the power that it grows with.

A launch is one number: the typical step's, as in a breakdown. What is shown of a size is the median over its launches,
so that stages need not add up to the step to the last digit. Fits rest on complete launches alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from paco_prof.analysis.breakdown import stage_paths, stage_rows, typical_times
from paco_prof.analysis.pooling import undivided
from paco_prof.analysis.scale_memory import peak_row, saved_rows
from paco_prof.analysis.scale_rows import (
    BACKWARD,
    FORWARD,
    REST,
    STEP,
    GrowthRow,
    Sizes,
    fit_launches,
    growth_row,
    quotient,
    total,
)
from paco_prof.records import Contestant, Largest, ScaleFailure, ScalePoint, ScaleRecord, Training
from paco_prof.stats.growth import Growth, Prediction
from paco_prof.stats.summary import SMALLEST_SHARE

__all__ = ["Hindcast", "ScaleView", "ScaledVariant", "VariantRatio", "hindcast", "scale_view"]

# Sizes that must be left for a fit that is held against the largest.
HINDCAST_FROM = 3
# Share of the step, measured or predicted at the target, from which on a stage is predicted by itself.
PART_FROM = 0.05


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


@dataclass(frozen=True, slots=True)
class ScaledVariant:
    """One variant on one machine.

    Attributes:
        place: among the contestants.
        sizes: that it has complete launches of, the smallest product first.
        rows: the step, its passes, and the stages that take a hundredth of the step or more at some size, in the order
            of a step, parents first, and then what is less and a part all the same; empty where nothing was measured.
            The passes have no fit.
        small: all other stages without parents.
        parts: what the step is the sum of, and is predicted as, because stages of unlike powers are none together: the
            stages without parents that take a twentieth of it or more at some size, or would at the target, by a fit
            that is sure that they grow; and all the rest as one, because what is small is noisy, and a power of noise
            is anything.
        hindcast: of the step; None where sizes are too few.
        peak: bytes, growth and prediction; None where no launch tells its memory.
        peak_of: whose: device or process.
        saved: what stages keep for the backward pass, bytes, all inside them included.
        whole_backward: why backward is one stage; empty where it is divided.
        failures: what did not end as planned.
        largest: what a search for the largest batch found; None where there was none.
    """

    place: int
    contestant: Contestant
    sizes: tuple[Sizes, ...]
    rows: tuple[GrowthRow, ...] = ()
    small: tuple[GrowthRow, ...] = ()
    parts: tuple[GrowthRow, ...] = ()
    hindcast: Hindcast | None = None
    peak: GrowthRow | None = None
    peak_of: str = ""
    saved: tuple[GrowthRow, ...] = ()
    whole_backward: str = ""
    failures: tuple[ScaleFailure, ...] = ()
    largest: Largest | None = None

    @property
    def name(self) -> str:
        return self.contestant.name

    @property
    def step(self) -> GrowthRow | None:
        return self.row(STEP)

    @property
    def large_stages(self) -> tuple[GrowthRow, ...]:
        """The stages that are predicted by themselves."""
        return tuple(part for part in self.parts if part.is_stage)

    @property
    def top_stages(self) -> tuple[GrowthRow, ...]:
        """The stages among the rows that are nobody's children."""
        return tuple(row for row in self.rows if row.is_stage and row.depth == 0)

    def predict_step(self, sizes: Sequence[float]) -> Prediction | None:
        """The step at any sizes: the sum of its parts; None where one of them has no fit."""
        return total([None if part.growth is None else part.growth.predict(sizes) for part in self.parts])

    def row(self, path: str) -> GrowthRow | None:
        """The row of that name, None if there is none."""
        return next((row for row in self.rows if row.path == path), None)


@dataclass(frozen=True, slots=True)
class VariantRatio:
    """How many times faster a step of a variant is than one of the first, size by size; medians, which nobody paired.

    Attributes:
        ratios: size -> the first's step over the variant's.
        growth: of the ratio with the sizes; None where they are too few.
        target: the quotient of both predictions, with the interval that both allow together.
    """

    first: ScaledVariant
    variant: ScaledVariant
    ratios: Mapping[Sizes, float]
    growth: Growth | None
    target: Prediction | None


@dataclass(frozen=True, slots=True)
class ScaleView:
    """What a measurement of growth says, of one machine.

    Attributes:
        factors: the settings' own names.
        sizes: all that were planned, the smallest product first.
        target: a size of each factor; None without one.
        variants: in the record's order.
        ratios: of each but the first variant.
    """

    factors: tuple[str, ...]
    sizes: tuple[Sizes, ...]
    target: Sizes | None
    variants: tuple[ScaledVariant, ...]
    ratios: tuple[VariantRatio, ...]


def scale_view(record: ScaleRecord) -> ScaleView:
    """The view of a record whose points are all of one machine."""
    plan = record.plan
    variants = tuple(_variant(record, place) for place in range(len(record.contestants)))
    ratios = tuple(r for variant in variants[1:] if (r := _ratio(variants[0], variant, plan.target)) is not None)
    return ScaleView(tuple(factor.name for factor in plan.factors), plan.combinations, plan.target, variants, ratios)


def _variant(record: ScaleRecord, place: int) -> ScaledVariant:
    contestant = record.contestants[place]
    points = [point for point in record.points if point.contestant == place and point.is_complete]
    failures = tuple(failure for failure in record.failures if failure.contestant == place)
    largest = next((each for each in record.largest if each.contestant == place), None)
    target = record.plan.target
    whole = next((p.training.backward_whole for p in points if p.training.backward_whole), "")
    measured = [_seconds(point.training if not whole else undivided(point.training)) for point in points]
    rows, small = _rows(points, measured, target)
    parts = _parts(points, measured, (*rows, *small), target)
    rows, small = (*rows, *(row for row in small if row in parts)), tuple(row for row in small if row not in parts)
    if rows:
        rows = (replace(rows[0], target=total([part.target for part in parts])), *rows[1:])
    peak, peak_of = peak_row(points, target)
    return ScaledVariant(
        place=place,
        contestant=contestant,
        sizes=tuple(sizes for sizes in record.plan.combinations if any(p.sizes == sizes for p in points)),
        rows=rows,
        small=small,
        parts=parts,
        hindcast=hindcast(rows[0], parts) if rows else None,
        peak=peak,
        peak_of=peak_of,
        saved=saved_rows(points, target),
        whole_backward=whole,
        failures=failures,
        largest=largest,
    )


def _rows(
    points: Sequence[ScalePoint], measured: Sequence[Mapping[str, float]], target: Sizes | None
) -> tuple[tuple[GrowthRow, ...], tuple[GrowthRow, ...]]:
    """The rows of a step, and those of stages without parents that are too small to be shown."""
    shares: dict[str, float] = {}
    for sizes in dict.fromkeys(point.sizes for point in points):
        here = [seconds for point, seconds in zip(points, measured, strict=True) if point.sizes == sizes]
        step = median(seconds[STEP] for seconds in here)
        for path in {path for seconds in here for path in seconds}:
            share = median(seconds.get(path, 0.0) for seconds in here) / step
            shares[path] = max(share, shares.get(path, 0.0))
    # A backward pass that is one stage is what its phase is already called, and stands last.
    stages = [path for path in stage_paths(point.training for point in points) if path in shares]
    stages += sorted(set(shares) - {STEP, FORWARD, BACKWARD, *stages})
    large = [path for path in stages if shares[path] >= SMALLEST_SHARE]
    if not points:
        return (), ()
    passes = (growth_row(path, points, measured, None, shares[path], is_fitted=False) for path in (FORWARD, BACKWARD))
    stage = (growth_row(path, points, measured, target, shares[path]) for path in large)
    rows = (growth_row(STEP, points, measured, target), *passes, *stage)
    small = (path for path in stages if path not in large and "/" not in path)
    return rows, tuple(growth_row(path, points, measured, target, shares[path]) for path in small)


def _seconds(training: Training) -> dict[str, float]:
    """What a launch says of the step, its passes and its stages, all phases together; of lost events nothing."""
    step, phases = typical_times(training)
    found = {STEP: step.value, FORWARD: phases["forward"].value, BACKWARD: phases["backward"].value}
    return {**found, **{row.path: row.total.value for row in stage_rows(training) if row.total is not None}}


def _parts(
    points: Sequence[ScalePoint],
    measured: Sequence[Mapping[str, float]],
    rows: Sequence[GrowthRow],
    target: Sizes | None,
) -> tuple[GrowthRow, ...]:
    """The stages without parents that are large enough, or will be, and what the step takes beside them."""
    stages = [row for row in rows if row.is_stage and row.depth == 0]
    parts = _with_rest(points, measured, [row for row in stages if row.share >= PART_FROM], target)
    whole = total([part.target for part in parts])
    if whole is None:
        return parts
    large = [row for row in stages if row in parts or _will_be_large(row, whole.value)]
    return parts if len(large) == sum(part.is_stage for part in parts) else _with_rest(points, measured, large, target)


def _with_rest(
    points: Sequence[ScalePoint],
    measured: Sequence[Mapping[str, float]],
    stages: Sequence[GrowthRow],
    target: Sizes | None,
) -> tuple[GrowthRow, ...]:
    rest = [{REST: each[STEP] - sum(each.get(row.path, 0.0) for row in stages)} for each in measured]
    left = growth_row(REST, points, rest, target)
    return (*stages, left) if left.launches else tuple(stages)


def _will_be_large(row: GrowthRow, whole: float) -> bool:
    """Whether a stage takes much of a step at the target, and is known to grow: noise predicts anything."""
    if row.growth is None or row.target is None:
        return False
    is_growing = any(exponent.low is not None and exponent.low > 0 for exponent in row.growth.exponents)
    return is_growing and row.target.value >= PART_FROM * whole


def hindcast(whole: GrowthRow, parts: Sequence[GrowthRow]) -> Hindcast | None:
    """The largest size of a quantity, from what its parts are at all others; None where these are too few."""
    largest = max(whole.launches, key=lambda sizes: (math.prod(sizes), sizes))
    if len(whole.launches) <= HINDCAST_FROM:
        return None
    fits = [
        fit_launches({sizes: values for sizes, values in part.launches.items() if sizes != largest}) for part in parts
    ]
    predicted = total([None if fit is None else fit.predict(largest) for fit in fits])
    return None if predicted is None else Hindcast(largest, predicted, median(whole.launches[largest]))


def _ratio(first: ScaledVariant, variant: ScaledVariant, target: Sizes | None) -> VariantRatio | None:
    before, after = first.step, variant.step
    if before is None or after is None:
        return None
    ratios: dict[Sizes, float] = {}
    for sizes in first.sizes:
        one, other = before.at(sizes), after.at(sizes)
        if one is not None and other is not None:
            ratios[sizes] = one / other
    growth = fit_launches({sizes: (ratio,) for sizes, ratio in ratios.items()})
    predicted = None
    if target is not None and before.target is not None and after.target is not None:
        predicted = quotient(before.target, after.target)
    return VariantRatio(first, variant, ratios, growth, predicted) if ratios else None

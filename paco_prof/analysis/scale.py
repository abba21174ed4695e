"""A measurement of growth as rows: what each stage takes at each size, and the power that it grows with.

A launch is one number: the typical step's, as in a breakdown. What is shown of a size is the median over its launches,
so that stages need not add up to the step to the last digit. Fits rest on complete launches alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from paco_prof.analysis.breakdown import stage_paths, stage_rows, typical_times
from paco_prof.analysis.pooling import undivided
from paco_prof.analysis.scale_memory import peak_rows, saved_rows
from paco_prof.analysis.scale_parts import Hindcast, hindcast_of_step, shares_of, step_parts
from paco_prof.analysis.scale_rows import (
    BACKWARD,
    FORWARD,
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

__all__ = ["ScaleView", "ScaledVariant", "VariantRatio", "scale_view"]


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
            is anything. There is no rest where nothing is left; and the step alone where its parts cannot be told.
        hindcast: of the step; None where sizes are too few.
        peak: bytes and prediction, which is the sum of those of `saved` and `peak_rest`; where there is no `peak_rest`,
            a quantity by itself, with its growth; None where no launch tells its memory.
        peak_of: whose: device or process.
        peak_rest: the peak beside what is in `saved`: parameters, the optimizer's state, the process, and whatever
            else is alive at that moment; None where nobody knows it.
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
    peak_rest: GrowthRow | None = None
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
    parts = step_parts(points, measured, (*rows, *small), target)
    rows, small = (*rows, *(row for row in small if row in parts)), tuple(row for row in small if row not in parts)
    if rows:
        rows = (replace(rows[0], target=total([part.target for part in parts])), *rows[1:])
    saved = saved_rows(points, target)
    peak, peak_rest, peak_of = peak_rows(points, saved, target)
    if peak_rest is not None:
        # What is kept at too few sizes for an interval is in the rest.
        saved = tuple(row for row in saved if row.has_interval)
    return ScaledVariant(
        place=place,
        contestant=contestant,
        sizes=tuple(sizes for sizes in record.plan.combinations if any(p.sizes == sizes for p in points)),
        rows=rows,
        small=small,
        parts=parts,
        hindcast=hindcast_of_step(points, measured, rows[0]) if rows else None,
        peak=peak,
        peak_of=peak_of,
        peak_rest=peak_rest,
        saved=saved,
        whole_backward=whole,
        failures=failures,
        largest=largest,
    )


def _rows(
    points: Sequence[ScalePoint], measured: Sequence[Mapping[str, float]], target: Sizes | None
) -> tuple[tuple[GrowthRow, ...], tuple[GrowthRow, ...]]:
    """The rows of a step, and those of stages without parents that are too small to be shown."""
    shares = shares_of(points, measured)
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

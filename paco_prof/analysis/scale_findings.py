"""Which facts a measurement of growth shows, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Iterator

from paco_prof.analysis.findings import BUSY_CORES, BusyMachine, LeftOut, UndividedBackward
from paco_prof.analysis.machine_findings import Oversubscribed
from paco_prof.analysis.scale import ScaledVariant, ScaleView
from paco_prof.analysis.scale_bottleneck import bottleneck_at, bottleneck_at_target, crossovers
from paco_prof.analysis.scale_facts import (
    BottleneckMoves,
    FarBeyond,
    FastestGrowth,
    LargestBatch,
    LargestHeldOut,
    MemoryAtTarget,
    NoInterval,
    OneLaunch,
    PowerAlone,
    Predicted,
    ScaleEndedEarly,
    ScaleFinding,
    SizeFailed,
    SizesApart,
    SizesMissing,
    TopStage,
)
from paco_prof.analysis.scale_rows import GrowthRow
from paco_prof.records import ScaleRecord
from paco_prof.stats.growth import Growth

__all__ = ["find_in_scale"]

# A prediction that starts from so many times a smaller size holds only if nothing new happens on the way.
FAR = 4.0
# A stage of less of the step than this is no reason for anything.
WORTH_NAMING = 0.10


def find_in_scale(record: ScaleRecord, view: ScaleView) -> tuple[ScaleFinding, ...]:
    """All findings: what makes figures void, what they show, how far they carry, what the machine did."""
    return (
        *_about_the_run(record, view),
        *(finding for variant in view.variants for finding in _about(record, view, variant)),
        *_about_the_distance(view),
        *_about_the_machine(record),
    )


def _about_the_run(record: ScaleRecord, view: ScaleView) -> Iterator[ScaleFinding]:
    complete = [point for point in record.points if point.is_complete]
    if record.status != "complete":
        yield ScaleEndedEarly(record.status, len(complete))
    missing = [note.number or 0 for note in record.notes if note.code == "time_is_up"]
    # Only the last run knows what is missing.
    if missing and missing[-1] and len(complete) < record.plan.launches * len(view.sizes) * len(view.variants):
        yield SizesMissing(missing[-1])
    if complete and len({(point.contestant, point.sizes) for point in complete}) == len(complete):
        yield OneLaunch()
    steps = [variant.step for variant in view.variants if variant.step is not None]
    alone = [len(step.growth.sizes) for step in steps if step.growth is not None and step.growth.is_power_alone]
    if alone:
        yield PowerAlone(min(alone), len(view.factors))


def _about(record: ScaleRecord, view: ScaleView, variant: ScaledVariant) -> Iterator[ScaleFinding]:
    contestant = variant.contestant
    for failure in variant.failures:
        yield SizeFailed(variant.name, view.factors, failure)
    if contestant.variant.left_out:
        yield LeftOut(variant.name, tuple(contestant.variant.left_out.items()))
    if variant.whole_backward:
        yield UndividedBackward(variant.whole_backward, variant.name)
    if variant.step is not None:
        yield from _about_the_growth(view, variant, variant.step)
        yield from _about_the_target(record, view, variant, variant.step)
    if variant.largest is not None:
        yield LargestBatch(variant.name, variant.largest)


def _about_the_growth(view: ScaleView, variant: ScaledVariant, step: GrowthRow) -> Iterator[ScaleFinding]:
    growth = step.growth
    if growth is None or growth.exponent.low is None:
        yield NoInterval(variant.name, len(variant.sizes), len(view.factors), _unvaried(view, variant, growth))
    for row in variant.rows:
        if row.growth is not None and row.growth.apart and row.share >= WORTH_NAMING:
            yield SizesApart(variant.name, row.path, view.factors, row.growth.apart)
    if growth is not None:
        for place, factor in enumerate(view.factors):
            yield FastestGrowth(variant.name, factor, place, growth, _fastest(variant, place))
    for crossover in crossovers(variant):
        yield BottleneckMoves(variant.name, view.factors[0], crossover)
    largest = variant.sizes[-1]
    here = bottleneck_at(variant, largest)
    if here is not None:
        there = None if view.target is None else bottleneck_at_target(variant)
        yield TopStage(variant.name, view.factors, largest, here, view.target, there)
    if variant.hindcast is not None:
        yield LargestHeldOut(variant.name, view.factors, variant.hindcast)


def _unvaried(view: ScaleView, variant: ScaledVariant, growth: Growth | None) -> tuple[str, ...]:
    """The factors that have one size only; all of them, if none has and there is no growth all the same."""
    if growth is not None:
        return ()
    sizes = zip(view.factors, zip(*variant.sizes, strict=True), strict=True)
    return tuple(factor for factor, of_factor in sizes if len(set(of_factor)) == 1) or view.factors


def _fastest(variant: ScaledVariant, place: int) -> GrowthRow | None:
    rows = [r for r in variant.top_stages if r.growth is not None and r.growth.grows and r.share >= WORTH_NAMING]

    def exponent(row: GrowthRow) -> float:
        return 0.0 if row.growth is None else row.growth.exponents[place].value

    return max((row for row in rows if exponent(row) > 0), key=exponent, default=None)


def _about_the_target(
    record: ScaleRecord, view: ScaleView, variant: ScaledVariant, step: GrowthRow
) -> Iterator[ScaleFinding]:
    if view.target is None:
        return
    if step.target is not None:
        yield Predicted(variant.name, view.factors, view.target, step.target, variant.sizes)
    if variant.peak is not None and variant.peak.target is not None:
        available = _available(record, variant)
        yield MemoryAtTarget(variant.name, view.factors, view.target, variant.peak.target, variant.peak_of, available)


def _available(record: ScaleRecord, variant: ScaledVariant) -> int | None:
    """Memory that the plan, or else the machine, has for what the peak is of."""
    if record.plan.memory_limit_bytes is not None or record.environment is None:
        return record.plan.memory_limit_bytes
    of_device = variant.peak_of == "device"
    return record.environment.accelerator_memory_bytes if of_device else record.environment.memory_bytes


def _about_the_distance(view: ScaleView) -> Iterator[ScaleFinding]:
    """Of whichever variant starts from the smallest sizes; all of them have one target."""
    targets = [row.target for variant in view.variants for row in (variant.step, variant.peak) if row is not None]
    beyond = max((target.beyond for target in targets if target is not None), default=0.0)
    if beyond > FAR:
        yield FarBeyond(beyond)


def _about_the_machine(record: ScaleRecord) -> Iterator[ScaleFinding]:
    environment = record.environment
    states = [point.machine for point in record.points if point.machine is not None]
    if environment is None:
        return
    if environment.is_oversubscribed:
        yield Oversubscribed(environment.threads, environment.cores)
    busy = max((state.other_busy_cores or 0.0 for state in states), default=0.0)
    if busy > BUSY_CORES:
        yield BusyMachine(busy, environment.cores)

"""What a measurement of growth says in sentences: computed facts, each a small class, worded by `paco_prof.render`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from paco_prof.analysis.findings import BUSY_CORES, BusyMachine, LeftOut, UndividedBackward
from paco_prof.analysis.machine_findings import Oversubscribed
from paco_prof.analysis.scale import Hindcast, ScaledVariant, ScaleView
from paco_prof.analysis.scale_bottleneck import Bottleneck, Crossover, bottleneck_at, bottleneck_at_target, crossovers
from paco_prof.analysis.scale_rows import GrowthRow, Sizes
from paco_prof.records import Largest, ScaleFailure, ScaleRecord, Status
from paco_prof.stats.growth import Growth, Prediction

__all__ = [
    "BottleneckMoves",
    "FarBeyond",
    "FastestGrowth",
    "LargestBatch",
    "LargestHeldOut",
    "MemoryAtTarget",
    "NoInterval",
    "OneLaunch",
    "Predicted",
    "ScaleEndedEarly",
    "ScaleFinding",
    "SizeFailed",
    "SizesApart",
    "SizesMissing",
    "TopStage",
    "find_in_scale",
]

# A prediction that starts from so many times a smaller size holds only if nothing new happens on the way.
FAR = 4.0


@dataclass(frozen=True, slots=True)
class ScaleEndedEarly:
    """The measurement was interrupted or failed, or whoever ran it was killed."""

    status: Status
    num_points: int


@dataclass(frozen=True, slots=True)
class SizesMissing:
    """The time was up before all planned launches were taken."""

    number: int


@dataclass(frozen=True, slots=True)
class SizeFailed:
    """A process that did not end as planned; `factors` are the names of the sizes."""

    name: str
    factors: tuple[str, ...]
    failure: ScaleFailure


@dataclass(frozen=True, slots=True)
class NoInterval:
    """A variant with so few sizes that its exponents have no interval, or that there are none."""

    name: str
    num_sizes: int
    num_factors: int


@dataclass(frozen=True, slots=True)
class OneLaunch:
    """Every size has one launch only: how much launches differ is not known."""


@dataclass(frozen=True, slots=True)
class FastestGrowth:
    """The step's growth, and the stage of a tenth of it or more that grows fastest in one factor.

    Attributes:
        stage: None where no such stage grows.
    """

    name: str
    factor: str
    place: int
    step: Growth
    stage: GrowthRow | None


@dataclass(frozen=True, slots=True)
class TopStage:
    """The bottleneck at the largest size, and at the target where there is one."""

    name: str
    factors: tuple[str, ...]
    sizes: Sizes
    here: Bottleneck
    target: Sizes | None
    there: Bottleneck | None


@dataclass(frozen=True, slots=True)
class BottleneckMoves:
    """A stage becomes the bottleneck."""

    name: str
    factor: str
    crossover: Crossover


@dataclass(frozen=True, slots=True)
class Predicted:
    """The step at the target."""

    name: str
    factors: tuple[str, ...]
    target: Sizes
    step: Prediction


@dataclass(frozen=True, slots=True)
class FarBeyond:
    """The target is far beyond the largest size."""

    beyond: float


@dataclass(frozen=True, slots=True)
class MemoryAtTarget:
    """The peak at the target, beside the memory that there is.

    Attributes:
        available: of the device, or of the machine.
    """

    name: str
    factors: tuple[str, ...]
    target: Sizes
    peak: Prediction
    of: str
    available: int | None


@dataclass(frozen=True, slots=True)
class LargestHeldOut:
    """The largest size was predicted from the others."""

    name: str
    factors: tuple[str, ...]
    hindcast: Hindcast


@dataclass(frozen=True, slots=True)
class SizesApart:
    """Sizes that do not follow the others, and that a fit leaves out."""

    name: str
    path: str
    factors: tuple[str, ...]
    sizes: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class LargestBatch:
    """The largest batch that fits."""

    name: str
    largest: Largest


ScaleFinding = (
    BottleneckMoves
    | BusyMachine
    | FarBeyond
    | FastestGrowth
    | LargestBatch
    | LeftOut
    | MemoryAtTarget
    | NoInterval
    | OneLaunch
    | Oversubscribed
    | Predicted
    | ScaleEndedEarly
    | SizeFailed
    | SizesApart
    | SizesMissing
    | LargestHeldOut
    | TopStage
    | UndividedBackward
)
# A stage of less of the step than this is no reason for anything.
WORTH_NAMING = 0.10


def find_in_scale(record: ScaleRecord, view: ScaleView) -> tuple[ScaleFinding, ...]:
    """All findings: what makes figures void, what they show, how far they carry, what the machine did."""
    return (
        *_about_the_run(record, view),
        *(finding for variant in view.variants for finding in _about(record, view, variant)),
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
        yield NoInterval(variant.name, len(variant.sizes), len(view.factors))
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


def _fastest(variant: ScaledVariant, place: int) -> GrowthRow | None:
    rows = [r for r in variant.top_stages if r.growth is not None and r.growth.grows and r.share >= WORTH_NAMING]

    def exponent(row: GrowthRow) -> float:
        return 0.0 if row.growth is None else row.growth.exponents[place].value

    return max((row for row in rows if exponent(row) > 0), key=exponent, default=None)


def _about_the_target(
    record: ScaleRecord, view: ScaleView, variant: ScaledVariant, step: GrowthRow
) -> Iterator[ScaleFinding]:
    if view.target is None or step.target is None:
        return
    yield Predicted(variant.name, view.factors, view.target, step.target)
    if step.target.beyond > FAR:
        yield FarBeyond(step.target.beyond)
    if variant.peak is not None and variant.peak.target is not None:
        available = _available(record, variant)
        yield MemoryAtTarget(variant.name, view.factors, view.target, variant.peak.target, variant.peak_of, available)


def _available(record: ScaleRecord, variant: ScaledVariant) -> int | None:
    """Memory that the plan, or else the machine, has for what the peak is of."""
    if record.plan.memory_limit_bytes is not None or record.environment is None:
        return record.plan.memory_limit_bytes
    of_device = variant.peak_of == "device"
    return record.environment.accelerator_memory_bytes if of_device else record.environment.memory_bytes


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

"""What a measurement of growth can say in sentences: facts, each a small class, worded by `paco_prof.render`."""

from __future__ import annotations

from dataclasses import dataclass

from paco_prof.analysis.findings import BusyMachine, LeftOut, UndividedBackward
from paco_prof.analysis.machine_findings import Oversubscribed
from paco_prof.analysis.scale_bottleneck import Bottleneck, Crossover
from paco_prof.analysis.scale_parts import Hindcast
from paco_prof.analysis.scale_rows import GrowthRow, Sizes
from paco_prof.records import Largest, ScaleFailure, Status
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
    "PowerAlone",
    "Predicted",
    "ScaleEndedEarly",
    "ScaleFinding",
    "SizeFailed",
    "SizesApart",
    "SizesMissing",
    "TopStage",
]


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
    """A variant with so few sizes that its exponents have no interval, or that there are none.

    Attributes:
        unvaried: factors that have no exponent however many sizes there are, because none differ in them alone.
    """

    name: str
    num_sizes: int
    num_factors: int
    unvaried: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PowerAlone:
    """Sizes enough for intervals, and too few for these to allow for a fixed cost or a lower order.

    Attributes:
        num_sizes: of the variant that has fewest.
    """

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
    """The step at the target.

    Attributes:
        measured: the variant's sizes.
    """

    name: str
    factors: tuple[str, ...]
    target: Sizes
    step: Prediction
    measured: tuple[Sizes, ...]


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
    | PowerAlone
    | Predicted
    | ScaleEndedEarly
    | SizeFailed
    | SizesApart
    | SizesMissing
    | LargestHeldOut
    | TopStage
    | UndividedBackward
)

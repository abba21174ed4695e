"""What the numbers of a breakdown say: computed facts, each a small class, worded by `paco_prof.render`."""

from __future__ import annotations

from dataclasses import dataclass

from paco_prof.analysis.health import HealthFinding
from paco_prof.analysis.loading import LoaderIsBottleneck
from paco_prof.stages import Phase

__all__ = [
    "BUSY_CORES",
    "BusyMachine",
    "ContradictedKind",
    "DominantStage",
    "Finding",
    "GradientAstray",
    "HostBound",
    "LeftOut",
    "LossAloneReadsLower",
    "NoFidelity",
    "NoisyStages",
    "NonFiniteLoss",
    "NothingToContrast",
    "PaCoShare",
    "RepeatedFactorization",
    "RunEndedEarly",
    "StagesOnlyTrace",
    "TrainingOverInference",
    "UnattributedTime",
    "UndividedBackward",
]


@dataclass(frozen=True, slots=True)
class DominantStage:
    """The stage that takes most.

    Attributes:
        share: of the step, or of what `BreakdownView.share_of` names.
        ceiling: the speed-up of the step if that stage were free (Amdahl); None where shares are not of the step.
        rival: a stage of more than half its share that cannot be told to take less; empty where there is none.
    """

    path: str
    share: float
    ceiling: float | None
    rival: str = ""


@dataclass(frozen=True, slots=True)
class PaCoShare:
    """What PaCo-2 adds to plain two-view training: parts, matching, covariance, pool, prototypes, PaC and SoC.

    Attributes:
        share: of the step.
        ceiling: the speed-up of the step if all of it were free (Amdahl).
    """

    share: float
    ceiling: float


@dataclass(frozen=True, slots=True)
class ContradictedKind:
    """A variant that claims to be exact, and whose loss or gradient is not the reference's."""

    name: str
    loss_error: float | None
    gradient_error: float
    gradient_cosine: float
    parts_dtype: str


@dataclass(frozen=True, slots=True)
class GradientAstray:
    """A variant that claims no exactness, and whose gradient has little to do with that of its objective in float64.

    Attributes:
        own_settings: the objective is that of its own settings, so that its approximations and its precision alone are
            what is wrong.
    """

    name: str
    loss_error: float | None
    gradient_error: float
    gradient_cosine: float
    own_settings: bool


@dataclass(frozen=True, slots=True)
class NoFidelity:
    """Loss and gradient could not be compared with float64; why."""

    reason: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Settings of a preset that the device or the backbone cannot do, and why."""

    name: str
    reasons: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TrainingOverInference:
    """The ratio of a step to an inference, split by stage: the parts add up to the ratio.

    Attributes:
        parts: (stage, its time over inference's), largest first; stages below 1 % of the step are left out.
        rest: what the parts leave of the ratio: small stages, and what belongs to none.
        forward_ratio: the forward pass over inference.
        backward_is_divided: False where all of backward is in the rest.
    """

    ratio: float
    parts: tuple[tuple[str, float], ...]
    rest: float
    forward_ratio: float
    backward_is_divided: bool


@dataclass(frozen=True, slots=True)
class LossAloneReadsLower:
    """The loss test against the loss inside the step, forward, in seconds.

    Attributes:
        in_step: inside the step, graph and all.
        with_graph, without_graph: alone; their difference is what recording the graph costs.
        surroundings: what the step around the loss adds to it (caches, allocator), `in_step - with_graph`; None where
            that cannot be told from noise.
        backward_in_step: the backward that a loss test leaves out.
    """

    in_step: float
    with_graph: float
    without_graph: float
    surroundings: float | None
    backward_in_step: float | None


@dataclass(frozen=True, slots=True)
class RepeatedFactorization:
    """A stage factorises over four times as many matrices in a forward pass as there are images, where one an image
    (or one for each of a few covariances) is all there is.
    """

    path: str
    factorizations: int
    needed: int
    operators: int


@dataclass(frozen=True, slots=True)
class HostBound:
    """Stages whose device waited for the host."""

    stages: tuple[tuple[str, tuple[Phase, ...]], ...]


@dataclass(frozen=True, slots=True)
class NoisyStages:
    """Stages above 1 % of the step whose interval reaches farther than 5 %, widest first.

    Attributes:
        stages: (path, relative half-width of its interval).
        num_steps: steps that were measured.
        as_asked: whether the user said how many, and not the time.
    """

    stages: tuple[tuple[str, float], ...]
    num_steps: int
    as_asked: bool


# Cores that others may keep busy before it is worth saying.
BUSY_CORES = 0.25


@dataclass(frozen=True, slots=True)
class BusyMachine:
    """Other processes kept cores busy while steps were measured."""

    cores: float
    of_cores: int


@dataclass(frozen=True, slots=True)
class UnattributedTime:
    """More of the step than 2 % belongs to no stage (or is counted twice, where negative)."""

    share: float


@dataclass(frozen=True, slots=True)
class UndividedBackward:
    """Backward is reported whole; why, and of which variant where there are several."""

    reason: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class NothingToContrast:
    """Batch size 1: there are no other images' parts, PaC is zero and its time says nothing."""


@dataclass(frozen=True, slots=True)
class NonFiniteLoss:
    """Losses that were NaN or infinite, in how many of the steps, and of which variant where there are several."""

    losses: tuple[str, ...]
    num_steps: int
    of_steps: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class RunEndedEarly:
    """The run was interrupted or failed; the figures are of what had been measured until then."""

    code: str
    detail: str
    num_steps: int


@dataclass(frozen=True, slots=True)
class StagesOnlyTrace:
    """The trace leaves the operators out, because there are so many in one forward pass."""

    operators: int


Finding = (
    DominantStage
    | PaCoShare
    | ContradictedKind
    | GradientAstray
    | NoFidelity
    | LeftOut
    | TrainingOverInference
    | LossAloneReadsLower
    | RepeatedFactorization
    | HostBound
    | NoisyStages
    | BusyMachine
    | UnattributedTime
    | UndividedBackward
    | NothingToContrast
    | NonFiniteLoss
    | RunEndedEarly
    | StagesOnlyTrace
    | HealthFinding
    | LoaderIsBottleneck
)

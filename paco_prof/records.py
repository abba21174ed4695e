"""What a run of paco-prof leaves behind: typed, frozen, with every raw sample kept.

Seconds and bytes throughout. `None` is "not measured", `0.0` is "measured, zero". A record is meant to be shared and
committed: it holds no host name, no user name and no absolute path.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from paco_prof.settings import Workload
from paco_prof.stages import Phase

__all__ = [
    "SCHEMA_VERSION",
    "BreakdownRecord",
    "Claim",
    "Environment",
    "Fidelity",
    "Inference",
    "LossTest",
    "Memory",
    "Note",
    "OperatorCount",
    "Overhead",
    "Source",
    "StageMemory",
    "StageSamples",
    "StopReason",
    "Training",
    "VariantKind",
    "VariantUsed",
]

SCHEMA_VERSION = 1


def _positive(seconds: tuple[float, ...]) -> tuple[float, ...]:
    if not all(0 < value < math.inf for value in seconds):
        raise ValueError("what was measured took a positive, finite time")
    return seconds


Samples = tuple[float, ...]
# Wall times of whole steps and runs: at least one, and none of them zero.
WallTimes = Annotated[Samples, Field(min_length=1), AfterValidator(_positive)]
# exact: the same objective and gradient up to rounding; approximate: an approximation of the same objective; different:
# another model, objective or data.
VariantKind = Literal["exact", "approximate", "different"]
StopReason = Literal["settled", "time is up", "as asked", "interrupted", "failed", "quoted"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True, ser_json_inf_nan="strings")


class Source(_Frozen):
    """Where the figures come from: measured by this tool, or quoted from somebody who measured them."""

    kind: Literal["measured", "quoted"] = "measured"
    citation: str = ""


class Environment(_Frozen):
    """The machine and the software that a run was made on.

    Attributes:
        processor: model name of the CPU.
        cores: logical cores this process may use.
        memory_bytes: physical memory.
        accelerator: model name of the device that ran the step, None on a CPU.
        versions: library name -> version.
        flags: settings that change speed (TF32, cudnn.benchmark, ...).
        load_average: one-minute load before the run, where the system tells.
        commit: revision of the git checkout the run was started in, with `+` where it had changes.
    """

    system: str
    processor: str
    cores: int
    memory_bytes: int
    threads: int
    accelerator: str | None = None
    driver: str | None = None
    accelerator_memory_bytes: int | None = None
    versions: dict[str, str] = {}
    flags: dict[str, bool | str] = {}
    load_average: float | None = None
    commit: str | None = None


class StageSamples(_Frozen):
    """One stage in one phase: a sample per measured step, of the stage's *own* time, children excluded.

    Attributes:
        path: the stage and its parents, `loss/pac`.
        calls: how often a step enters the stage; in the backward pass, how many stretches belong to it.
        host: seconds on the host's clock.
        device: seconds on the device's clock; None on a CPU, where it is the host's; an entry is None where an
            event could not be read.
    """

    path: str
    phase: Phase
    calls: int
    host: Samples
    device: tuple[float | None, ...] | None = None

    @property
    def seconds(self) -> tuple[float | None, ...]:
        """The time that counts: the device's where there is one, the host's otherwise."""
        return self.host if self.device is None else self.device


class Training(_Frozen):
    """Training steps.

    Attributes:
        steps: wall seconds of each measured step, from before the transfer until the device is idle again.
        warmup: wall seconds of the steps that were left out.
        phases: seconds per phase and step, everything inside it included.
        stages: own time of each stage; what a phase holds beyond them is unattributed.
        losses: name -> value in each measured step.
        stop_reason: why there are not more steps.
        backward_whole: why backward could not be divided by stage; empty where it was.
        other_busy_cores: cores that other processes kept busy meanwhile, on average.
        instrument: host seconds that the stage timer itself took in each measured step.
    """

    steps: WallTimes
    warmup: Samples = ()
    phases: dict[Phase, Samples]
    stages: tuple[StageSamples, ...]
    losses: dict[str, Samples] = {}
    stop_reason: StopReason
    backward_whole: str = ""
    other_busy_cores: float | None = None
    instrument: Samples = ()

    @model_validator(mode="after")
    def _one_sample_a_step(self) -> Training:
        if not {"forward", "backward"} <= set(self.phases):
            raise ValueError("a training step has a forward and a backward pass")
        lengths = {len(s.host) for s in self.stages} | {len(s) for s in self.phases.values()}
        lengths |= {len(self.instrument)} if self.instrument else set()
        lengths |= {len(s.device) for s in self.stages if s.device is not None}
        if lengths - {len(self.steps)}:
            raise ValueError("every stage and phase needs one sample a step")
        return self


class Inference(_Frozen):
    """One view in eval mode, logits only: wall seconds per batch."""

    runs: WallTimes
    warmup: Samples = ()


class LossTest(_Frozen):
    """The criterion alone on fixed parts, seconds per call.

    Attributes:
        without_graph: forward, nothing recorded for backward.
        with_graph: forward, recorded.
        backward: backward of the recorded one.
    """

    without_graph: WallTimes
    with_graph: WallTimes
    backward: WallTimes


class Overhead(_Frozen):
    """What the instrument costs: wall seconds of instrumented and bare steps, pair by pair, in one process."""

    instrumented: WallTimes
    bare: WallTimes

    @model_validator(mode="after")
    def _in_pairs(self) -> Overhead:
        if len(self.instrumented) != len(self.bare):
            raise ValueError("every instrumented step needs its bare one")
        return self


class StageMemory(_Frozen):
    """Highest allocation on the device while a stage ran, in bytes."""

    path: str
    phase: Phase
    peak_bytes: int


class Memory(_Frozen):
    """Peak memory.

    Attributes:
        process_peak_bytes: resident peak of the whole process and run, all that a CPU run can tell.
        device_peak_bytes: highest allocation on the device in one step.
        stages: the same per stage, from a step of its own that is not timed.
    """

    process_peak_bytes: int | None = None
    device_peak_bytes: int | None = None
    stages: tuple[StageMemory, ...] = ()


class Fidelity(_Frozen):
    """Loss and gradient against a float64 reference on the same weights and inputs, before the first step.

    Attributes:
        against: whose objective the reference has: the baseline's, or, where the models have different parameters or
            inputs, that of the variant's own settings.
        oracle: the reference loop itself, or its exact twin where the loop would take too long.
        losses, reference_losses: name -> value.
        gradient_norm: of the reference's gradient, all parameters together.
        gradient_error: norm of the difference over that norm (the plain norm where that is zero).
        gradient_cosine: between the two gradients.
    """

    against: Literal["baseline", "own settings"]
    oracle: Literal["loop", "exact twin"]
    losses: dict[str, float]
    reference_losses: dict[str, float]
    gradient_norm: float
    gradient_error: float
    gradient_cosine: float


class VariantUsed(_Frozen):
    """The variant that was run.

    Attributes:
        name: as it was asked for.
        kind: what it claims to be; the fidelity is held against it.
        settings: what it sets, and what `--set` set beside it.
        left_out: setting -> why the device or the backbone cannot do it.
    """

    name: str = "baseline"
    kind: VariantKind = "exact"
    settings: dict[str, bool | int | float | str | None] = {}
    left_out: dict[str, str] = {}


class OperatorCount(_Frozen):
    """What one forward pass of a stage asks of torch.

    Attributes:
        operators: tensor operators dispatched, children excluded.
        factorizations: matrices factorised (Cholesky, LU, QR, eigen- or singular value decomposition).
    """

    path: str
    operators: int
    factorizations: int


class Note(_Frozen):
    """Something that a reader of the figures has to know; `code` says which kind, `detail` and `number` hold the
    particulars.
    """

    code: str
    detail: str = ""
    number: int | None = None


class Claim(_Frozen):
    """A figure that a quoted source derives from its others, to be held against them.

    Attributes:
        quantity: what it is a figure of; `paco_prof.analysis.claims` knows how each follows from the rest.
        text: the source's words.
        value: the figure as quoted.
        decimals: digits after the point in the quotation, which bound its rounding.
        stage: the stage that a share is of.
        count: batches or epochs that a projection is for.
    """

    quantity: str
    text: str
    value: float
    decimals: int = Field(default=0, ge=0)
    stage: str = ""
    count: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _projections_count(self) -> Claim:
        if self.quantity in ("epoch_minutes", "total_hours") and self.count == 0:
            raise ValueError("a projection needs the number of batches it is for")
        return self


class BreakdownRecord(_Frozen):
    """Where the time of a PaCo-2 training step goes: the result of `paco-prof breakdown`."""

    schema_version: Literal[1] = 1
    kind: Literal["breakdown"] = "breakdown"
    tool_version: str
    command: tuple[str, ...] = ()
    created: str = ""
    source: Source = Source()
    workload: Workload
    environment: Environment | None = None
    inference: Inference | None = None
    training: Training | None = None
    loss_test: LossTest | None = None
    overhead: Overhead | None = None
    memory: Memory | None = None
    operators: tuple[OperatorCount, ...] = ()
    variant: VariantUsed = VariantUsed()
    fidelity: Fidelity | None = None
    measuring_seconds: float | None = None
    notes: tuple[Note, ...] = ()
    claims: tuple[Claim, ...] = ()

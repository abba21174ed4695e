"""What was measured of one workload: steps by stage and phase, inference, memory, fidelity."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from paco_prof.records.base import Frozen, Samples, StopReason, WallTimes
from paco_prof.stages import Phase

__all__ = [
    "Fidelity",
    "Inference",
    "LossTest",
    "Memory",
    "Overhead",
    "SavedBytes",
    "StageMemory",
    "StageSamples",
    "Training",
]


class StageSamples(Frozen):
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


class Training(Frozen):
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
        loading: seconds that loading took for each batch of the run, in the process that did it; empty where nothing
            was loaded.
    """

    steps: WallTimes
    warmup: Samples = ()
    phases: dict[Phase, Samples]
    stages: tuple[StageSamples, ...]
    losses: dict[str, Samples] = Field(default_factory=dict)
    stop_reason: StopReason
    backward_whole: str = ""
    other_busy_cores: float | None = None
    instrument: Samples = ()
    loading: Samples = ()

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


class Inference(Frozen):
    """One view in eval mode, logits only: wall seconds per batch."""

    runs: WallTimes
    warmup: Samples = ()


class LossTest(Frozen):
    """The criterion alone on fixed parts, seconds per call.

    Attributes:
        without_graph: forward, nothing recorded for backward.
        with_graph: forward, recorded.
        backward: backward of the recorded one.
    """

    without_graph: WallTimes
    with_graph: WallTimes
    backward: WallTimes


class Overhead(Frozen):
    """What the instrument costs: wall seconds of instrumented and bare steps, pair by pair, in one process."""

    instrumented: WallTimes
    bare: WallTimes

    @model_validator(mode="after")
    def _in_pairs(self) -> Overhead:
        if len(self.instrumented) != len(self.bare):
            raise ValueError("every instrumented step needs its bare one")
        return self


class StageMemory(Frozen):
    """Highest allocation on the device while a stage ran, in bytes."""

    path: str
    phase: Phase
    peak_bytes: int


class SavedBytes(Frozen):
    """What a stage's forward pass keeps for the backward pass, in bytes: tensors that autograd has saved in it, each
    storage counted once, parameters aside, stages inside it excluded. What no stage has saved is at the empty path.
    """

    path: str
    num_bytes: int


class Memory(Frozen):
    """Peak memory.

    Attributes:
        process_peak_bytes: resident peak of the whole process and run, all that a CPU run can tell.
        device_peak_bytes: highest allocation on the device in one step.
        stages: the same per stage, from a step of its own that is not timed.
        saved: what each stage keeps for the backward pass, from a forward pass of its own; empty where not measured.
    """

    process_peak_bytes: int | None = None
    device_peak_bytes: int | None = None
    stages: tuple[StageMemory, ...] = ()
    saved: tuple[SavedBytes, ...] = ()


class Fidelity(Frozen):
    """Loss and gradient against a float64 reference on the same weights and inputs, before the first step.

    Attributes:
        against: whose objective the reference has: the baseline's, or, where the models have different parameters or
            inputs, that of the variant's own settings.
        oracle: the reference loop itself, or its exact twin where the loop would take too long; of a model of the
            user's own the model itself, in float64 or, where it cannot be that, as it is.
        losses, reference_losses: name -> value.
        gradient_norm: of the reference's gradient, all parameters together.
        gradient_error: norm of the difference over that norm (the plain norm where that is zero).
        gradient_cosine: between the two gradients.
        float64_loss_error, float64_gradient_error: of drop-ins in a model of the user's own, the same two errors with
            the drop-ins in float64 as well, where rounding is no excuse; None where that was not measured.
        images: of the batch, where not all of them were looked at: somebody's loop may grow with the cube of it.
    """

    against: Literal["baseline", "own settings"]
    oracle: Literal["loop", "exact twin", "own model", "own model as it is"]
    losses: dict[str, float]
    reference_losses: dict[str, float]
    gradient_norm: float
    gradient_error: float
    gradient_cosine: float
    float64_loss_error: float | None = None
    float64_gradient_error: float | None = None
    images: int | None = None

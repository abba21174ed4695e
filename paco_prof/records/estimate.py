"""What a training run would take, and the measurements that say so: the record of `paco-prof estimate`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from paco_prof.records.base import Environment, Frozen, Note, Samples, Source, VariantUsed, WallTimes
from paco_prof.records.breakdown import Claim
from paco_prof.records.run import DataUsed
from paco_prof.settings import Workload

__all__ = ["EstimatePlan", "EstimateRecord", "EvaluationSeries", "Pilot", "StepSeries"]

Blocks = Annotated[tuple[WallTimes, ...], Field(min_length=1)]


class StepSeries(Frozen):
    """Steps of a pilot in which parts were matched in one way.

    Attributes:
        during_warmup: whether they are of the epochs below `warmup_epochs`, in which matching is by cosine distance;
            None where nobody told, or where it makes no difference.
        blocks: wall seconds of each step, from the transfer to the update. Steps of a block followed each other; what
            went on between two blocks lets them tell how much the machine's pace changes.
        waiting: seconds that each of those steps waited for its batch, block by block; empty where none was loaded.
        loading: seconds that loading each batch took, in the process that did it.
    """

    during_warmup: bool | None = None
    blocks: Blocks
    waiting: tuple[Samples, ...] = ()
    loading: Samples = ()

    @model_validator(mode="after")
    def _a_wait_a_step(self) -> StepSeries:
        if self.waiting and [len(block) for block in self.waiting] != [len(block) for block in self.blocks]:
            raise ValueError("every step of a series waits for its batch")
        return self


class EvaluationSeries(Frozen):
    """Batches of an evaluation.

    Attributes:
        blocks: wall seconds of each batch, loading included, in blocks as steps are.
        batch_size: images in each.
        start: seconds from an evaluation's beginning until its first batch was there, beyond what a later one takes.
    """

    blocks: Blocks
    batch_size: int = Field(ge=1)
    start: Samples = ()


class Pilot(Frozen):
    """A short run that stands for a long one: what was measured of one variant on so many devices.

    Attributes:
        name: the variant's, as tables call it.
        workload: its `world_size` is the number of devices, each of which had a batch of `batch_size`.
        source: where the figures come from, measured or quoted.
        origin: what they were taken from: a pilot run of `estimate`, or a saved record of that kind.
        steps: one series, or one for the warm-up of the matching and one for the epochs after it.
        evaluation: None where none was measured.
        startup: seconds from the start of the process until it could take its first step, and what its first steps
            took beyond what later ones take; None where not measured.
        epoch_start: seconds from an epoch's beginning until its first batch was there, beyond what a later one takes.
        checkpoint: seconds of writing a checkpoint.
        watts: readings of the accelerator's power while steps were taken.
        claims: what a quoted source projects from its own figures.
    """

    name: str
    workload: Workload
    variant: VariantUsed = VariantUsed()
    source: Source = Source()
    origin: Literal["pilot", "breakdown", "comparison", "training"] = "pilot"
    steps: tuple[StepSeries, ...] = Field(min_length=1)
    evaluation: EvaluationSeries | None = None
    startup: float | None = Field(default=None, ge=0)
    epoch_start: Samples = ()
    checkpoint: Samples = ()
    watts: Samples = ()
    claims: tuple[Claim, ...] = ()


class EstimatePlan(Frozen):
    """The run that is projected.

    Attributes:
        epochs: in all.
        batches_per_epoch: of one device; None where the data's size says it.
        dataset_size: images of an epoch.
        drop_last: leave out a last batch that is not full.
        eval_size: images of an evaluation; None or 0 for no evaluation.
        eval_every: epochs between two evaluations; the last epoch is always evaluated.
        gpus: devices that share the batches of an epoch, each with a batch of its own at a time.
        price_per_hour: of one device, in whatever currency; None where nobody gave one.
        watts: power of one device, where somebody gave it.
    """

    epochs: int = Field(default=100, ge=1)
    batches_per_epoch: int | None = Field(default=None, ge=1)
    dataset_size: int | None = Field(default=None, ge=1)
    drop_last: bool = False
    eval_size: int | None = Field(default=None, ge=0)
    eval_every: int = Field(default=1, ge=1)
    gpus: int = Field(default=1, ge=1)
    price_per_hour: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    watts: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one_size(self) -> EstimatePlan:
        if (self.batches_per_epoch is None) == (self.dataset_size is None):
            raise ValueError("an epoch has a number of batches or a number of images, and not both")
        return self


class EstimateRecord(Frozen):
    """A projection and all that it rests on: the result of `paco-prof estimate`.

    Attributes:
        pilots: the first one is of the baseline. Those of one name are one variant on other numbers of devices.
    """

    schema_version: Literal[1] = 1
    kind: Literal["estimate"] = "estimate"
    tool_version: str
    command: tuple[str, ...] = ()
    created: str = ""
    plan: EstimatePlan
    pilots: tuple[Pilot, ...] = Field(min_length=1)
    data: DataUsed | None = None
    environment: Environment | None = None
    measuring_seconds: float | None = None
    notes: tuple[Note, ...] = ()

    @model_validator(mode="after")
    def _one_pilot_a_size(self) -> EstimateRecord:
        sizes = [(pilot.name, pilot.workload.world_size) for pilot in self.pilots]
        if len(set(sizes)) < len(sizes):
            raise ValueError("two pilots of a variant are of different numbers of devices")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The variants' names, the baseline's first."""
        return tuple(dict.fromkeys(pilot.name for pilot in self.pilots))

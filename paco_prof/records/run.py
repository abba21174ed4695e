"""A training run, epoch by epoch: the record of `paco-prof train`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from paco_prof.records.base import Environment, Frozen, Note, VariantUsed
from paco_prof.records.training import Fidelity
from paco_prof.settings import Workload

__all__ = ["DataUsed", "EpochResult", "PartsHealth", "RunPlan", "RunStatus", "TrainingRunRecord"]

RunStatus = Literal["running", "complete", "interrupted", "failed"]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]


class DataUsed(Frozen):
    """The images that a model was trained on and evaluated with.

    Attributes:
        name: `digits`, `synthetic`, or `folder:` with the folder's name.
        num_train, num_eval: images of either split.
        num_classes: classes.
        workers: processes that load images; 0 loads them in the process that trains.
        drop_last: leave out a last batch that is not full.
        split: where the held-out images come from, in words.
    """

    name: str
    num_train: int = Field(ge=0)
    num_eval: int = Field(ge=0)
    num_classes: int = Field(ge=1)
    workers: int = Field(default=0, ge=0)
    drop_last: bool = False
    split: str = ""


class PartsHealth(Frozen):
    """How the parts of one batch lie, as the criterion was given them.

    Attributes:
        coinciding: share of the pairs of parts within a view whose reduced features are the same: nearer to each other
            than a thousandth of their length.
        at_floor: share of the views' covariances that the parts raise by less than epsilon above their floor of
            epsilon, on average over the diagonal.
        spread: root of the mean variance of a view's parts about their mean, over views and dimensions.
    """

    coinciding: Share
    at_floor: Share
    spread: Seconds


class EpochResult(Frozen):
    """One epoch of training, and the evaluation after it.

    Attributes:
        epoch: from 0.
        num_batches, num_images: that were trained on; of several devices images are those of all together, and what
            they have as many of, like batches and times, is that of one.
        learning_rate: at the end of the epoch.
        losses: name -> mean over the epoch's steps whose value was finite; NaN where none was. Of several devices a
            step's value is the mean over them.
        at_alpha: share of the steps whose PaC was within 1 % of alpha.
        non_finite: steps with a loss that was NaN or infinite.
        parts: how the parts of the last batch lay.
        seconds: wall time of everything below, from the epoch's beginning until its checkpoint was written.
        start_seconds: until the first batch was there.
        waiting_seconds: for all other batches.
        step_seconds: of all steps, transfer to update.
        loading_seconds: that loading all batches took, all processes that did it together; None where not measured.
        evaluation_seconds: of the evaluation; None where there was none.
        checkpoint_seconds: of writing checkpoints.
        accuracy: share of the evaluation images that were classified right; None where there was no evaluation.
    """

    epoch: int = Field(ge=0)
    num_batches: int = Field(ge=1)
    num_images: int = Field(ge=1)
    learning_rate: float
    losses: dict[str, float]
    at_alpha: Share
    non_finite: int = 0
    parts: PartsHealth | None = None
    seconds: Seconds
    start_seconds: Seconds
    waiting_seconds: Seconds
    step_seconds: Seconds
    loading_seconds: Seconds | None = None
    evaluation_seconds: Seconds | None = None
    checkpoint_seconds: Seconds = 0.0
    accuracy: Share | None = None

    @property
    def images_per_second(self) -> float:
        """Throughput of training alone: images over the time from the epoch's beginning to its last step."""
        seconds = self.start_seconds + self.waiting_seconds + self.step_seconds
        return self.num_images / seconds if seconds > 0 else 0.0


class RunPlan(Frozen):
    """How long a run is to be.

    Attributes:
        epochs: in all.
        eval_every: epochs between two evaluations; the last epoch is always evaluated.
        checkpoint_minutes: the longest time between two checkpoints within an epoch.
    """

    epochs: int = Field(default=5, ge=1)
    eval_every: int = Field(default=1, ge=1)
    checkpoint_minutes: float = Field(default=10.0, gt=0)

    def evaluates_after(self, epoch: int) -> bool:
        """Whether there is an evaluation after an epoch, counted from 0."""
        return (epoch + 1) % self.eval_every == 0 or epoch + 1 == self.epochs


class TrainingRunRecord(Frozen):
    """A whole training run: the result of `paco-prof train`.

    Attributes:
        startup_seconds: from the start of each process that trained until its first epoch began, all of them together.
        total_seconds: wall time of all those processes, from their start until the last checkpoint was written.
        processes: how many there were: one, and one for each time the run was resumed.
        fidelity: loss and gradient of the trained model against float64, on the first batch of the first epoch.
    """

    schema_version: Literal[1] = 1
    kind: Literal["training"] = "training"
    tool_version: str
    command: tuple[str, ...] = ()
    created: str = ""
    workload: Workload
    variant: VariantUsed = VariantUsed()
    environment: Environment | None = None
    data: DataUsed
    plan: RunPlan = RunPlan()
    epochs: tuple[EpochResult, ...] = ()
    startup_seconds: Seconds = 0.0
    total_seconds: Seconds = 0.0
    processes: int = Field(default=1, ge=1)
    fidelity: Fidelity | None = None
    status: RunStatus = "running"
    notes: tuple[Note, ...] = ()

    @model_validator(mode="after")
    def _epochs_follow_each_other(self) -> TrainingRunRecord:
        if [result.epoch for result in self.epochs] != list(range(len(self.epochs))):
            raise ValueError("the epochs of a run are numbered from 0, one after the other")
        return self

    @property
    def accuracy(self) -> float | None:
        """Of the last evaluation."""
        return next((result.accuracy for result in reversed(self.epochs) if result.accuracy is not None), None)

"""Variants trained on the same data with the same seeds: the record of `paco-prof compare --accuracy`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from paco_prof.records.base import Environment, Frozen, Note, WallTimes
from paco_prof.records.comparison import Contestant, Status
from paco_prof.records.run import DataUsed, EpochResult, RunPlan
from paco_prof.records.training import Fidelity

__all__ = ["AccuracyPlan", "AccuracyRecord", "AccuracyRun", "ExactTwin"]


class AccuracyPlan(Frozen):
    """What is trained, and what is asked of it.

    Attributes:
        seeds: runs of each variant; the n-th of every variant has the same seed.
        run: how long each is.
        margin: share of the evaluation images by which a variant may be worse and still be called as good.
        target: accuracy whose time is asked for; None is the baseline's mean less the margin.
        twins: whether what has the reference loop is trained as its exact twin.
    """

    seeds: int = Field(default=3, ge=1)
    run: RunPlan = RunPlan()
    margin: float = Field(default=0.01, gt=0, lt=1)
    target: float | None = Field(default=None, gt=0, le=1)
    twins: bool = True


class AccuracyRun(Frozen):
    """One variant trained with one seed.

    Attributes:
        contestant: the variant's place among the contestants.
        seed: of weights, order and augmentation.
        epochs: as far as it came.
        correct: of the last evaluation, `1` or `0` for each evaluation image, in their order.
        startup_seconds: of building the model, until the first epoch began.
        failed: why it did not come to its end; empty where it did.
    """

    contestant: int = Field(ge=0)
    seed: int = Field(ge=0)
    epochs: tuple[EpochResult, ...] = ()
    correct: str = Field(default="", pattern="^[01]*$")
    startup_seconds: float = Field(default=0.0, ge=0)
    failed: str = ""

    @property
    def accuracy(self) -> float | None:
        """Of the last evaluation."""
        return next((result.accuracy for result in reversed(self.epochs) if result.accuracy is not None), None)


class ExactTwin(Frozen):
    """A contestant with the reference loop was trained in forms that compute the same without it.

    Attributes:
        contestant: its place.
        fidelity: of the twin against the reference in float64, on the weights and the batch that the runs begin with.
        loop_steps, twin_steps: wall seconds of steps of either, taken in turns.
    """

    contestant: int = Field(ge=0)
    fidelity: Fidelity
    loop_steps: WallTimes
    twin_steps: WallTimes


class AccuracyRecord(Frozen):
    """Accuracy beside speed: the result of `paco-prof compare --accuracy`; the first contestant is the baseline."""

    schema_version: Literal[1] = 1
    kind: Literal["accuracy"] = "accuracy"
    tool_version: str
    command: tuple[str, ...] = ()
    created: str = ""
    plan: AccuracyPlan = AccuracyPlan()
    contestants: tuple[Contestant, ...] = Field(min_length=2)
    data: DataUsed
    environment: Environment | None = None
    runs: tuple[AccuracyRun, ...] = ()
    twins: tuple[ExactTwin, ...] = ()
    status: Status = "running"
    measuring_seconds: float | None = None
    notes: tuple[Note, ...] = ()

    @model_validator(mode="after")
    def _runs_are_of_contestants(self) -> AccuracyRecord:
        keys = [(run.contestant, run.seed) for run in self.runs]
        places = [run.contestant for run in self.runs] + [twin.contestant for twin in self.twins]
        if len(set(keys)) < len(keys) or any(place >= len(self.contestants) for place in places):
            raise ValueError("every run is of a contestant that is there, and no two have the same seed")
        return self

    def complete_runs(self, contestant: int) -> tuple[AccuracyRun, ...]:
        """The runs of a contestant that came to their end, in the order of their seeds."""
        mine = [run for run in self.runs if run.contestant == contestant and not run.failed]
        return tuple(sorted((run for run in mine if len(run.epochs) == self.plan.run.epochs), key=lambda r: r.seed))

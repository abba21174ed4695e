"""What is measured at several sizes of one setting or two: the record of `paco-prof scale`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from typing import Literal

from pydantic import Field, model_validator

from paco_prof.records.base import Environment, Frozen, Note
from paco_prof.records.comparison import Contestant, FailureKind, MachineState, Status
from paco_prof.records.training import Memory, Training
from paco_prof.settings import Workload, with_settings

__all__ = [
    "Factor",
    "Largest",
    "LargestReason",
    "ScaleFailure",
    "ScalePlan",
    "ScalePoint",
    "ScaleRecord",
    "Trial",
    "resized",
]

# Why no larger batch is known to fit: memory ran out, the time for the search did, none larger was asked for, a process
# failed otherwise, or somebody ended the search.
LargestReason = Literal["out of memory", "time is up", "as asked", "failed", "interrupted"]


class Factor(Frozen):
    """A setting that is varied.

    Attributes:
        name: the setting's own name, `batch_size`.
        sizes: its values, ascending.
    """

    name: str
    sizes: tuple[int, ...] = Field(min_length=2)


class ScalePlan(Frozen):
    """What is measured, and how much.

    Attributes:
        factors: one, or two that give a grid.
        launches: fresh processes for every variant and size.
        steps: measured in each launch; None takes them until their median is precise or the launch's time is up.
        max_seconds: for everything, half of it for the search for the largest batch where there is one; None for no
            limit. A launch that is not likely to end in time is left away; of a size of which nobody knows how long it
            takes, it is taken.
        timeout: seconds that a process may take to start or for a step before it is given up.
        seed: of weights and data.
        target: a size of each factor that times are predicted for; None for no prediction.
        find_largest: search for the largest batch that fits into memory.
        largest_up_to: the search ends there.
        memory_limit_bytes: that a process may use, or that the device may be used of; None is what the machine has.
    """

    factors: tuple[Factor, ...] = Field(min_length=1, max_length=2)
    launches: int = Field(default=2, ge=1)
    steps: int | None = Field(default=None, ge=1)
    max_seconds: float | None = Field(default=None, gt=0)
    timeout: float = Field(default=600.0, gt=0)
    seed: int = Field(default=0, ge=0)
    target: tuple[int, ...] | None = None
    find_largest: bool = False
    largest_up_to: int = Field(default=4096, ge=1)
    memory_limit_bytes: int | None = Field(default=None, ge=1)

    @property
    def combinations(self) -> tuple[tuple[int, ...], ...]:
        """Every size, or every pair of sizes of two factors, the smallest product first."""
        sizes = product(*(factor.sizes for factor in self.factors))
        return tuple(sorted(sizes, key=lambda some: (prod(some), some)))

    @model_validator(mode="after")
    def _a_size_a_factor(self) -> ScalePlan:
        if self.target is not None and len(self.target) != len(self.factors):
            raise ValueError("a target has a size of each factor")
        return self


class ScalePoint(Frozen):
    """One launch: a fresh process that took steps of one variant at one size.

    Attributes:
        contestant: the variant's place.
        sizes: one of each factor.
        round: which of the planned launches it is, from 0.
        memory: peak of the process or the device, and what each stage keeps for the backward pass.
        environment: where, as that process saw it.
        machine: what else went on.
    """

    contestant: int = Field(ge=0)
    sizes: tuple[int, ...] = Field(min_length=1)
    round: int = Field(default=0, ge=0)
    training: Training
    memory: Memory | None = None
    environment: Environment | None = None
    machine: MachineState | None = None

    @property
    def is_complete(self) -> bool:
        """Whether it came to its planned end; one that did not is kept, and nothing is fitted to it."""
        return self.training.stop_reason not in ("interrupted", "failed")


class ScaleFailure(Frozen):
    """A process that did not do what it was asked for; larger sizes of its variant are then left away.

    Attributes:
        during, detail, hint, peak_bytes: see `Failure`.
        environment: where, as that process saw it; None where it came to nothing before it could tell.
    """

    contestant: int = Field(ge=0)
    sizes: tuple[int, ...]
    round: int = Field(default=0, ge=0)
    kind: FailureKind
    during: str
    detail: str
    hint: str = ""
    peak_bytes: int | None = None
    environment: Environment | None = None


class Trial(Frozen):
    """A fresh process that tried a batch.

    Attributes:
        size: of the batch.
        steps: that it took.
        fits: whether it took all that it was asked for.
        reason: why it did not; empty where it did.
        detail: the last line of its error, or how it ended.
        peak_bytes: highest memory it is known to have had, of the process, or of the device where there is one.
    """

    size: int = Field(ge=1)
    steps: int = Field(default=0, ge=0)
    fits: bool
    reason: LargestReason | Literal[""] = ""
    detail: str = ""
    peak_bytes: int | None = None


class Largest(Frozen):
    """The largest batch of a variant that fits, and how it was found.

    Attributes:
        contestant: the variant's place.
        size: images; None where not even one fits.
        reason: why no larger one is known to fit.
        detail: how the search was given up, where none of its trials tells.
        next_size: the smallest that was tried and for which memory did not suffice; None where none was.
        limit_bytes: memory that there was to fit into; None where nobody knows.
        of_device: whether that is the device's memory, or a process's.
        peak_bytes: at `size`; what is left of the limit beside it is the margin.
        confirmed_steps: that a fresh process took at `size` in the end.
        trials: in their order.
        environment: where, as the processes saw it; None where none could tell.
    """

    contestant: int = Field(ge=0)
    size: int | None = None
    reason: LargestReason = "out of memory"
    detail: str = ""
    next_size: int | None = None
    limit_bytes: int | None = None
    of_device: bool = False
    peak_bytes: int | None = None
    confirmed_steps: int = 0
    trials: tuple[Trial, ...] = ()
    environment: Environment | None = None


class ScaleRecord(Frozen):
    """How time and memory grow: the result of `paco-prof scale`."""

    schema_version: Literal[1] = 1
    kind: Literal["scale"] = "scale"
    tool_version: str
    command: tuple[str, ...] = ()
    created: str = ""
    plan: ScalePlan
    contestants: tuple[Contestant, ...] = Field(min_length=1)
    environment: Environment | None = None
    points: tuple[ScalePoint, ...] = ()
    failures: tuple[ScaleFailure, ...] = ()
    largest: tuple[Largest, ...] = ()
    status: Status = "running"
    measuring_seconds: float | None = None
    notes: tuple[Note, ...] = ()

    @model_validator(mode="after")
    def _everybody_is_there(self) -> ScaleRecord:
        places = {each.contestant for each in self.points}
        places |= {each.contestant for each in self.failures} | {each.contestant for each in self.largest}
        if any(place >= len(self.contestants) for place in places):
            raise ValueError("a point, a failure or a search is of a variant that is not there")
        return self

    def at(self, place: int, sizes: Sequence[int]) -> Contestant:
        """A variant with its factors, and its baseline's, at these sizes.

        Raises:
            UsageError: a size that the setting cannot have.
        """
        names = [factor.name for factor in self.plan.factors]
        return resized(self.contestants[place], dict(zip(names, sizes, strict=True)))


def resized(contestant: Contestant, sizes: Mapping[str, int]) -> Contestant:
    """A contestant with some settings of its workload, and of its baseline's, at other sizes.

    Raises:
        UsageError: a size that the setting cannot have.
    """

    def at(workload: Workload) -> Workload:
        return with_settings(workload, sizes)

    return contestant.model_copy(update={"workload": at(contestant.workload), "base": at(contestant.base)})

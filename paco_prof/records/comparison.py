"""Variants held against a baseline, launch by launch: the record of `paco-prof compare` and `paco-prof ablate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from paco_prof.records.base import Environment, Frozen, Note, VariantUsed
from paco_prof.records.training import Fidelity, Memory, Training
from paco_prof.records.user_code import UserCodeUsed
from paco_prof.settings import Workload

__all__ = [
    "AcceleratorState",
    "ComparisonPlan",
    "ComparisonRecord",
    "Contestant",
    "Design",
    "Failure",
    "FailureKind",
    "Launch",
    "MachineState",
    "Side",
    "SpeedupClaim",
    "Status",
]

# Which variants are held against which baseline: chosen one by one, or by a rule.
Design = Literal["compare", "one-at-a-time", "leave-one-out", "cumulative", "factorial"]
Status = Literal["running", "complete", "interrupted", "failed"]
FailureKind = Literal["not applicable", "out of memory", "raised", "died", "hung"]


@dataclass(frozen=True, slots=True)
class SpeedupClaim:
    """What somebody expects of a change: the analysis, for the variants of the catalogue.

    Attributes:
        text: their words.
        low, high: the speed-up it stands for, 1.2 for "20 %"; None where the words hold no number.
        of: what the number is of.
    """

    text: str
    low: float | None = None
    high: float | None = None
    of: Literal["step", "backbone"] = "step"


class Contestant(Frozen):
    """A variant that takes part; the first of a record is what all others are held against.

    Attributes:
        name: as tables call it.
        workload: with its settings, and, once it has been built, with what only that tells.
        base: the baseline that it is a variant of, which its fidelity is held against.
        variant: what it claims to be, and what it sets.
        optional: settings that are left out where the device or the backbone cannot do them.
        toggles: what an ablation has switched on in it.
        claim: what the analysis expects of it beside the baseline.
        step_claim: what it expects of it beside the contestant before it, where an ablation is cumulative.
        fidelity: loss and gradient against float64, where that was measured.
        user_code: what was found in a model of the user's own once it was built; None before, and for PaCo-2 itself.
        revision: the commit of the tree that its code is from, with `+` where that had changes; None for the code of
            the tool that measures.
    """

    name: str
    workload: Workload
    base: Workload
    variant: VariantUsed = VariantUsed()
    optional: tuple[str, ...] = ()
    toggles: tuple[str, ...] = ()
    claim: SpeedupClaim | None = None
    step_claim: SpeedupClaim | None = None
    fidelity: Fidelity | None = None
    user_code: UserCodeUsed | None = None
    revision: str | None = None

    def as_built(self, built: Contestant) -> Contestant:
        """What building it told, with what was known before: it is built without what had been left out already."""
        left_out = {**self.variant.left_out, **built.variant.left_out}
        variant = built.variant.model_copy(update={"left_out": left_out})
        return built.model_copy(update={"variant": variant, "fidelity": self.fidelity, "revision": self.revision})

    def halved(self, times: int) -> Contestant:
        """The same with its batch, and its baseline's, halved so often, rounded down."""
        smaller = {
            name: workload.model_copy(update={"batch_size": workload.batch_size >> times})
            for name, workload in (("workload", self.workload), ("base", self.base))
        }
        return self.model_copy(update=smaller)


class ComparisonPlan(Frozen):
    """How much is measured, and how.

    Attributes:
        launches: fresh pairs of processes for each variant.
        pairs: of steps in a launch; None takes them until the launch's median is precise or its time is up.
        max_seconds: for everything; None for no limit. The first launch is taken all the same.
        timeout: seconds that a process may take to start or for a step before it is given up.
        sequential: one process after the other, where both do not fit into memory together.
        retry_smaller: halve the batch of both sides where memory runs out.
        fidelity: compare loss and gradient of each variant with a float64 reference.
        seed: of the order within pairs.
    """

    launches: int = Field(default=3, ge=1)
    pairs: int | None = Field(default=None, ge=1)
    max_seconds: float | None = Field(default=None, gt=0)
    timeout: float = Field(default=600.0, gt=0)
    sequential: bool = False
    retry_smaller: bool = False
    fidelity: bool = True
    seed: int = Field(default=0, ge=0)


class AcceleratorState(Frozen):
    """An accelerator during a launch, as its management library tells; pairs are at the beginning and at the end.

    Attributes:
        clock_mhz: of its processors.
        max_clock_mhz: what they can do.
        temperature_c: of the device.
        throttle_reasons: why it was slower than it can be, by the library's names; idling is none.
        other_processes: that computed on it and are not ours.
    """

    clock_mhz: tuple[int, int] | None = None
    max_clock_mhz: int | None = None
    temperature_c: tuple[int, int] | None = None
    throttle_reasons: tuple[str, ...] = ()
    other_processes: int | None = None


class MachineState(Frozen):
    """What the machine did during a launch beside it; None where the system does not tell.

    Attributes:
        load_average: of one minute, before the launch.
        other_busy_cores: cores that other processes kept busy, on average.
        stolen_cores: cores that the hypervisor gave to others, on average.
        cpu_mhz: mean clock of the cores at the beginning and at the end.
        governor: the kernel's policy for the clock of the cores (Linux), where all have the same.
        cpu_throttled: times that a core was slowed down because of its temperature (Linux).
        waiting_cores: cores that our own processes kept busy while it was another's turn, on average.
        accelerator: the accelerator's state.
    """

    load_average: float | None = None
    other_busy_cores: float | None = None
    stolen_cores: float | None = None
    cpu_mhz: tuple[float, float] | None = None
    governor: str | None = None
    cpu_throttled: int | None = None
    waiting_cores: float | None = None
    accelerator: AcceleratorState | None = None


class Side(Frozen):
    """One process of a launch.

    Attributes:
        training: its steps; in a paired launch the n-th of one side is the partner of the n-th of the other.
        memory: its peak.
    """

    training: Training
    memory: Memory | None = None


class Launch(Frozen):
    """Steps of the baseline and of a variant, taken alternately from two fresh processes: the unit of replication.

    Attributes:
        contestant: the variant's place among the contestants.
        round: which of the planned launches it is, from 0; the launches of a round may share the baseline's process.
        halvings: how often the batch of both sides was halved.
        sequential: one side was over before the other began.
        baseline_first: for each pair, which side took its step first; for a sequential launch, one entry.
        machine: what else went on.
        environment: where it was taken; None is where the record's first launch was.
    """

    contestant: int = Field(ge=1)
    round: int = Field(ge=0)
    halvings: int = Field(default=0, ge=0)
    sequential: bool = False
    baseline: Side
    variant: Side
    baseline_first: tuple[bool, ...]
    machine: MachineState | None = None
    environment: Environment | None = None

    @model_validator(mode="after")
    def _in_pairs(self) -> Launch:
        numbers = {len(self.baseline.training.steps), len(self.variant.training.steps), len(self.baseline_first)}
        if not self.sequential and len(numbers) > 1:
            raise ValueError("every step of the baseline needs its partner")
        return self

    @property
    def is_complete(self) -> bool:
        """Whether it came to its planned end; one that did not is kept, and not judged."""
        return not {self.baseline.training.stop_reason, self.variant.training.stop_reason} & {"interrupted", "failed"}


class Failure(Frozen):
    """A process that did not do what it was asked for.

    Attributes:
        contestant: the variant whose launch it was.
        of_baseline: it was the baseline's process.
        during: what it had been asked for.
        detail: the last line of its error, or how it ended.
        hint: what can be done about it.
        peak_bytes: the highest memory it is known to have had: the device's, or its own resident.
        environment: where it was; None is where the record's first launch was, or is not known.
    """

    contestant: int = Field(ge=1)
    round: int = Field(ge=0)
    halvings: int = Field(default=0, ge=0)
    of_baseline: bool = False
    kind: FailureKind
    during: str
    detail: str
    hint: str = ""
    peak_bytes: int | None = None
    environment: Environment | None = None


class ComparisonRecord(Frozen):
    """Variants against a baseline: the result of `paco-prof compare` and `paco-prof ablate`.

    Attributes:
        environment: where the first launch was taken; a launch from elsewhere tells where it is from.
        launches: of all machines. Those of unlike ones are never judged together: `launches_of` has those of one.
    """

    schema_version: Literal[1] = 1
    kind: Literal["comparison"] = "comparison"
    tool_version: str
    command: tuple[str, ...] = ()
    created: str = ""
    design: Design = "compare"
    plan: ComparisonPlan = ComparisonPlan()
    contestants: tuple[Contestant, ...] = Field(min_length=2)
    environment: Environment | None = None
    launches: tuple[Launch, ...] = ()
    failures: tuple[Failure, ...] = ()
    status: Status = "running"
    measuring_seconds: float | None = None
    notes: tuple[Note, ...] = ()

    @model_validator(mode="after")
    def _contestants_are_there(self) -> ComparisonRecord:
        places = [launch.contestant for launch in self.launches] + [failure.contestant for failure in self.failures]
        if any(place >= len(self.contestants) for place in places):
            raise ValueError("a launch or a failure is of a contestant that is not there")
        return self

    @property
    def baseline(self) -> Contestant:
        """What all others are held against."""
        return self.contestants[0]

    def launches_of(self, contestant: int) -> tuple[Launch, ...]:
        """The complete launches of a variant on the record's own machine, at the smallest batch that was needed there;
        those are what is judged.
        """
        mine = [
            launch
            for launch in self.launches
            if launch.contestant == contestant and launch.is_complete and self.is_of_this_machine(launch.environment)
        ]
        halvings = max((launch.halvings for launch in mine), default=0)
        return tuple(launch for launch in mine if launch.halvings == halvings)

    def is_of_this_machine(self, environment: Environment | None) -> bool:
        """Whether what was measured there may stand beside what was measured in the record's own environment."""
        if environment is None or self.environment is None:
            return True
        return not environment.differences(self.environment)

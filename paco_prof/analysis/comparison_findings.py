"""What a comparison says in sentences: computed facts, each a small class, worded by `paco_prof.render`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from paco_prof.analysis.ablation import Interaction, interactions
from paco_prof.analysis.comparison import ComparedVariant, ComparisonView
from paco_prof.analysis.fidelity import find_in_fidelity
from paco_prof.analysis.findings import ContradictedKind, GradientAstray, LeftOut, NonFiniteLoss, UndividedBackward
from paco_prof.analysis.health import GradientOfRounding
from paco_prof.analysis.loading import LoaderIsBottleneck, find_loader_in_steps
from paco_prof.analysis.machine_findings import MachineFinding, find_about_the_machine
from paco_prof.records import ComparisonRecord, Failure, Side, Status
from paco_prof.stats.paired import RatioEstimate

__all__ = [
    "AgainstItself",
    "BatchHalved",
    "ComparisonEndedEarly",
    "ComparisonFinding",
    "Extended",
    "HelpsOnlyAlone",
    "MissingLaunches",
    "NotCompared",
    "NotEstablished",
    "OtherBatch",
    "Sequential",
    "Unfinished",
    "find_in_comparison",
]


@dataclass(frozen=True, slots=True)
class ComparisonEndedEarly:
    """The comparison was interrupted or failed, or whoever ran it was killed."""

    status: Status
    num_launches: int


@dataclass(frozen=True, slots=True)
class MissingLaunches:
    """The time was up before all planned launches were taken."""

    number: int


@dataclass(frozen=True, slots=True)
class Extended:
    """Launches were added to a comparison that had been looked at: p-values are of a comparison that was not."""

    launches: int


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A process of a variant that did not end as planned; `lost`: nothing of the variant could be measured."""

    name: str
    failure: Failure
    lost: bool


@dataclass(frozen=True, slots=True)
class BatchHalved:
    """Memory ran out at the whole batch; both sides were measured with a smaller one."""

    name: str
    batch_size: int


@dataclass(frozen=True, slots=True)
class OtherBatch:
    """A variant has another batch than the baseline; its speed-up is per sample."""

    name: str
    batch_size: int
    baseline_batch_size: int


@dataclass(frozen=True, slots=True)
class Sequential:
    """One side was over before the other began, so that a drift of the machine shows as a difference."""


@dataclass(frozen=True, slots=True)
class AgainstItself:
    """A variant against itself: what is measured is the noise of this machine."""

    name: str
    speedup: RatioEstimate


@dataclass(frozen=True, slots=True)
class NotEstablished:
    """A difference that these launches do not establish.

    Attributes:
        speedup: the estimate that is no claim.
        needed: about how many launches would; None where nobody can tell.
    """

    name: str
    speedup: RatioEstimate
    needed: int | None


@dataclass(frozen=True, slots=True)
class HelpsOnlyAlone:
    """A toggle that makes the step faster without another one, and not with it."""

    interaction: Interaction


@dataclass(frozen=True, slots=True)
class NotCompared:
    """Loss and gradient of a variant could not be held against float64."""

    detail: str


ComparisonFinding = (
    AgainstItself
    | BatchHalved
    | ComparisonEndedEarly
    | ContradictedKind
    | Extended
    | GradientAstray
    | GradientOfRounding
    | HelpsOnlyAlone
    | LeftOut
    | LoaderIsBottleneck
    | MachineFinding
    | MissingLaunches
    | NonFiniteLoss
    | NotCompared
    | NotEstablished
    | OtherBatch
    | Sequential
    | UndividedBackward
    | Unfinished
)


def find_in_comparison(record: ComparisonRecord, view: ComparisonView) -> tuple[ComparisonFinding, ...]:
    """All findings: what makes figures void, what they show, how far they carry, what the machine did."""
    return (
        *_about_the_run(record, view),
        *(finding for variant in (view.baseline, *view.variants) for finding in _about(record, variant)),
        *_about_the_differences(record, view),
        *find_about_the_machine(record),
    )


def _about_the_run(record: ComparisonRecord, view: ComparisonView) -> Iterator[ComparisonFinding]:
    if record.status != "complete":
        yield ComparisonEndedEarly(record.status, sum(variant.num_launches for variant in view.variants))
    if record.plan.sequential:
        yield Sequential()
    for note in record.notes:
        if note.code == "no_fidelity":
            yield NotCompared(note.detail)
        if note.code == "extended":
            yield Extended(note.number or 0)
    # Only the last run of a comparison knows what is missing.
    missing = [note.number or 0 for note in record.notes if note.code == "time_is_up"]
    planned = record.plan.launches * len(view.variants)
    if missing and sum(variant.num_launches for variant in view.variants) < planned:
        yield MissingLaunches(missing[-1])


def _about(record: ComparisonRecord, variant: ComparedVariant) -> Iterator[ComparisonFinding]:
    contestant = variant.contestant
    for failure in variant.failures:
        yield Unfinished(variant.name, failure, variant.speedup is None)
    if variant.place and variant.batch_size < contestant.workload.batch_size:
        yield BatchHalved(variant.name, variant.batch_size)
    if contestant.workload.batch_size != record.baseline.workload.batch_size:
        yield OtherBatch(variant.name, contestant.workload.batch_size, record.baseline.workload.batch_size)
    if contestant.variant.left_out:
        yield LeftOut(variant.name, tuple(contestant.variant.left_out.items()))
    used = contestant.variant.model_copy(update={"name": variant.name})
    yield from find_in_fidelity(used, contestant.workload, contestant.fidelity)
    if variant.whole_backward:
        yield UndividedBackward(variant.whole_backward, variant.name)
    sides = _sides_of(record, variant)
    yield from _non_finite(sides, variant)
    trainings = [side.training for side in sides]
    yield from find_loader_in_steps(trainings, contestant.workload, record.environment, variant.name)


def _sides_of(record: ComparisonRecord, variant: ComparedVariant) -> list[Side]:
    """All processes of a variant, or of the baseline."""
    return [
        launch.variant if variant.place else launch.baseline
        for launch in record.launches
        if launch.contestant == (variant.place or launch.contestant)
    ]


def _non_finite(sides: Sequence[Side], variant: ComparedVariant) -> Iterator[ComparisonFinding]:
    broken: dict[str, int] = {}
    for side in sides:
        for name, values in side.training.losses.items():
            broken[name] = broken.get(name, 0) + sum(1 for value in values if not math.isfinite(value))
    names = tuple(name for name, number in broken.items() if number)
    if names:
        num_steps = sum(len(side.training.steps) for side in sides)
        yield NonFiniteLoss(names, max(broken[name] for name in names), num_steps, variant.name)


def _about_the_differences(record: ComparisonRecord, view: ComparisonView) -> Iterator[ComparisonFinding]:
    if view.is_self:
        for variant in view.measured:
            if variant.speedup is not None:
                yield AgainstItself(variant.name, variant.speedup)
        return
    for interaction in interactions(record, view):
        if interaction.helps_only_alone:
            yield HelpsOnlyAlone(interaction)
    for variant in view.measured:
        if variant.speedup is not None and not variant.speedup.established:
            yield NotEstablished(variant.name, variant.speedup, variant.needed)

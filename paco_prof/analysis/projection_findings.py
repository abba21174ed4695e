"""What somebody should hear of a projection: computed facts, each a small class, worded by `paco_prof.render`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from paco_prof.analysis.claims import CheckedClaim, check_projections
from paco_prof.analysis.efficiency_findings import ScalingFinding, find_in_scaling
from paco_prof.analysis.epoch_steps import matching_epochs, series_of
from paco_prof.analysis.findings import LeftOut
from paco_prof.analysis.projection import ProjectedRun, ProjectionView, Term
from paco_prof.records import EstimateRecord
from paco_prof.stats.pace import Span

__all__ = [
    "EstimateEndedEarly",
    "EvaluatedWithoutLoading",
    "MatchingNotMeasured",
    "NoInterval",
    "NotInTotal",
    "OtherBatchSize",
    "OtherMachines",
    "ProjectedClaim",
    "ProjectionFinding",
    "UncertainSaving",
    "find_in_projection",
]


@dataclass(frozen=True, slots=True)
class EstimateEndedEarly:
    """Measuring was interrupted or failed: only these variants were measured."""

    code: str
    detail: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProjectedClaim:
    """A quoted source's own projection that does not follow from its step."""

    checked: CheckedClaim


@dataclass(frozen=True, slots=True)
class NotInTotal:
    """Terms that the run has and that were not measured, so that the total of these variants leaves them out.

    Attributes:
        from_pilots: whether pilot runs would have measured them, and were what was run.
    """

    names: tuple[str, ...]
    terms: tuple[Term, ...]
    from_pilots: bool


@dataclass(frozen=True, slots=True)
class MatchingNotMeasured:
    """Steps of these variants were measured in one way of matching only, and stand for epochs that match in the other.

    Attributes:
        during_warmup: what was not measured: the epochs of the warm-up, or those after it.
        epochs: how many those are.
        of_epochs: how many there are in all.
        warmup_epochs: how many a warm-up has.
    """

    names: tuple[str, ...]
    during_warmup: bool
    epochs: int
    of_epochs: int
    warmup_epochs: int


@dataclass(frozen=True, slots=True)
class EvaluatedWithoutLoading:
    """The evaluation of these variants rests on inference that loaded no images."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NoInterval:
    """So few steps, all of one block, that nothing tells how far another run would be from them."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OtherBatchSize:
    """A variant with another batch than the baseline, and so with another number of batches."""

    name: str
    batch_size: int
    batches: int
    baseline_batch_size: int
    baseline_batches: int


@dataclass(frozen=True, slots=True)
class OtherMachines:
    """Launches of a comparison that were taken on other machines than its first one, and are left out."""

    num_launches: int


@dataclass(frozen=True, slots=True)
class UncertainSaving:
    """A variant of which these pilots cannot tell whether it takes more time or less."""

    name: str
    speedup: Span


ProjectionFinding = (
    EstimateEndedEarly
    | EvaluatedWithoutLoading
    | LeftOut
    | MatchingNotMeasured
    | NoInterval
    | NotInTotal
    | OtherBatchSize
    | OtherMachines
    | ProjectedClaim
    | ScalingFinding
    | UncertainSaving
)

_Key = TypeVar("_Key", bound=Hashable)


def find_in_projection(record: EstimateRecord, view: ProjectionView) -> tuple[ProjectionFinding, ...]:
    """All findings: what the figures rest on, what they leave out, and how far they carry."""
    return (*_about_the_record(record, view), *_about_the_terms(view), *_about_the_figures(view))


def _about_the_record(record: EstimateRecord, view: ProjectionView) -> Iterator[ProjectionFinding]:
    for note in record.notes:
        if note.code in ("interrupted", "failed"):
            yield EstimateEndedEarly(note.code, note.detail, record.names)
        if note.code == "other_machines":
            yield OtherMachines(note.number or 0)
    for pilot in (run.pilot for run in view.runs):
        if pilot.variant.left_out:
            yield LeftOut(pilot.name, tuple(pilot.variant.left_out.items()))
        for checked in check_projections(pilot.steps[0].blocks[0][0], pilot.claims):
            if checked.verdict == "does not follow":
                yield ProjectedClaim(checked)


def _about_the_terms(view: ProjectionView) -> Iterator[ProjectionFinding]:
    for (terms, from_pilots), names in _grouped(view.runs, lambda run: (run.missing, run.pilot.origin == "pilot")):
        if terms:
            yield NotInTotal(names, terms, from_pilots)
    for found, names in _grouped(view.runs, lambda run: _other_matching(view, run)):
        for during, epochs, warmup_epochs in found:
            yield MatchingNotMeasured(names, during, epochs, view.plan.epochs, warmup_epochs)
    unloaded = [run.name for run in view.runs if run.evaluations[0] and _is_unloaded(run)]
    if unloaded:
        yield EvaluatedWithoutLoading(tuple(unloaded))


def _other_matching(view: ProjectionView, run: ProjectedRun) -> tuple[tuple[bool, int, int], ...]:
    """Kinds of epochs that steps of the other kind stand for: whether they are of the warm-up, and how many."""
    return tuple(
        (during, epochs, run.pilot.workload.known("warmup_epochs"))
        for during, epochs in matching_epochs(view.plan, run.pilot).items()
        if epochs and series_of(run.pilot, during).during_warmup is (not during)
    )


def _is_unloaded(run: ProjectedRun) -> bool:
    return run.terms["evaluation"] is not None and run.sources["evaluation"].origin == "breakdown"


def _about_the_figures(view: ProjectionView) -> Iterator[ProjectionFinding]:
    baseline = view.baseline
    for run in view.variants:
        mine, theirs = run.pilot.workload.batch_size, baseline.pilot.workload.batch_size
        if mine != theirs:
            yield OtherBatchSize(run.name, mine, run.batches.number, theirs, baseline.batches.number)
    yield from find_in_scaling(view)
    without = tuple(run.name for run in view.runs if run.total.low is None)
    if without:
        yield NoInterval(without)
    for run in view.variants:
        ratio = run.speedup
        if ratio is not None and ratio.low is not None and ratio.high is not None and ratio.low <= 1 <= ratio.high:
            yield UncertainSaving(run.name, ratio)


def _grouped(
    runs: Iterable[ProjectedRun], key: Callable[[ProjectedRun], _Key]
) -> Iterator[tuple[_Key, tuple[str, ...]]]:
    """What several runs have in common, and their names."""
    found: dict[_Key, list[str]] = {}
    for run in runs:
        found.setdefault(key(run), []).append(run.name)
    return ((common, tuple(names)) for common, names in found.items())

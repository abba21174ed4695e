"""A training run as a report shows it: where its time went, how far it came, and what somebody should hear of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from paco_prof.analysis.fidelity import find_in_fidelity
from paco_prof.analysis.findings import ContradictedKind, GradientAstray, LeftOut, NoFidelity
from paco_prof.analysis.health import HealthFinding, find_in_epochs
from paco_prof.analysis.loading import LoaderIsBottleneck, find_loader_in_epochs
from paco_prof.records import EpochResult, RunStatus, TrainingRunRecord

__all__ = [
    "EPOCH_TERMS",
    "TERMS",
    "Evaluated",
    "Resumed",
    "RunFinding",
    "RunView",
    "Term",
    "TermTime",
    "TrainingEndedEarly",
    "UnsavedState",
    "epoch_terms",
    "find_in_run",
    "run_view",
]

# What a run spends its time on, in the order in which it meets them.
Term = Literal["start-up", "epoch starts", "waiting", "steps", "evaluation", "checkpoints", "rest"]
TERMS: tuple[Term, ...] = ("start-up", "epoch starts", "waiting", "steps", "evaluation", "checkpoints", "rest")
# Those that an epoch has.
EPOCH_TERMS = TERMS[1:]


@dataclass(frozen=True, slots=True)
class TermTime:
    """Seconds that a run spent on something.

    Attributes:
        share: of the whole run; None where that took no time.
        times: how often it did it; None where nobody counted.
    """

    term: Term
    seconds: float
    share: float | None
    times: int | None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An evaluation: the epoch that it followed, from 0, and the share of images that were classified right."""

    epoch: int
    accuracy: float


@dataclass(frozen=True, slots=True)
class RunView:
    """What a training run says.

    Attributes:
        epochs: as recorded, as far as it came.
        terms: where its time went; they add up to `total_seconds`, the rest being what no other term holds, signed.
        images_per_second: of training alone, all epochs together; None before the first is over.
        step_seconds: mean of all steps, waiting excluded.
        best, last: evaluations; the best is the first of several that are as good. None where there was none.
        chance: accuracy of guessing.
    """

    epochs: tuple[EpochResult, ...]
    terms: tuple[TermTime, ...]
    total_seconds: float
    images_per_second: float | None
    step_seconds: float | None
    best: Evaluated | None
    last: Evaluated | None
    chance: float

    def term(self, name: Term) -> TermTime:
        """One of the terms."""
        return self.terms[TERMS.index(name)]


@dataclass(frozen=True, slots=True)
class TrainingEndedEarly:
    """The run was interrupted or failed, or whoever ran it was killed; or it is still running.

    Attributes:
        num_epochs: that are over.
        detail: of a failure.
    """

    status: RunStatus
    num_epochs: int
    of_epochs: int
    detail: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """The run was resumed: so many processes trained one after the other."""

    processes: int


@dataclass(frozen=True, slots=True)
class UnsavedState:
    """A model of somebody's own keeps tensors beside weights and buffers, which no checkpoint holds.

    Attributes:
        names: dotted, of the attributes, or of the first few.
        number: of all of them.
    """

    names: tuple[str, ...]
    number: int


RunFinding = (
    TrainingEndedEarly
    | Resumed
    | UnsavedState
    | LeftOut
    | ContradictedKind
    | GradientAstray
    | NoFidelity
    | HealthFinding
    | LoaderIsBottleneck
)


def epoch_terms(result: EpochResult) -> dict[Term, float]:
    """What an epoch spent its time on, seconds; they add up to the epoch's."""
    known: dict[Term, float] = {
        "epoch starts": result.start_seconds,
        "waiting": result.waiting_seconds,
        "steps": result.step_seconds,
        "evaluation": result.evaluation_seconds or 0.0,
        "checkpoints": result.checkpoint_seconds,
    }
    return {**known, "rest": result.seconds - sum(known.values())}


def run_view(record: TrainingRunRecord) -> RunView:
    """The view of a record, whatever there is in it."""
    epochs = record.epochs
    num_batches = sum(result.num_batches for result in epochs)
    training = sum(result.start_seconds + result.waiting_seconds + result.step_seconds for result in epochs)
    evaluated = [Evaluated(result.epoch, result.accuracy) for result in epochs if result.accuracy is not None]
    return RunView(
        epochs=epochs,
        terms=_terms(record),
        total_seconds=record.total_seconds,
        images_per_second=sum(result.num_images for result in epochs) / training if training > 0 else None,
        step_seconds=sum(result.step_seconds for result in epochs) / num_batches if num_batches else None,
        best=max(evaluated, key=lambda one: one.accuracy, default=None),
        last=evaluated[-1] if evaluated else None,
        chance=1 / record.data.num_classes,
    )


def _terms(record: TrainingRunRecord) -> tuple[TermTime, ...]:
    epochs, total = record.epochs, record.total_seconds
    seconds: dict[Term, float] = {"start-up": record.startup_seconds, **dict.fromkeys(EPOCH_TERMS, 0.0)}
    for result in epochs:
        for term, value in epoch_terms(result).items():
            seconds[term] += value
    seconds["rest"] = total - sum(value for term, value in seconds.items() if term != "rest")
    num_batches = sum(result.num_batches for result in epochs)
    times: dict[Term, int | None] = {
        "start-up": record.processes,
        "epoch starts": len(epochs),
        # The first batch of an epoch is its start.
        "waiting": num_batches - len(epochs),
        "steps": num_batches,
        "evaluation": sum(1 for result in epochs if result.evaluation_seconds is not None),
    }
    return tuple(
        TermTime(term, seconds[term], seconds[term] / total if total > 0 else None, times.get(term)) for term in TERMS
    )


def find_in_run(record: TrainingRunRecord) -> tuple[RunFinding, ...]:
    """All findings: how far the run came, whether it learned anything, what kept it waiting."""
    return (
        *_about_the_run(record),
        *find_in_epochs(record.epochs, record.workload, record.data),
        *find_in_fidelity(record.variant, record.workload, record.fidelity),
        *find_loader_in_epochs(record.epochs, record.workload, record.data, record.environment),
    )


def _about_the_run(record: TrainingRunRecord) -> Iterator[RunFinding]:
    if record.status != "complete":
        detail = next((note.detail for note in record.notes if note.code == "failed"), "")
        yield TrainingEndedEarly(record.status, len(record.epochs), record.plan.epochs, detail)
    if record.processes > 1:
        yield Resumed(record.processes)
    if record.variant.left_out:
        yield LeftOut(record.variant.name, tuple(record.variant.left_out.items()))
    for note in record.notes:
        if note.code == "unsaved_state":
            names = tuple(note.detail.split(", "))
            yield UnsavedState(names, note.number or len(names))
        if note.code == "no_fidelity":
            yield NoFidelity(note.detail)

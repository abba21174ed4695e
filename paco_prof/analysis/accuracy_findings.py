"""What a comparison of accuracies says in sentences: computed facts, each a small class, worded by
`paco_prof.render`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from paco_prof.analysis.accuracy import AccuracyView, TrainedVariant
from paco_prof.analysis.fidelity import find_in_fidelity
from paco_prof.analysis.findings import ContradictedKind, GradientAstray, LeftOut
from paco_prof.analysis.health import (
    CHANCE_LEVEL,
    AccuracyAtChance,
    GradientOfRounding,
    HealthFinding,
    chance_tail,
    find_in_epochs,
)
from paco_prof.records import AccuracyRecord, Status
from paco_prof.stats.noninferiority import AccuracyDifference, AccuracyVerdict, least_resolvable

__all__ = [
    "AccuracyFinding",
    "AtChance",
    "FasterButWorse",
    "Judged",
    "RunFailed",
    "RunsEndedEarly",
    "SmallEvaluation",
    "TargetMissed",
    "TooFewSeeds",
    "TwinAstray",
    "Unhealthy",
    "UnlikeExact",
    "find_in_accuracy",
]

# With fewer the scatter of training is hardly known.
FEWEST_SEEDS = 3


@dataclass(frozen=True, slots=True)
class RunsEndedEarly:
    """The comparison was interrupted or failed, or whoever ran it was killed; so many of its runs are over."""

    status: Status
    num_runs: int
    of_runs: int


@dataclass(frozen=True, slots=True)
class RunFailed:
    """A run that did not come to its end; it is not judged, and its variant is not called as good."""

    name: str
    seed: int
    num_epochs: int
    of_epochs: int
    reason: str


@dataclass(frozen=True, slots=True)
class TooFewSeeds:
    """So few seeds hardly tell how much another one changes; a single one tells nothing of it."""

    num_seeds: int


@dataclass(frozen=True, slots=True)
class SmallEvaluation:
    """So few evaluation images that nothing can be shown to be within the margin, however equal it is.

    Attributes:
        least: the smallest margin that they could resolve.
    """

    num_images: int
    margin: float
    least: float


@dataclass(frozen=True, slots=True)
class TwinAstray:
    """What was trained in place of the reference loop does not have its objective here."""

    name: str
    loss_error: float | None
    gradient_error: float
    gradient_cosine: float


@dataclass(frozen=True, slots=True)
class AtChance:
    """Runs whose accuracy guessing reaches too (one-sided binomial test of each).

    Attributes:
        accuracy: the highest of theirs.
    """

    name: str
    num_runs: int
    of_runs: int
    accuracy: float
    chance: float


@dataclass(frozen=True, slots=True)
class Unhealthy:
    """A sign, in the first of so many runs that show one of that sort, that training does not learn what it should."""

    name: str
    num_runs: int
    of_runs: int
    finding: HealthFinding


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on a variant.

    Attributes:
        needed: about how many seeds would decide; None where that is decided, or cannot be told.
        num_failed: runs that keep it from being as good.
    """

    name: str
    verdict: AccuracyVerdict
    difference: AccuracyDifference
    needed: int | None
    num_failed: int

    @property
    def images_limit(self) -> bool:
        """Whether more seeds leave much of it open: these images alone reach half the way to the margin, or farther."""
        return self.difference.lasting_reach >= abs(self.difference.value + self.difference.margin) / 2


@dataclass(frozen=True, slots=True)
class FasterButWorse:
    """A variant whose epochs take less time, and which is worse; the speed-up is of an epoch."""

    name: str
    difference: AccuracyDifference
    speedup: float


@dataclass(frozen=True, slots=True)
class UnlikeExact:
    """A variant that claims to be exact, and whose accuracy differs from the baseline's all the same."""

    name: str
    difference: AccuracyDifference


@dataclass(frozen=True, slots=True)
class TargetMissed:
    """Variants some of whose runs never reached the accuracy whose time was asked for.

    Attributes:
        reached: name, how many of its runs did, and of how many.
    """

    target: float
    reached: tuple[tuple[str, int, int], ...]


AccuracyFinding = (
    AtChance
    | ContradictedKind
    | FasterButWorse
    | GradientAstray
    | GradientOfRounding
    | Judged
    | LeftOut
    | RunFailed
    | RunsEndedEarly
    | SmallEvaluation
    | TargetMissed
    | TooFewSeeds
    | TwinAstray
    | Unhealthy
    | UnlikeExact
)


def find_in_accuracy(record: AccuracyRecord, view: AccuracyView) -> tuple[AccuracyFinding, ...]:
    """All findings: the verdicts, what they rest on, and what ails the runs behind them."""
    return (
        *(finding for variant in view.judged for finding in _verdicts(variant)),
        *_about_the_design(record, view),
        *(finding for variant in view.rows for finding in _about(record, view, variant)),
    )


def _verdicts(variant: TrainedVariant) -> Iterator[AccuracyFinding]:
    difference, verdict = variant.difference, variant.verdict
    if difference is None or verdict is None:
        return
    speedup = variant.epoch_speedup
    if verdict == "worse" and speedup is not None and speedup > 1:
        yield FasterButWorse(variant.name, difference, speedup)
    else:
        yield Judged(variant.name, verdict, difference, variant.needed, len(variant.failed))
    if variant.contestant.variant.kind == "exact" and difference.differs:
        yield UnlikeExact(variant.name, difference)


def _about_the_design(record: AccuracyRecord, view: AccuracyView) -> Iterator[AccuracyFinding]:
    if record.status != "complete":
        planned = record.plan.seeds * len(record.contestants)
        yield RunsEndedEarly(record.status, sum(len(variant.runs) for variant in view.rows), planned)
    num_seeds = min((v.difference.num_seeds for v in view.judged if v.difference is not None), default=FEWEST_SEEDS)
    if num_seeds < FEWEST_SEEDS:
        yield TooFewSeeds(num_seeds)
    if view.num_images > 0 and least_resolvable(view.num_images) > view.margin:
        yield SmallEvaluation(view.num_images, view.margin, least_resolvable(view.num_images))
    times = [(row.name, row.target) for row in view.rows if row.target is not None]
    missed = [(name, t.num_reached, t.num_runs) for name, t in times if t.num_reached < t.num_runs]
    if missed and view.target is not None:
        yield TargetMissed(view.target, tuple(missed))


def _about(record: AccuracyRecord, view: AccuracyView, variant: TrainedVariant) -> Iterator[AccuracyFinding]:
    contestant = variant.contestant
    for run in variant.failed:
        yield RunFailed(variant.name, run.seed, len(run.epochs), record.plan.run.epochs, run.failed)
    if contestant.variant.left_out:
        yield LeftOut(variant.name, tuple(contestant.variant.left_out.items()))
    used = contestant.variant.model_copy(update={"name": variant.name})
    yield from find_in_fidelity(used, contestant.workload, contestant.fidelity)
    if variant.twin is not None and not variant.twin.is_exact:
        measured = variant.twin.fidelity.measured
        error = variant.twin.fidelity.loss_errors.get("total")
        yield TwinAstray(variant.name, error, measured.gradient_error, measured.gradient_cosine)
    yield from _at_chance(view, variant)
    yield from _unhealthy(record, variant)


def _at_chance(view: AccuracyView, variant: TrainedVariant) -> Iterator[AtChance]:
    """Only where there are images enough to tell: where getting all of them right would not be chance."""
    num_images = view.num_images
    if num_images == 0 or chance_tail(num_images, num_images, view.chance) > CHANCE_LEVEL:
        return
    accuracies = [run.accuracy for run in variant.runs if run.accuracy is not None]
    guessed = [a for a in accuracies if chance_tail(round(a * num_images), num_images, view.chance) > CHANCE_LEVEL]
    if guessed:
        yield AtChance(variant.name, len(guessed), len(accuracies), max(guessed), view.chance)


def _unhealthy(record: AccuracyRecord, variant: TrainedVariant) -> Iterator[Unhealthy]:
    """Of each sort the first, in whatever run, failed ones among them."""
    runs = sorted((run for run in record.runs if run.contestant == variant.place), key=lambda run: run.seed)
    found: dict[type[HealthFinding], list[HealthFinding]] = {}
    for run in runs:
        for finding in find_in_epochs(run.epochs, variant.contestant.workload, record.data):
            if not isinstance(finding, AccuracyAtChance):
                found.setdefault(type(finding), []).append(finding)
    for same in found.values():
        yield Unhealthy(variant.name, len(same), len(runs), same[0])

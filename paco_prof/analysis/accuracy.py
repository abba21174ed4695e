"""An accuracy record as rows: each variant beside the baseline, how accurate, how surely, and after how long.

Only runs that came to their end are judged. Where a contestant with the reference loop was trained through its exact
twin, its times are those that the loop would have taken: the seconds of its steps are scaled by what a step of the loop
takes over what one of the twin does, measured in turns in the same comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import fmean, median

import numpy as np

from paco_prof.analysis.fidelity import FidelityView, fidelity_view
from paco_prof.records import AccuracyRecord, AccuracyRun, Contestant, EpochResult, ExactTwin
from paco_prof.stats.noninferiority import (
    AccuracyDifference,
    AccuracyVerdict,
    MeanAccuracy,
    Outcomes,
    accuracy_difference,
    mean_accuracy,
    seeds_needed,
)

__all__ = ["AccuracyView", "LearningCurve", "TargetTime", "TrainedVariant", "TwinView", "accuracy_view"]


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """Accuracy over training time, a point an evaluation.

    Attributes:
        seconds: from the start of the run until the evaluation was over.
        accuracies: share of the evaluation images.
    """

    seconds: tuple[float, ...]
    accuracies: tuple[float, ...]

    def reached(self, target: float) -> float | None:
        """Seconds until the first evaluation that was as good as that; None where none was."""
        return next((s for s, a in zip(self.seconds, self.accuracies, strict=True) if a >= target), None)


@dataclass(frozen=True, slots=True)
class TargetTime:
    """How long it took until an evaluation reached the target.

    Attributes:
        mean, low, high: seconds, over the runs that reached it; None where none did.
        num_reached, num_runs: how many of the complete runs did.
    """

    mean: float | None
    low: float | None
    high: float | None
    num_reached: int
    num_runs: int


@dataclass(frozen=True, slots=True)
class TwinView:
    """The exact twin that was trained in place of the reference loop.

    Attributes:
        loop_step, twin_step: median seconds of a step.
        fidelity: the twin held against the loop's objective in float64.
    """

    loop_step: float
    twin_step: float
    fidelity: FidelityView

    @property
    def factor(self) -> float:
        """By how much the loop's steps take longer."""
        return self.loop_step / self.twin_step

    @property
    def is_exact(self) -> bool:
        return self.fidelity.is_exact


@dataclass(frozen=True, slots=True)
class TrainedVariant:
    """One contestant: the baseline itself, or a variant beside it.

    Attributes:
        place: among the contestants; 0 is the baseline.
        contestant: what it is.
        runs: that came to their end, in the order of their seeds.
        failed: runs that did not, and why.
        accuracy: of the last evaluations; None where there was none.
        difference: from the baseline, over the seeds that both completed; None for the baseline, and without such.
        needed: about how many seeds would decide, where these do not; None where nobody can tell.
        epoch_seconds: mean time of an epoch, evaluation and checkpoint included.
        target: how long it took to the target; None where there is none.
        epoch_speedup: the baseline's time per epoch over its own; None for the baseline.
        target_speedup: the baseline's mean time to the target over its own, over the seeds that both completed; None
            where a run of those did not reach it, since leaving it out would flatter whoever it belongs to.
        curves: of each run.
        mean_curve: their mean, evaluation by evaluation; None without a run.
        twin: what was trained in its place; None where it was itself.
    """

    place: int
    contestant: Contestant
    runs: tuple[AccuracyRun, ...] = ()
    failed: tuple[AccuracyRun, ...] = ()
    accuracy: MeanAccuracy | None = None
    difference: AccuracyDifference | None = None
    needed: int | None = None
    epoch_seconds: float | None = None
    target: TargetTime | None = None
    epoch_speedup: float | None = None
    target_speedup: float | None = None
    curves: tuple[LearningCurve, ...] = ()
    mean_curve: LearningCurve | None = None
    twin: TwinView | None = None

    @property
    def name(self) -> str:
        return self.contestant.name

    @property
    def verdict(self) -> AccuracyVerdict | None:
        """The difference's. What does not always come to its end is never called as good, however good the rest is."""
        if self.difference is None:
            return None
        return "inconclusive" if self.failed and self.difference.verdict != "worse" else self.difference.verdict


@dataclass(frozen=True, slots=True)
class AccuracyView:
    """What a comparison of accuracies says.

    Attributes:
        baseline: what the others are held against.
        variants: the others, in the record's order.
        margin: by how much a variant may be worse and still be called as good.
        target: accuracy whose time is told; None where there is none: nobody named one, and no baseline run is over.
        target_was_given: somebody named it. If not, it is the baseline's mean accuracy less the margin.
        num_images: of an evaluation.
        chance: accuracy of guessing.
    """

    baseline: TrainedVariant
    variants: tuple[TrainedVariant, ...]
    margin: float
    target: float | None
    target_was_given: bool
    num_images: int
    chance: float

    @property
    def rows(self) -> tuple[TrainedVariant, ...]:
        return (self.baseline, *self.variants)

    @property
    def judged(self) -> tuple[TrainedVariant, ...]:
        """The variants that have a seed in common with the baseline."""
        return tuple(variant for variant in self.variants if variant.difference is not None)


def accuracy_view(record: AccuracyRecord) -> AccuracyView:
    """The view of a record, whatever there is in it."""
    target = _target(record)
    baseline, *variants = (_trained(record, place, target) for place in range(len(record.contestants)))
    of_images = [len(run.correct) for run in record.runs if run.correct]
    return AccuracyView(
        baseline=baseline,
        variants=tuple(variants),
        margin=record.plan.margin,
        target=target,
        target_was_given=record.plan.target is not None,
        num_images=of_images[0] if of_images else record.data.num_eval,
        chance=1 / record.data.num_classes,
    )


def _target(record: AccuracyRecord) -> float | None:
    if record.plan.target is not None:
        return record.plan.target
    outcomes = _outcomes(record, record.complete_runs(0))
    # A target that is not above zero is reached by anything.
    return None if outcomes is None else max(fmean(outcomes.accuracies) - record.plan.margin, 0.0) or None


def _trained(record: AccuracyRecord, place: int, target: float | None) -> TrainedVariant:
    contestant, runs = record.contestants[place], record.complete_runs(place)
    failed = tuple(run for run in record.runs if run.contestant == place and run.failed)
    twin = _twin(record, place)
    if not runs:
        return TrainedVariant(place, contestant, failed=failed, twin=twin)
    outcomes = _outcomes(record, runs)
    difference = None if place == 0 else _difference(record, place)
    curves = tuple(_curve(run, twin) for run in runs)
    epoch_seconds = _epoch_seconds(runs, twin)
    return TrainedVariant(
        place=place,
        contestant=contestant,
        runs=runs,
        failed=failed,
        accuracy=None if outcomes is None else mean_accuracy(outcomes),
        difference=difference,
        needed=None if difference is None else seeds_needed(difference),
        epoch_seconds=epoch_seconds,
        target=None if target is None else _target_time(curves, target),
        epoch_speedup=_epoch_speedup(record, place, epoch_seconds),
        target_speedup=None if target is None or place == 0 else _target_speedup(record, place, target),
        curves=curves,
        mean_curve=_mean_curve(curves),
        twin=twin,
    )


def _twin(record: AccuracyRecord, place: int) -> TwinView | None:
    found: ExactTwin | None = next((twin for twin in record.twins if twin.contestant == place), None)
    fidelity = None if found is None else fidelity_view("exact", found.fidelity)
    if found is None or fidelity is None:
        return None
    return TwinView(median(found.loop_steps), median(found.twin_steps), fidelity)


def _outcomes(record: AccuracyRecord, runs: Sequence[AccuracyRun]) -> Outcomes | None:
    """Of the last evaluations, image by image where every run kept that; None where a run has none."""
    lengths = {len(run.correct) for run in runs}
    if len(lengths) == 1 and 0 not in lengths:
        return Outcomes.of_images([np.frombuffer(run.correct.encode(), dtype=np.uint8) - ord("0") for run in runs])
    accuracies = [run.accuracy for run in runs if run.accuracy is not None]
    if not accuracies or len(accuracies) < len(runs) or record.data.num_eval == 0:
        return None
    return Outcomes(tuple(accuracies), record.data.num_eval)


def _shared(record: AccuracyRecord, place: int) -> tuple[list[AccuracyRun], list[AccuracyRun]]:
    """The complete runs of a variant and of the baseline whose seeds both completed, in the same order."""
    mine, others = record.complete_runs(place), record.complete_runs(0)
    seeds = {run.seed for run in mine} & {run.seed for run in others}
    return [run for run in mine if run.seed in seeds], [run for run in others if run.seed in seeds]


def _difference(record: AccuracyRecord, place: int) -> AccuracyDifference | None:
    sides = [_outcomes(record, runs) for runs in _shared(record, place)]
    variant, baseline = sides
    if variant is None or baseline is None or variant.num_images != baseline.num_images:
        return None
    return accuracy_difference(variant, baseline, record.plan.margin)


def _seconds(result: EpochResult, twin: TwinView | None) -> float:
    """Of an epoch, with the loop's steps where the twin's were taken."""
    return result.seconds + (0.0 if twin is None else result.step_seconds * (twin.factor - 1))


def _epoch_seconds(runs: Sequence[AccuracyRun], twin: TwinView | None) -> float:
    return fmean(_seconds(result, twin) for run in runs for result in run.epochs)


def _epoch_speedup(record: AccuracyRecord, place: int, own: float) -> float | None:
    baseline = record.complete_runs(0)
    if place == 0 or not baseline or own == 0:
        return None
    return _epoch_seconds(baseline, _twin(record, 0)) / own


def _curve(run: AccuracyRun, twin: TwinView | None) -> LearningCurve:
    ends = accumulate((_seconds(result, twin) for result in run.epochs), initial=run.startup_seconds)
    next(ends)
    points = [(end, result.accuracy) for end, result in zip(ends, run.epochs, strict=True)]
    known = [(end, accuracy) for end, accuracy in points if accuracy is not None]
    return LearningCurve(tuple(end for end, _ in known), tuple(accuracy for _, accuracy in known))


def _mean_curve(curves: Sequence[LearningCurve]) -> LearningCurve | None:
    """Evaluation by evaluation; None where runs were not evaluated equally often."""
    if len({len(curve.seconds) for curve in curves}) != 1:
        return None
    seconds = zip(*(curve.seconds for curve in curves), strict=True)
    accuracies = zip(*(curve.accuracies for curve in curves), strict=True)
    return LearningCurve(tuple(map(fmean, seconds)), tuple(map(fmean, accuracies)))


def _target_time(curves: Sequence[LearningCurve], target: float) -> TargetTime:
    times = [time for curve in curves if (time := curve.reached(target)) is not None]
    if not times:
        return TargetTime(None, None, None, 0, len(curves))
    return TargetTime(fmean(times), min(times), max(times), len(times), len(curves))


def _target_speedup(record: AccuracyRecord, place: int, target: float) -> float | None:
    means = []
    for own, runs in zip((place, 0), _shared(record, place), strict=True):
        twin = _twin(record, own)
        time = _target_time([_curve(run, twin) for run in runs], target)
        if not time.mean or time.num_reached < time.num_runs:
            return None
        means.append(time.mean)
    return means[1] / means[0]

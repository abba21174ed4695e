"""What a long training run would take, from a pilot of it: term by term, with an interval, beside the baseline.

Every term is a mean duration times how often the run has it. Its interval is that of `paco_prof.stats.pace`: for the
level that a later, long run has. What was measured only once is taken to be as uncertain as the steps are, relatively:
a machine that is slow for the one is slow for the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from paco_prof.analysis.epochs import Batches, epoch_images, evaluation_batches, num_evaluations, training_batches
from paco_prof.records import EstimatePlan, EstimateRecord, Pilot, StepSeries
from paco_prof.stats.pace import Pace, Span, added, pace, quotient, wait

__all__ = [
    "TERMS",
    "Energy",
    "ProjectedRun",
    "ProjectionView",
    "Term",
    "matching_epochs",
    "projection_view",
    "series_of",
]

# What a run spends its time on, in the order in which a report has them.
Term = Literal["steps", "waiting", "epoch starts", "evaluation", "checkpoints", "start-up"]
TERMS: tuple[Term, ...] = ("steps", "waiting", "epoch starts", "evaluation", "checkpoints", "start-up")
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Energy:
    """What all devices together consume, in watt-hours.

    Attributes:
        watts: of one device.
        source: whether somebody gave the power, or the pilot read it.
    """

    watt_hours: Span
    watts: float
    source: Literal["given", "measured"]


@dataclass(frozen=True, slots=True)
class ProjectedRun:
    """A pilot at length. Times in seconds.

    Attributes:
        batches: of an epoch, on each device.
        evaluations: of the run, and the batches of each on each device.
        step: a full batch's, without waiting for it: the mean over the run's epochs.
        terms: what adds up to the total; None is not measured, and not in it.
        total: of the run, from the start of its process to its end.
        saved: what it takes less than the baseline; None for the baseline itself.
        speedup: the baseline's total over its own.
        cost: of all devices, in the currency of the price; None without a price.
        energy: None where no power is known.
    """

    pilot: Pilot
    batches: Batches
    evaluations: tuple[int, Batches]
    step: Span
    terms: Mapping[Term, Span | None]
    total: Span
    epochs: int
    saved: Span | None = None
    speedup: Span | None = None
    cost: Span | None = None
    energy: Energy | None = None

    @property
    def name(self) -> str:
        return self.pilot.name

    @property
    def epoch(self) -> Span:
        """An epoch's, with all that belongs to it: the total without the start-up, over the epochs."""
        found = [span for term, span in self.terms.items() if span is not None and term != "start-up"]
        return added(found) * (1 / self.epochs)

    @property
    def missing(self) -> tuple[Term, ...]:
        """What the run has and the total does not, since it was not measured."""
        return tuple(term for term in TERMS if self.terms[term] is None)


@dataclass(frozen=True, slots=True)
class ProjectionView:
    """What an estimate says.

    Attributes:
        images: of an epoch.
        runs: the baseline's first.
    """

    plan: EstimatePlan
    images: int
    runs: tuple[ProjectedRun, ...]

    @property
    def baseline(self) -> ProjectedRun:
        return self.runs[0]

    @property
    def variants(self) -> tuple[ProjectedRun, ...]:
        return self.runs[1:]


def projection_view(record: EstimateRecord) -> ProjectionView:
    """The view of a record.

    Raises:
        UsageError: an epoch would have no batch.
    """
    plan = record.plan
    images = epoch_images(plan, record.pilots[0].workload.batch_size)
    baseline, *others = (_run(plan, images, pilot) for pilot in record.pilots)
    return ProjectionView(plan, images, (_priced(plan, baseline), *(_beside(plan, baseline, run) for run in others)))


def matching_epochs(plan: EstimatePlan, pilot: Pilot) -> dict[bool, int]:
    """How many epochs match parts as in the warm-up (True), and how many as after it (False)."""
    during = min(plan.epochs, pilot.workload.known("warmup_epochs"))
    return {True: during, False: plan.epochs - during}


def series_of(pilot: Pilot, during_warmup: bool) -> StepSeries:
    """The steps that stand for epochs of one kind: those of that kind, or of which nobody told the kind, or else the
    other ones, for want of better.
    """
    found = {series.during_warmup: series for series in pilot.steps}
    return found.get(during_warmup) or found.get(None) or pilot.steps[0]


def _run(plan: EstimatePlan, images: int, pilot: Pilot) -> ProjectedRun:
    batches = training_batches(plan, images, pilot.workload.batch_size, pilot.name)
    parts = [(series_of(pilot, during), epochs) for during, epochs in matching_epochs(plan, pilot).items() if epochs]
    # A mean over one series is not the sum of two that are uncertain in the same way.
    series = {id(found): (found, sum(n for other, n in parts if other is found)) for found, _ in parts}
    steps = added(pace(found.blocks).span * epochs for found, epochs in series.values()) * (1 / plan.epochs)
    waits = [(found, epochs) for found, epochs in series.values() if found.waiting]
    waiting = None
    if len(waits) == len(series):
        waiting = added(_or_like(wait(found.waiting), steps) * epochs for found, epochs in waits) * batches.cost
    startup = None if pilot.startup is None else Span(pilot.startup).like(steps)
    terms: dict[Term, Span | None] = {
        "steps": steps * (plan.epochs * batches.cost),
        "waiting": waiting,
        "epoch starts": _repeated(pilot.epoch_start, steps, plan.epochs),
        "evaluation": _evaluation(plan, pilot, steps),
        "checkpoints": _repeated(pilot.checkpoint, steps, plan.epochs),
        "start-up": startup,
    }
    evaluation = pilot.evaluation
    of_evaluation = evaluation_batches(plan, pilot.workload.batch_size if evaluation is None else evaluation.batch_size)
    return ProjectedRun(
        pilot=pilot,
        batches=batches,
        evaluations=(num_evaluations(plan), of_evaluation),
        step=steps,
        terms=terms,
        total=added(span for span in terms.values() if span is not None),
        epochs=plan.epochs,
    )


def _evaluation(plan: EstimatePlan, pilot: Pilot, steps: Span) -> Span | None:
    number, measured = num_evaluations(plan), pilot.evaluation
    if number == 0:
        return Span(0.0, 0.0, 0.0)
    if measured is None:
        return None
    batches = evaluation_batches(plan, measured.batch_size)
    once = [_or_like(pace(measured.blocks), steps) * batches.cost]
    if measured.start:
        once.append(_or_like(wait([(max(0.0, start),) for start in measured.start]), steps))
    return added(once) * number


def _repeated(samples: Sequence[float], steps: Span, times: int) -> Span | None:
    """A term that a run has so many times, each sample a block of its own; None where there is no sample."""
    if not samples:
        return None
    return _or_like(wait([(max(0.0, sample),) for sample in samples]), steps) * times


def _or_like(found: Pace, steps: Span) -> Span:
    """A pace, as uncertain as the steps are where it does not tell itself."""
    return found.span.like(steps) if found.low is None else found.span


def _priced(plan: EstimatePlan, run: ProjectedRun) -> ProjectedRun:
    """With what it costs, and what it consumes."""
    hours = run.total * (plan.gpus / HOUR)
    cost = None if plan.price_per_hour is None else hours * plan.price_per_hour
    energy = None
    if plan.watts is not None:
        energy = Energy(hours * plan.watts, plan.watts, "given")
    elif run.pilot.watts:
        watts = fmean(run.pilot.watts)
        energy = Energy(hours * watts, watts, "measured")
    return replace(run, cost=cost, energy=energy)


def _beside(plan: EstimatePlan, baseline: ProjectedRun, run: ProjectedRun) -> ProjectedRun:
    """With what it saves, and how many times shorter it is."""
    saved, speedup = baseline.total - run.total, quotient(baseline.total, run.total)
    return replace(_priced(plan, run), saved=saved, speedup=speedup)

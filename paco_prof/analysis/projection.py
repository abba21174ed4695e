"""What a long training run would take, from a pilot of it: term by term, with an interval, beside the baseline.

Every term is a mean duration times how often the run has it. Its interval is that of `paco_prof.stats.pace`: for the
level that a later, long run has. What was measured only once is taken to be as uncertain as the steps are, relatively:
a machine that is slow for the one is slow for the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal, TypeVar

from paco_prof.analysis.efficiency import Scaling, by_nearness, scaling_of
from paco_prof.analysis.epoch_steps import stretches
from paco_prof.analysis.epochs import Batches, epoch_images, evaluation_batches, num_evaluations, training_batches
from paco_prof.records import EstimatePlan, EstimateRecord, Pilot
from paco_prof.stats.pace import Pace, Span, added, pace, quotient, wait

__all__ = [
    "TERMS",
    "Energy",
    "ProjectedRun",
    "ProjectionView",
    "Term",
    "projection_view",
]

# What a run spends its time on, in the order in which a report has them.
Term = Literal["steps", "waiting", "epoch starts", "evaluation", "checkpoints", "start-up"]
TERMS: tuple[Term, ...] = ("steps", "waiting", "epoch starts", "evaluation", "checkpoints", "start-up")
HOUR = 3600.0

_T = TypeVar("_T")
# A term, and the pilot that measured it.
_Measured = tuple[Span, Pilot]


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
        pilots: of the variant, the one whose number of devices is nearest to the run's first.
        scaling: what a step takes on the devices of the run, and how that is known.
        batches: of an epoch, on each device.
        evaluations: of the run, and the batches of each on each device.
        step: a full batch's, without waiting for it: the mean over the run's epochs.
        terms: what adds up to the total; None is not measured, and not in it.
        sources: the pilot that each term but the steps is from: the nearest of those that measured it.
        total: of the run, from the start of its process to its end.
        saved: what it takes less than the baseline; None for the baseline itself.
        speedup: the baseline's total over its own.
        cost: of all devices, in the currency of the price; None without a price.
        energy: None where no power is known.
        watts: of one device, as the pilot read it; None where it did not.
    """

    pilots: tuple[Pilot, ...]
    scaling: Scaling
    batches: Batches
    evaluations: tuple[int, Batches]
    step: Span
    terms: Mapping[Term, Span | None]
    sources: Mapping[Term, Pilot]
    total: Span
    epochs: int
    saved: Span | None = None
    speedup: Span | None = None
    cost: Span | None = None
    energy: Energy | None = None
    watts: float | None = None

    @property
    def pilot(self) -> Pilot:
        """The one that stands for the run, as far as it was measured."""
        return self.pilots[0]

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
    baseline, *others = (_run(plan, images, pilots) for pilots in _of_variants(record))
    return ProjectionView(plan, images, (_priced(plan, baseline), *(_beside(plan, baseline, run) for run in others)))


def _of_variants(record: EstimateRecord) -> list[list[Pilot]]:
    """The pilots of each variant; those of one are of different numbers of devices."""
    found: dict[str, list[Pilot]] = {}
    for pilot in record.pilots:
        found.setdefault(pilot.name, []).append(pilot)
    return list(found.values())


def _run(plan: EstimatePlan, images: int, pilots: Sequence[Pilot]) -> ProjectedRun:
    pilots = by_nearness(pilots, plan.gpus)
    pilot, scaling = pilots[0], scaling_of(plan, pilots)
    batches, steps = training_batches(plan, images, pilot.workload.batch_size, pilot.name), scaling.step

    def waiting(of: Pilot) -> Span | None:
        waits = stretches(plan, of)
        if not all(series.waiting for series, _ in waits):
            return None
        return added(_or_like(wait(series.waiting), steps) * epochs for series, epochs in waits) * batches.cost

    others: dict[Term, _Measured | None] = {
        "waiting": _first(pilots, waiting),
        "epoch starts": _first(pilots, lambda of: _repeated(of.epoch_start, steps, plan.epochs)),
        "evaluation": _first(pilots, lambda of: _evaluation(plan, of, steps)),
        "checkpoints": _first(pilots, lambda of: _repeated(of.checkpoint, steps, plan.epochs)),
        "start-up": _first(pilots, lambda of: None if of.startup is None else Span(of.startup).like(steps)),
    }
    terms: dict[Term, Span | None] = {"steps": steps * (plan.epochs * batches.cost)}
    terms |= {term: None if found is None else found[0] for term, found in others.items()}
    evaluated, power = _first(pilots, lambda of: of.evaluation), _first(pilots, lambda of: of.watts or None)
    batch_size = pilot.workload.batch_size if evaluated is None else evaluated[0].batch_size
    return ProjectedRun(
        pilots=tuple(pilots),
        scaling=scaling,
        batches=batches,
        evaluations=(num_evaluations(plan), evaluation_batches(plan, batch_size)),
        step=steps,
        terms=terms,
        sources={term: found[1] for term, found in others.items() if found is not None},
        total=added(span for span in terms.values() if span is not None),
        epochs=plan.epochs,
        watts=None if power is None else fmean(power[0]),
    )


def _first(pilots: Sequence[Pilot], measured: Callable[[Pilot], _T | None]) -> tuple[_T, Pilot] | None:
    """What the first pilot of those that measured something says of it, and that pilot."""
    return next(((found, pilot) for pilot in pilots if (found := measured(pilot)) is not None), None)


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
    elif run.watts is not None:
        energy = Energy(hours * run.watts, run.watts, "measured")
    return replace(run, cost=cost, energy=energy)


def _beside(plan: EstimatePlan, baseline: ProjectedRun, run: ProjectedRun) -> ProjectedRun:
    """With what it saves, and how many times shorter it is."""
    saved, speedup = baseline.total - run.total, quotient(baseline.total, run.total)
    return replace(_priced(plan, run), saved=saved, speedup=speedup)

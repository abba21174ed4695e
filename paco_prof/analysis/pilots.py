"""From saved records to pilots: what each of them measured of a run, ready to be projected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from paco_prof import stages
from paco_prof.analysis.claims import PROJECTIONS
from paco_prof.errors import UsageError
from paco_prof.records import (
    AccuracyRecord,
    BreakdownRecord,
    CheckRecord,
    ComparisonRecord,
    DoctorRecord,
    EpochResult,
    EstimateRecord,
    EvaluationSeries,
    Pilot,
    ScaleRecord,
    StepSeries,
    Training,
    TrainingRunRecord,
)
from paco_prof.settings import Workload

__all__ = ["Projectable", "joined_series", "pilots_of"]

Projectable = (
    BreakdownRecord
    | ComparisonRecord
    | TrainingRunRecord
    | EstimateRecord
    | AccuracyRecord
    | CheckRecord
    | DoctorRecord
    | ScaleRecord
)
_NO_PILOTS = {
    "check": "A gate's launches tell two trees apart, and are nothing to project from.",
    "accuracy": "A comparison of accuracy trains short runs of its own, and is nothing to project from.",
    "scale": "A measurement of growth has many sizes and no run; it predicts by --target.",
    "doctor": "An examination takes steps of no model, and is nothing to project from.",
}


def pilots_of(record: Projectable) -> tuple[Pilot, ...]:
    """The pilots that a record holds, the one that others are held against first.

    A breakdown is one block of steps, and its inference stands for evaluation; of several ranks a step lasts as long as
    on the slowest, for which all others wait. Of a comparison a launch is a block, of those on the record's own
    machine; for the baseline, whose process the launches of a round share, a round is. Of a training run an epoch is a
    block with one sample, its mean step; a last batch that was not full counts as its share of one.

    Raises:
        UsageError: it holds no training step, or is a comparison of accuracy, of a gate, an examination, or of growth.
    """
    if isinstance(record, EstimateRecord):
        return record.pilots
    if isinstance(record, BreakdownRecord):
        found = _of_breakdown(record)
    elif isinstance(record, ComparisonRecord):
        found = _of_comparison(record)
    elif isinstance(record, TrainingRunRecord):
        found = _of_training_run(record)
    else:
        raise UsageError(_NO_PILOTS[record.kind], "Take what breakdown, compare, train or estimate wrote.")
    if not found:
        raise UsageError("The record holds no training step to project.", "Measure again, for longer.")
    return found


@dataclass(frozen=True, slots=True)
class _Steps:
    """Steps that followed each other: wall seconds, and of those what each waited for its batch; no waits where none
    was loaded.
    """

    seconds: tuple[float, ...]
    waiting: tuple[float, ...]
    loading: tuple[float, ...]


def _of_breakdown(record: BreakdownRecord) -> tuple[Pilot, ...]:
    if record.training is None:
        return ()
    is_quoted = record.source.kind == "quoted"
    inference = record.inference
    pilot = Pilot(
        name=record.variant.name,
        workload=record.workload,
        variant=record.variant,
        source=record.source,
        origin="breakdown",
        steps=(_series([_of_ranks(_trainings(record))], None if is_quoted else _during_warmup(record.workload)),),
        evaluation=(
            None
            if inference is None
            else EvaluationSeries(blocks=(inference.runs,), batch_size=record.workload.batch_size)
        ),
        claims=tuple(claim for claim in record.claims if is_quoted and claim.quantity in PROJECTIONS),
    )
    return (pilot,)


def _of_comparison(record: ComparisonRecord) -> tuple[Pilot, ...]:
    of_all = list(chain.from_iterable(record.launches_of(place) for place in range(1, len(record.contestants))))
    if not of_all:
        return ()
    halvings = min(launch.halvings for launch in of_all)
    rounds: dict[int, list[Training]] = {}
    for launch in of_all:
        if launch.halvings == halvings:
            rounds.setdefault(launch.round, []).append(launch.baseline.training)
    pilots = [_of_contestant(record, 0, [rounds[number] for number in sorted(rounds)], halvings)]
    for place in range(1, len(record.contestants)):
        launches = record.launches_of(place)
        if launches:
            blocks = [[launch.variant.training] for launch in launches]
            pilots.append(_of_contestant(record, place, blocks, launches[0].halvings))
    return tuple(pilots)


def _of_contestant(record: ComparisonRecord, place: int, blocks: Sequence[Sequence[Training]], halvings: int) -> Pilot:
    contestant = record.contestants[place].halved(halvings)
    series = [_series([_steps(one) for one in block], _during_warmup(contestant.workload)) for block in blocks]
    joined = series[0]
    for other in series[1:]:
        joined = joined_series(joined, other)
    # A variant against itself has the same name on both sides.
    twice = place > 0 and contestant.name == record.baseline.name
    return Pilot(
        name=f"{contestant.name}, again" if twice else contestant.name,
        workload=contestant.workload,
        variant=contestant.variant,
        origin="comparison",
        steps=(joined,),
    )


def _of_training_run(record: TrainingRunRecord) -> tuple[Pilot, ...]:
    if not record.epochs:
        return ()
    batch_size, warmup = record.workload.batch_size, record.workload.known("warmup_epochs")
    # An epoch's images are those of all ranks, each of which has a batch of its own in a step.
    together = batch_size * record.workload.world_size
    parts = [[e for e in record.epochs if (e.epoch < warmup) is during] for during in (True, False)]
    evaluated = [e.evaluation_seconds for e in record.epochs if e.evaluation_seconds]
    num_batches = record.data.num_eval / together
    pilot = Pilot(
        name=record.variant.name,
        workload=record.workload,
        variant=record.variant,
        origin="training",
        steps=tuple(
            _series_of_epochs(epochs, together, during)
            for epochs, during in zip(parts, (True, False), strict=True)
            if epochs
        ),
        evaluation=(
            EvaluationSeries(blocks=tuple((s / num_batches,) for s in evaluated), batch_size=batch_size)
            if evaluated and num_batches
            else None
        ),
        startup=record.startup_seconds / record.processes,
        epoch_start=tuple(max(0.0, e.start_seconds - _wait(e, together)) for e in record.epochs),
        checkpoint=tuple(e.checkpoint_seconds for e in record.epochs),
    )
    return (pilot,)


def _series_of_epochs(epochs: Sequence[EpochResult], images: int, during_warmup: bool) -> StepSeries:
    """A block an epoch.

    Args:
        images: of a full step, on all ranks together.
    """
    steps = [e.step_seconds / (e.num_images / images) for e in epochs]
    if not all(steps):
        raise UsageError("The record holds an epoch whose steps took no time.", "Nothing can be projected from it.")
    return StepSeries(
        during_warmup=during_warmup,
        blocks=tuple((step,) for step in steps),
        waiting=tuple((_wait(e, images),) for e in epochs),
    )


def _wait(epoch: EpochResult, images: int) -> float:
    """Seconds that the batch of a step was waited for, the first of the epoch left out; that one is its start."""
    others = epoch.num_images / images - 1
    return epoch.waiting_seconds / others if others > 0 else 0.0


def _trainings(record: BreakdownRecord) -> tuple[Training, ...]:
    """The steps of every rank; of the only process where there was one."""
    of_ranks = () if record.ranks is None else record.ranks.results
    alone = () if record.training is None else (record.training,)
    return tuple(result.training for result in of_ranks) or alone


def _steps(training: Training) -> _Steps:
    return _Steps(training.steps, _waits(training), training.loading)


def _of_ranks(trainings: Sequence[Training]) -> _Steps:
    """Steps that ranks took together: each is as long as on the slowest rank, and so is the wait for its batch, since
    all wait for all in the all-reduce. Only steps that all ranks took count, where one of them died.
    """
    ranks = [_steps(training) for training in trainings]
    seconds = tuple(max(step) for step in zip(*(rank.seconds for rank in ranks), strict=False))
    waits = [rank.waiting for rank in ranks if rank.waiting]
    waiting = tuple(max(step) for step in zip(*waits, strict=False))[: len(seconds)]
    return _Steps(seconds, waiting, tuple(chain.from_iterable(rank.loading for rank in ranks)))


def _series(parts: Sequence[_Steps], during_warmup: bool | None) -> StepSeries:
    """One block of all steps, without what each of them waited for its batch."""
    steps = tuple(chain.from_iterable(part.seconds for part in parts))
    # A wait is the host's; where no part has any, nothing was loaded.
    if not any(part.waiting for part in parts):
        return StepSeries(during_warmup=during_warmup, blocks=(steps,))
    waiting = tuple(chain.from_iterable(part.waiting or (0.0,) * len(part.seconds) for part in parts))
    left = tuple(step - waited for step, waited in zip(steps, waiting, strict=True))
    if min(left) <= 0:
        raise UsageError("The record holds a step that was over before its batch was there.", "It cannot be right.")
    loading = tuple(chain.from_iterable(part.loading for part in parts))
    return StepSeries(during_warmup=during_warmup, blocks=(left,), waiting=(waiting,), loading=loading)


def _waits(training: Training) -> tuple[float, ...]:
    """Seconds that each step waited for its batch; empty where none was loaded."""
    of = [s.host for s in training.stages if s.path == stages.DATA or s.path.startswith(f"{stages.DATA}/")]
    return tuple(sum(step) for step in zip(*of, strict=True))


def _during_warmup(workload: Workload) -> bool:
    return workload.epoch < workload.known("warmup_epochs")


def joined_series(one: StepSeries, other: StepSeries) -> StepSeries:
    """The blocks of both; those of a series that waited for nothing waited no time beside one that did."""
    waiting: tuple[tuple[float, ...], ...] = ()
    if one.waiting or other.waiting:
        waiting = (*_waiting(one), *_waiting(other))
    return one.model_copy(
        update={
            "blocks": (*one.blocks, *other.blocks),
            "waiting": waiting,
            "loading": (*one.loading, *other.loading),
        }
    )


def _waiting(series: StepSeries) -> tuple[tuple[float, ...], ...]:
    return series.waiting or tuple((0.0,) * len(block) for block in series.blocks)

"""Pilot runs: a few real steps, evaluations and checkpoints of each variant, from which a whole run is projected."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

from paco_prof.data.batch import Batch
from paco_prof.measure.clock import Clock
from paco_prof.measure.environment import describe_environment
from paco_prof.measure.job import Job
from paco_prof.measure.pacing import warm_up
from paco_prof.measure.power import PowerMeter, power_meter
from paco_prof.measure.progress import Progress
from paco_prof.measure.user.place import told
from paco_prof.measure.user.step import Given
from paco_prof.records import (
    DataUsed,
    Environment,
    EvaluationSeries,
    Note,
    Pilot,
    RunPlan,
    StepSeries,
)
from paco_prof.training.began import process_began
from paco_prof.training.checkpoint import write_checkpoint
from paco_prof.training.epoch import EpochInProgress
from paco_prof.training.run import new_record
from paco_prof.training.trainer import Trainer, trainer_for

__all__ = ["PilotOutcome", "PilotPlan", "PilotRun", "measure_pilots"]

# Spread over the pilot, so that they tell how the machine's pace changes; fewer tell nothing.
NUM_BLOCKS = 4
WARMUP_SHARE = 0.25
# Of the matching that fewer epochs have, fewer steps are taken.
STEPS_OF_THE_SHORTER = 2
EVALUATION_BATCHES = 3


@dataclass(frozen=True)
class PilotPlan:
    """How much of a run is tried.

    Attributes:
        steps: of the matching that most epochs have; at least one a block.
        max_seconds: for a variant, after its start; blocks become shorter where they would take longer.
        epochs: of the run that is projected: whether it has epochs before, and after, the warm-up of the matching.
        evaluates: whether it has evaluations.
    """

    steps: int = 20
    max_seconds: float = 120.0
    epochs: int = 100
    evaluates: bool = True


@dataclass(frozen=True)
class PilotOutcome:
    """What was measured so far.

    Attributes:
        error: what ended it early.
    """

    pilots: tuple[Pilot, ...] = ()
    data: DataUsed | None = None
    environment: Environment | None = None
    seconds: float = 0.0
    error: BaseException | None = None
    notes: tuple[Note, ...] = ()


@dataclass
class _Series:
    """Steps with one matching, while they are taken."""

    epoch: int
    during_warmup: bool | None
    num_steps: int
    blocks: list[tuple[float, ...]] = field(default_factory=list)
    waiting: list[tuple[float, ...]] = field(default_factory=list)
    loading: list[float] = field(default_factory=list)

    def result(self) -> StepSeries:
        return StepSeries(
            during_warmup=self.during_warmup,
            blocks=tuple(self.blocks),
            waiting=tuple(self.waiting),
            loading=tuple(self.loading),
        )


class PilotRun:
    """The pilot run of one variant.

    Args:
        trainer: that would train it.
        plan: how much is tried.
        startup: seconds that have gone into it before its first step; None where nobody can tell.
        tick: told after every step.

    Raises:
        UsageError: the run has evaluations, and the model cannot be evaluated.
    """

    def __init__(self, trainer: Trainer, plan: PilotPlan, startup: float | None, tick: Callable[[], None]) -> None:
        if plan.evaluates:
            trainer.require_inference("--eval-size 0 leaves evaluations out.")
        self._trainer = trainer
        self._plan = plan
        self._clock: Clock = trainer.built.clock
        self._startup = startup
        self._tick = tick
        self._series = _series(trainer.built.job.workload.known("warmup_epochs"), plan)
        self._streams = 0
        self._epoch_start: list[float] = []
        self._evaluation: list[tuple[float, ...]] = []
        self._evaluation_start: list[float] = []
        self._checkpoints: list[float] = []
        self._power: PowerMeter = power_meter(trainer.step.device)
        self._record = new_record(trainer, RunPlan(epochs=plan.epochs))

    def measure(self) -> Pilot:
        """Warm up, then take blocks of steps, evaluations between them, and checkpoints.

        Raises:
            UsageError: an image cannot be decoded.
        """
        warmup = self._warm_up()
        self._fit(warmup[-1])
        for _ in range(NUM_BLOCKS):
            for series in self._series:
                self._take_block(series)
            if self._plan.evaluates:
                self._evaluate()
            self._write_checkpoint()
        mean = fmean(seconds for block in self._series[0].blocks for seconds in block)
        job = self._trainer.built.job
        return Pilot(
            name=job.variant.name,
            workload=job.workload,
            variant=job.variant,
            steps=tuple(series.result() for series in self._series),
            evaluation=self._evaluation_series(),
            startup=None if self._startup is None else self._startup + sum(max(0.0, s - mean) for s in warmup),
            epoch_start=tuple(self._epoch_start),
            checkpoint=tuple(self._checkpoints),
            watts=self._power.readings,
        )

    def _warm_up(self) -> list[float]:
        """Steps until they stop getting faster, and one evaluation; seconds of each step."""
        series = self._series[0]
        stream, taken = self._endless(), list[float]()

        def take() -> float:
            batch = next(stream)
            begun = self._clock.now()
            self._step(series, batch, len(taken))
            self._clock.synchronize()
            taken.append(self._clock.now() - begun)
            return taken[-1]

        self._trainer.begin(series.epoch)
        now = self._clock.now
        warm_up(take, now, now() + WARMUP_SHARE * self._plan.max_seconds, None)
        if self._plan.evaluates:
            self._trainer.evaluate(1)
        return taken

    def _fit(self, seconds: float) -> None:
        """Shorten blocks that would take longer than there is time for, down to a step each."""
        planned = NUM_BLOCKS * sum(series.num_steps for series in self._series) * seconds
        share = (1 - WARMUP_SHARE) * self._plan.max_seconds / planned if planned > 0 else 1.0
        for series in self._series:
            series.num_steps = max(1, min(series.num_steps, int(series.num_steps * share)))

    def _take_block(self, series: _Series) -> None:
        """As the loop takes them: waited for is the batch, and the device at the block's end only."""
        self._trainer.begin(series.epoch)
        stream, now = self._stream(), self._clock.now
        steps, waiting = list[float](), list[float]()
        begun = now()
        # The first batch is what an epoch's beginning waits for, and no step of the block.
        first = next(stream)
        started = now() - begun
        self._step(series, first, 0)
        self._clock.synchronize()
        for number in range(series.num_steps):
            asked = now()
            batch = next(stream, None) or first
            arrived = now()
            self._step(series, batch, number)
            if number + 1 == series.num_steps:
                self._clock.synchronize()
            steps.append(now() - arrived)
            waiting.append(arrived - asked)
            series.loading.append(batch.loading_seconds or 0.0)
        self._power.read()
        series.blocks.append(tuple(steps))
        series.waiting.append(tuple(waiting))
        self._epoch_start.append(max(0.0, started - fmean(waiting)))

    def _step(self, series: _Series, batch: Batch, number: int) -> None:
        self._trainer.take(batch, series.epoch, number)
        self._tick()

    def _stream(self) -> Iterator[Batch]:
        """An epoch of its own, so that no batch is read twice."""
        self._streams += 1
        return self._trainer.loader.epoch(self._streams - 1)

    def _endless(self) -> Iterator[Batch]:
        """One epoch after the other: a small set has fewer batches than a warm-up takes."""
        while True:
            yield from self._stream()

    def _evaluate(self) -> None:
        found = self._trainer.evaluate(1 + EVALUATION_BATCHES)
        # A split of one batch has no other than the first.
        first, *others = found.batches
        self._evaluation.append(tuple(others or [first]))
        self._evaluation_start.append(max(0.0, first - fmean(others)) if others else 0.0)
        self._tick()

    def _evaluation_series(self) -> EvaluationSeries | None:
        if not self._evaluation:
            return None
        return EvaluationSeries(
            blocks=tuple(self._evaluation),
            batch_size=self._trainer.evaluation_batch_size,
            start=tuple(self._evaluation_start),
        )

    def _write_checkpoint(self) -> None:
        """To a folder that is gone afterwards; the disk is that of temporary files."""
        with tempfile.TemporaryDirectory() as folder:
            begun = self._clock.now()
            write_checkpoint(Path(folder) / "checkpoint.pt", self._trainer, self._record, EpochInProgress(0))
            self._checkpoints.append(self._clock.now() - begun)
        self._tick()


def _series(warmup_epochs: int, plan: PilotPlan) -> list[_Series]:
    """One for each way of matching that the run has, the one of most epochs first."""
    each = max(1, round(plan.steps / NUM_BLOCKS))
    before, after = min(warmup_epochs, plan.epochs), max(0, plan.epochs - warmup_epochs)
    both = [(before, 0, True), (after, warmup_epochs, False)]
    longest, *others = sorted((part for part in both if part[0] > 0), key=lambda part: -part[0])
    shorter = [_Series(epoch, during, min(each, STEPS_OF_THE_SHORTER)) for _, epoch, during in others]
    return [_Series(longest[1], longest[2] if others else None, each), *shorter]


def measure_pilots(
    jobs: Sequence[Job],
    plan: PilotPlan,
    progress: Progress,
    save: Callable[[PilotOutcome], None],
    given: Given | None = None,
    *,
    is_own_process: bool = True,
) -> PilotOutcome:
    """A pilot run of each job, one after the other in this process.

    Args:
        save: given what there is after every pilot.
        given: the user's model, where somebody has it at hand.
        is_own_process: whether this process was begun for the pilots, so that it has done what every run does before
            it builds its model, and nothing else; of another one nobody can tell how long that takes.

    Returns:
        What was measured, which is saved, and what ended it early, among it the UsageError of a job that cannot be
        built.
    """
    outcome = PilotOutcome()
    imported: float | None = None
    begun: float | None = None
    try:
        for number, job in enumerate(jobs):
            progress.begin(f"building {job.variant.name}")
            before = time.perf_counter()
            with trainer_for(job, given) as trainer:
                clock = trainer.built.clock
                begun = clock.now() if begun is None else begun
                building = time.perf_counter() - before
                if is_own_process and imported is None:
                    # What every run does before it builds its model was done once.
                    imported = clock.now() - process_began(clock) - building
                progress.begin(f"trying {job.variant.name}")
                tick = _ticking(progress, clock, plan.max_seconds, len(jobs) - number - 1)
                pilot = PilotRun(trainer, plan, None if imported is None else imported + building, tick).measure()
                outcome = replace(
                    outcome,
                    pilots=(*outcome.pilots, pilot),
                    data=trainer.data,
                    environment=outcome.environment or describe_environment(trainer.step.device),
                    seconds=clock.now() - begun,
                )
            save(outcome)
            # One model at a time takes memory.
            del trainer
    except KeyboardInterrupt as interrupt:
        outcome = replace(outcome, error=interrupt, notes=(Note(code="interrupted"),))
    except (Exception, SystemExit) as error:
        outcome = replace(outcome, error=error, notes=(Note(code="failed", detail=told(error)),))
    if outcome.error is not None and outcome.pilots:
        save(outcome)
    return outcome


def _ticking(progress: Progress, clock: Clock, seconds: float, num_others: int) -> Callable[[], None]:
    """Tells how far a pilot is that begins now, and how many seconds it and the others may still take."""
    started = clock.now()

    def tick() -> None:
        elapsed = clock.now() - started
        progress.update(elapsed, max(0.0, seconds - elapsed) + seconds * num_others)

    return tick

"""A training run from beginning to end: epochs, evaluations, checkpoints, and a record that is never behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from paco_prof import __version__, units
from paco_prof.errors import ExitCode, PacoProfError, RankError, UsageError
from paco_prof.measure.beside_float64 import compared
from paco_prof.measure.environment import describe_environment
from paco_prof.measure.interrupts import held_interrupts
from paco_prof.measure.progress import Progress
from paco_prof.measure.user.place import told
from paco_prof.records import Note, RunPlan, TrainingRunRecord
from paco_prof.training.checkpoint import Checkpoint, restore, write_checkpoint
from paco_prof.training.epoch import EpochInProgress
from paco_prof.training.together import AgreedInterrupt, Together
from paco_prof.training.trainer import Evaluation, Trainer

__all__ = ["RunOutcome", "TrainingRun", "new_record"]

MINUTE = 60.0
SECONDS_BETWEEN_UPDATES = 1.0
# Attributes that a note calls by name; it tells how many there are.
MOST_NAMED = 3


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        record: everything until then.
        evaluation: the last one; None before the first.
        error: what ended it early.
    """

    record: TrainingRunRecord
    evaluation: Evaluation | None = None
    error: BaseException | None = None


class TrainingRun:
    """One run of a trainer. Of several ranks each has its own, and all of them have the same record but for times.

    Args:
        trainer: what is trained.
        plan: for how long.
        progress: told what is going on.
        save: given the record after every epoch, on every rank.
        checkpoint: where to write where the run stands; None writes nothing.
        command: the command line, as the record is to keep it.
        began: when this process began, on the trainer's clock: what came before counts for the start-up.
        fidelity: compare loss and gradient of the trained model with a float64 reference.

    Raises:
        UsageError: the model cannot be evaluated, and the last epoch of every run is.
    """

    def __init__(
        self,
        trainer: Trainer,
        plan: RunPlan,
        progress: Progress,
        save: Callable[[TrainingRunRecord], None] = lambda record: None,
        checkpoint: Path | None = None,
        command: tuple[str, ...] = (),
        began: float | None = None,
        fidelity: bool = True,
    ) -> None:
        trainer.require_inference()
        self._trainer = trainer
        self._plan = plan
        self._progress = progress
        self._save = save
        self._checkpoint = checkpoint
        self._fidelity = fidelity
        self._together = Together(trainer.group)
        self._now = trainer.built.clock.now
        self._began = self._now() if began is None else began
        self._last_checkpoint = self._last_update = self._now()
        self._epoch = EpochInProgress(0)
        self._evaluation: Evaluation | None = None
        self._before = 0.0
        trainer.optimization.schedule_over(plan.epochs * len(trainer.loader))
        self._record = new_record(trainer, plan, command)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint.

        Raises:
            UsageError: it is of another run, or of one that has more epochs already than this one is to have.
        """
        before = checkpoint.record
        if len(before.epochs) > self._plan.epochs:
            raise UsageError(
                f"The run has {len(before.epochs)} epochs already, and it is to have {self._plan.epochs}.",
                "Ask for as many --epochs or more.",
            )
        if before.workload.schedule != "constant" and before.plan.epochs != self._plan.epochs:
            raise UsageError(
                f"The learning rate's schedule is that of {before.plan.epochs} epochs, and of no other number.",
                "Leave --epochs away.",
            )
        restore(self._trainer, checkpoint)
        self._epoch = checkpoint.epoch
        self._before = before.total_seconds
        notes = tuple(note for note in before.notes if note.code not in ("interrupted", "failed"))
        self._record = self._record.model_copy(
            update={
                "created": before.created,
                "epochs": before.epochs,
                "startup_seconds": before.startup_seconds,
                "processes": before.processes + 1,
                "notes": notes,
            }
        )

    def run(self) -> RunOutcome:
        """Train to the end of the plan; an interruption or a failure ends it with a checkpoint and what there is."""
        begun = self._now()
        self._update(startup_seconds=self._record.startup_seconds + begun - self._began)
        error: BaseException | None = None
        self._trainer.group.at_a_forced_end(lambda error: self._save(self._ended(error)))
        try:
            with self._together.holding_interrupts():
                while self._epoch.epoch < self._plan.epochs:
                    self._run_epoch()
            self._update(total_seconds=self._total())
            # No step follows in which the others could hear of a Ctrl-C.
            self._measure_fidelity()
            self._update(status="complete")
        except KeyboardInterrupt as interrupt:
            self._leave_checkpoint(interrupt)
            error = self._end_early(interrupt)
        except (Exception, SystemExit) as failure:
            error = self._end_early(failure)
        try:
            self._save(self._record)
        except PacoProfError as unwritten:
            error = error or unwritten
        return RunOutcome(self._record, self._evaluation, error)

    def _run_epoch(self) -> None:
        trainer, epoch, plan = self._trainer, self._epoch, self._plan
        self._progress.begin(self._title())
        begun = self._now() - epoch.seconds
        if epoch.num_batches < len(trainer.loader):
            trainer.train(epoch, lambda epoch: self._between(epoch, begun))
        accuracy = None
        if plan.evaluates_after(epoch.epoch):
            self._progress.begin(f"evaluating after epoch {epoch.epoch + 1}")
            self._evaluation = trainer.evaluate()
            epoch.evaluation_seconds, accuracy = self._evaluation.seconds, self._evaluation.accuracy
        epoch.seconds = self._now() - begun
        with held_interrupts():
            self._end_epoch(accuracy, begun)
        # An evaluation takes long, and after the last one there is no step to ask after.
        self._together.decide(is_due=False)

    def _end_epoch(self, accuracy: float | None, begun: float) -> None:
        """The epoch's result, and a checkpoint of the next epoch's beginning, whose time is this epoch's."""
        optimization = self._trainer.optimization
        epoch = self._trainer.joined(self._epoch)
        result = epoch.result(self._record.workload.known("alpha"), optimization.learning_rate, accuracy)
        epochs = self._record.epochs
        self._epoch = EpochInProgress(epoch.epoch + 1)
        self._update(epochs=(*epochs, result), total_seconds=self._total())
        self._note_unsaved()
        seconds = self._write_checkpoint()
        timed = {"checkpoint_seconds": result.checkpoint_seconds + seconds, "seconds": self._now() - begun}
        self._update(epochs=(*epochs, result.model_copy(update=timed)), total_seconds=self._total())
        self._save(self._record)

    def _between(self, epoch: EpochInProgress, begun: float) -> None:
        """After a step: say how far it is, and write a checkpoint where the last one is too long ago."""
        now = self._now()
        if now - self._last_update >= SECONDS_BETWEEN_UPDATES:
            self._last_update = now
            self._progress.begin(self._title())
            done = epoch.epoch + epoch.num_batches / len(self._trainer.loader)
            elapsed = now - self._began
            self._progress.update(elapsed, elapsed * max(0.0, self._plan.epochs - done) / max(done, 1e-9))
        if self._together.decide(now - self._last_checkpoint >= MINUTE * self._plan.checkpoint_minutes):
            epoch.seconds = now - begun
            self._update(total_seconds=self._total())
            seconds = self._write_checkpoint()
            epoch.checkpoint_seconds += seconds
            # It is no part of a step.
            epoch.step_seconds -= seconds

    def _title(self) -> str:
        epoch = self._epoch
        text = f"epoch {epoch.epoch + 1} of {self._plan.epochs}"
        if not epoch.num_batches:
            return text
        losses = ", ".join(f"{name} {units.short_loss(value)}" for name, value in epoch.latest().items())
        seconds = epoch.start_seconds + epoch.waiting_seconds + epoch.step_seconds
        rate = f", {epoch.num_images / seconds:.0f} images/s" if seconds > 0 else ""
        return f"{text}, batch {epoch.num_batches} of {len(self._trainer.loader)}: {losses}{rate}"

    def _leave_checkpoint(self, interrupt: KeyboardInterrupt) -> None:
        """What was trained since the last checkpoint is not lost.

        In the middle of a step, and after a failure, the weights are nobody's: the checkpoint before is kept. So it is
        where ranks have not been interrupted after the same step.
        """
        is_agreed = self._trainer.group.is_alone or isinstance(interrupt, AgreedInterrupt)
        if is_agreed and not self._trainer.is_mid_step:
            self._update(total_seconds=self._total())
            self._write_checkpoint()
            # The first one writes it, and whoever ended meanwhile would end that one as well.
            self._trainer.group.barrier()

    def _end_early(self, error: BaseException) -> BaseException:
        """Note what happened; the error to tell, which may be that of another rank."""
        error = self._trainer.group.end(error)
        self._record = self._ended(error)
        return error

    def _ended(self, error: BaseException) -> TrainingRunRecord:
        """The record of a run that ended so."""
        by_signal = isinstance(error, RankError) and error.exit_code == ExitCode.INTERRUPTED
        is_interrupted = by_signal or isinstance(error, KeyboardInterrupt)
        note = Note(code="interrupted") if is_interrupted else Note(code="failed", detail=told(error))
        return self._record.model_copy(
            update={
                "total_seconds": self._total(),
                "status": "interrupted" if is_interrupted else "failed",
                "notes": (*self._record.notes, note),
            }
        )

    def _write_checkpoint(self) -> float:
        """The seconds that it took."""
        begun = self._now()
        if self._checkpoint is not None:
            write_checkpoint(self._checkpoint, self._trainer, self._record, self._epoch)
        self._last_checkpoint = self._now()
        return self._last_checkpoint - begun

    def _note_unsaved(self) -> None:
        """Tell, once, what a checkpoint does not hold and a run that goes on from it will be without."""
        if self._checkpoint is None or any(note.code == "unsaved_state" for note in self._record.notes):
            return
        names = self._trainer.unsaved()
        if names:
            note = Note(code="unsaved_state", detail=", ".join(names[:MOST_NAMED]), number=len(names))
            self._update(notes=(*self._record.notes, note))

    def _measure_fidelity(self) -> None:
        """The trained model's loss and gradient against float64: what rounding makes of them shows after training."""
        # One rank's is as good as another's.
        if not self._fidelity or not self._trainer.group.is_first:
            return
        self._progress.begin("comparing with float64")
        job = self._trainer.built.job
        epoch = {"epoch": self._plan.epochs - 1}
        workload, base = (each.model_copy(update=epoch) for each in (job.workload, job.base))
        found = compared(self._trainer.built.of_one_rank, workload, base)
        if isinstance(found, Note):
            self._update(notes=(*self._record.notes, found))
        else:
            self._update(fidelity=found)

    def _total(self) -> float:
        return self._before + self._now() - self._began

    def _update(self, **changes: object) -> None:
        self._record = self._record.model_copy(update=changes)


def new_record(trainer: Trainer, plan: RunPlan, command: tuple[str, ...] = ()) -> TrainingRunRecord:
    """The record of a run that has not begun."""
    job = trainer.built.job
    return TrainingRunRecord(
        tool_version=__version__,
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        workload=job.workload,
        variant=job.variant,
        environment=describe_environment(trainer.step.device),
        data=trainer.data,
        plan=plan,
    )

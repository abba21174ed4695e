"""Trains variants on the same data with the same seeds, so that their accuracy can be held against each other."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from paco_prof import __version__
from paco_prof.data.loading import open_data
from paco_prof.errors import PacoProfError, UsageError
from paco_prof.measure.beside_float64 import compared
from paco_prof.measure.environment import describe_environment
from paco_prof.measure.job import Job
from paco_prof.measure.progress import Progress
from paco_prof.measure.user.place import told
from paco_prof.records import AccuracyPlan, AccuracyRecord, AccuracyRun, Contestant, Note, TrainingRunRecord
from paco_prof.training.run import RunOutcome, TrainingRun
from paco_prof.training.trainer import Trainer, data_used, trainer_for
from paco_prof.training.twin import check_twin, has_loop, require_loop_in_time, twin_of

__all__ = ["AccuracyComparison", "AccuracyOutcome", "new_accuracy", "resumed_accuracy"]

NOT_FINISHED = "not finished"
KNOWN_WHEN_BUILT = ("num_classes", "feature_map", "num_parameters", "device")


@dataclass(frozen=True)
class AccuracyOutcome:
    """How a comparison ended; `error` is what ended it early."""

    record: AccuracyRecord
    error: BaseException | None = None


def new_accuracy(contestants: Sequence[Contestant], plan: AccuracyPlan, command: Sequence[str] = ()) -> AccuracyRecord:
    """A record in which nothing has been trained yet.

    Raises:
        UsageError: the data cannot be read.
    """
    workload = contestants[0].workload
    return AccuracyRecord(
        tool_version=__version__,
        command=tuple(command),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        plan=plan,
        contestants=tuple(contestants),
        data=data_used(open_data(workload.data), workload),
    )


def resumed_accuracy(record: AccuracyRecord) -> AccuracyRecord:
    """The record of a comparison that goes on: runs that did not come to their end are taken anew.

    Raises:
        UsageError: it is another version's, or all that was planned has been trained.
    """
    if record.tool_version != __version__:
        raise UsageError(
            f"The record is of paco-prof {record.tool_version}, and this is {__version__}.", "Begin a new one."
        )
    complete = tuple(run for place in range(len(record.contestants)) for run in record.complete_runs(place))
    if len(complete) == record.plan.seeds * len(record.contestants):
        raise UsageError("All that was planned has been trained.", "Begin a new one.")
    # Of what could not be compared with float64 nobody tries it again.
    notes = tuple(note for note in record.notes if note.code == "no_fidelity")
    return record.model_copy(update={"runs": complete, "status": "running", "notes": notes})


class AccuracyComparison:
    """Runs of every contestant, seed by seed, so that whenever it stops the runs that there are belong together.

    Args:
        record: as `new_accuracy` or `resumed_accuracy` made it.
        progress: told what is going on.
        save: given the record after every epoch.
    """

    def __init__(
        self,
        record: AccuracyRecord,
        progress: Progress,
        save: Callable[[AccuracyRecord], None],
    ) -> None:
        self._record = record
        self._progress = progress
        self._save = save
        self._before = record.measuring_seconds or 0.0
        self._begun = time.perf_counter()

    def run(self) -> AccuracyOutcome:
        """Train what is left; a run that fails is noted, and the others go on."""
        error: BaseException | None = None
        try:
            self._train_all()
            failed = any(run.failed for run in self._record.runs)
            self._update(status="failed" if failed else "complete")
        except KeyboardInterrupt as interrupt:
            error = interrupt
            self._update(status="interrupted", notes=(*self._record.notes, Note(code="interrupted")))
        except PacoProfError as failure:
            error = failure
            self._update(status="failed", notes=(*self._record.notes, Note(code="failed", detail=told(failure))))
        self._update(measuring_seconds=self._seconds())
        if self._record.runs:
            # Where nothing was trained, a file that is there keeps what it holds.
            try:
                self._save(self._record)
            except PacoProfError as unwritten:
                error = error or unwritten
        return AccuracyOutcome(self._record, error)

    def _train_all(self) -> None:
        for contestant in self._record.contestants:
            if self._is_twin(contestant) and contestant.fidelity is None:
                require_loop_in_time(contestant.workload)
        done = {(run.contestant, run.seed) for run in self._record.runs}
        for seed in range(self._record.plan.seeds):
            for place in range(len(self._record.contestants)):
                if (place, seed) not in done:
                    self._train(place, seed)
                    gc.collect()

    def _is_twin(self, contestant: Contestant) -> bool:
        return self._record.plan.twins and has_loop(contestant.workload)

    def _train(self, place: int, number: int) -> None:
        """One run. What it was built from is forgotten afterwards, so that one model at a time takes memory."""
        contestant = self._record.contestants[place]
        self._progress.begin(f"{contestant.name}, seed {number + 1}: building the model")
        seed = contestant.workload.seed + number
        is_twin = self._is_twin(contestant)
        workload, base = (each.model_copy(update={"seed": seed}) for each in (contestant.workload, contestant.base))
        trained = twin_of(workload) if is_twin else workload
        try:
            with trainer_for(Job(trained, base, contestant.variant, frozenset(contestant.optional))) as trainer:
                # Before any time is spent on it.
                trainer.require_inference()
                self._note_built(place, trainer, is_twin=is_twin)
                outcome = self._run(place, number, trainer)
        except UsageError:
            raise
        except (Exception, SystemExit) as failure:
            self._put(AccuracyRun(contestant=place, seed=number, failed=told(failure)))
            return
        if isinstance(outcome.error, (KeyboardInterrupt, PacoProfError)):
            raise outcome.error

    def _run(self, place: int, number: int, trainer: Trainer) -> RunOutcome:
        def put(record: TrainingRunRecord) -> None:
            run = AccuracyRun(
                contestant=place,
                seed=number,
                epochs=record.epochs,
                startup_seconds=record.startup_seconds,
                failed=NOT_FINISHED,
            )
            self._put(run)

        name = self._record.contestants[place].name
        progress = _Prefixed(self._progress, f"{name}, seed {number + 1} of {self._record.plan.seeds}: ")
        outcome = TrainingRun(trainer, self._record.plan.run, progress, put, fidelity=False).run()
        failed = ""
        if outcome.error is not None:
            interrupted = isinstance(outcome.error, KeyboardInterrupt)
            failed = NOT_FINISHED if interrupted else told(outcome.error)
        correct = "" if outcome.evaluation is None else "".join("01"[right] for right in outcome.evaluation.correct)
        self._put(
            AccuracyRun(
                contestant=place,
                seed=number,
                epochs=outcome.record.epochs,
                correct=correct,
                startup_seconds=outcome.record.startup_seconds,
                failed=failed,
            )
        )
        return outcome

    def _note_built(self, place: int, trainer: Trainer, *, is_twin: bool) -> None:
        """What building it told; of the first run also how far its loss and gradient are the baseline's, or a note why
        nobody knows.
        """
        contestant, job = self._record.contestants[place], trainer.built.job
        if self._record.environment is None:
            self._update(environment=describe_environment(trainer.step.device))
        notes = self._record.notes
        if contestant.fidelity is not None or any(n.code == "no_fidelity" and n.number == place for n in notes):
            return
        self._progress.begin(f"comparing {contestant.name} with float64")
        if is_twin:
            twin = check_twin(place, job, contestant.workload.forms)
            self._update(twins=(*(t for t in self._record.twins if t.contestant != place), twin))
        found = twin.fidelity if is_twin else compared(trainer.built, job.workload, job.base)
        if isinstance(found, Note):
            note = found.model_copy(update={"detail": f"{contestant.name}: {found.detail}", "number": place})
            self._update(notes=(*notes, note))
        fidelity = None if isinstance(found, Note) else found
        kept = contestant.workload if is_twin else job.workload
        built = {name: getattr(job.workload, name) for name in KNOWN_WHEN_BUILT}
        workload = kept.model_copy(update={**built, "seed": contestant.workload.seed})
        changed = {"workload": workload, "variant": job.variant, "fidelity": fidelity}
        contestants = list(self._record.contestants)
        contestants[place] = contestant.model_copy(update=changed)
        self._update(contestants=tuple(contestants))

    def _seconds(self) -> float:
        """Since the comparison began, its earlier processes included."""
        return self._before + time.perf_counter() - self._begun

    def _put(self, run: AccuracyRun) -> None:
        others = [r for r in self._record.runs if (r.contestant, r.seed) != (run.contestant, run.seed)]
        self._update(runs=(*others, run), measuring_seconds=self._seconds())
        self._save(self._record)

    def _update(self, **changes: object) -> None:
        self._record = self._record.model_copy(update=changes)


@dataclass(frozen=True)
class _Prefixed:
    """Tells somebody's progress with what it is the progress of."""

    progress: Progress
    prefix: str

    def begin(self, what: str) -> None:
        self.progress.begin(self.prefix + what)

    def update(self, elapsed: float, left: float) -> None:
        self.progress.update(elapsed, left)

"""A breakdown run from beginning to end: operators, inference, training, the loss alone, memory.

Whatever ends it early, the record holds what had been measured until then.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch

from paco_prof import __version__
from paco_prof.errors import ExitCode, PacoProfError
from paco_prof.measure.beside_float64 import compared
from paco_prof.measure.building import Built, build
from paco_prof.measure.device import resolve_device
from paco_prof.measure.distributed.attempt import Attempt
from paco_prof.measure.distributed.group import ALONE, Group, device_name, in_group
from paco_prof.measure.distributed.lost_rank import is_of_a_lost_rank
from paco_prof.measure.distributed.results import RanksSoFar
from paco_prof.measure.environment import describe_environment
from paco_prof.measure.fidelity import copy_of_state
from paco_prof.measure.inference import InferenceTest
from paco_prof.measure.job import Job
from paco_prof.measure.loss_test import LossAlone, capture_call
from paco_prof.measure.memory import measure_memory
from paco_prof.measure.nvtx import check_nvtx, emit_ranges
from paco_prof.measure.operators import OperatorCensus
from paco_prof.measure.outcome import Outcome, Plan
from paco_prof.measure.pacing import Budget
from paco_prof.measure.parts_health import parts_health
from paco_prof.measure.progress import Progress
from paco_prof.measure.trace import MAX_OPERATORS, record_trace, write_trace
from paco_prof.measure.training import TrainingTest
from paco_prof.measure.user.place import told
from paco_prof.measure.user.step import Given
from paco_prof.ranks import Place
from paco_prof.records import BreakdownRecord, Environment, Fidelity, Memory, Note, OperatorCount, PartsHealth

__all__ = ["Outcome", "Plan", "Session", "measure_breakdown"]

# Shares of the time: the rest is for training steps, which take the most and matter the most.
INFERENCE_SHARE = 0.10
LOSS_TEST_SHARE = 0.15
WARMUP_SHARE = 0.25
# Taken whatever the clock says: less is no measurement.
MIN_STEPS = 3
MIN_INFERENCES = 5
MIN_LOSS_TESTS = 2
MAX_REPEATS = 200
SECONDS_BETWEEN_SAVES = 2.0


class Session:
    """One run on one workload that has been built. Of several ranks each has one, and all do the same at the same time:
    what the first one's clock and samples say decides for all of them.

    Args:
        built: what to measure.
        environment: where.
        plan: how long.
        progress: told what is going on.
        save: given the record so far after every part, and every few seconds in between.
        command: the command line, as the record is to keep it.
    """

    def __init__(
        self,
        built: Built,
        environment: Environment,
        plan: Plan,
        progress: Progress,
        save: Callable[[BreakdownRecord], None],
        command: tuple[str, ...] = (),
    ) -> None:
        self._built = built
        self._step = built.step
        self._job = built.job
        self._clock = built.clock
        self._user = built.user
        self._group = built.group
        self._environment = environment
        self._plan = plan
        self._progress = progress
        self._save = save
        self._command = command
        self._created = datetime.now(UTC).isoformat(timespec="seconds")
        self._notes: list[Note] = []
        self._unwritten: PacoProfError | None = None
        self._operators: tuple[OperatorCount, ...] = ()
        self._memory: Memory | None = None
        self._fidelity: Fidelity | None = None
        self._parts: PartsHealth | None = None
        self._measuring_seconds: float | None = None
        self._inference = InferenceTest(built.step.inference(), built.clock)
        self._can_infer = built.user is None or not built.user.no_inference
        order = random.Random(built.job.workload.seed)
        self._training = TrainingTest(built.step.run, built.clock, order, built.group, built.reduction)
        self._ranks = RanksSoFar(built.group, built.step.device)
        self._loss_alone: LossAlone | None = None
        self._no_loss_test = ""
        self._begin_timing()

    def run(self) -> Outcome:
        """Measure everything; an interruption or a failure ends it with what there is."""
        error: BaseException | None = None
        try:
            initial = copy_of_state(self._step.model) if self._plan.fidelity else None
            self._count_operators()
            self._begin_timing()
            self._measure()
            self._measuring_seconds = self._clock.now() - self._start
            if initial is not None:
                self._compare(initial)
        except (Exception, SystemExit, KeyboardInterrupt) as failure:
            error = self._group.end(failure)
            self._note(error)
        record = self.record()
        if not isinstance(error, PacoProfError) or record.inference is not None or record.training is not None:
            # Where bad input was found before anything was measured, a file that is there keeps what it holds.
            self._checkpoint(record)
        if self._plan.nvtx and error is None:
            # Last of all: Nsight may end the process with its recording.
            error = self._emit_ranges()
            record = self.record()
        return Outcome(record, error or self._unwritten)

    def _note(self, error: BaseException) -> None:
        """What ended the run early, for the record."""
        code = error.exit_code if isinstance(error, PacoProfError) else None
        if isinstance(error, KeyboardInterrupt) or code is ExitCode.INTERRUPTED:
            self._notes.append(Note(code="interrupted"))
        else:
            self._training.fail()
            self._notes.append(Note(code="failed", detail=told(error)))

    def save_early(self, error: BaseException) -> None:
        """Save what there is, from another thread than that which measures, which cannot be called back."""
        self._note(error)
        self._checkpoint(self.record())

    def _emit_ranges(self) -> BaseException | None:
        """Steps for Nsight; what ended them early."""
        self._progress.begin("emitting NVTX ranges")
        try:
            emit_ranges(self._step.run, self._step.device)
        except (Exception, SystemExit, KeyboardInterrupt) as failure:
            error = self._group.end(failure)
            if not isinstance(error, KeyboardInterrupt):
                self._notes.append(Note(code="failed", detail=told(error)))
            return error
        return None

    def record(self) -> BreakdownRecord:
        """What has been measured so far."""
        training = self._training.training(self._step.batches.loading)
        return BreakdownRecord(
            tool_version=__version__,
            command=self._command,
            created=self._created,
            workload=self._job.workload,
            variant=self._job.variant,
            fidelity=self._fidelity,
            parts=self._parts,
            environment=self._environment,
            inference=self._inference.result(),
            training=training,
            loss_test=None if self._loss_alone is None else self._loss_alone.result(),
            overhead=self._training.overhead(),
            memory=self._memory,
            operators=self._operators,
            ranks=self._ranks.record(training, self._training.communication()),
            user_code=None if self._user is None else self._user.used(self._no_loss_test, counted=True),
            measuring_seconds=self._measuring_seconds or self._clock.now() - self._start,
            notes=tuple(self._notes),
        )

    def _begin_timing(self) -> None:
        self._start = self._last_save = self._clock.now()
        self._deadline = self._start + self._plan.max_seconds

    def _count_operators(self) -> None:
        """One forward pass that is not timed: how much work each stage is, and what the criterion is given."""
        self._progress.begin("counting operators")
        step = self._built.of_one_rank.step
        criterion = step.criterion
        with capture_call(criterion) as call, OperatorCensus() as census:
            step.forward_only()
        self._operators = census.counts()
        if criterion is not None and call.was_made:
            self._parts = parts_health(call.kwargs, self._job.workload.known("epsilon"))
            self._loss_alone = LossAlone(criterion, call, self._clock)

    def _measure(self) -> None:
        plan, now = self._plan, self._clock.now
        # Where one of the ranks cannot, the others are not to wait for it.
        if all(self._group.shared(self._can_infer)):
            self._progress.begin("inference")
            with self._step.evaluating():
                end = now() + INFERENCE_SHARE * plan.max_seconds
                self._inference.measure(Budget(now, end, MIN_INFERENCES, MAX_REPEATS, self._group.agree), self._tick)
        self._progress.begin("warming up")
        self._training.warm_up(now() + WARMUP_SHARE * plan.max_seconds, plan.warmup, plan.steps is None, self._tick)
        self._progress.begin("training steps")
        end = self._deadline - LOSS_TEST_SHARE * plan.max_seconds
        self._training.measure(Budget(now, end, plan.steps or MIN_STEPS, plan.steps, self._group.agree), self._tick)
        training = self._training.training(self._step.batches.loading)
        self._ranks.gather(training, self._training.communication())
        self._progress.begin("the loss alone")
        self._time_loss_alone()
        self._progress.begin("memory")
        self._memory = measure_memory(self._step.run, self._step.device)
        if plan.trace is not None:
            self._progress.begin("tracing a step")
            self._write_trace(plan.trace)

    def _time_loss_alone(self) -> None:
        """A criterion of the user's own may return, or need, what a call by itself does not give it; where that is so
        on one rank, there is no loss test on any.
        """
        loss_alone = self._loss_alone
        is_everywhere = all(self._group.shared(loss_alone is not None))
        if loss_alone is None or not is_everywhere:
            self._loss_alone = None
            return
        attempt = Attempt(self._group)
        try:
            budget = Budget(self._clock.now, self._deadline, MIN_LOSS_TESTS, MAX_REPEATS, attempt.agree)
            loss_alone.measure(budget, self._tick)
        except Exception as error:
            if self._user is None or is_of_a_lost_rank(error):
                raise
            attempt.fail(told(error))
        if attempt.failure:
            self._loss_alone, self._no_loss_test = None, attempt.failure

    def _compare(self, initial: dict[str, torch.Tensor]) -> None:
        """Hold the first step against float64. It comes last: a float64 model would show in the process's peak of
        memory, and where there is no room for one everything else has been measured.
        """
        if not self._group.is_first:
            # One look is enough, and the others would take its cores.
            return
        if self._job.workload.gather_negatives:
            reason = "the loss of one rank is that of its images beside the parts of all ranks"
            self._notes.append(Note(code="no_fidelity", detail=reason))
            return
        self._progress.begin("comparing with float64")
        found = compared(self._built.of_one_rank, self._job.workload, self._job.base, initial)
        if isinstance(found, Note):
            self._notes.append(found)
        else:
            self._fidelity = found

    def _write_trace(self, path: Path) -> None:
        """One more step; without its operators where the profiler would choke on them."""
        operators = sum(count.operators for count in self._operators)
        with_operators = operators <= MAX_OPERATORS
        if not with_operators:
            self._notes.append(Note(code="stages_only_trace", number=operators))
        events = record_trace(self._step.run, self._clock, with_operators)
        if not self._group.is_first:
            return
        try:
            write_trace(path, events)
        except PacoProfError as error:
            self._unwritten = error

    def _tick(self, at_least: float) -> None:
        now = self._clock.now()
        self._progress.update(now - self._start, max(0.0, at_least, self._deadline - now))
        if now - self._last_save > SECONDS_BETWEEN_SAVES:
            self._last_save = now
            self._checkpoint(self.record())

    def _checkpoint(self, record: BreakdownRecord) -> None:
        """Save a record. A disk that is full must not cost what has been measured: the run goes on."""
        try:
            self._save(record)
        except PacoProfError as error:
            self._unwritten = error


def measure_breakdown(
    job: Job,
    plan: Plan,
    progress: Progress,
    save: Callable[[BreakdownRecord], None],
    command: tuple[str, ...] = (),
    given: Given | None = None,
    place: Place = ALONE.place,
    stderr: int = 2,
) -> Outcome:
    """Build a job on its device and measure it.

    Args:
        given: the user's model, where somebody has it at hand.
        place: of this process among the ranks that take the steps together; all of them call this, and what is saved,
            written and shown is for the first one's sake.
        stderr: the descriptor on which the user is told what ends all ranks and leaves no time for anything else.

    Returns:
        What was measured; its error may be that of a rank that ended when all had been.

    Raises:
        UsageError: it cannot be built, or not be done there; nothing has been measured then.
        RankError: that is another rank's doing, or this one's, and another one tells of it.
    """
    device = resolve_device(device_name(place, job.workload.device))

    def measured(group: Group) -> Outcome:
        progress.begin("building the model")
        built = build(job, given, group)
        if plan.nvtx:
            check_nvtx(device)
        # What other ranks have measured is in the first one's record.
        saving = save if group.is_first else lambda record: None
        session = Session(built, describe_environment(device), plan, progress, saving, command)
        group.at_a_forced_end(session.save_early)
        try:
            return session.run()
        finally:
            if built.user is not None:
                built.user.release()

    outcome, late = in_group(place, device, measured, stderr)
    return outcome if late is None else replace(outcome, error=outcome.error or late)

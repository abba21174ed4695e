"""Holds variants against a baseline: rounds of launches, and what becomes of processes that fail. Free of torch.

A round takes one launch of each variant. Its launches share the baseline's process where the batch is the same; the
next round begins with fresh ones.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from paco_prof.errors import OtherMachineError
from paco_prof.measure.interrupts import held_interrupts
from paco_prof.measure.launch import MIN_PAIRS, LaunchInProgress, Runner
from paco_prof.measure.ledger import Assignment, Ledger
from paco_prof.measure.machine import MachineMonitor
from paco_prof.measure.progress import Progress
from paco_prof.measure.timetable import Timetable
from paco_prof.measure.worker_handle import Launcher, Ready, WorkerError
from paco_prof.records import ComparisonRecord, Environment, Failure, Launch, Memory, Note, Status

__all__ = ["ComparisonOutcome", "Referee"]

# What fails so fails again.
LASTING = ("not applicable", "out of memory", "raised")


@dataclass(frozen=True)
class ComparisonOutcome:
    """How a comparison ended.

    Attributes:
        record: everything that was measured.
        error: what ended it early, or else kept the record from being written.
    """

    record: ComparisonRecord
    error: BaseException | None = None


class Referee:
    """Runs a comparison from wherever its record stands.

    Args:
        record: what to measure, and what has been measured already.
        launch_worker: starts a contestant's process.
        progress: told what is going on.
        save: given the record after every launch.
        now: seconds on the host's clock.
        monitor: makes what watches the machine during a launch, from the accelerator's identity.
        is_enough: asked after every round whether the record says already what it was made for.
        only: the one launch that is to be taken; None for all that are left.
    """

    def __init__(
        self,
        record: ComparisonRecord,
        launch_worker: Launcher,
        progress: Progress,
        save: Callable[[ComparisonRecord], None],
        now: Callable[[], float] = time.monotonic,
        monitor: Callable[[str | None], MachineMonitor] = MachineMonitor,
        is_enough: Callable[[ComparisonRecord], bool] = lambda record: False,
        only: Assignment | None = None,
    ) -> None:
        self._ledger = Ledger(record, save, now, only)
        self._plan = record.plan
        self._launch_worker = launch_worker
        self._progress = progress
        self._time = Timetable(self._plan, now)
        self._monitor = monitor
        self._is_enough = is_enough
        self._open: list[Runner] = []
        # The baseline's process of this round.
        self._shared: Runner | None = None
        self._accelerator_uuid: str | None = None
        # Launches that were left away for want of time.
        self._skipped: set[tuple[int, int]] = set()

    def run(self) -> ComparisonOutcome:
        """Take all launches that are left; an interruption, or whatever else ends it, leaves what there is.

        Raises:
            OtherMachineError: the launches that are there already are of another machine; nothing was changed.
        """
        error: BaseException | None = None
        status: Status = "complete"
        try:
            self._take_rounds()
        except KeyboardInterrupt as interrupt:
            error, status = interrupt, "interrupted"
        finally:
            self._close(*self._open)
        self._ledger.update(status=status)
        return ComparisonOutcome(self._ledger.record, error or self._ledger.unwritten)

    def _take_rounds(self) -> None:
        self._take_pass(lambda place: True)
        # Whoever was halved in a later round has launches at the whole batch that are good for nothing now.
        while any(self._ledger.halvings) and self._take_pass(lambda place: self._ledger.halvings[place] > 0):
            pass
        missing = sum(1 for launch in self._skipped if self._ledger.is_left(*launch))
        if missing:
            self._ledger.add_note(Note(code="time_is_up", number=missing))

    def _take_pass(self, concerns: Callable[[int], bool]) -> bool:
        """Take what is left of every round, of some variants; True where there is a complete launch more for it."""
        before = self._ledger.num_complete
        for number in range(self._plan.launches):
            for place in self._ledger.places:
                if not concerns(place) or not self._ledger.is_left(place, number):
                    continue
                if self._time.is_time_for(place):
                    self._take_launch(place, number)
                else:
                    self._skipped.add((place, number))
            self._end_round()
            if self._is_enough(self._ledger.record):
                self._ledger.give_up(*self._ledger.places)
                break
        return self._ledger.num_complete > before

    def _take_launch(self, place: int, number: int) -> None:
        """Take a launch, at a smaller batch where memory runs out and that was asked for."""
        while True:
            self._progress.begin(self._title(place, number))
            begun = self._time.now()
            launch = LaunchInProgress(place, number, self._ledger.halvings[place], self._plan.sequential)
            try:
                take = self._take_sequential if self._plan.sequential else self._take_paired
                take(launch)
                return
            except WorkerError as failure:
                launch.fail()
                if not self._go_on_after(failure, launch):
                    return
            finally:
                self._keep(launch.record(), begun)

    def _title(self, place: int, number: int) -> str:
        smaller = f", batch halved {self._ledger.halvings[place]}x" if self._ledger.halvings[place] else ""
        return f"launch {number + 1}/{self._plan.launches}: {self._ledger.record.contestants[place].name}{smaller}"

    def _take_paired(self, launch: LaunchInProgress) -> None:
        place, begun = launch.contestant, self._time.now()
        until = self._time.begin(self._num_left)
        baseline = self._baseline(launch)
        launch.baseline_pid = baseline.worker.pid
        variant = self._runner(place, launch.halvings)
        try:
            self._check(0, baseline.ready(), launch)
            self._check(place, variant.ready(), launch)
            self._refuse_nothing(place, variant)
            for runner in (baseline, variant):
                runner.warm_up(self._time.now, self._time.warm_until(until))
            overhead = self._time.now() - begun
            self._tick()
            budget = self._time.budget(until, launch.round, baseline.longest + variant.longest)
            with self._watching(launch, [baseline, variant]) as monitor:
                launch.take_pairs(baseline, variant, self._order(launch), budget, monitor.turn, self._tick)
            pair = (self._time.now() - begun - overhead) / launch.num_pairs
            self._time.learn(place, overhead + MIN_PAIRS * pair)
            launch.memories = (baseline.worker.memory(self._plan.timeout), variant.worker.memory(self._plan.timeout))
            self._measure_fidelity(place, variant)
            self._close(variant)
            if baseline is not self._shared:
                self._measure_fidelity(0, baseline)
        finally:
            self._close(variant)
            if baseline is not self._shared:
                self._close(baseline)

    def _take_sequential(self, launch: LaunchInProgress) -> None:
        begun, end = self._time.now(), self._time.begin(self._num_left)
        launch.baseline_first = baseline_first = self._order(launch).random() < 0.5
        memories: dict[bool, Memory] = {}
        for until, is_baseline in (((begun + end) / 2, baseline_first), (end, not baseline_first)):
            place = 0 if is_baseline else launch.contestant
            runner = self._runner(place, launch.halvings)
            launch.baseline_pid = runner.worker.pid if is_baseline else None
            try:
                self._check(place, runner.ready(), launch)
                self._refuse_nothing(launch.contestant, runner)
                runner.warm_up(self._time.now, self._time.warm_until(until))
                budget = self._time.budget(until, launch.round, runner.longest)
                with self._watching(launch, [runner]) as monitor:
                    reason = launch.take_block(runner, is_baseline, budget, monitor.turn, self._tick)
                memories[is_baseline] = runner.worker.memory(self._plan.timeout)
                if len(memories) == 2:
                    launch.memories = (memories[True], memories[False])
                    launch.stop_reason = reason
                self._measure_fidelity(place, runner)
            finally:
                self._close(runner)
        self._time.learn(launch.contestant, self._time.now() - begun)

    def _baseline(self, launch: LaunchInProgress) -> Runner:
        """The baseline's process: the round's own where the batch is the whole one."""
        if launch.halvings:
            self._close_shared()
            return self._runner(0, launch.halvings)
        if self._shared is None:
            self._shared = self._runner(0, 0)
        return self._shared

    def _runner(self, place: int, halvings: int) -> Runner:
        contestant = self._ledger.record.contestants[place].halved(halvings)
        keep_initial = self._ledger.lacks_fidelity(place)
        # A process that was started and is not known yet would be nobody's to end.
        with held_interrupts():
            runner = Runner(self._launch_worker(contestant, keep_initial=keep_initial), self._plan.timeout)
            self._open.append(runner)
        return runner

    def _check(self, place: int, ready: Ready, launch: LaunchInProgress) -> None:
        """Note what a contestant has turned out to be, and that this is the machine of the launches before."""
        self._accelerator_uuid = ready.accelerator_uuid
        if not launch.halvings:
            self._ledger.replace(place, self._ledger.record.contestants[place].as_built(ready.contestant))
        known = self._ledger.record.environment
        if place != 0:
            self._note_threads(place, ready, known)
            return
        if known is None:
            self._ledger.update(environment=ready.environment)
            return
        differing = ready.environment.differences(known)
        if differing:
            raise OtherMachineError(
                [f"{name} {one} here and {other} there" for name, (one, other) in differing.items()]
            )

    def _note_threads(self, place: int, ready: Ready, known: Environment | None) -> None:
        """The record's environment is the first contestant's; another one may have taken more threads for itself."""
        threads = ready.environment.threads
        noted = [note.number for note in self._ledger.record.notes if note.code == "threads"]
        if known is not None and threads > known.threads and threads not in noted:
            name = self._ledger.record.contestants[place].name
            self._ledger.add_note(Note(code="threads", detail=name, number=threads))

    def _refuse_nothing(self, place: int, runner: Runner) -> None:
        """A variant of which nothing is left here that it would change need not be measured."""
        baseline, variant = (self._ledger.record.contestants[side] for side in (0, place))
        left_out = {**baseline.variant.left_out, **variant.variant.left_out}
        if left_out and baseline.workload == variant.workload and baseline.variant.name != variant.variant.name:
            detail = "nothing of it is left beside the baseline: " + "; ".join(
                f"{name} ({reason})" for name, reason in left_out.items()
            )
            raise WorkerError(runner.worker.pid, "not applicable", "start", detail + ".")

    @contextlib.contextmanager
    def _watching(self, launch: LaunchInProgress, runners: list[Runner]) -> Iterator[MachineMonitor]:
        monitor = self._monitor(self._accelerator_uuid)
        monitor.begin([runner.worker.pid for runner in runners])
        try:
            yield monitor
        finally:
            launch.machine = monitor.end()

    def _measure_fidelity(self, place: int, runner: Runner) -> None:
        """Where that is still to be done; what cannot be compared has been timed all the same."""
        if not self._ledger.lacks_fidelity(place):
            return
        contestant = self._ledger.record.contestants[place]
        self._progress.begin(f"comparing {contestant.name} with float64")
        try:
            fidelity = runner.worker.fidelity(self._plan.timeout)
        except WorkerError as failure:
            self._ledger.add_note(Note(code="no_fidelity", detail=f"{contestant.name}: {failure.detail}", number=place))
        else:
            self._ledger.replace(place, contestant.model_copy(update={"fidelity": fidelity}))

    def _go_on_after(self, failure: WorkerError, launch: LaunchInProgress) -> bool:
        """Note a failure; True where the launch is to be taken once more, at half the batch."""
        place, shared = launch.contestant, self._shared
        of_baseline = failure.pid == launch.baseline_pid
        self._ledger.add_failure(
            Failure(
                contestant=place,
                round=launch.round,
                halvings=launch.halvings,
                of_baseline=of_baseline,
                kind=failure.kind,
                during=failure.during,
                detail=failure.detail,
                hint=failure.hint,
                peak_bytes=failure.peak_bytes,
            )
        )
        if shared is not None and of_baseline:
            self._close_shared()
        if launch.stop_reason != "failed":
            # Its steps had been taken before.
            return False
        if failure.kind == "out of memory" and self._plan.retry_smaller and self._can_halve(place):
            self._ledger.halvings[place] += 1
            return True
        if failure.kind in LASTING:
            everyone = of_baseline and failure.kind != "out of memory"
            self._ledger.give_up(*(self._ledger.places if everyone else [place]))
        return False

    def _can_halve(self, place: int) -> bool:
        sizes = [self._ledger.record.contestants[side].workload.batch_size for side in (0, place)]
        return min(sizes) >> (self._ledger.halvings[place] + 1) >= 1

    def _end_round(self) -> None:
        """The baseline's fidelity, which would be in the way of a launch, and the end of its process."""
        if self._shared is not None:
            self._measure_fidelity(0, self._shared)
        self._close_shared()

    def _close_shared(self) -> None:
        if self._shared is not None:
            self._close(self._shared)
        self._shared = None

    def _close(self, *runners: Runner) -> None:
        for runner in runners:
            runner.worker.close()
        self._open = [runner for runner in self._open if runner not in runners]

    def _order(self, launch: LaunchInProgress) -> random.Random:
        """An order of its own for every launch, the same in every run of one seed."""
        return random.Random(f"{self._plan.seed}/{launch.contestant}/{launch.round}/{launch.halvings}")

    @property
    def _num_left(self) -> int:
        return sum(1 for _ in self._ledger.left())

    def _tick(self) -> None:
        self._progress.update(*self._time.progress(self._num_left))

    def _keep(self, launch: Launch | None, begun: float) -> None:
        if launch is not None:
            self._time.end(begun)
            self._ledger.add_launch(launch)
            self._tick()

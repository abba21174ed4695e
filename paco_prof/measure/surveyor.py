"""Measures variants at every size, a fresh process for each, and searches for the largest batch. Free of torch."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from paco_prof import units
from paco_prof.errors import OtherMachineError, UsageError
from paco_prof.measure.interrupts import held_interrupts
from paco_prof.measure.launch import Runner
from paco_prof.measure.machine import MachineMonitor
from paco_prof.measure.progress import Progress
from paco_prof.measure.scaling.largest import CONFIRMING_STEPS
from paco_prof.measure.scaling.ledger import ScaleLedger
from paco_prof.measure.scaling.point import PointInProgress
from paco_prof.measure.scaling.running_out import kind_under, own_limit
from paco_prof.measure.scaling.search import LargestSearch
from paco_prof.measure.scaling.timetable import ScaleTimetable
from paco_prof.measure.scaling.work import Search, Unit, Work, left, units_left
from paco_prof.measure.worker_handle import (
    LimitingLauncher,
    MeasuredHandle,
    MemoryLimit,
    Ready,
    WorkerError,
    WorkerHandle,
)
from paco_prof.records import Contestant, Environment, Note, ScaleRecord, Status, resized

__all__ = ["ScaleOutcome", "Surveyor"]


@dataclass(frozen=True)
class ScaleOutcome:
    """How a measurement of growth ended.

    Attributes:
        record: everything that was measured.
        error: what ended it early, or else kept the record from being written.
    """

    record: ScaleRecord
    error: BaseException | None = None


class Surveyor:
    """Measures what a record says is left of it.

    Args:
        record: what to measure, and what has been measured already.
        launch_worker: starts a contestant's process.
        progress: told what is going on.
        save: given the record after every launch.
        now: seconds on the host's clock.
        monitor: makes what watches the machine during a launch, from the accelerator's identity.
        only: of all that is left, what to do; None for everything. Who has several machines gives each its part.
        most_trials: of a search; None for as many as it takes. Whoever has more made stores each of them.
        trial_seconds: that a trial has taken before; 0 where nobody knows.
    """

    def __init__(
        self,
        record: ScaleRecord,
        launch_worker: LimitingLauncher,
        progress: Progress,
        save: Callable[[ScaleRecord], None],
        now: Callable[[], float] = time.monotonic,
        monitor: Callable[[str | None], MachineMonitor] = MachineMonitor,
        only: Sequence[Work] | None = None,
        most_trials: int | None = None,
        trial_seconds: float = 0.0,
    ) -> None:
        self._ledger = ScaleLedger(record, save, now)
        self._plan = record.plan
        self._launch_worker = launch_worker
        self._progress = progress
        self._monitor = monitor
        self._most_trials = most_trials
        self._trial_seconds = trial_seconds
        self._work = [piece for piece in left(record) if only is None or piece in only]
        self._time = ScaleTimetable(record, self._work, now)
        self._open: list[MeasuredHandle] = []
        # Launches that are over, or were left away for want of time.
        self._seen: set[Unit] = set()

    def run(self) -> ScaleOutcome:
        """Take all launches that are left; an interruption, or whatever else ends it, leaves what there is.

        Raises:
            OtherMachineError: the launches that are there already are of another machine; nothing was changed.
            UsageError: the first process finds that one of the sizes cannot be; nothing has been measured.
        """
        error: BaseException | None = None
        status: Status = "complete"
        try:
            self._take_launches([piece for piece in self._work if isinstance(piece, Unit)])
            self._search([piece for piece in self._work if isinstance(piece, Search)])
        except KeyboardInterrupt as interrupt:
            error, status = interrupt, "interrupted"
        finally:
            self._close()
        self._ledger.update(status=status)
        return ScaleOutcome(self._ledger.record, error or self._ledger.unwritten)

    def _take_launches(self, planned: Sequence[Unit]) -> None:
        skipped = []
        for unit in planned:
            if unit not in units_left(self._ledger.record):
                continue
            if self._time.is_time_for(unit):
                self._take(unit)
            else:
                skipped.append(unit)
            self._seen.add(unit)
        missing = len(set(skipped) & set(units_left(self._ledger.record)))
        if missing:
            self._ledger.add_note(Note(code="time_is_up", number=missing))

    def _take(self, unit: Unit) -> None:
        self._progress.begin(self._title(unit))
        point = PointInProgress(unit)
        begun, until = self._time.now(), self._time.launch_end(len(self._left()))
        contestant = self._ledger.record.at(unit.contestant, unit.sizes)
        ready: Ready | None = None
        try:
            worker = self._start(contestant, self._plan.memory_limit_bytes)
            runner = Runner(worker, self._plan.timeout)
            ready = runner.ready()
            self._check(unit, ready)
            point.environment = ready.environment
            self._time.learn_start(self._time.now() - begun)
            until_warm = self._time.warm_until(until)
            with self._watching(point, worker.pid, ready.accelerator_uuid):
                point.warm_up(runner, self._time.now, until_warm, keep_last=self._plan.steps is None)
                point.measure(runner, self._time.budget(until, runner.longest), self._tick)
            point.memory = worker.memory_by_stage(self._plan.timeout)
        except WorkerError as failure:
            point.fail()
            limit = own_limit(self._plan.memory_limit_bytes, ready, contestant.workload.device)
            self._ledger.add_failure(unit, failure, kind_under(failure, limit), point.environment)
        finally:
            self._close()
            record = point.record()
            if record is not None:
                self._time.learn_steps(unit.contestant, unit.sizes, point.step_seconds or 0.0)
                self._ledger.add_point(record)
                self._tick()

    def _check(self, unit: Unit, ready: Ready) -> None:
        """Note what a variant has turned out to be, and that this is the machine of the launches before."""
        if not self._ledger.record.points:
            self._refuse_parts_without_room(ready.contestant)
        self._refuse_another_machine(unit.contestant, ready.environment)
        self._ledger.learn(unit.contestant, ready.contestant, ready.environment)

    def _refuse_another_machine(self, place: int, environment: Environment) -> None:
        record = self._ledger.record
        own = next((point.environment for point in record.points if point.contestant == place), None)
        known = own or record.environment
        if known is None:
            return
        # What a variant sets for itself is no other machine.
        differing = environment.differences(known) if own else environment.differences_of_machine(known)
        told = [f"{name} {one} here and {other} there" for name, (one, other) in differing.items()]
        if told:
            raise OtherMachineError(told)

    def _refuse_parts_without_room(self, built: Contestant) -> None:
        """Find out with the first process whether the largest K will fit, and not when it is its turn."""
        parts = next((factor.sizes[-1] for factor in self._plan.factors if factor.name == "num_parts"), 0)
        is_varied = any(factor.name == "image_size" for factor in self._plan.factors)
        feature_map = built.workload.feature_map
        if feature_map is None or is_varied or parts <= feature_map[1] * feature_map[2]:
            return
        _, height, width = feature_map
        raise UsageError(
            f"K={parts} parts do not fit on the feature map of {built.workload.backbone} at "
            f"{built.workload.image_size} px: {height} x {width} = {height * width} pixels.",
            "Vary K up to less, or use a larger --image-size.",
        )

    def _search(self, planned: Sequence[Search]) -> None:
        for number, piece in enumerate(planned):
            end = self._time.search_end(len(planned) - number)
            place = piece.contestant
            contestant = self._ledger.record.contestants[place]

            def start(size: int, limit: MemoryLimit, contestant: Contestant = contestant) -> WorkerHandle:
                return self._start(resized(contestant, {"batch_size": size}), limit)

            search = LargestSearch(self._ledger.record, place, end, self._time.now, start, self._trial_seconds)
            num_made = 0
            while num_made != self._most_trials and (asked := search.next()) is not None:
                steps = f" for {asked.steps} steps" if asked.steps == CONFIRMING_STEPS else ""
                self._progress.begin(f"{contestant.name}: does a batch of {units.count(asked.size)} fit{steps}?")
                ready = search.attempt(asked)
                num_made += 1
                self._close()
                if ready is not None:
                    self._refuse_another_machine(place, ready.environment)
                    self._ledger.learn(place, ready.contestant, ready.environment)
                # Whatever may come, so far it has got.
                self._ledger.put_largest(search.result("interrupted"))
                self._tick()
            # Whether there is time for more of those that others are to make, they will see.
            is_cut = num_made == self._most_trials and not search.is_over
            self._ledger.put_largest(search.result("interrupted" if is_cut else "time is up"))

    def _start(self, contestant: Contestant, limit: MemoryLimit) -> MeasuredHandle:
        # A process that was started and is not known yet would be nobody's to end.
        with held_interrupts():
            worker = self._launch_worker(contestant, keep_initial=False, memory_limit=limit)
            self._open.append(worker)
        return worker

    def _close(self) -> None:
        for worker in self._open:
            worker.close()
        self._open = []

    @contextlib.contextmanager
    def _watching(self, point: PointInProgress, pid: int, accelerator_uuid: str | None) -> Iterator[None]:
        monitor = self._monitor(accelerator_uuid)
        monitor.begin([pid])
        try:
            yield
        finally:
            point.machine = monitor.end()

    def _title(self, unit: Unit) -> str:
        sizes = zip(self._plan.factors, unit.sizes, strict=True)
        where = ", ".join(f"{factor.name.replace('_', ' ')} {size}" for factor, size in sizes)
        name = self._ledger.record.contestants[unit.contestant].name
        return f"launch {unit.round + 1}/{self._plan.launches}: {name} at {where}"

    def _left(self) -> list[Unit]:
        planned = {piece for piece in self._work if isinstance(piece, Unit)}
        return [unit for unit in units_left(self._ledger.record) if unit in planned - self._seen]

    def _tick(self) -> None:
        self._progress.update(*self._time.progress(self._left()))

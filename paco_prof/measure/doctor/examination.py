"""An examination from beginning to end: the installation, the device, the machine, the instrument, the noise.

Whatever ends it early, the record holds what had been found until then.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from paco_prof import __version__
from paco_prof.errors import PacoProfError
from paco_prof.measure.clock import clock_for
from paco_prof.measure.device import resolve_device
from paco_prof.measure.doctor.device_checks import check_accelerator, check_device
from paco_prof.measure.doctor.installation_checks import check_installation
from paco_prof.measure.doctor.instrument import Instrument, judged, skipped
from paco_prof.measure.doctor.machine_checks import check_machine, check_quietness
from paco_prof.measure.doctor.noise_floor import LEAST_SECONDS, check_launches, measure_noise
from paco_prof.measure.doctor.self_test import SelfTest
from paco_prof.measure.environment import describe_environment
from paco_prof.measure.machine import MachineMonitor
from paco_prof.measure.progress import Progress
from paco_prof.measure.shareable import last_line
from paco_prof.measure.worker_handle import Launcher
from paco_prof.records import ComparisonRecord, DoctorCheck, DoctorRecord, Environment, Note, Status

__all__ = ["DoctorOutcome", "DoctorPlan", "examine"]


@dataclass(frozen=True)
class DoctorPlan:
    """What to examine, and for how long.

    Attributes:
        device: by the name that the user gave it.
        threads: of the CPU; None leaves them as torch chooses.
        max_seconds: for everything; the noise floor gets what the rest leaves of it.
        folder: where records would be written.
    """

    device: str = "auto"
    threads: int | None = None
    seed: int = 0
    max_seconds: float = 40.0
    folder: Path = Path()


@dataclass(frozen=True)
class DoctorOutcome:
    """How an examination ended.

    Attributes:
        record: everything that was found.
        error: what ended it early (a `KeyboardInterrupt`), or else kept the record from being written.
    """

    record: DoctorRecord
    error: BaseException | None = None


def examine(
    plan: DoctorPlan,
    progress: Progress,
    save: Callable[[DoctorRecord], None],
    command: tuple[str, ...] = (),
    instrument: Callable[[torch.device], Instrument] = lambda device: Instrument(clock_for(device)),
    launcher: Launcher | None = None,
) -> DoctorOutcome:
    """Examine this machine and this installation.

    Args:
        save: given the record at the end, and after every launch of the noise floor.
        command: the command line, as the record is to keep it.
        instrument: makes the one that is tried; tests break it.
        launcher: starts the processes of the noise floor; None starts real ones.

    Raises:
        UsageError: a device that is unknown, or not there.
    """
    device = resolve_device(plan.device)
    if plan.threads is not None:
        torch.set_num_threads(plan.threads)
    if device.index is not None:
        # Events are recorded on the current device's stream.
        torch.get_device_module(device).set_device(device)
    examination = _Examination(plan, device, instrument(device), progress, save, command)
    return examination.run(launcher)


class _Examination:
    """One examination; see `examine`."""

    def __init__(
        self,
        plan: DoctorPlan,
        device: torch.device,
        instrument: Instrument,
        progress: Progress,
        save: Callable[[DoctorRecord], None],
        command: tuple[str, ...],
    ) -> None:
        self._plan = plan
        self._device = device
        self._progress = progress
        self._save = save
        self._command = command
        self._created = datetime.now(UTC).isoformat(timespec="seconds")
        self._start = time.monotonic()
        self._environment: Environment | None = None
        self._found: list[DoctorCheck] = []
        self._self_test = SelfTest(instrument, device, random.Random(plan.seed))
        self._quietness: list[DoctorCheck] = []
        self._noise: ComparisonRecord | None = None
        self._launches: list[DoctorCheck] = []
        self._status: Status = "running"
        self._notes: list[Note] = []
        self._unwritten: PacoProfError | None = None

    def run(self, launcher: Launcher | None) -> DoctorOutcome:
        """Examine everything; an interruption ends it with what there is."""
        error: BaseException | None = None
        try:
            self._look_around()
            self._try_instrument()
            self._measure_noise(launcher)
            self._status = "complete"
        except KeyboardInterrupt as interrupt:
            error = interrupt
            self._status = "interrupted"
            self._notes.append(Note(code="interrupted"))
        record = self._record()
        self._checkpoint(record)
        return DoctorOutcome(record, error or self._unwritten)

    def _look_around(self) -> None:
        self._begin("the installation")
        environment = self._environment = describe_environment(self._device)
        self._found += check_installation(environment, self._device, self._plan.folder)
        self._begin("the device")
        self._found += check_device(environment, self._device, clock_for(self._device))
        self._begin("the machine")
        self._found += check_machine(environment)

    def _try_instrument(self) -> None:
        """The self-test, with an eye on what else goes on."""
        uuid = getattr(torch.cuda.get_device_properties(self._device), "uuid", None) if self._is_cuda else None
        monitor = MachineMonitor(None if uuid is None else str(uuid))
        monitor.begin([])
        for name, part in self._self_test.parts():
            self._begin(f"the instrument: {name}")
            part()
        state = monitor.end()
        assert self._environment is not None
        self._quietness = check_quietness(state, self._environment)
        self._quietness += check_accelerator(self._device, state.accelerator)

    def _measure_noise(self, launcher: Launcher | None) -> None:
        left = self._plan.max_seconds - (time.monotonic() - self._start)
        if left < LEAST_SECONDS:
            self._launches = [skipped("launches", "no time")]
            return
        self._begin("the noise floor")
        plan, told = self._plan, _Told(self._begin, self._tick)
        try:
            outcome = measure_noise(str(self._device), plan.threads, plan.seed, left, told, self._keep_noise, launcher)
        except PacoProfError as error:
            self._launches = [judged("launches", "raised", detail=last_line(error))]
            return
        self._noise = outcome.record
        self._launches = [check_launches(outcome.record)]
        if isinstance(outcome.error, KeyboardInterrupt):
            raise outcome.error

    def _keep_noise(self, noise: ComparisonRecord) -> None:
        self._noise = noise
        self._checkpoint(self._record())

    @property
    def _is_cuda(self) -> bool:
        return self._device.type == "cuda"

    def _begin(self, what: str) -> None:
        self._progress.begin(what)
        self._tick()

    def _tick(self) -> None:
        elapsed = time.monotonic() - self._start
        self._progress.update(elapsed, max(0.0, self._plan.max_seconds - elapsed))

    def _record(self) -> DoctorRecord:
        """What has been found so far."""
        test = self._self_test
        return DoctorRecord(
            tool_version=__version__,
            command=self._command,
            created=self._created,
            environment=self._environment,
            checks=(*self._found, *self._quietness, *test.checks, *self._launches),
            planted=test.planted,
            overhead=test.overhead,
            num_stages=test.num_stages if test.overhead is not None else 0,
            noise=self._noise,
            status=self._status,
            measuring_seconds=time.monotonic() - self._start,
            notes=tuple(self._notes),
        )

    def _checkpoint(self, record: DoctorRecord) -> None:
        """Save a record; a disk that is full must not cost what has been found."""
        try:
            self._save(record)
        except PacoProfError as error:
            self._unwritten = error


class _Told:
    """What the noise floor tells of its progress, beside the time of the whole examination.

    Args:
        begin: told what is going on.
        tick: tells how far the whole is.
    """

    def __init__(self, begin: Callable[[str], None], tick: Callable[[], None]) -> None:
        self._begin = begin
        self._tick = tick

    def begin(self, what: str) -> None:
        """See `Progress.begin`."""
        self._begin(f"the noise floor, {what}")

    def update(self, elapsed: float, left: float) -> None:
        """See `Progress.update`; the noise floor's own times are not those of the whole."""
        self._tick()

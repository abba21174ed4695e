"""What the machine does during a launch, from readings that the test makes up and from processes that are real."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from paco_prof.measure import machine
from paco_prof.measure.machine import MachineMonitor
from paco_prof.records.comparison import MachineState

A, B = 71, 72
WAITS = "print(flush=True); input()"
SPINS = "print(flush=True)\nwhile True: pass"


class FakeMachine:
    """One core and two workers; what they have used is set by the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.used = {A: 5.0, B: 7.0}
        self.stolen = 0.0
        monkeypatch.setattr(machine.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(psutil, "cpu_times", lambda percpu: [self])
        monkeypatch.setattr(psutil, "Process", lambda pid=None: FakeProcess(self, pid))

    def __iter__(self) -> Iterator[float]:
        """The times of its core, by which psutil's tuples are summed up."""
        return iter((50.0, self.idle, self.steal))

    @property
    def idle(self) -> float:
        return self.now

    @property
    def steal(self) -> float:
        return self.stolen


class FakeProcess:
    """A worker, or this process, which does nothing."""

    def __init__(self, owner: FakeMachine, pid: int | None) -> None:
        self._owner = owner
        self._pid = pid
        self.cpu_times()

    def cpu_times(self) -> SimpleNamespace:
        if self._pid is None:
            return SimpleNamespace(user=0.0, system=0.0)
        if self._pid not in self._owner.used:
            raise psutil.NoSuchProcess(self._pid)
        return SimpleNamespace(user=self._owner.used[self._pid], system=0.0)

    def cpu_affinity(self) -> list[int]:
        return [0]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    return FakeMachine(monkeypatch)


@pytest.fixture
def monitor(tmp_path: Path) -> MachineMonitor:
    return MachineMonitor(cpu_root=tmp_path)


def test_who_waits_without_spinning_burns_nothing(fake: FakeMachine, monitor: MachineMonitor) -> None:
    monitor.begin([A, B])
    for turn in range(10):
        pid = (A, B)[turn % 2]
        monitor.turn(pid)
        fake.now += 0.1
        fake.used[pid] += 0.1
    assert monitor.end().waiting_cores == 0.0


def test_who_spins_while_it_waits_is_seen(fake: FakeMachine, monitor: MachineMonitor) -> None:
    monitor.begin([A, B])
    for turn in range(10):
        monitor.turn((A, B)[turn % 2])
        fake.now += 0.1
        fake.used[A] += 0.1
        fake.used[B] += 0.02
    # A for the half of the time that is B's, and B a fifth of the other half.
    assert monitor.end().waiting_cores == pytest.approx(0.6)


def test_before_the_first_turn_nobody_waits(fake: FakeMachine, monitor: MachineMonitor) -> None:
    monitor.begin([A, B])
    fake.now += 10.0
    fake.used[B] += 10.0
    monitor.turn(A)
    fake.now += 1.0
    fake.used[B] += 0.5
    assert monitor.end().waiting_cores == pytest.approx(0.5)


@pytest.mark.parametrize("turns", [0, 1])
def test_too_short_a_launch_tells_nothing(fake: FakeMachine, monitor: MachineMonitor, turns: int) -> None:
    monitor.begin([A, B])
    for _ in range(turns):
        monitor.turn(A)
    fake.now += 0.2
    state = monitor.end()
    assert (state.waiting_cores, state.other_busy_cores, state.stolen_cores) == (None, None, None)


def test_a_worker_that_dies_leaves_what_it_has_used(fake: FakeMachine, monitor: MachineMonitor) -> None:
    monitor.begin([A, B])
    monitor.turn(A)
    fake.now += 1.0
    fake.used[B] += 0.5
    monitor.turn(B)
    fake.now += 1.0
    del fake.used[B]
    monitor.turn(A)
    fake.now += 1.0
    state = monitor.end()
    assert state.waiting_cores == pytest.approx(0.5 / 3)
    assert state.other_busy_cores == 0.0


def test_what_is_stolen_is_told_apart(fake: FakeMachine, monitor: MachineMonitor) -> None:
    monitor.begin([A, B])
    fake.now += 10.0
    fake.stolen += 2.0
    state = monitor.end()
    assert state.stolen_cores == pytest.approx(0.2)
    assert state.other_busy_cores == pytest.approx(0.2)


def write_core(root: Path, core: int, governor: str, throttled: int) -> None:
    for name, text in (("cpufreq/scaling_governor", governor), ("thermal_throttle/core_throttle_count", throttled)):
        path = root / f"cpu{core}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


def test_slowing_down_for_the_heat_is_added_up_over_the_cores(tmp_path: Path) -> None:
    write_core(tmp_path, 0, "performance", 3)
    write_core(tmp_path, 11, "performance", 100)
    (tmp_path / "cpufreq").mkdir()
    monitor = MachineMonitor(cpu_root=tmp_path)
    monitor.begin([])
    write_core(tmp_path, 0, "performance", 5)
    write_core(tmp_path, 11, "performance", 101)
    # This one was offline.
    write_core(tmp_path, 12, "performance", 50)
    state = monitor.end()
    assert state.cpu_throttled == 3
    assert state.governor == "performance"


def test_a_core_that_was_offline_counts_from_zero_again(tmp_path: Path) -> None:
    write_core(tmp_path, 0, "performance", 30)
    monitor = MachineMonitor(cpu_root=tmp_path)
    monitor.begin([])
    write_core(tmp_path, 0, "performance", 2)
    assert monitor.end().cpu_throttled == 0


def test_governors_that_differ_are_none(tmp_path: Path) -> None:
    write_core(tmp_path, 0, "performance", 0)
    write_core(tmp_path, 1, "powersave", 0)
    monitor = MachineMonitor(cpu_root=tmp_path)
    monitor.begin([])
    assert monitor.end().governor is None


def test_a_system_without_these_files_tells_nothing(monitor: MachineMonitor, tmp_path: Path) -> None:
    (tmp_path / "cpu0" / "thermal_throttle").mkdir(parents=True)
    (tmp_path / "cpu0" / "thermal_throttle" / "core_throttle_count").write_text("none")
    monitor.begin([])
    state = monitor.end()
    assert (state.governor, state.cpu_throttled) == (None, None)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [([2000.0, 3000.0], [1000.0], (2500.0, 1000.0)), ([0.0, 0.0], [0.0, 0.0], None), ([2000.0], [], None)],
)
def test_the_clock_is_the_mean_of_the_cores(
    monkeypatch: pytest.MonkeyPatch,
    monitor: MachineMonitor,
    before: list[float],
    after: list[float],
    told: tuple[float, float] | None,
) -> None:
    readings = iter([before, after])
    monkeypatch.setattr(psutil, "cpu_freq", lambda percpu: [SimpleNamespace(current=mhz) for mhz in next(readings)])
    monitor.begin([])
    assert monitor.end().cpu_mhz == told


def test_nothing_raises_where_the_system_tells_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise RuntimeError("no such thing here")

    for module, name in ((psutil, "cpu_times"), (psutil, "cpu_freq"), (psutil, "Process"), (os, "getloadavg")):
        monkeypatch.setattr(module, name, fails)
    monitor = MachineMonitor("GPU-0", cpu_root=tmp_path / "none", nvml=SimpleNamespace(nvmlInit=fails))
    monitor.begin([A, B])
    monitor.turn(A)
    assert monitor.end() == MachineState()


def test_nothing_raises_where_the_library_talks_nonsense() -> None:
    nvml = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: "device",
        nvmlDeviceGetComputeRunningProcesses=lambda device: [None],
        nvmlDeviceGetCurrentClocksEventReasons=lambda device: "hot",
        nvmlDeviceGetMaxClockInfo=lambda device, clock: "fast",
    )
    monitor = MachineMonitor("GPU-0", nvml=nvml)
    monitor.begin([])
    monitor.turn(A)
    assert monitor.end().accelerator is None


def test_it_ends_before_it_begins(monitor: MachineMonitor) -> None:
    assert monitor.end() == MachineState()


@contextmanager
def running(code: str) -> Iterator[subprocess.Popen[str]]:
    """A process of ours, from the line that it prints when it has started."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-S", "-c", code], stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process
        finally:
            process.kill()


def test_a_real_process_that_spins_out_of_turn_is_seen() -> None:
    with running(WAITS) as waits, running(SPINS) as spins:
        monitor = MachineMonitor()
        monitor.begin([waits.pid, spins.pid])
        for _ in range(7):
            monitor.turn(waits.pid)
            time.sleep(0.1)
        busy = monitor.end().waiting_cores
    # One core, less what others take of it while the tests run.
    assert busy is not None
    assert 0.4 < busy < 1.2


def test_a_real_process_that_dies_in_its_turn_raises_nothing() -> None:
    with running(WAITS) as waits, running(SPINS) as spins:
        monitor = MachineMonitor()
        monitor.begin([waits.pid, spins.pid])
        monitor.turn(spins.pid)
        time.sleep(0.6)
        spins.kill()
        spins.wait()
        monitor.turn(waits.pid)
        state = monitor.end()
    # The one that works does not wait.
    assert state.waiting_cores is not None
    assert state.waiting_cores < 0.3
    assert state.other_busy_cores is not None
    assert state.other_busy_cores >= 0.0


def test_it_leaves_torch_alone() -> None:
    code = "import sys; import paco_prof.measure.machine; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

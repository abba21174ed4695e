"""What others do on our cores, from readings that the test makes up."""

from __future__ import annotations

from types import SimpleNamespace

import psutil
import pytest

from paco_prof.measure import neighbours
from paco_prof.measure.neighbours import CpuTime, Neighbours

WORKER = 7


class Machine:
    """Four cores, of which this process may use two; seconds of each are set by the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.user = [0.0] * 4
        self.stolen = [0.0] * 4
        self.own = 0.0
        # What a process has used; one that is gone is not there.
        self.workers = {WORKER: 0.0}
        self.core: type[Core] = Core
        monkeypatch.setattr(neighbours.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(psutil, "cpu_times", self.cpu_times)
        monkeypatch.setattr(psutil, "Process", lambda pid=None: Process(self, pid))

    def cpu_times(self, percpu: bool) -> list[Core]:
        return [
            self.core(user, self.now - user - stolen, stolen)
            for user, stolen in zip(self.user, self.stolen, strict=True)
        ]


class Process:
    """A process of that machine."""

    def __init__(self, machine: Machine, pid: int | None) -> None:
        self._machine = machine
        self._pid = pid
        self.cpu_times()

    def cpu_times(self) -> SimpleNamespace:
        if self._pid is None:
            return SimpleNamespace(user=self._machine.own, system=0.0)
        if self._pid not in self._machine.workers:
            raise psutil.NoSuchProcess(self._pid)
        return SimpleNamespace(user=0.0, system=self._machine.workers[self._pid])

    def cpu_affinity(self) -> list[int]:
        return [0, 1]


class Core(tuple[float, ...]):
    """A core's times as psutil gives them: a tuple with names."""

    def __new__(cls, user: float, idle: float, steal: float) -> Core:
        return super().__new__(cls, (user, idle, steal))

    @property
    def idle(self) -> float:
        return self[1]


class VirtualCore(Core):
    """A core of a system that tells what the hypervisor takes."""

    @property
    def steal(self) -> float:
        return self[2]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_our_own_work_is_not_a_neighbours(machine: Machine) -> None:
    watch = Neighbours()
    machine.now, machine.user, machine.own = 10.0, [10.0, 10.0, 0.0, 0.0], 20.0
    assert watch.busy_cores() == pytest.approx(0.0)


def test_what_others_do_on_our_cores_counts(machine: Machine) -> None:
    watch = Neighbours()
    machine.now, machine.user, machine.own = 10.0, [10.0, 8.0, 0.0, 0.0], 12.0
    assert watch.busy_cores() == pytest.approx(0.6)


def test_what_they_do_on_the_rest_of_a_shared_node_does_not(machine: Machine) -> None:
    watch = Neighbours()
    machine.now, machine.user, machine.own = 10.0, [10.0, 0.0, 10.0, 10.0], 10.0
    assert watch.busy_cores() == pytest.approx(0.0)


def test_a_moment_is_too_short_to_tell(machine: Machine) -> None:
    watch = Neighbours()
    machine.now = 0.4
    assert watch.busy_cores() is None


def test_what_our_workers_do_is_not_a_neighbours_either(machine: Machine) -> None:
    watch = Neighbours([CpuTime(), CpuTime(WORKER)])
    machine.now, machine.user, machine.own, machine.workers[WORKER] = 10.0, [10.0, 10.0, 0.0, 0.0], 8.0, 9.0
    assert watch.busy_cores() == pytest.approx(0.3)


def test_what_a_worker_did_before_it_died_stays_ours(machine: Machine) -> None:
    worker = CpuTime(WORKER)
    watch = Neighbours([CpuTime(), worker])
    machine.now, machine.user, machine.workers[WORKER] = 5.0, [5.0, 0.0, 0.0, 0.0], 4.0
    assert worker.seconds() == 4.0
    machine.now, machine.user = 10.0, [10.0, 0.0, 0.0, 0.0]
    machine.workers.clear()
    assert worker.seconds() == 4.0
    assert watch.busy_cores() == pytest.approx(0.6)


def test_a_stranger_with_a_dead_workers_number_is_not_ours(machine: Machine) -> None:
    machine.workers[WORKER] = 4.0
    worker = CpuTime(WORKER)
    machine.workers[WORKER] = 0.1
    assert worker.seconds() == 4.0
    machine.workers.clear()
    assert worker.seconds() == 4.0
    machine.workers[WORKER] = 50.0
    assert worker.seconds() == 4.0


def test_a_worker_that_was_never_there_used_nothing(machine: Machine) -> None:
    machine.workers.clear()
    assert CpuTime(WORKER).seconds() == 0.0


def test_what_the_hypervisor_takes_of_our_cores_is_others_too(machine: Machine) -> None:
    machine.core = VirtualCore
    watch = Neighbours()
    machine.now, machine.user, machine.stolen, machine.own = 10.0, [2.0, 0.0, 0.0, 0.0], [3.0, 1.0, 9.0, 9.0], 2.0
    assert watch.stolen_cores() == pytest.approx(0.4)
    assert watch.busy_cores() == pytest.approx(0.4)


def test_not_every_system_tells_what_is_stolen(machine: Machine) -> None:
    watch = Neighbours()
    machine.now = 10.0
    assert watch.stolen_cores() is None


def test_on_this_machine_it_is_a_number_of_cores() -> None:
    busy = Neighbours()
    assert busy._others() <= sum(sum(core) for core in psutil.cpu_times(percpu=True))

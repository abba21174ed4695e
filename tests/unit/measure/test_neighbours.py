"""What others do on our cores, from readings that the test makes up."""

from __future__ import annotations

from types import SimpleNamespace

import psutil
import pytest

from paco_prof.measure import neighbours
from paco_prof.measure.neighbours import Neighbours


class Machine:
    """Four cores, of which this process may use two; seconds of each are set by the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.user = [0.0] * 4
        self.own = 0.0
        monkeypatch.setattr(neighbours.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(psutil, "cpu_times", self.cpu_times)
        monkeypatch.setattr(psutil, "Process", lambda: self)

    def cpu_times(self, percpu: bool | None = None) -> object:
        if percpu is None:
            return SimpleNamespace(user=self.own, system=0.0)
        return [Core(user, self.now - user) for user in self.user]

    def cpu_affinity(self) -> list[int]:
        return [0, 1]


class Core(tuple[float, float]):
    """A core's times as psutil gives them: a tuple with names."""

    def __new__(cls, user: float, idle: float) -> Core:
        return super().__new__(cls, (user, idle))

    @property
    def idle(self) -> float:
        return self[1]


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


def test_on_this_machine_it_is_a_number_of_cores() -> None:
    busy = Neighbours()
    assert busy._others() <= sum(sum(core) for core in psutil.cpu_times(percpu=True))

"""What is found of a machine, from what it tells of itself."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from builders import CPU, GPU
from paco_prof.measure.doctor import machine_checks
from paco_prof.measure.doctor.machine_checks import check_machine, check_quietness
from paco_prof.records import DoctorCheck, MachineState

QUIET = MachineState(load_average=0.1, other_busy_cores=0.02, stolen_cores=0.0, governor="performance", cpu_throttled=0)


def named(checks: list[DoctorCheck]) -> dict[str, tuple[str, str]]:
    return {check.name: (check.status, check.reason) for check in checks}


def quietness(**changes: object) -> dict[str, tuple[str, str]]:
    return named(check_quietness(QUIET.model_copy(update=changes), CPU))


def room(monkeypatch: pytest.MonkeyPatch, *, memory: float = 20e9, shared: float = 10e9) -> None:
    """What is free."""
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=memory, total=25e9))
    monkeypatch.setattr(machine_checks.shutil, "disk_usage", lambda folder: SimpleNamespace(free=shared))


def test_a_quiet_machine_with_room_is_as_it_should_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    room(monkeypatch)
    monkeypatch.setattr("sys.platform", "linux")
    assert set(named(check_machine(CPU, tmp_path)).values()) == {("ok", "")}
    assert set(quietness().values()) == {("ok", "")}


def test_more_threads_than_cores_matter_on_a_cpu_alone(tmp_path: Path) -> None:
    many = {"threads": 4}
    assert named(check_machine(CPU.model_copy(update=many), tmp_path))["threads"] == ("warning", "oversubscribed")
    assert named(check_machine(GPU.model_copy(update={"threads": 99}), tmp_path))["threads"] == ("ok", "")


def test_little_memory_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    room(monkeypatch, memory=1e9)
    assert named(check_machine(CPU, tmp_path))["memory"] == ("warning", "full")


def test_the_shared_memory_of_a_container_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    room(monkeypatch, shared=64e6)
    monkeypatch.setattr("sys.platform", "linux")
    assert named(check_machine(CPU, tmp_path))["shared memory"] == ("warning", "small")


def test_elsewhere_than_on_linux_nobody_tells_of_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert named(check_machine(CPU, tmp_path / "none"))["shared memory"] == ("skipped", "not told")
    monkeypatch.setattr("sys.platform", "darwin")
    assert named(check_machine(CPU, tmp_path))["shared memory"] == ("skipped", "not told")


@pytest.mark.parametrize(
    ("changes", "name", "found"),
    [
        ({"other_busy_cores": 0.6}, "load", ("warning", "busy")),
        ({"other_busy_cores": 0.6, "stolen_cores": 0.5}, "load", ("warning", "stolen")),
        ({"other_busy_cores": None, "load_average": None, "stolen_cores": None}, "load", ("ok", "")),
        ({"governor": "powersave"}, "processor clock", ("warning", "saving")),
        ({"cpu_throttled": 3}, "processor clock", ("warning", "throttled")),
        ({"governor": None, "cpu_throttled": None}, "processor clock", ("skipped", "not told")),
    ],
)
def test_what_disturbs_is_a_warning(changes: dict[str, object], name: str, found: tuple[str, str]) -> None:
    assert quietness(**changes)[name] == found

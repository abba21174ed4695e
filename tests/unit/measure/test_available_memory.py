"""What a process may still take, on machines and in containers that are made up of files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from paco_prof.measure import available_memory
from paco_prof.measure.available_memory import KEPT_FREE, LEAST_RESERVE, available_bytes

GIBIBYTE = 2**30
NAMES = {
    2: ("memory.max", "memory.current", "inactive_file"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


@pytest.fixture
def containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the kernel shows the limits of containers, on a machine of 16 GiB of which 10 are free."""
    monkeypatch.setattr(available_memory, "CGROUPS", tmp_path)
    monkeypatch.setattr(available_memory, "OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10 * GIBIBYTE, total=16 * GIBIBYTE))
    return tmp_path


def limit(folder: Path, most: float | str, used: float, files: float = 0.0, version: int = 2) -> None:
    """A limit of a group, in GiB."""
    folder.mkdir(parents=True, exist_ok=True)
    of_most, of_used, of_files = NAMES[version]
    (folder / of_most).write_text(most if isinstance(most, str) else f"{round(most * GIBIBYTE)}\n")
    (folder / of_used).write_text(f"{round(used * GIBIBYTE)}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{of_files} {round(files * GIBIBYTE)}\nfile 7\n")


def gibibytes() -> float:
    """What is available, with what is kept for others."""
    found = available_bytes()
    return max((found + LEAST_RESERVE) / GIBIBYTE, found / (1 - available_memory.RESERVE_SHARE) / GIBIBYTE)


def test_a_part_of_what_is_available_is_left_to_others(containers: Path) -> None:
    assert available_bytes() == round(0.95 * 10 * GIBIBYTE)


def test_where_somebody_ends_what_leaves_too_little_more_is_left(
    containers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEPT_FREE, "0.25")
    # A quarter of 16 is nobody's.
    assert available_bytes() == round(0.95 * 6 * GIBIBYTE)
    limit(containers, 8, used=5)
    assert available_bytes() == GIBIBYTE - LEAST_RESERVE
    # No limit, as the first version of the kernel's interface has it.
    limit(containers, 2**33 - 1, used=5)
    assert available_bytes() == round(0.95 * 6 * GIBIBYTE)


def test_a_small_container_leaves_a_least_reserve(containers: Path) -> None:
    limit(containers, 4, used=3, files=1)
    assert available_bytes() == 2 * GIBIBYTE - LEAST_RESERVE


@pytest.mark.parametrize("version", [1, 2])
def test_who_sees_only_its_own_group_sees_its_limit_at_the_root(containers: Path, version: int) -> None:
    limit(containers / ("memory" if version == 1 else "."), 4, used=3, files=1, version=version)
    (containers / "own").write_text("9:memory:/docker/not/to/be/seen\n0::/../..\n")
    assert gibibytes() == pytest.approx(2.0)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("limited", ["job_7/step_0/task", "job_7/step_0", "job_7", "."])
def test_a_limit_of_the_own_group_or_of_one_that_holds_it_counts(containers: Path, version: int, limited: str) -> None:
    tree = containers / ("memory" if version == 1 else ".")
    limit(tree / "slurm" / limited, 4, used=3, files=1, version=version)
    # That of somebody else does not.
    limit(tree / "slurm" / "job_8", 1, used=1, version=version)
    own = "/slurm/job_7/step_0/task"
    (containers / "own").write_text(f"0::{own}\n" if version == 2 else f"11:cpu,memory:{own}\n0::/\n")
    assert gibibytes() == pytest.approx(2.0)


def test_of_several_limits_the_least_that_is_left_counts(containers: Path) -> None:
    (containers / "own").write_text("0::/user.slice/run.scope\n")
    limit(containers / "user.slice", 8, used=7)
    limit(containers / "user.slice" / "run.scope", 4, used=1)
    assert gibibytes() == pytest.approx(1.0)


def test_a_group_that_has_more_than_it_may_has_nothing_left(containers: Path) -> None:
    limit(containers, 4, used=5)
    assert available_bytes() == 0


@pytest.mark.parametrize("own", ["0::/scope\n", "", "nonsense", "0::"])
def test_a_container_without_a_limit_has_what_the_machine_has(containers: Path, own: str) -> None:
    (containers / "own").write_text(own)
    limit(containers / "scope", "max\n", used=3)
    assert available_bytes() == round(0.95 * 10 * GIBIBYTE)

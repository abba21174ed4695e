"""The installed `paco-prof doctor` on a CPU, from the shell to its files."""

from __future__ import annotations

import getpass
import re
import socket
import subprocess
from pathlib import Path

import pytest

from installed import COMMAND, ENVIRONMENT, PATIENCE
from paco_prof.analysis.noise_floor import noise_floor
from paco_prof.cli.progress import SilentProgress
from paco_prof.measure.doctor.noise_floor import check_launches, measure_noise
from paco_prof.records import DoctorRecord
from paco_prof.store import read_kind

# Leaves no time for the noise floor, whose launches are taken by themselves below.
FAST = "--device cpu --threads 1 --max-seconds 1 --no-progress"
# What a machine that others work on may get wrong, being slow.
BY_TIME = {"clock steadiness", "planted forward", "planted backward", "unattributed", "rows", "own cost", "A against A"}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A whole examination, and the folder that it was made in."""
    folder = tmp_path_factory.mktemp("doctor")
    command = [COMMAND, "doctor", *FAST.split(), "--output", str(folder / "run.json"), "--markdown", "report.md"]
    run = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    return run, folder


@pytest.fixture(scope="module")
def record(done: tuple[subprocess.CompletedProcess[str], Path]) -> DoctorRecord:
    return read_kind(done[1] / "run.json", DoctorRecord)


def test_it_finds_nothing_that_is_broken(
    done: tuple[subprocess.CompletedProcess[str], Path], record: DoctorRecord
) -> None:
    failed = {check.name for check in record.checks if check.status == "failed"}
    assert failed <= BY_TIME, done[0].stdout
    assert done[0].returncode == (1 if failed else 0), done[0].stderr
    assert record.status == "complete"


def test_every_group_was_looked_at(record: DoctorRecord) -> None:
    assert {check.group for check in record.checks} == {"installation", "device", "machine", "instrument"}
    found = {check.name: check.status for check in record.checks}
    assert {found[name] for name in ("python", "torch", "timm", "computing", "clock rate")} == {"ok"}
    assert {found[name] for name in ("stages", "calls", "order", "readings")} == {"ok"}
    assert {found[name] for name in ("event time", "reading", "tf32", "cuda")} == {"skipped"}


def test_what_it_rests_on_is_in_the_record(record: DoctorRecord) -> None:
    assert record.planted is not None
    assert len(record.planted.steps) == 7
    assert record.overhead is not None
    assert record.noise is None
    assert next(check.reason for check in record.checks if check.name == "launches") == "no time"


def test_launches_of_real_processes_are_a_step_against_itself() -> None:
    """One is taken whatever the time is."""
    outcome = measure_noise("cpu", 1, 0, 1e-3, SilentProgress(), lambda record: None)
    assert outcome.error is None
    assert check_launches(outcome.record).status == "ok"
    (launch,) = outcome.record.launches
    assert len(launch.baseline.training.steps) == len(launch.variant.training.steps) == 30
    assert noise_floor(outcome.record) is not None


def test_the_report_is_the_same_in_both_forms(done: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    run, folder = done
    assert sorted(path.name for path in folder.iterdir()) == ["report.md", "run.json"]
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    for words in ("The instrument", "Planted delays", "Verdict"):
        assert words in run.stdout
        assert f"## {words}" in markdown


def test_the_record_names_nobody_and_no_place(done: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, folder = done
    for name in ("run.json", "report.md"):
        text = (folder / name).read_text(encoding="utf-8")
        assert str(folder) not in text
        assert str(Path.home()) + "/" not in text
        for private in (socket.gethostname(), getpass.getuser()):
            assert not re.search(rf"\b{re.escape(private)}\b", text)

"""`paco-prof doctor`: what is asked for, what is shown, and what the shell sees."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from broken_instruments import BROKEN
from doctors import broken_record, healthy_record, warned_record
from paco_prof.cli.app import run
from paco_prof.errors import UsageError
from paco_prof.measure.doctor import examination
from paco_prof.records import DoctorRecord
from paco_prof.store import read_record, write_record


@dataclass
class Surgery:
    """Stands for the examination: remembers what was asked for, and finds what it was told to find."""

    record: DoctorRecord = field(default_factory=healthy_record)
    error: BaseException | None = None
    plans: list[examination.DoctorPlan] = field(default_factory=list)

    def __call__(
        self,
        plan: examination.DoctorPlan,
        progress: Any,
        save: Callable[[DoctorRecord], None],
        command: tuple[str, ...],
    ) -> examination.DoctorOutcome:
        self.plans.append(plan)
        if isinstance(self.error, UsageError):
            raise self.error
        save(self.record)
        return examination.DoctorOutcome(self.record, self.error)


@pytest.fixture
def surgery(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Surgery:
    """An examination that takes no time, in an empty folder."""
    surgery = Surgery()
    monkeypatch.setattr(examination, "examine", surgery)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    return surgery


def outcome(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(["doctor", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_healthy_machine_is_shown_and_ends_with_0(surgery: Surgery, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = outcome(capsys)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].startswith("HEALTHY")
    assert surgery.plans == [examination.DoctorPlan()]


def test_warnings_end_with_0(surgery: Surgery, capsys: pytest.CaptureFixture[str]) -> None:
    surgery.record = warned_record()
    assert outcome(capsys)[0] == 0


def test_what_failed_ends_with_1_and_is_named_on_standard_error(
    surgery: Surgery, capsys: pytest.CaptureFixture[str]
) -> None:
    surgery.record = broken_record()
    code, out, err = outcome(capsys)
    failed = [check for check in surgery.record.checks if check.status == "failed"]
    assert code == 1
    assert "FAILED" in out
    assert len(err.splitlines()) == len(failed)
    assert all(line.startswith("paco-prof: ") for line in err.splitlines())
    assert "paco-prof: Calls of each stage failed: block forward 4 and not 2." in err.splitlines()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("a clock that runs slow", "Clock, rate failed: too slow: off by -10.0 %"),
        ("a dropped event", "No reading lost failed: 1 of 91 spans are not measured"),
        ("a doubled stage", "Calls of each stage failed: stem forward 2 and not 1"),
    ],
)
def test_an_instrument_that_was_broken_on_purpose_ends_with_1_and_says_why(
    fault: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real self-test, on this machine; what has nothing to do with the instrument is left out."""
    for name in ("check_installation", "check_device"):
        monkeypatch.setattr(examination, name, lambda *arguments: [])
    monkeypatch.setattr(examination, "examine", partial(examination.examine, instrument=lambda device: BROKEN[fault]()))
    code, out, err = outcome(capsys, "--device", "cpu", "--max-seconds", "1", "--no-progress")
    assert code == 1
    assert words in err
    assert out.splitlines()[-1].endswith("with all of the above.")


def test_a_failure_is_loud_even_where_no_report_is_wanted(surgery: Surgery, capsys: pytest.CaptureFixture[str]) -> None:
    surgery.record = broken_record()
    code, out, err = outcome(capsys, "--quiet")
    assert (code, out) == (1, "")
    assert "Every stage seen failed: not seen in every step: stem backward." in err


def test_options_are_handed_on(surgery: Surgery, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--device", "cuda:1", "--threads", "3", "--seed", "5", "--max-seconds", "12", "--no-progress"]
    assert outcome(capsys, *options)[0] == 0
    assert surgery.plans == [examination.DoctorPlan("cuda:1", 3, 5, 12.0)]


def test_what_was_asked_for_is_written_and_can_be_shown_again(
    surgery: Surgery, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = outcome(capsys, "--output", "run.json", "--markdown", "report.md")
    assert (code, err) == (0, "Wrote run.json.\nWrote report.md.\n")
    assert repr(read_record(tmp_path / "run.json")) == repr(surgery.record)
    assert (tmp_path / "report.md").read_text(encoding="utf-8").startswith("# paco-prof doctor: healthy\n")
    assert run(["show", "run.json"]) == 0
    assert capsys.readouterr().out == out


def test_a_picture_of_it_is_refused_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_record(tmp_path / "run.json", healthy_record())
    assert run(["show", str(tmp_path / "run.json"), "--quiet", "--plot", str(tmp_path / "out.png")]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "is not drawn" in err


def test_an_interruption_shows_what_there_is_and_ends_with_130(
    surgery: Surgery, capsys: pytest.CaptureFixture[str]
) -> None:
    surgery.record, surgery.error = healthy_record(status="interrupted"), KeyboardInterrupt()
    code, out, err = outcome(capsys)
    assert (code, err) == (130, "paco-prof: Interrupted after 39 checks.\n")
    assert "INCOMPLETE" in out


def test_an_unknown_device_is_one_line(surgery: Surgery, capsys: pytest.CaptureFixture[str]) -> None:
    surgery.error = UsageError("'tpu' is not a device.", "Use auto, cpu, cuda, cuda:N, mps or xpu.")
    code, out, err = outcome(capsys, "--device", "tpu")
    assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    "arguments",
    [("--max-seconds", "0"), ("--threads", "0"), ("--output", "nowhere/run.json"), ("extra",), ("--plot", "out.png")],
)
def test_bad_input_is_one_line_before_anything_is_examined(
    arguments: tuple[str, ...], surgery: Surgery, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = outcome(capsys, *arguments)
    assert (code, out, err.count("\n"), surgery.plans) == (2, "", 1, [])


def test_help_names_the_exit_codes_and_torch_stays_out_of_it_and_of_showing(tmp_path: Path) -> None:
    write_record(tmp_path / "run.json", broken_record())
    for arguments in (["doctor", "--help"], ["show", str(tmp_path / "run.json")]):
        check = f"import sys; from paco_prof.cli.app import run; run({arguments!r}); sys.exit('torch' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert "Calls of each stage" in done.stdout

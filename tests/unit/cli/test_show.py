"""`paco-prof show`: any record again, and one line for what is none."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from builders import (
    EXAMPLES,
    analysis_record,
    changed,
    changed_data,
    cpu_record,
    exact_record,
    gpu_record,
    interrupted_record,
)
from paco_prof.cli.app import run
from paco_prof.records import BreakdownRecord, Note
from paco_prof.store import write_record

ANALYSIS = EXAMPLES / "analysis_batch8.json"
SHOW = [sys.executable, "-m", "paco_prof", "show", str(ANALYSIS)]


def saved(record: BreakdownRecord, folder: Path) -> str:
    """A record as a file."""
    write_record(folder / "run.json", record)
    return str(folder / "run.json")


def test_the_analysis_is_reproduced(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", str(ANALYSIS)]) == 0
    out = capsys.readouterr().out
    (loss,) = [line for line in out.splitlines() if line.startswith("Loss Computation  ")]
    assert loss.split()[2:] == ["4,972", "–", "4,972", "–", "94.1", "%", "CRITICAL"]
    for words in ("Quoted, not measured", "587x", "220 is forward / inference", "5.38 s a batch", "221.1", "368.5"):
        assert words in " ".join(out.split())


@pytest.mark.parametrize("record", [cpu_record(), gpu_record(), interrupted_record(), exact_record()])
def test_a_record_is_shown_as_when_it_was_measured(
    record: BreakdownRecord, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["show", saved(record, tmp_path)]) == 0
    once = capsys.readouterr()
    assert run(["show", saved(record, tmp_path)]) == 0
    assert capsys.readouterr() == once
    assert "Step" in once.out
    assert once.err == ""


def test_a_run_that_measured_no_step_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    early = cpu_record(training=None, loss_test=None, overhead=None, notes=(Note(code="interrupted"),))
    assert run(["show", saved(early, tmp_path)]) == 0
    assert "interrupted before a training step was over" in " ".join(capsys.readouterr().out.split())


def test_markdown_and_picture_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, picture = tmp_path / "report.md", tmp_path / "out.png"
    assert run(["show", str(ANALYSIS), "--quiet", "--markdown", str(report), "--plot", str(picture)]) == 0
    assert capsys.readouterr() == ("", "")
    assert "**Loss Computation**" in report.read_text(encoding="utf-8")
    assert picture.read_bytes().startswith(b"\x89PNG")


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a command line ends in, with exit code 2 and nothing on standard output."""
    code = run(["show", *arguments])
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("paco-prof: ")
    return captured.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not complete JSON"),
        (cpu_record().model_dump_json()[:900], "not complete JSON"),
        ("{}", "not a paco-prof record"),
        ('{"schema_version": 99, "kind": "breakdown"}', "Upgrade"),
        ('{"schema_version": 1, "kind": "breakdown"}', "not a valid record"),
    ],
)
def test_what_is_no_record_is_one_line(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.json").write_text(text)
    message = fails(capsys, str(tmp_path / "run.json"))
    assert words in message
    assert "run.json" in message


def test_a_missing_record_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No such file" in fails(capsys, str(tmp_path / "none.json"))


def test_an_output_that_cannot_be_written_is_found_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "does not exist" in fails(capsys, str(ANALYSIS), "--markdown", str(tmp_path / "nowhere" / "out.md"))
    assert ".png" in fails(capsys, str(ANALYSIS), "--plot", str(tmp_path / "out.gif"))


@pytest.mark.parametrize("option", ["--markdown"])
def test_showing_a_record_never_overwrites_it(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(cpu_record(), tmp_path)
    before = Path(path).read_bytes()
    fails(capsys, path, option, path)
    assert Path(path).read_bytes() == before


NO_STEPS = {"steps": (), "phases": {"forward": (), "backward": ()}, "stages": (), "stop_reason": "quoted"}
# Records that have every field and make no sense: somebody has written them by hand, or another program has.
SENSELESS = {
    "inference without runs": changed_data(cpu_record(), "inference.runs", ()),
    "inference in no time": changed_data(cpu_record(), "inference.runs", (0.0,) * 7),
    "no backward phase": changed_data(cpu_record(), "training.phases", {"forward": (1.0,) * 7}),
    "steps in no time": changed_data(cpu_record(), "training.steps", (0.0,) * 7),
    "steps of NaN": changed_data(cpu_record(), "training.steps", (math.nan,) * 7),
    "loss test without rounds": changed_data(cpu_record(), "loss_test.with_graph", ()),
    "half a pair": changed_data(cpu_record(), "overhead.bare", (1.0,)),
    "no pairs": changed_data(cpu_record(), "overhead", {"instrumented": (), "bare": ()}),
    "bare steps in no time": changed_data(cpu_record(), "overhead.bare", (0.0,) * 3),
    "a note that is no number": changed_data(cpu_record(), "notes", [{"code": "stages_only_trace", "number": "many"}]),
    "claims without steps": changed_data(analysis_record(), "training", NO_STEPS),
    "a projection for no batches": changed_data(
        analysis_record(), "claims", [{"quantity": "epoch_minutes", "text": "x", "value": 1.0}]
    ),
}


@pytest.mark.parametrize("name", SENSELESS)
def test_a_record_that_makes_no_sense_is_refused_in_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(SENSELESS[name]))
    assert run(["show", str(path)]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert "run.json is not a valid record" in captured.err


def test_a_claim_about_a_stage_that_is_not_there_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claims = [{"quantity": "share_percent", "text": "x", "value": 1.0, "stage": "nonsense"}]
    assert run(["show", saved(changed(analysis_record(), "claims", claims), tmp_path)]) == 0
    assert "nonsense" not in capsys.readouterr().out


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    """`paco-prof show run.json | head -1`; 1 would say that something got slower."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(SHOW, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_unicode_ends_in_no_traceback(encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(SHOW, capture_output=True, check=False, env=environment)
    assert b"Traceback" not in done.stderr
    assert done.returncode == 0
    assert b"4,972" in done.stdout

"""The installed `paco-prof breakdown`, from the shell to its files, on a tiny model on a CPU."""

from __future__ import annotations

import getpass
import json
import math
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from installed import COMMAND, ENVIRONMENT, MODEL, PATIENCE, TINY, Finished, breakdown
from paco_prof.store import read_record

# Goes on until somebody stops it: steps that are asked for are taken whatever the clock says.
ENDLESS = f"{MODEL} --batch-size 2 --steps 1000000 --max-seconds 1 --output run.json"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run with every output, named by absolute paths."""
    folder = tmp_path_factory.mktemp("whole")
    outputs = {"output": "run.json", "markdown": "report.md", "plot": "out.png", "trace": "trace.json"}
    named = " ".join(f"--{option} {shlex.quote(str(folder / name))}" for option, name in outputs.items())
    return breakdown(folder, f"{TINY} {named}")


def test_it_ends_well(whole: Finished) -> None:
    assert whole.code == 0, whole.err
    assert {path.name for path in whole.folder.iterdir()} == {"run.json", "report.md", "out.png", "trace.json"}


def test_every_part_was_measured(whole: Finished) -> None:
    record = whole.record
    assert record.inference is not None
    assert record.loss_test is not None
    assert record.overhead is not None
    assert record.memory is not None
    assert len(whole.training.steps) == 3
    assert whole.training.stop_reason == "as asked"
    assert record.workload.feature_map == (96, 3, 3)
    samples = [whole.training.steps, record.inference.runs, record.loss_test.backward, record.overhead.bare]
    assert all(math.isfinite(value) and value > 0 for of in samples for value in of)
    assert all(math.isfinite(value) for values in whole.training.losses.values() for value in values)


def test_the_stages_of_a_step_are_all_there(whole: Finished) -> None:
    stages = {(stage.path, stage.phase) for stage in whole.training.stages}
    parts = ["backbone", "part_sampling", "dim_reduction", "covariance", "negatives_pool", "classifier"]
    for path in [*parts, "loss/ce", "loss/pac", "loss/soc"]:
        assert {(path, "forward"), (path, "backward")} <= stages
    assert {("matching", "forward"), ("prototypes", "forward"), ("autograd", "backward")} <= stages
    assert {(path, "other") for path in ("transfer", "zero_grad", "graph_release", "optimizer")} <= stages
    assert all(value is not None and value >= 0 for stage in whole.training.stages for value in stage.seconds)


def test_rows_and_unattributed_are_the_step(whole: Finished) -> None:
    view = whole.view
    total = math.fsum([*(row.seconds for row in view.top_rows), view.unattributed["total"]])
    assert total == pytest.approx(view.step.value)
    for phase in ("forward", "backward"):
        held = [getattr(row, phase) for row in view.top_rows]
        known = [estimate.value for estimate in held if estimate is not None]
        assert sum(known) + view.unattributed[phase] == pytest.approx(getattr(view, phase).value)


def test_phases_hold_their_stages_step_by_step(whole: Finished) -> None:
    """No stage is counted twice, in no step."""
    training = whole.training
    for step, seconds in enumerate(training.steps):
        for phase, whole_phase in training.phases.items():
            inside = sum(s.seconds[step] or 0.0 for s in training.stages if s.phase == phase)
            assert inside <= whole_phase[step] * (1 + 1e-9)
        assert sum(samples[step] for samples in training.phases.values()) <= seconds * (1 + 1e-9)


def test_the_report_is_on_screen(whole: Finished) -> None:
    for words in ("Inference (one view)", "Training step", "Loss Computation", "Unattributed", "Findings"):
        assert words in whole.out
    assert "paco-prof breakdown: test_resnet, batch 2, 96 px" in whole.out
    assert max(map(len, whole.out.splitlines())) <= 80


def test_standard_error_says_what_was_written_and_nothing_else(whole: Finished) -> None:
    """No chatter of the profiler's, and no bar where there is no terminal."""
    assert [line for line in whole.err.splitlines() if not line.startswith("Wrote ")] == []
    for name in ("report.md", "out.png"):
        assert name in whole.err


def test_show_says_the_same_again(whole: Finished) -> None:
    command = [COMMAND, "show", "run.json"]
    again = subprocess.run(
        command, cwd=whole.folder, env=ENVIRONMENT, capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert again.stdout == whole.out


def strings(value: Any) -> Iterator[str]:
    """All text in a JSON document, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


@pytest.mark.parametrize("name", ["run.json", "trace.json"])
def test_a_file_that_is_shared_names_no_person_no_machine_and_no_path(whole: Finished, name: str) -> None:
    text = (whole.folder / name).read_text()
    for private in (getpass.getuser(), socket.gethostname(), str(Path.home()), str(whole.folder)):
        assert not re.search(rf"(?<!\w){re.escape(private)}(?!\w)", text)
    paths = [value for value in strings(json.loads(text)) if re.search(r"(^|[\s=:'\"])(/|[A-Z]:\\)\w", value)]
    assert paths == []
    if name == "run.json":
        assert "run.json" in whole.record.command


def test_the_trace_has_stages_on_a_track_a_phase(whole: Finished) -> None:
    events = json.loads((whole.folder / "trace.json").read_text())["traceEvents"]
    stages = [event for event in events if event.get("cat") == "stage"]
    (process,) = {event["pid"] for event in stages}
    tracks = {
        event["tid"]: event["args"]["name"]
        for event in events
        if event["ph"] == "M" and event["name"] == "thread_name" and event["pid"] == process
    }
    on_track = {phase: [e for e in stages if tracks[e["tid"]] == phase] for phase in ("forward", "backward", "other")}
    for phase in ("forward", "backward"):
        assert {"backbone", "loss", "loss/pac", "covariance"} <= {e["args"]["stage"] for e in on_track[phase]}
        # A part lies inside of what it is a part of, as a viewer has to see it.
        loss, pac = (next(e for e in on_track[phase] if e["args"]["stage"] == path) for path in ("loss", "loss/pac"))
        assert loss["ts"] <= pac["ts"] <= pac["ts"] + pac["dur"] <= loss["ts"] + loss["dur"]
    assert {"transfer", "optimizer"} <= {event["args"]["stage"] for event in on_track["other"]}
    assert all(event["ph"] == "X" and event["dur"] >= 0 for event in stages)
    ends = [max(e["ts"] + e["dur"] for e in on_track[phase]) for phase in ("forward", "backward")]
    assert ends[0] < ends[1]


def test_stages_and_operators_share_a_clock(whole: Finished) -> None:
    """The convolutions of the backbone lie inside its stages."""
    events = json.loads((whole.folder / "trace.json").read_text())["traceEvents"]
    backbone = [e for e in events if e.get("cat") == "stage" and e["name"] == "backbone"]
    convolutions = [e for e in events if e.get("name") == "aten::convolution" and e["ph"] == "X"]
    assert convolutions
    inside = [
        any(b["ts"] <= c["ts"] and c["ts"] + c["dur"] <= b["ts"] + b["dur"] for b in backbone) for c in convolutions
    ]
    assert sum(inside) > 0.8 * len(inside)


def test_the_report_and_the_picture_are_written(whole: Finished) -> None:
    report = (whole.folder / "report.md").read_text(encoding="utf-8")
    assert report.startswith("# paco-prof breakdown: test\\_resnet, batch 2, 96 px\n")
    assert "| **Step** |" in report
    assert (whole.folder / "out.png").read_bytes().startswith(b"\x89PNG")


def test_batch_size_one_runs_and_says_that_pac_is_zero(tmp_path: Path) -> None:
    done = breakdown(tmp_path, f"{MODEL} --batch-size 1 --steps 1 --warmup 0 --max-seconds 1 --output run.json")
    assert done.code == 0, done.err
    assert "PaC is 0" in " ".join(done.out.split())
    assert set(done.training.losses["pac"]) == {0.0}


def start(folder: Path) -> subprocess.Popen[str]:
    """Start an endless run and wait until training steps are on disk."""
    # A child inherits "ignore" from a parent in the background, and would not be interrupted.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [COMMAND, "breakdown", *shlex.split(ENDLESS)],
            cwd=folder,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + PATIENCE
    while not (folder / "run.json").exists() or read_record(folder / "run.json").training is None:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return process


def test_control_c_keeps_and_shows_what_was_measured(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    done = Finished(process.returncode, out, err, tmp_path)
    assert done.code == 130
    assert "Bottlenecks" in out
    assert "interrupted" in out
    assert "Traceback" not in err
    assert done.training.stop_reason == "interrupted"
    assert len(done.training.steps) >= 1
    assert [note.code for note in done.record.notes] == ["interrupted"]
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_killed_run_leaves_a_whole_record(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        process.kill()
        process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL
    done = Finished(process.returncode, "", "", tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["kind"] == "breakdown"
    assert len(done.training.steps) >= 1
    # Nobody was left to say so: the record must not claim to be complete.
    assert done.training.stop_reason == "interrupted"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--output nowhere/run.json", "does not exist"),
        ("--markdown .", "folder"),
        ("--plot out.gif", ".png"),
        ("--batch-size 0", "--batch-size"),
        ("--batch-size eight", "--batch-size"),
        ("-d 0", "-d"),
        ("-r -3", "-r"),
        ("--steps 0", "--steps"),
        ("--backbone test_resnett", "test_resnet"),
    ],
)
def test_bad_input_is_one_line_that_says_what_to_do(arguments: str, words: str, tmp_path: Path) -> None:
    done = breakdown(tmp_path, f"{TINY} {arguments}")
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert done.err.startswith("paco-prof: ")
    assert words in done.err
    assert list(tmp_path.iterdir()) == []

"""`paco-prof compare --accuracy` from its arguments to its exit code, with a training that is none."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from accuracies import accuracy_record, failed_record, unfinished_record
from comparisons import comparison_record
from paco_prof import __version__
from paco_prof.cli.app import run
from paco_prof.errors import UsageError
from paco_prof.records import AccuracyPlan, AccuracyRecord, RunPlan
from paco_prof.store import read_kind, read_record, write_record
from paco_prof.training import accuracy
from paco_prof.training.accuracy import AccuracyOutcome
from picture_folders import write_pictures

COMPARE = ["compare", "baseline", "exact", "--accuracy"]


@dataclass
class Stand:
    """Stands for the training: remembers what it was asked for, and comes back with what it was told to."""

    result: Callable[[], AccuracyRecord] = accuracy_record
    error: BaseException | None = None
    asked: list[AccuracyRecord] = field(default_factory=list)

    def __call__(self, record: AccuracyRecord, _progress: Any, save: Callable[[AccuracyRecord], None]) -> Stand:
        self.asked.append(record)
        self._save = save
        return self

    def run(self) -> AccuracyOutcome:
        found = self.result()
        if found.runs:
            self._save(found)
        return AccuracyOutcome(found, self.error)


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stand:
    stand = Stand()
    monkeypatch.setattr(accuracy, "AccuracyComparison", stand)
    monkeypatch.setattr(sys, "argv", ["paco-prof", "compare"])
    monkeypatch.chdir(tmp_path)
    return stand


def fails(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """The one line that a command line ends in."""
    found = run(list(arguments))
    captured = capsys.readouterr()
    assert (found, captured.out) == (code, "")
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("paco-prof: ")
    return captured.err


def kept(path: Path, record: AccuracyRecord) -> AccuracyRecord:
    """A record of this version, written to be gone on with."""
    record = record.model_copy(update={"tool_version": __version__})
    write_record(path, record)
    return record


def test_defaults(stand: Stand) -> None:
    assert run(COMPARE) == 0
    (record,) = stand.asked
    assert record.plan == AccuracyPlan(seeds=3, run=RunPlan(epochs=5), margin=0.01, target=None, twins=True)
    assert [contestant.name for contestant in record.contestants] == ["baseline", "exact"]
    assert all(contestant.workload.data == "digits" for contestant in record.contestants)
    assert (record.data.name, record.data.num_train, record.data.num_eval) == ("digits", 1437, 360)
    assert (record.runs, record.status) == ((), "running")


def test_every_option_arrives(stand: Stand, tmp_path: Path) -> None:
    write_pictures(tmp_path / "birds", {"a": 5, "b": 5})
    options = (
        "--seeds 7 --epochs 2 --margin 0.5 --target 90 --no-twin --data folder:birds --workers 3 --seed 4 "
        "--batch-size 2 --backbone test_vit --image-size 96 -K 3 -r 7 -d 8 --device cuda:1 --threads 3 "
        "--set gamma=0 --no-progress"
    )
    assert run([*COMPARE, *options.split()]) == 0
    (record,) = stand.asked
    assert record.plan == AccuracyPlan(seeds=7, run=RunPlan(epochs=2), margin=0.005, target=0.9, twins=False)
    for contestant in record.contestants:
        w = contestant.workload
        assert (w.data, w.workers, w.seed, w.batch_size, w.backbone) == ("folder:birds", 3, 4, 2, "test_vit")
        assert (w.image_size, w.num_parts, w.window, w.dim) == (96, 3, 7, 8)
        assert (w.device, w.threads, w.gamma) == ("cuda:1", 3, 0.0)
    assert (record.data.num_train, record.data.num_eval, record.data.num_classes) == (8, 2, 2)


def test_what_is_trained_is_reported_written_and_shown_again(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*COMPARE, "--output", "run.json", "--markdown", "run.md", "--plot", "run.png"]) == 0
    first = capsys.readouterr()
    assert read_record(Path("run.json")) == accuracy_record()
    assert Path("run.png").read_bytes().startswith(b"\x89PNG")
    assert Path("run.md").read_text(encoding="utf-8").startswith("# ")
    assert run(["show", "run.json"]) == 0
    assert capsys.readouterr().out == first.out != ""


def test_quiet_says_nothing(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*COMPARE, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_run_that_failed_is_told_after_the_others(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    stand.result = failed_record
    assert run([*COMPARE, "--output", "run.json"]) == 4
    captured = capsys.readouterr()
    assert "exact" in captured.out
    assert captured.err.endswith("paco-prof: exact, seed 3: the loss was NaN for 200 steps.\n")
    assert read_record(Path("run.json")) == failed_record()


def test_an_interruption_keeps_what_there_is(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    stand.error = KeyboardInterrupt()
    assert run([*COMPARE, "--output", "run.json"]) == 130
    captured = capsys.readouterr()
    assert captured.err.endswith("paco-prof: Interrupted after 24 runs.\n")
    assert captured.out != ""


def test_bad_input_that_only_training_finds_leaves_a_file_as_it_was(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    stand.error = UsageError("No such backbone.")
    stand.result = lambda: unfinished_record().model_copy(update={"runs": ()})
    Path("run.json").write_text("before", encoding="utf-8")
    line = fails(capsys, *COMPARE, "--output", "run.json", "--plot", "run.png")
    assert line == "paco-prof: No such backbone.\n"
    assert Path("run.json").read_text(encoding="utf-8") == "before"
    assert not Path("run.png").exists()


def test_nothing_is_drawn_before_the_first_evaluation(stand: Stand) -> None:
    record = unfinished_record()
    first = record.runs[0].model_copy(update={"epochs": ()})
    stand.result = lambda: record.model_copy(update={"runs": (first,)})
    stand.error = KeyboardInterrupt()
    assert run([*COMPARE, "--plot", "run.png"]) == 130
    assert not Path("run.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("compare baseline exact --seeds 2", "--seeds goes with --accuracy"),
        ("compare baseline exact --epochs 2", "--epochs goes with --accuracy"),
        ("compare baseline exact --margin 2", "--margin goes with --accuracy"),
        ("compare baseline exact --target 50", "--target goes with --accuracy"),
        ("compare baseline exact --no-twin", "--no-twin goes with --accuracy"),
        ("compare baseline exact --accuracy --launches 2", "--launches is for comparing times"),
        ("compare baseline exact --accuracy --pairs 5", "--pairs is for comparing times"),
        ("compare baseline exact --accuracy --max-minutes 5", "--max-minutes is for comparing times"),
        ("compare baseline exact --accuracy --timeout 5", "--timeout is for comparing times"),
        ("compare baseline exact --accuracy --sequential", "--sequential is for comparing times"),
        ("compare baseline exact --accuracy --retry-smaller", "--retry-smaller is for comparing times"),
        ("compare baseline exact --accuracy --epoch 3", "--epoch is for comparing times"),
        ("compare baseline exact --accuracy --no-fidelity", "--no-fidelity is for comparing times"),
        ("compare baseline exact --accuracy --seeds 0", "--seeds"),
        ("compare baseline exact --accuracy --epochs 0", "--epochs"),
        ("compare baseline exact --accuracy --margin 0", "--margin"),
        ("compare baseline exact --accuracy --margin -1", "--margin"),
        ("compare baseline exact --accuracy --margin 100", "--margin"),
        ("compare baseline exact --accuracy --margin nan", "--margin"),
        ("compare baseline exact --accuracy --target 0", "--target"),
        ("compare baseline exact --accuracy --target 101", "--target"),
        ("compare baseline exact --accuracy --workers -1", "--workers"),
        ("compare baseline exact --accuracy --data synthetic", "no images to learn from"),
        ("compare baseline exact --accuracy --data digit", "Did you mean digits?"),
        ("compare baseline exact --accuracy --data cifar10", "folder:PATH"),
        ("compare baseline exact --accuracy --data folder:", "--data folder:"),
        ("compare baseline exact --accuracy --data folder:nowhere", "nowhere does not exist"),
        ("compare baseline exact --accuracy --data folder:empty", "empty"),
        ("compare baseline exact --accuracy --data folder:one", "one class"),
        ("compare baseline --accuracy", "at least one variant"),
        ("compare --accuracy", "at least one variant"),
        ("compare baseline exakt --accuracy", "exact"),
        ("compare baseline exact --accuracy --output nowhere/run.json", "nowhere"),
        ("compare baseline exact --accuracy --plot run.gif", ".png"),
        ("compare baseline exact --data digit", "Did you mean digits?"),
        ("breakdown --data folder:nowhere", "nowhere does not exist"),
        ("ablate --data cifar10", "folder:PATH"),
        ("compare baseline exact --workers 2000", "--workers"),
    ],
)
def test_bad_input_is_one_line(
    arguments: str, words: str, stand: Stand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    write_pictures(tmp_path / "one", {"a": 6})
    before = sorted(tmp_path.rglob("*"))
    assert words in fails(capsys, *arguments.split())
    assert stand.asked == []
    assert sorted(tmp_path.rglob("*")) == before


def test_what_was_begun_goes_on_into_the_same_file(stand: Stand) -> None:
    record = kept(Path("run.json"), unfinished_record())
    assert run(["compare", "--accuracy", "--resume", "run.json"]) == 0
    assert stand.asked[0] == record.model_copy(update={"runs": (), "status": "running"})
    assert read_record(Path("run.json")) == accuracy_record()


def test_what_was_begun_goes_on_into_another_file(stand: Stand) -> None:
    record = kept(Path("run.json"), unfinished_record())
    assert run(["compare", "--accuracy", "--resume", "run.json", "--output", "other.json"]) == 0
    assert read_kind(Path("run.json"), AccuracyRecord) == record
    assert read_record(Path("other.json")) == accuracy_record()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("compare baseline exact --accuracy --resume run.json", "variants cannot be chosen once more"),
        ("compare --accuracy --resume run.json --seeds 4", "--seeds cannot be chosen once more"),
        ("compare --accuracy --resume run.json --no-twin", "--no-twin cannot be chosen once more"),
        ("compare --accuracy --resume run.json --data digits", "--data cannot be chosen once more"),
        ("compare --accuracy --resume run.json -K 2", "--parts cannot be chosen once more"),
        ("compare --accuracy --resume run.json --launches 2", "--launches is for comparing times"),
        ("compare --accuracy --resume times.json", "times.json is the record of a comparison"),
        ("compare --accuracy --resume none.json", "No such file"),
        ("compare --accuracy --resume all.json", "All that was planned has been trained"),
        ("compare --accuracy --resume old.json", "Begin a new one"),
        ("compare --resume run.json", "run.json is the record of"),
    ],
)
def test_what_cannot_go_on(arguments: str, words: str, stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    kept(Path("run.json"), unfinished_record())
    kept(Path("all.json"), accuracy_record())
    write_record(Path("old.json"), unfinished_record().model_copy(update={"tool_version": "0.0.1"}))
    write_record(Path("times.json"), comparison_record())
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    assert words in fails(capsys, *arguments.split())
    assert stand.asked == []
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before

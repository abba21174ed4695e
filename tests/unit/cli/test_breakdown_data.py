"""`paco-prof breakdown --data`: real images, waited for in a stage of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from paco_prof.cli.app import run
from paco_prof.records import BreakdownRecord
from paco_prof.store import read_kind
from picture_folders import cut_off, write_pictures

MODEL = "--backbone test_resnet --image-size 64 --batch-size 2 -K 2 -r 1 -d 8 --threads 1 --device cpu"
TIMED = "--warmup 1 --steps 3 --max-seconds 2 --no-fidelity --no-progress"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    write_pictures(tmp_path / "pictures", {"a": 5, "b": 5, "c": 5})


def broken_down(words: str) -> BreakdownRecord:
    assert run(["breakdown", *MODEL.split(), *TIMED.split(), *words.split(), "--output", "run.json"]) == 0
    return read_kind(Path("run.json"), BreakdownRecord)


@pytest.mark.parametrize(
    ("data", "workers", "num_classes"), [("digits", 0, 10), ("folder:pictures", 0, 3), ("folder:pictures", 1, 3)]
)
def test_waiting_is_a_stage(data: str, workers: int, num_classes: int, capsys: pytest.CaptureFixture[str]) -> None:
    record = broken_down(f"--data {data} --workers {workers}")
    training = record.training
    assert training is not None
    assert (record.workload.data, record.workload.num_classes, record.workload.workers) == (data, num_classes, workers)
    (waiting,) = [stage for stage in training.stages if stage.path == "data"]
    assert len(waiting.seconds) == len(training.steps) == 3
    assert all(
        waited is not None and 0 <= waited <= step for waited, step in zip(waiting.seconds, training.steps, strict=True)
    )
    assert len(training.loading) >= 3
    assert all(seconds > 0 for seconds in training.loading)
    out, err = capsys.readouterr()
    assert "Waiting for Data" in out
    assert data in out
    assert "Warning" not in err


def test_nothing_is_waited_for_without(capsys: pytest.CaptureFixture[str]) -> None:
    record = broken_down("")
    assert record.training is not None
    assert record.workload.data == "synthetic"
    assert record.training.loading == ()
    assert all(stage.path != "data" for stage in record.training.stages)
    out, _ = capsys.readouterr()
    assert "Waiting for Data" not in out
    assert "synthetic" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--data digts", "Did you mean digits?"),
        ("--data folder:nowhere", "nowhere does not exist"),
        ("--data folder:pictures --num-classes 4", "folder:pictures has 3 classes"),
    ],
)
def test_data_that_cannot_be_used(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["breakdown", *MODEL.split(), *TIMED.split(), *words.split(), "--output", "run.json"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
    assert not Path("run.json").exists()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_that_is_cut_off(workers: int, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(4):
        cut_off(Path("pictures") / "b" / f"{number:02}.jpg")
    words = f"--data folder:pictures --workers {workers} --output run.json"
    assert run(["breakdown", *MODEL.split(), *TIMED.split(), *words.split()]) == 2
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith("paco-prof: b/0")
    assert "cannot be decoded" in err

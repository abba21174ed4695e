"""The installed commands on a folder of pictures: accuracy beside speed, and an estimate measured now."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from installed import COMMAND, ENVIRONMENT, PATIENCE
from paco_prof.records import AccuracyRecord, EstimateRecord
from paco_prof.store import read_kind
from picture_folders import write_pictures

MODEL = "--backbone test_resnet --image-size 64 --batch-size 4 -K 2 -r 1 -d 8 --device cpu --threads 1"
# Every fifth of each class is held out.
NUM_TRAIN, NUM_EVAL = 8, 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a folder of pictures of two classes in it."""
    write_pictures(tmp_path / "pictures", {"a": 5, "b": 5})
    return tmp_path


def command(folder: Path, words: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder until it ends."""
    return subprocess.run(
        [COMMAND, *shlex.split(words)],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def test_accuracies_are_compared_and_shown_again(folder: Path) -> None:
    options = f"--accuracy --seeds 1 --epochs 1 --data folder:pictures {MODEL} --output run.json --plot run.png"
    done = command(folder, f"compare baseline exact {options}")
    assert (done.returncode, done.stderr.count("\n")) == (0, 2), done.stderr
    record = read_kind(folder / "run.json", AccuracyRecord)
    assert (record.status, record.plan.seeds, len(record.runs)) == ("complete", 1, 2)
    assert (record.data.num_train, record.data.num_eval, record.data.num_classes) == (NUM_TRAIN, NUM_EVAL, 2)
    assert [twin.contestant for twin in record.twins] == [0]
    assert all(len(run.correct) == NUM_EVAL for run in record.runs)
    assert str(folder) not in (folder / "run.json").read_text(encoding="utf-8")
    again = command(folder, "show run.json")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == done.stdout
    assert "twin" in done.stdout


def test_an_estimate_of_images_is_measured_now(folder: Path) -> None:
    """An epoch of two batches is shorter than the warm-up."""
    options = f"--variant exact --variant fused-loss --data folder:pictures --steps 4 --epochs 3 {MODEL}"
    done = command(folder, f"estimate {options} --output run.json")
    assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
    record = read_kind(folder / "run.json", EstimateRecord)
    assert (record.plan.epochs, record.plan.dataset_size, record.plan.eval_size) == (3, NUM_TRAIN, NUM_EVAL)
    assert [pilot.name for pilot in record.pilots] == ["exact", "fused-loss"]
    for pilot in record.pilots:
        assert pilot.evaluation is not None
        assert pilot.startup is not None
        assert pilot.steps[0].waiting
    assert "3 epochs" in done.stdout

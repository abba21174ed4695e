"""The installed `paco-prof train`: killed, interrupted and resumed, on a tiny model and a few pictures."""

from __future__ import annotations

import csv
import io
import os
import shlex
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from PIL import Image

from installed import COMMAND, ENVIRONMENT, PATIENCE
from paco_prof.records import EpochResult, TrainingRunRecord
from paco_prof.store import read_kind
from picture_folders import write_pictures

MODEL = "--backbone test_resnet --image-size 64 --batch-size 4 -K 2 -r 1 -d 8 --device cpu --threads 1"
EPOCHS = 3
# Pictures and not digits: a class is a folder, and an epoch of them is over in half a second.
CLASSES = {"a": 25, "b": 25, "c": 20}
NUM_TRAIN, NUM_EVAL, NUM_BATCHES = 56, 14, 14
TRAIN = f"{MODEL} --data folder:pictures --epochs {EPOCHS} --no-fidelity --quiet --checkpoint-minutes 0.0001"
FILES = {"run.json", "metrics.csv", "curves.png", "checkpoint.pt"}


@dataclass(frozen=True)
class Ended:
    """A command that is over, and the folder of its run."""

    code: int
    out: str
    err: str
    run: Path

    @property
    def record(self) -> TrainingRunRecord:
        return read_kind(self.run / "run.json", TrainingRunRecord)

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        return torch.load(self.run / "checkpoint.pt", weights_only=True)["weights"]


def command(folder: Path, words: str) -> Ended:
    """Run the command in a folder until it ends."""
    done = subprocess.run(
        [COMMAND, *shlex.split(words)],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return Ended(done.returncode, done.stdout, done.stderr, folder / "run")


def train(folder: Path, words: str = "") -> Ended:
    return command(folder, f"train --out run {TRAIN} {words}")


def cut_short(folder: Path, number: int, words: str = "") -> Ended:
    """Run it until there is a new checkpoint within an epoch, and send a signal to it and to what it has started, as a
    terminal does.
    """
    arguments = [COMMAND, *shlex.split(f"train --out run {TRAIN} {words}")]
    process = subprocess.Popen(
        arguments,
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    checkpoint, first = folder / "run" / "checkpoint.pt", ""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
        if checkpoint.exists() and (now := str(checkpoint.stat().st_mtime_ns)) != first:
            if first:
                break
            first = now
    workers = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=PATIENCE)
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []
    return Ended(process.returncode, out, err, folder / "run")


def learned(record: TrainingRunRecord) -> list[dict[str, Any]]:
    """What the epochs came to, times aside."""
    timed = {name for name in EpochResult.model_fields if name.endswith("seconds")}
    return [result.model_dump(exclude=timed) for result in record.epochs]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A run that nothing happens to."""
    folder = tmp_path_factory.mktemp("whole")
    write_pictures(folder / "pictures", CLASSES)
    return train(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the same pictures."""
    write_pictures(tmp_path / "pictures", CLASSES)
    return tmp_path


def test_it_ends_well_and_quietly(whole: Ended) -> None:
    assert (whole.code, whole.out, whole.err) == (0, "", "")
    assert {path.name for path in whole.run.iterdir()} == FILES


def test_its_record_is_complete(whole: Ended) -> None:
    record = whole.record
    assert (record.status, record.processes, len(record.epochs)) == ("complete", 1, EPOCHS)
    assert (record.data.name, record.data.num_train, record.data.num_eval) == ("folder:pictures", NUM_TRAIN, NUM_EVAL)
    assert record.workload.num_classes == 3
    assert all(result.num_batches == NUM_BATCHES for result in record.epochs)
    assert all(result.checkpoint_seconds > 0 for result in record.epochs)
    assert 0 < sum(result.seconds for result in record.epochs) < record.total_seconds


def test_metrics_have_a_row_for_each_epoch(whole: Ended) -> None:
    rows = list(csv.DictReader(io.StringIO((whole.run / "metrics.csv").read_text())))
    assert len(rows) == EPOCHS
    assert {"epoch", "accuracy"} <= rows[0].keys()


def test_there_is_a_picture(whole: Ended) -> None:
    with Image.open(whole.run / "curves.png") as picture:
        picture.load()
        assert min(picture.size) > 300


def test_the_record_can_be_shown_and_estimated_from(whole: Ended) -> None:
    shown = command(whole.run.parent, "show run/run.json")
    assert (shown.code, shown.err) == (0, "")
    assert f"{EPOCHS} of {EPOCHS} epochs" in " ".join(shown.out.split())
    estimated = command(whole.run.parent, "estimate --from run/run.json --epochs 50")
    assert (estimated.code, estimated.err) == (0, "")
    assert "50" in estimated.out


def test_no_path_of_this_machine_is_kept(whole: Ended) -> None:
    for name in ("run.json", "metrics.csv"):
        assert str(whole.run.parent) not in (whole.run / name).read_text()
    assert str(whole.run.parent).encode() not in (whole.run / "checkpoint.pt").read_bytes()


def test_killed_interrupted_and_resumed_it_learns_the_same(folder: Path, whole: Ended) -> None:
    killed = cut_short(folder, signal.SIGKILL)
    assert killed.code == -signal.SIGKILL
    # With a process that loads images, which must end too.
    stopped = cut_short(folder, signal.SIGINT, "--resume --workers 1")
    assert stopped.code == 130, stopped.err
    assert stopped.err.count("\n") == 1
    assert "Interrupted after" in stopped.err
    assert "--resume goes on" in stopped.err
    assert stopped.record.status == "interrupted"
    assert (stopped.run / "checkpoint.pt").exists()
    assert command(folder, "show run/run.json").code == 0
    resumed = train(folder, "--resume")
    assert (resumed.code, resumed.err) == (0, "")
    assert resumed.record.processes == 3
    assert resumed.weights.keys() == whole.weights.keys()
    assert all(torch.equal(whole.weights[name], value) for name, value in resumed.weights.items())
    assert learned(resumed.record) == learned(whole.record)
    assert {path.name for path in resumed.run.iterdir()} >= FILES


def test_a_run_is_never_overwritten(whole: Ended) -> None:
    before = {path.name: path.read_bytes() for path in whole.run.iterdir()}
    again, other = train(whole.run.parent), train(whole.run.parent, "--resume --seed 1")
    assert (again.code, other.code) == (2, 2)
    assert again.err == "paco-prof: run holds a run already. Use --resume to go on with it, or another --out.\n"
    assert other.err.startswith("paco-prof: The checkpoint is of another run: seed differs.")
    assert other.err.count("\n") == 1
    assert {path.name: path.read_bytes() for path in whole.run.iterdir()} == before

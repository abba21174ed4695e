"""The installed `paco-prof train`: killed, interrupted and resumed, on a tiny model and a few pictures."""

from __future__ import annotations

import csv
import io
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
from paco_prof.analysis.health import Collapse, find_in_epochs
from paco_prof.records import EpochResult, TrainingRunRecord
from paco_prof.store import read_kind
from picture_folders import cut_off, write_pictures

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
    """Run it until there is a checkpoint within an epoch, and send it a signal."""
    arguments = [COMMAND, *shlex.split(f"train --out run {TRAIN} {words}")]
    process = subprocess.Popen(
        arguments, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
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
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []
    return Ended(process.returncode, out, err, folder / "run")


def learned(record: TrainingRunRecord) -> list[dict[str, Any]]:
    """What the epochs came to, times aside."""
    timed = {name for name in EpochResult.model_fields if name.endswith("seconds")}
    return [result.model_dump(exclude=timed) for result in record.epochs]


def assert_same(resumed: Ended, whole: Ended) -> None:
    assert resumed.weights.keys() == whole.weights.keys()
    assert all(torch.equal(whole.weights[name], value) for name, value in resumed.weights.items())
    assert learned(resumed.record) == learned(whole.record)


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


def test_killed_and_resumed_it_learns_the_same(folder: Path, whole: Ended) -> None:
    killed = cut_short(folder, signal.SIGKILL)
    assert killed.code == -signal.SIGKILL
    resumed = train(folder, "--resume")
    assert (resumed.code, resumed.err) == (0, "")
    assert resumed.record.processes == 2
    assert_same(resumed, whole)
    assert {path.name for path in resumed.run.iterdir()} >= FILES


def test_interrupted_it_says_so_and_goes_on(folder: Path, whole: Ended) -> None:
    """With a process that loads images, which must end too."""
    stopped = cut_short(folder, signal.SIGINT, "--workers 1")
    assert stopped.code == 130, stopped.err
    assert stopped.err.count("\n") == 1
    assert "Interrupted after" in stopped.err
    assert "--resume goes on" in stopped.err
    assert stopped.record.status == "interrupted"
    assert command(folder, "show run/run.json").code == 0
    resumed = train(folder, "--resume")
    assert resumed.code == 0, resumed.err
    assert_same(resumed, whole)


def test_a_run_is_never_overwritten(whole: Ended) -> None:
    before = {path.name: path.read_bytes() for path in whole.run.iterdir()}
    again = train(whole.run.parent)
    assert again.code == 2
    assert again.err == "paco-prof: run holds a run already. Use --resume to go on with it, or another --out.\n"
    for words in ("--resume --seed 1", "--resume --variant baseline", "--resume -d 4", "--resume --epochs 1"):
        other = train(whole.run.parent, words)
        assert other.code == 2, words
        assert other.err.count("\n") == 1
    assert {path.name: path.read_bytes() for path in whole.run.iterdir()} == before


def test_a_spoilt_checkpoint_is_kept(folder: Path) -> None:
    (folder / "run").mkdir()
    (folder / "run" / "checkpoint.pt").write_bytes(b"spoilt")
    ended = train(folder, "--resume")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert "is not a checkpoint of paco-prof train" in ended.err
    assert [path.read_bytes() for path in ended.run.iterdir()] == [b"spoilt"]


def test_a_picture_that_is_cut_off_ends_it_in_one_line(folder: Path) -> None:
    cut_off(folder / "pictures" / "b" / "02.jpg")
    ended = train(folder, "--workers 1")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert ended.err.startswith("paco-prof: b/02.jpg cannot be decoded: ")


def test_a_run_that_is_built_to_collapse_is_told_from_a_healthy_one(folder: Path, whole: Ended) -> None:
    ended = train(folder, "--set window=99 --set epsilon=1e6")
    assert ended.code == 0, ended.err

    def collapses(record: TrainingRunRecord) -> list[object]:
        found = find_in_epochs(record.epochs, record.workload, record.data)
        return [finding for finding in found if isinstance(finding, Collapse)]

    assert len(collapses(ended.record)) == 1
    assert collapses(whole.record) == []
    shown = [" ".join(command(run.parent, "show run/run.json").out.split()) for run in (ended.run, whole.run)]
    assert ["PaC is stuck" in text for text in shown] == [True, False]

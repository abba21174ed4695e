"""`paco-prof train` on two processes that torchrun has started: interrupted, bereft of one of them, and resumed."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT
from typing import Any

import psutil
import pytest
import torch

from installed import COMMAND, ENVIRONMENT, PATIENCE
from paco_prof.records import EpochResult, TrainingRunRecord
from paco_prof.store import read_kind
from picture_folders import write_pictures

TORCHRUN = [str(Path(sys.executable).with_name("torchrun")), "--standalone", "--nproc-per-node", "2", "-m", "paco_prof"]
EPOCHS = 3
TRAIN = (
    "train --out run --backbone test_resnet --image-size 64 --batch-size 4 -K 2 -r 1 -d 8 --device cpu --threads 1 "
    f"--data folder:pictures --epochs {EPOCHS} --no-fidelity --checkpoint-minutes 0.0001"
)
# Seven steps of eight images are full; of the eighth each of the two has one, of which one is there once more.
CLASSES = {"a": 25, "b": 25, "c": 21}
NUM_TRAIN, NUM_DEALT, NUM_EVAL, NUM_BATCHES = 57, 58, 14, 8
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

    @property
    def said(self) -> list[str]:
        """What the tool said of an error; torchrun has words of its own."""
        return [line for line in self.err.splitlines() if line.startswith("paco-prof: ")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with pictures."""
    write_pictures(tmp_path / "pictures", CLASSES)
    return tmp_path


def train(folder: Path, words: str = "", during: Callable[[psutil.Process], object] | None = None) -> Ended:
    """Run it until it ends, with something done to it after a new checkpoint within an epoch."""
    process = subprocess.Popen(
        [*TORCHRUN, *shlex.split(f"{TRAIN} {words}")],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if during is not None:
        _wait_for_new(folder / "run" / "checkpoint.pt", process)
        during(psutil.Process(process.pid))
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return Ended(process.returncode, out, err, folder / "run")


def _wait_for_new(checkpoint: Path, process: subprocess.Popen[str]) -> None:
    first, deadline = "", time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
        if checkpoint.exists() and (now := str(checkpoint.stat().st_mtime_ns)) != first:
            if first:
                return
            first = now


def interrupt(torchrun: psutil.Process) -> None:
    torchrun.send_signal(SIGINT)


def kill_the_second(torchrun: psutil.Process) -> None:
    (second,) = (child for child in torchrun.children() if child.environ().get("RANK") == "1")
    second.kill()


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


def test_the_record_is_of_both_together(whole: Ended) -> None:
    assert (whole.code, whole.said) == (0, [])
    assert {path.name for path in whole.run.iterdir()} == FILES
    record = whole.record
    assert (record.status, record.processes, record.workload.world_size) == ("complete", 1, 2)
    assert (record.data.num_train, record.data.num_eval) == (NUM_TRAIN, NUM_EVAL)
    assert [(result.num_batches, result.num_images) for result in record.epochs] == [(NUM_BATCHES, NUM_DEALT)] * EPOCHS
    # Each held-out image was classified once.
    assert all(
        (result.accuracy or 0) * NUM_EVAL == pytest.approx(round((result.accuracy or 0) * NUM_EVAL))
        for result in record.epochs
    )
    assert record.command[:4] == ("torchrun", "--nproc-per-node", "2", "-m")


def test_one_of_them_reports(whole: Ended) -> None:
    text = " ".join(whole.out.split())
    assert text.count("paco-prof train:") == 1
    assert "2 devices, each with batches of 4: 8 images a step" in text
    # Libraries too are heard from one of them only.
    assert whole.err.splitlines() == [
        f"Wrote run/{name}." for name in ("run.json", "metrics.csv", "curves.png", "checkpoint.pt")
    ]


def test_a_checkpoint_is_that_of_one_model(whole: Ended) -> None:
    assert not [name for name in whole.weights if name.startswith("module.")]
    assert {"classifier.weight", "backbone.model.conv1.0.weight"} <= whole.weights.keys()


def test_another_number_of_devices_is_another_run(whole: Ended) -> None:
    before = (whole.run / "checkpoint.pt").read_bytes()
    alone = subprocess.run(
        [COMMAND, *shlex.split(f"{TRAIN} --resume --quiet")],
        cwd=whole.run.parent,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert alone.returncode == 2
    assert alone.stderr.startswith("paco-prof: The checkpoint is of another run: world_size differs.")
    assert alone.stderr.count("\n") == 1
    assert (whole.run / "checkpoint.pt").read_bytes() == before


def test_interrupted_bereft_and_resumed_it_learns_the_same(folder: Path, whole: Ended) -> None:
    stopped = train(folder, "--quiet", interrupt)
    assert len(stopped.said) == 1, stopped.err
    assert stopped.said[0].startswith("paco-prof: Interrupted after")
    assert stopped.said[0].endswith("--resume goes on.")
    assert stopped.record.status == "interrupted"
    bereft = train(folder, "--quiet --resume", kill_the_second)
    assert bereft.said == ["paco-prof: Rank 1 of 2 died, and with it the run; it left no message."], bereft.err
    assert bereft.code != 0
    assert bereft.record.status == "failed"
    resumed = train(folder, "--quiet --resume")
    assert (resumed.code, resumed.out, resumed.said) == (0, "", [])
    assert resumed.record.processes == 3
    assert resumed.weights.keys() == whole.weights.keys()
    assert all(torch.equal(whole.weights[name], value) for name, value in resumed.weights.items())
    assert learned(resumed.record) == learned(whole.record)

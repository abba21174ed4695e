"""`paco-prof train` given what it cannot use: one line, exit code 2, and nothing that was there is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from paco_prof.cli.app import run
from paco_prof.store import read_record
from picture_folders import cut_off, write_pictures

MODEL = "--backbone test_resnet --image-size 64 --batch-size 4 -K 2 -r 1 -d 8 --threads 1 --no-progress -q --epochs 1"
Tried = Callable[[str], str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with pictures of three classes in it."""
    monkeypatch.chdir(tmp_path)
    write_pictures(tmp_path / "pictures", {"a": 5, "b": 5, "c": 5})
    return tmp_path


@pytest.fixture
def refused(here: Path, capsys: pytest.CaptureFixture[str]) -> Tried:
    """Runs the command, which must refuse its input; returns what it says."""

    def tried(words: str) -> str:
        code = run(["train", *MODEL.split(), *words.split()])
        out, err = capsys.readouterr()
        assert (code, out) == (2, "")
        assert err.startswith("paco-prof: ")
        assert err.count("\n") == 1
        return err

    return tried


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--data folder:nowhere", "nowhere does not exist"),
        ("--data folder:", "there is no path"),
        ("--data digts", "Did you mean digits?"),
        ("--data synthetic", "no images to learn from"),
        ("--data folder:pictures --num-classes 7", "num_classes=7, but folder:pictures has 3 classes"),
        ("--data folder:pictures --batch-size 13 --drop-last", "do not fill a batch of 13"),
        ("--data folder:pictures --workers -1", "--workers"),
        ("--data folder:pictures --eval-every 0", "--eval-every"),
        ("--data folder:pictures --checkpoint-minutes 0", "--checkpoint-minutes"),
        ("--data folder:pictures --backbone nobody", "nobody"),
        ("--data folder:pictures -K 50", "K=50 parts do not fit"),
        ("--data folder:pictures --resume", "holds no checkpoint"),
        ("--data folder:pictures --set surprise=1", "surprise"),
        ("--data folder:pictures --gather-negatives", "needs several ranks: torchrun"),
        ("--data folder:pictures --set gather_negatives=true", "needs several ranks: torchrun"),
        ("--data folder:pictures --set world_size=2", "world_size"),
    ],
)
def test_what_cannot_be_used(refused: Tried, here: Path, words: str, said: str) -> None:
    assert said in refused(f"{words} --out run")
    assert not (here / "run").exists()


def test_no_epochs(refused: Tried, here: Path) -> None:
    assert "--epochs" in refused("--epochs 0 --out run")
    assert not (here / "run").exists()


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "is no image"), (b"text", "is no image"), (None, "holds one class only")]
)
def test_pictures_that_cannot_be_used(refused: Tried, here: Path, content: bytes | None, said: str) -> None:
    if content is None:
        write_pictures(here / "one", {"only": 6})
        assert said in refused("--data folder:one --out run")
    else:
        (here / "pictures" / "b" / "03.jpg").write_bytes(content)
        assert said in refused("--data folder:pictures --out run")
    assert not (here / "run").exists()


def test_a_picture_that_is_cut_off(refused: Tried, here: Path) -> None:
    """It shows when its turn comes; what had been learned until then is told, and where to go on from there."""
    cut_off(here / "pictures" / "b" / "02.jpg")
    words = "--data folder:pictures --out run"
    assert "paco-prof: b/02.jpg cannot be decoded: " in refused(words)
    assert read_record(here / "run" / "run.json").status == "failed"
    assert "Use another." in refused(words)
    assert "It has to begin anew, in another --out." in refused(f"{words} --resume")


@pytest.mark.parametrize("name", ["run.json", "metrics.csv", "curves.png", "checkpoint.pt"])
def test_a_folder_with_a_run_in_it(refused: Tried, here: Path, name: str) -> None:
    (here / "run").mkdir()
    (here / "run" / name).write_text("mine")
    assert "holds a run already" in refused("--data folder:pictures --out run")
    assert (here / "run" / name).read_text() == "mine"
    assert len(list((here / "run").iterdir())) == 1


def test_a_folder_that_cannot_be_one(refused: Tried, here: Path) -> None:
    (here / "file").write_text("mine")
    assert "is not a folder" in refused("--data folder:pictures --out file")
    assert "cannot be written" in refused("--data folder:pictures --out file/run")
    assert (here / "file").read_text() == "mine"


def test_a_spoilt_checkpoint(refused: Tried, here: Path) -> None:
    (here / "run").mkdir()
    (here / "run" / "checkpoint.pt").write_bytes(b"spoilt")
    (here / "run" / "run.json").write_text("{}")
    assert "is not a checkpoint of paco-prof train" in refused("--data folder:pictures --out run --resume")
    assert (here / "run" / "checkpoint.pt").read_bytes() == b"spoilt"
    assert (here / "run" / "run.json").read_text() == "{}"


def test_going_on_asks_for_as_many_epochs_as_before(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --epochs a run goes on to the end that it was to have."""
    words = ["train", *MODEL.split()[:-2], "--data", "folder:pictures", "--out", "run", "--no-fidelity"]
    assert run([*words, "--epochs", "2"]) == 0
    assert run([*words, "--resume"]) == 0
    assert len(read_record(here / "run" / "run.json").epochs) == 2
    assert run([*words, "--resume", "--epochs", "3"]) == 0
    assert len(read_record(here / "run" / "run.json").epochs) == 3
    assert run([*words, "--resume", "--epochs", "1"]) == 2
    assert "has 3 epochs already" in capsys.readouterr().err

"""Checkpoints: read without running anything, refused where they are not ones, or of another run."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from few_digits import few_digits, trainer_of
from one_of_two import OneOfTwo
from paco_prof.errors import UsageError
from paco_prof.ranks import Place
from paco_prof.records import RunPlan
from paco_prof.training import trainer as trainer_module
from paco_prof.training.checkpoint import read_checkpoint, restore, write_checkpoint
from paco_prof.training.epoch import EpochInProgress
from paco_prof.training.run import new_record
from paco_prof.training.trainer import Trainer


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a run after one step."""
    path = tmp_path_factory.mktemp("run") / "checkpoint.pt"
    trainer = trainer_of()
    epoch = EpochInProgress(0)
    trainer.begin(0)
    batch = trainer.loader.first()
    epoch.add(batch, trainer.take(batch, 0, 0), 0.25, is_first=True)
    write_checkpoint(path, trainer, new_record(trainer, RunPlan(epochs=4)), epoch)
    return path


@pytest.fixture(scope="module")
def trainer() -> Trainer:
    return trainer_of()


def test_it_holds_where_the_run_stands(written: Path) -> None:
    checkpoint = read_checkpoint(written)
    assert checkpoint.record.plan.epochs == 4
    assert (checkpoint.epoch.epoch, checkpoint.epoch.num_batches, checkpoint.epoch.num_images) == (0, 1, 4)
    assert checkpoint.epoch.start_seconds == 0.25
    assert {"total", "ce", "pac", "soc"} <= checkpoint.epoch.losses.keys()


def test_it_names_nobody_and_no_place(written: Path) -> None:
    content = written.read_bytes()
    for private in (str(Path.cwd()), str(Path.home()), str(written.parent)):
        if private != "/":
            assert private.encode() not in content


def test_it_leaves_nothing_beside_it(written: Path) -> None:
    assert [path.name for path in written.parent.iterdir()] == ["checkpoint.pt"]


class Bomb:
    """Whoever unpickles it runs a command."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch exploded",)


def _changed(path: Path, **changes: Any) -> None:
    torch.save({**torch.load(path, weights_only=True), **changes}, path)


def _of_rank(path: Path, **changes: Any) -> None:
    (mine,) = torch.load(path, weights_only=True)["ranks"]
    _changed(path, ranks=[{**mine, **changes}])


SPOILT: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not a checkpoint"),
    "text that is an instruction of a pickle": lambda path: path.write_text("spoilt"),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-5000]),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "a pickle": lambda path: path.write_bytes(pickle.dumps({"format": 1})),
    "a pickle that runs something": lambda path: path.write_bytes(pickle.dumps(Bomb())),
    "torch's file that runs something": lambda path: torch.save({"format": 1, "record": Bomb()}, path),
    "a list": lambda path: torch.save([1, 2], path),
    "a number": lambda path: torch.save(3, path),
    "weights alone": lambda path: torch.save({"weight": torch.zeros(2)}, path),
    "no record": lambda path: torch.save({"format": 1}, path),
    "a record that is none": lambda path: _changed(path, record="{}"),
    "an epoch that is none": lambda path: _of_rank(path, epoch={"losses": {}, "parts": None, "surprise": 1}),
    "an epoch of text": lambda path: _of_rank(path, epoch="first"),
    "no ranks": lambda path: _changed(path, ranks=[]),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_what_is_not_one_is_refused(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], object]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(written.read_bytes())
    spoil(path)
    content = path.read_bytes()
    with pytest.raises(UsageError, match="is not a checkpoint of paco-prof train"):
        read_checkpoint(path)
    assert path.read_bytes() == content
    assert not (tmp_path / "exploded").exists()


def test_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not there"):
        read_checkpoint(tmp_path / "checkpoint.pt")


def test_a_later_format_is_named(written: Path, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(written.read_bytes())
    _changed(path, format=3)
    with pytest.raises(UsageError, match="has format 3; this paco-prof reads 2"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"seed": 1}, "of another run: seed differs"),
        ({"data": "folder:digits"}, "of another run: data differs"),
        ({"learning_rate": 0.5}, "learning_rate differs"),
        ({"dim": 4}, "dim differs"),
        ({"batch_size": 3}, "batch_size differs"),
        ({"world_size": 2}, "world_size differs"),
        ({"matching": "scipy", "contrast": "loop"}, "contrast, matching differ"),
        ({"backbone": "test_vit"}, "backbone, channels_last differ"),
    ],
)
def test_one_of_another_run_is_refused(written: Path, settings: dict[str, Any], words: str) -> None:
    trainer = trainer_of(**settings)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    with pytest.raises(UsageError, match=words):
        restore(trainer, read_checkpoint(written))
    assert all(torch.equal(before[name], value) for name, value in trainer.model.state_dict().items())


def test_another_variant_is_refused(written: Path) -> None:
    with pytest.raises(UsageError, match="of another run"):
        restore(trainer_of("baseline"), read_checkpoint(written))


def test_other_images_are_refused(written: Path, monkeypatch: pytest.MonkeyPatch, trainer: Trainer) -> None:
    fewer = few_digits().train.chosen(range(17))
    monkeypatch.setattr(trainer_module, "len", lambda of: 17 if of is few_digits().train else len(of), raising=False)
    assert len(fewer) == 17
    with pytest.raises(UsageError, match="digits has other images"):
        restore(trainer, read_checkpoint(written))


@pytest.mark.parametrize("workers", [0, 3])
def test_another_number_of_workers_is_not_another_run(written: Path, workers: int) -> None:
    restore(trainer_of(workers=workers), read_checkpoint(written))


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": {}},
        {"weights": 3},
        {"weights": {"nobody": torch.zeros(1)}},
        {"optimization": {}},
        {"optimization": {"optimizer": {"state": {}, "param_groups": []}, "scaler": None, "num_updates": 0}},
        {"optimization": {"optimizer": {"state": {}, "param_groups": 3}, "scaler": None, "num_updates": 0}},
        {"ranks": [{"peaks": [1]}]},
    ],
)
def test_weights_of_another_model_are_refused(written: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(written.read_bytes())
    for mine in changes.pop("ranks", []):
        _of_rank(path, **mine)
    _changed(path, **changes)
    with pytest.raises(UsageError):
        restore(trainer_of(), read_checkpoint(path))


def test_one_of_before_there_were_ranks_is_read(written: Path, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    state = torch.load(written, weights_only=True)
    (mine,) = state.pop("ranks")
    torch.save({**state, **mine, "format": 1}, path)
    old, new = read_checkpoint(path), read_checkpoint(written)
    assert (old.record, old.epoch, old.peaks) == (new.record, new.epoch, new.peaks)
    restore(trainer_of(), old)


def test_one_that_cannot_be_written_is_one_error(written: Path, tmp_path: Path, trainer: Trainer) -> None:
    path = tmp_path / "checkpoint.pt"
    path.mkdir()
    with pytest.raises(UsageError):
        write_checkpoint(path, trainer, read_checkpoint(written).record, EpochInProgress(0))
    assert list(tmp_path.iterdir()) == [path]


def test_other_ranks_are_given_the_first_ones(written: Path, tmp_path: Path) -> None:
    """What lies in the same place on their machines is not read."""
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"an older one")
    given = read_checkpoint(path, OneOfTwo(Place(1, 2, 1), "gloo", decided=written.read_bytes()))
    read = read_checkpoint(written)
    assert (given.record, given.epoch) == (read.record, read.epoch)
    assert all(torch.equal(read.weights[name], value) for name, value in given.weights.items())

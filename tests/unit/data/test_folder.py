"""Folders of images: which are the classes, which images are held out, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from paco_prof.data.folder import image_folder
from paco_prof.data.images import Images
from paco_prof.data.loading import open_data
from paco_prof.errors import UsageError
from picture_folders import cut_off, write_pictures


def names(images: Images) -> list[str]:
    return [images.name(index) for index in range(len(images))]


def test_every_fifth_image_of_each_class_is_held_out(tmp_path: Path) -> None:
    data = image_folder(write_pictures(tmp_path / "birds", {"wren": 10, "tit": 7}))
    assert names(data.evaluation) == ["tit/04.jpg", "wren/04.jpg", "wren/09.jpg"]
    assert data.evaluation.targets == [0, 1, 1]
    assert len(data.train) == 14
    assert not set(names(data.train)) & set(names(data.evaluation))
    assert (data.name, data.num_classes, data.split) == ("folder:birds", 2, "every fifth image of each class")


@pytest.mark.parametrize(("train", "held_out"), [("train", "val"), ("train", "test"), ("training", "valid")])
def test_folders_of_splits_are_the_splits(tmp_path: Path, train: str, held_out: str) -> None:
    write_pictures(tmp_path / train, {"a": 3, "b": 2})
    write_pictures(tmp_path / held_out, {"a": 1, "b": 2})
    data = image_folder(tmp_path)
    assert names(data.train) == [f"{train}/{name}.jpg" for name in ("a/00", "a/01", "a/02", "b/00", "b/01")]
    assert names(data.evaluation) == [f"{held_out}/{name}.jpg" for name in ("a/00", "b/00", "b/01")]
    assert data.split == f"the folder {held_out}"


def test_classes_of_held_out_images_are_those_of_the_training_images(tmp_path: Path) -> None:
    write_pictures(tmp_path / "train", {"a": 2, "b": 2, "c": 2})
    write_pictures(tmp_path / "val", {"c": 2})
    data = image_folder(tmp_path)
    assert data.evaluation.targets == [2, 2]
    assert data.num_classes == 3


def test_a_train_folder_without_another_is_split(tmp_path: Path) -> None:
    write_pictures(tmp_path / "train", {"a": 5, "b": 5})
    data = image_folder(tmp_path)
    assert names(data.evaluation) == ["train/a/04.jpg", "train/b/04.jpg"]


def test_grey_and_transparent_images_are_read_in_colour(tmp_path: Path) -> None:
    write_pictures(tmp_path, {"a": 5, "b": 5})
    Image.new("L", (9, 9), 7).save(tmp_path / "a" / "00.jpg")
    Image.new("RGBA", (9, 9)).save(tmp_path / "a" / "99.png")
    data = image_folder(tmp_path)
    assert {data.train.load(index).mode for index in range(len(data.train))} == {"RGB"}


def test_a_name_needs_no_path_of_the_machine(tmp_path: Path) -> None:
    data = open_data(f"folder:{write_pictures(tmp_path / 'set', {'a': 5, 'b': 5})}")
    assert str(tmp_path) not in " ".join([data.name, data.split, *names(data.train)])


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ({}, "holds no images"),
        ({"a": 0, "b": 0}, "holds no images"),
        ({"only": 6}, "one class only"),
        ({"a": 4, "b": 3}, "no image to evaluate with"),
    ],
)
def test_too_little_is_refused(tmp_path: Path, images: dict[str, int], words: str) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(UsageError, match=words):
        image_folder(write_pictures(tmp_path / "set", images))


def test_text_files_are_no_images(tmp_path: Path) -> None:
    write_pictures(tmp_path, {"a": 0, "b": 0})
    (tmp_path / "a" / "notes.txt").write_text("not a picture")
    with pytest.raises(UsageError, match="holds no images"):
        image_folder(tmp_path)


def test_an_empty_folder_of_held_out_images_is_named(tmp_path: Path) -> None:
    write_pictures(tmp_path / "train", {"a": 2, "b": 2})
    (tmp_path / "val").mkdir()
    with pytest.raises(UsageError, match="holds no images in val"):
        image_folder(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a picture at all"])
def test_a_file_that_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    write_pictures(tmp_path, {"a": 5, "b": 5})
    (tmp_path / "b" / "03.jpg").write_bytes(content)
    with pytest.raises(UsageError, match=r"^b/03\.jpg is no image"):
        image_folder(tmp_path)


def test_an_image_that_would_fill_the_memory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(tmp_path, {"a": 5, "b": 5})
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 799)
    with pytest.raises(UsageError, match=r"^a/00\.jpg is no image"):
        image_folder(tmp_path)


def test_a_cut_off_image_is_found_when_its_turn_comes(tmp_path: Path) -> None:
    write_pictures(tmp_path, {"a": 5, "b": 5})
    cut_off(tmp_path / "a" / "01.jpg")
    data = image_folder(tmp_path)
    with pytest.raises(OSError, match="truncated"):
        data.train.load(1)


def test_a_folder_that_cannot_be_listed_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The superuser can list any folder, so the refusal is a pretended one."""
    write_pictures(tmp_path / "set", {"a": 5, "b": 5})

    def refused(_self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(UsageError, match="folder:set cannot be read: Permission denied"):
        image_folder(tmp_path / "set")

"""A folder of images with a folder for each class, as CUB-200-2011 and Cotton80 come, read by timm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from paco_prof.data.images import UNREADABLE, ImageData, Images
from paco_prof.data.spec import data_name
from paco_prof.errors import UsageError
from paco_prof.paco2.backbone import import_timm

__all__ = ["image_folder"]

# What the folders of the two splits are called; a set without them is split here.
TRAIN = ("train", "training")
EVALUATION = ("val", "valid", "validation", "eval", "evaluation", "test")
HELD_OUT_EVERY = 5


@dataclass(frozen=True)
class _FolderImages(Images):
    """Images in files.

    Attributes:
        files: their paths.
        root: the folder that they are all in.
    """

    files: Sequence[str]
    root: Path

    def load(self, index: int) -> Image.Image:
        with Image.open(self.files[index]) as image:
            return image.convert("RGB")

    def name(self, index: int) -> str:
        return str(Path(self.files[index]).relative_to(self.root))

    def chosen(self, indices: Sequence[int]) -> _FolderImages:
        return _FolderImages(
            [self.targets[index] for index in indices], [self.files[index] for index in indices], self.root
        )


def image_folder(folder: Path) -> ImageData:
    """The images below a folder, by class; the leaf folders are the classes.

    Where it has a folder `train` and one such as `val` or `test`, these are the splits; of any other set every fifth
    image of each class is held out.

    Raises:
        UsageError: no images, one class, an image that is none, or a folder that cannot be read.
    """
    name = data_name(f"folder:{folder}")
    train_folder, held_out = _subfolder(folder, TRAIN), _subfolder(folder, EVALUATION)
    samples, classes = _samples(train_folder or folder, name, None)
    if train_folder is not None and held_out is not None:
        held_out_samples, _ = _samples(held_out, name, classes)
        train, evaluation = _images(samples, folder), _images(held_out_samples, folder)
        split = f"the folder {held_out.name}"
    else:
        images = _images(samples, folder)
        indices = _every_fifth(images.targets)
        chosen = set(indices)
        train = images.chosen([index for index in range(len(images)) if index not in chosen])
        evaluation = images.chosen(indices)
        split = "every fifth image of each class"
    return ImageData(name, train, evaluation, len(classes), split)


def _subfolder(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def _samples(folder: Path, name: str, classes: dict[str, int] | None) -> tuple[list[tuple[str, int]], dict[str, int]]:
    """Files with their classes, and the classes; only the given ones where some are."""
    import_timm()
    from timm.data.dataset_factory import create_dataset

    try:
        next(folder.iterdir(), None)
        reader: Any = create_dataset("", root=str(folder), search_split=False, class_map=classes or {}).reader
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}.") from error
    except RuntimeError as error:
        raise UsageError(
            f"{name} holds no images{f' in {folder.name}' if classes is not None else ''}.",
            "Name a folder with a folder of images for each class.",
        ) from error
    return list(reader.samples), dict(reader.class_to_idx)


def _images(samples: Sequence[tuple[str, int]], root: Path) -> _FolderImages:
    images = _FolderImages([target for _, target in samples], [file for file, _ in samples], root)
    for index, file in enumerate(images.files):
        # Their headers only: pixels that cannot be decoded show when their turn comes.
        try:
            Image.open(file).close()
        except UNREADABLE as error:
            raise UsageError(f"{images.name(index)} is no image that can be read.", "Remove it, or mend it.") from error
    return images


def _every_fifth(targets: Sequence[int]) -> list[int]:
    seen: Counter[int] = Counter()
    held_out = []
    for index, target in enumerate(targets):
        seen[target] += 1
        if seen[target] % HELD_OUT_EVERY == 0:
            held_out.append(index)
    return held_out

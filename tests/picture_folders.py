"""Folders of small pictures, one folder a class, as a user would name them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["cut_off", "write_pictures"]

SIDE = 40


def write_pictures(folder: Path, images: Mapping[str, int], side: int = SIDE) -> Path:
    """A folder with so many pictures of noise in each class; returns the folder."""
    generator = np.random.default_rng(0)
    for name, count in images.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(0, 256, (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:02}.jpg")
    return folder


def cut_off(picture: Path) -> None:
    """Leave the first half of a picture: its header tells nothing of what is missing."""
    data = picture.read_bytes()
    picture.write_bytes(data[: len(data) // 2])

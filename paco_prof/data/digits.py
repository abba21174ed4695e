"""Handwritten digits that come with scikit-learn: real images that need no download."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from paco_prof.data.images import ImageData, Images
from paco_prof.data.spec import DIGITS

__all__ = ["digits"]

# They are 8 x 8 pixels of 17 grey levels. Magnified before they are cropped, so that a crop can begin between pixels.
MAGNIFIED = 64
WHITE = 16
HELD_OUT = 0.2
# A mirrored digit is none, and a small crop may be any; their classes are told apart by shape alone.
AUGMENTATION = {"hflip": 0.0, "scale": (0.6, 1.0), "ratio": (0.9, 1.1), "color_jitter": 0.2}


@dataclass(frozen=True)
class _DigitImages(Images):
    """Digits in memory.

    Attributes:
        pixels: each of them, in grey.
    """

    pixels: Sequence[Image.Image]

    def load(self, index: int) -> Image.Image:
        return self.pixels[index].convert("RGB")

    def name(self, index: int) -> str:
        return f"digit {index}"

    def chosen(self, indices: Sequence[int]) -> _DigitImages:
        return _DigitImages([self.targets[index] for index in indices], [self.pixels[index] for index in indices])


def digits() -> ImageData:
    """The 1,797 digits of the UCI machine learning repository (Alpaydin and Kaynak, 1998): 1,437 to train with, and
    one in five of each class, always the same 360, to evaluate with.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    train, evaluation = train_test_split(
        np.arange(len(bunch.target)), test_size=HELD_OUT, stratify=bunch.target, random_state=0
    )
    pixels = np.round(bunch.images * (255 / WHITE)).astype(np.uint8)
    magnified = [Image.fromarray(image).resize((MAGNIFIED, MAGNIFIED), Image.Resampling.BICUBIC) for image in pixels]
    images = _DigitImages(bunch.target.tolist(), magnified)
    return ImageData(
        DIGITS,
        images.chosen(sorted(train.tolist())),
        images.chosen(sorted(evaluation.tolist())),
        num_classes=len(bunch.target_names),
        split="one in five of each class",
        augmentation=AUGMENTATION,
    )

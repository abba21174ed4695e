"""Where images come from: a set of labelled images in two splits."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from PIL import Image

from paco_prof.errors import UsageError

__all__ = ["UNREADABLE", "ImageData", "Images"]

# What Pillow raises for a file that is no image, that is cut off, or that would fill the memory.
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


@dataclass(frozen=True)
class Images(ABC):
    """Labelled images, which a loading process may be handed.

    Attributes:
        targets: the class of each, from 0.
    """

    targets: Sequence[int]

    def __len__(self) -> int:
        return len(self.targets)

    @abstractmethod
    def load(self, index: int) -> Image.Image:
        """Read one, in colour.

        Raises:
            UNREADABLE: any of them; it cannot be read or decoded.
        """

    @abstractmethod
    def name(self, index: int) -> str:
        """What to call one in an error."""

    @abstractmethod
    def chosen(self, indices: Sequence[int]) -> Self:
        """Only some of them."""


@dataclass(frozen=True)
class ImageData:
    """A set of images to learn from, and one to be judged by.

    Attributes:
        name: what reports call it.
        train, evaluation: the two splits.
        num_classes: classes.
        split: where the held-out images come from, in words.
        augmentation: arguments of timm's transform factory that differ from its defaults, for the two views.
    """

    name: str
    train: Images
    evaluation: Images
    num_classes: int
    split: str
    augmentation: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.num_classes < 2:
            raise UsageError(f"{self.name} holds one class only.", "There is nothing to tell apart; two are needed.")
        for which, images in (("train", self.train), ("evaluate", self.evaluation)):
            if len(images) == 0:
                raise UsageError(f"{self.name} holds no image to {which} with.", "A few of each class are needed.")

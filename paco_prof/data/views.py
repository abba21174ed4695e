"""Two augmented views of an image, the same ones whenever and wherever they are made."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from paco_prof.data.batch import Batch
from paco_prof.data.images import UNREADABLE, ImageData, Images
from paco_prof.data.seeds import seed_of
from paco_prof.errors import UsageError
from paco_prof.paco2.backbone import import_timm

__all__ = ["Key", "Sample", "Unreadable", "Views", "collate", "evaluation_views", "training_views"]

# Epoch and index: what a sampler asks a data set for.
Key = tuple[int, int]
Transform = Callable[[Image.Image], Tensor]


@dataclass(frozen=True)
class Sample:
    """One image: both views (3, size, size), its class, and the seconds that it took."""

    x1: Tensor
    x2: Tensor
    target: int
    seconds: float


@dataclass(frozen=True)
class Unreadable:
    """An image that could not be decoded, and why; a value, so that a loading process can hand it over."""

    name: str
    reason: str


class Views(Dataset[Sample | Unreadable]):
    """Images as a model sees them.

    What is random about a view is drawn from the seed, the epoch and the image's index: it depends neither on how many
    processes load images nor on where a run was resumed.

    Args:
        images: whose views.
        transform: makes one of them.
        seed: of what is random.
        num_views: two different ones, or one that stands for both.
    """

    def __init__(self, images: Images, transform: Transform, seed: int, num_views: int) -> None:
        self._images = images
        self._transform = transform
        self._seed = seed
        self._num_views = num_views

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, key: Key) -> Sample | Unreadable:
        epoch, index = key
        start = time.perf_counter()
        try:
            image = self._images.load(index)
        except UNREADABLE as error:
            return Unreadable(self._images.name(index), str(error))
        with _seeded(self._seed, epoch, index):
            views = [self._transform(image) for _ in range(self._num_views)]
        return Sample(views[0], views[-1], self._images.targets[index], time.perf_counter() - start)


def training_views(data: ImageData, size: int, seed: int) -> Views:
    """Two augmented views of each training image, as timm augments images of that size."""
    return Views(data.train, _transform(size, is_training=True, **data.augmentation), seed, num_views=2)


def evaluation_views(data: ImageData, size: int) -> Views:
    """Each evaluation image once, resized and cropped in its middle as timm does."""
    return Views(data.evaluation, _transform(size, is_training=False), 0, num_views=1)


def collate(samples: Sequence[Sample | Unreadable]) -> Batch | Unreadable:
    """A batch, or what kept it from being one."""
    read = []
    for sample in samples:
        if isinstance(sample, Unreadable):
            return sample
        read.append(sample)
    start = time.perf_counter()
    x1 = torch.stack([sample.x1 for sample in read])
    x2 = x1 if all(sample.x2 is sample.x1 for sample in read) else torch.stack([sample.x2 for sample in read])
    targets = torch.tensor([sample.target for sample in read])
    seconds = sum(sample.seconds for sample in read) + time.perf_counter() - start
    return Batch(x1, x2, targets, seconds)


def _transform(size: int, **settings: Any) -> Transform:
    import_timm()
    from timm.data.transforms_factory import create_transform

    try:
        transform: Transform = create_transform(size, **settings)
    except (AssertionError, TypeError, ValueError) as error:
        raise UsageError(f"Images of {size} px cannot be made: {error}.", "Try another --image-size.") from error
    return transform


@contextlib.contextmanager
def _seeded(*parts: int) -> Iterator[None]:
    """Everything that transforms draw from begins anew, and goes on afterwards where it had been before."""
    seed = seed_of(*parts)
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)

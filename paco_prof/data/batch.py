"""A batch of two views, and whatever hands out one after the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, nn

__all__ = ["Batch", "Batches", "SameBatch", "synthetic_batch"]


@dataclass(frozen=True)
class Batch:
    """Two views of some images and their classes, in the host's memory.

    Attributes:
        x1, x2: the views, (B, 3, height, width); one and the same where images are only to be classified.
        targets: class indices, (B,).
        loading_seconds: that loading it took, in the process that did it; None where nothing was loaded.
    """

    x1: Tensor
    x2: Tensor
    targets: Tensor
    loading_seconds: float | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def channels_last(self) -> Batch:
        """The same with the channels of each pixel side by side, as a loader would hand them out."""
        x1, x2 = (x.contiguous(memory_format=torch.channels_last) for x in (self.x1, self.x2))
        return replace(self, x1=x1, x2=x2)

    def pin_memory(self) -> Batch:
        """The same in page-locked memory, from which a device can copy while the host goes on (torch's loader asks for
        it by this name).
        """
        return replace(self, x1=self.x1.pin_memory(), x2=self.x2.pin_memory(), targets=self.targets.pin_memory())


class Batches(Protocol):
    """Whatever hands out batches for ever.

    Attributes:
        first: the batch that everything is measured on that is not a step.
        loading: seconds that loading took for each batch that was handed out so far.
    """

    @property
    def first(self) -> Batch: ...

    @property
    def loading(self) -> tuple[float, ...]: ...

    def next(self) -> Batch:
        """The next one, announcing the wait for it as a stage where there is one."""
        ...


@dataclass(frozen=True)
class SameBatch:
    """Hands out one batch again and again."""

    first: Batch
    loading: tuple[float, ...] = ()

    def next(self) -> Batch:
        """That batch, which nobody waits for."""
        return self.first


def synthetic_batch(num_images: int, num_classes: int, size: int, seed: int) -> Batch:
    """Random smooth images of `size` pixels and, as their second view, the same mirrored and with noise."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(num_images, 3, 8, 8, generator=generator)
    x1 = nn.functional.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)
    x2 = x1.flip(-1) + 0.1 * torch.randn(x1.shape, generator=generator)
    return Batch(x1, x2, torch.randint(0, num_classes, (num_images,), generator=generator))

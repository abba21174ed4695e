"""Means of a feature map over square windows around given pixels, in three forms with one signature.

All take a map (B, C, H, W), pixels (B, K, 2) as row and column, and the odd side of the window, and return (B, K, C).
A window that crosses the border is clipped: its mean is over the pixels that exist.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from paco_prof.forms import Sampling

__all__ = ["WINDOW_MEANS", "WindowMeans", "pool_windows", "pool_windows_batched", "pool_windows_separable"]


class WindowMeans(Protocol):
    """The signature that the forms share."""

    def __call__(self, F: Tensor, peaks: Tensor, window: int) -> Tensor: ...


def pool_windows(F: Tensor, peaks: Tensor, window: int) -> Tensor:
    """Window means one after another, the reference; the host waits for the peaks."""
    reach = window // 2
    images = []
    for image in range(F.shape[0]):
        parts = []
        for row, col in peaks[image].tolist():
            patch = F[image, :, max(0, row - reach) : row + reach + 1, max(0, col - reach) : col + reach + 1]
            parts.append(patch.mean(dim=(1, 2)))
        images.append(torch.stack(parts))
    return torch.stack(images)


def pool_windows_batched(F: Tensor, peaks: Tensor, window: int) -> Tensor:
    """All window means as one product of the windows' 0-1 masks (B, K, H W) with the map.

    The sums differ from the reference's by rounding alone. A mask of zeros and ones is exact in every floating-point
    type, so under reduced precision no weight is rounded. What is not finite anywhere on an image's map reaches all of
    its parts (0 times infinity), where the loop keeps it to the windows that hold it.
    """
    rows, cols = _axis_mask(peaks[..., 0], F.shape[2], window), _axis_mask(peaks[..., 1], F.shape[3], window)
    mask = (rows[..., :, None] & cols[..., None, :]).flatten(2)
    return mask.to(F.dtype) @ F.flatten(2).transpose(1, 2) / mask.sum(dim=2, keepdim=True)


def pool_windows_separable(F: Tensor, peaks: Tensor, window: int) -> Tensor:
    """Two one-dimensional averages of the whole map, of which the peaks' pixels are read.

    A clipped window is a rectangle, and the mean over a rectangle is the mean of its rows' means: this differs from
    the reference by rounding alone, in reduced precision by one rounding more. It averages at every pixel, where K of
    them are asked for.
    """
    reach = window // 2
    rows = functional.avg_pool2d(F, (1, window), stride=1, padding=(0, reach), count_include_pad=False)
    means = functional.avg_pool2d(rows, (window, 1), stride=1, padding=(reach, 0), count_include_pad=False)
    pixels = peaks[..., 0] * F.shape[3] + peaks[..., 1]
    return means.flatten(2).gather(2, pixels[:, None].expand(-1, F.shape[1], -1)).transpose(1, 2)


def _axis_mask(centres: Tensor, size: int, window: int) -> Tensor:
    """Which of `size` positions lie within a window's reach of each centre (B, K), as (B, K, size)."""
    return (torch.arange(size, device=centres.device) - centres[..., None]).abs() <= window // 2


WINDOW_MEANS: dict[Sampling, WindowMeans] = {
    "loop": pool_windows,
    "batched": pool_windows_batched,
    "separable": pool_windows_separable,
}

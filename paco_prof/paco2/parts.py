"""Part sampling: the K salient windows of a feature map."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from paco_prof.errors import UsageError
from paco_prof.stages import PART_SAMPLING, stage

__all__ = ["PartSampler", "Parts", "find_peaks", "pool_windows", "saliency_map"]

SUPPRESSED_FRACTION = 0.1


class Parts(NamedTuple):
    """The parts of one view of a batch.

    Attributes:
        features: mean feature of each part's window, (B, K, C).
        peaks: row and column of each part's peak on the feature map, (B, K, 2), int64.
        saliency: the map that the peaks were taken from, (B, H, W).
    """

    features: Tensor
    peaks: Tensor
    saliency: Tensor


def saliency_map(F: Tensor, weight: Tensor) -> Tensor:
    """Saliency `M = (sum_c a_c F_c) * S` of a feature map (B, C, H, W), as (B, H, W).

    `a = softmax_C(GAP(F))` attends to channels, `S = softmax_HW(weight * mean_C F)` to places; `weight` is the
    single weight of the 1-to-1 convolution.
    """
    channel_attention = F.mean(dim=(2, 3)).softmax(dim=1)
    spatial_logits = F.mean(dim=1) * weight.reshape(())
    spatial_attention = spatial_logits.flatten(1).softmax(dim=1).view_as(spatial_logits)
    return (channel_attention[:, :, None, None] * F).sum(dim=1) * spatial_attention


@torch.no_grad()
def find_peaks(M: Tensor, num_parts: int) -> Tensor:
    """The `num_parts` peaks of each saliency map (B, H, W), strongest first, as (row, column), (B, K, 2), int64.

    After each arg-max (the first of equals) a rectangle of `int(0.1 H)` rows and `int(0.1 W)` columns to every
    side of the peak is suppressed; on a 7 x 7 map that is the peak alone. Where everything is suppressed the
    arg-max of a constant map remains: pixel (0, 0).

    Raises:
        UsageError: the map has fewer pixels than parts are asked for.
    """
    num_images, height, width = M.shape
    if num_parts > height * width:
        raise UsageError(
            f"K={num_parts} parts do not fit on a feature map of {height} x {width} = {height * width} pixels.",
            "Use a smaller -K or a larger --image-size.",
        )
    rows, cols = int(SUPPRESSED_FRACTION * height), int(SUPPRESSED_FRACTION * width)
    peaks = torch.zeros(num_images, num_parts, 2, dtype=torch.long, device=M.device)
    for image in range(num_images):
        remaining = M[image].clone()
        for part in range(num_parts):
            row, col = divmod(int(remaining.argmax().item()), width)
            peaks[image, part, 0], peaks[image, part, 1] = row, col
            remaining[max(0, row - rows) : row + rows + 1, max(0, col - cols) : col + cols + 1] = -torch.inf
    return peaks


def pool_windows(F: Tensor, peaks: Tensor, window: int) -> Tensor:
    """Mean of `F` (B, C, H, W) over the `window` x `window` pixels around each peak (B, K, 2), as (B, K, C).

    A window that crosses the border is clipped: its mean is over the pixels that exist.
    """
    reach = window // 2
    images = []
    for image in range(F.shape[0]):
        parts = []
        for row, col in peaks[image].tolist():
            patch = F[image, :, max(0, row - reach) : row + reach + 1, max(0, col - reach) : col + reach + 1]
            parts.append(patch.mean(dim=(1, 2)))
        images.append(torch.stack(parts))
    return torch.stack(images)


class PartSampler(nn.Module):
    """Picks K peaks of a feature map's saliency and averages the window around each.

    The peaks carry no gradient; the window means do.

    Args:
        num_parts: K, at least 1.
        window: r, the odd side of the square window.

    Raises:
        UsageError: K below 1, r even or not positive.
    """

    def __init__(self, num_parts: int = 4, window: int = 5) -> None:
        super().__init__()
        if num_parts < 1:
            raise UsageError(f"K={num_parts}: at least one part is needed.", "Use -K 1 or more.")
        if window < 1 or window % 2 == 0:
            raise UsageError(f"r={window}: a window needs an odd, positive side.", "Use -r 3, -r 5, ...")
        self.num_parts = num_parts
        self.window = window
        self.spatial_attention = nn.Conv2d(1, 1, kernel_size=1, bias=False)
        nn.init.ones_(self.spatial_attention.weight)

    @stage(PART_SAMPLING)
    def forward(self, F: Tensor) -> Parts:
        """Sample the parts of a feature map (B, C, H, W)."""
        with torch.no_grad():
            saliency = saliency_map(F, self.spatial_attention.weight)
        peaks = find_peaks(saliency, self.num_parts)
        return Parts(pool_windows(F, peaks, self.window), peaks, saliency)

"""Part sampling: the K salient windows of a feature map."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from paco_prof.errors import UsageError
from paco_prof.forms import Sampling
from paco_prof.paco2.windows import WINDOW_MEANS
from paco_prof.stages import PART_SAMPLING, stage

__all__ = ["PartSampler", "Parts", "find_peaks", "find_peaks_batched", "saliency_map"]

SUPPRESSED_FRACTION = 0.1
NUM_VIEWS = 2


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
    _check_room(M, num_parts)
    num_images, height, width = M.shape
    rows, cols = int(SUPPRESSED_FRACTION * height), int(SUPPRESSED_FRACTION * width)
    peaks = torch.zeros(num_images, num_parts, 2, dtype=torch.long, device=M.device)
    for image in range(num_images):
        remaining = M[image].clone()
        for part in range(num_parts):
            row, col = divmod(int(remaining.argmax().item()), width)
            peaks[image, part, 0], peaks[image, part, 1] = row, col
            remaining[max(0, row - rows) : row + rows + 1, max(0, col - cols) : col + cols + 1] = -torch.inf
    return peaks


@torch.no_grad()
def find_peaks_batched(M: Tensor, num_parts: int) -> Tensor:
    """The same peaks, searched in all maps at once: one round a part, and nothing that the host waits for.

    Raises:
        UsageError: the map has fewer pixels than parts are asked for.
    """
    _check_room(M, num_parts)
    height, width = M.shape[1:]
    rows = torch.arange(height, device=M.device).repeat_interleave(width)
    cols = torch.arange(width, device=M.device).repeat(height)
    remaining = M.flatten(1)
    peaks = []
    for _ in range(num_parts):
        pixel = remaining.argmax(dim=1, keepdim=True)
        row, col = pixel.div(width, rounding_mode="floor"), pixel.remainder(width)
        peaks.append(torch.cat([row, col], dim=1))
        near = ((rows - row).abs() <= int(SUPPRESSED_FRACTION * height)) & (
            (cols - col).abs() <= int(SUPPRESSED_FRACTION * width)
        )
        remaining = remaining.masked_fill(near, -torch.inf)
    return torch.stack(peaks, dim=1)


def _check_room(M: Tensor, num_parts: int) -> None:
    height, width = M.shape[1:]
    if num_parts > height * width:
        raise UsageError(
            f"K={num_parts} parts do not fit on a feature map of {height} x {width} = {height * width} pixels.",
            "Use a smaller -K or a larger --image-size.",
        )


class PartSampler(nn.Module):
    """Picks K peaks of a feature map's saliency and averages the window around each.

    The peaks carry no gradient; the window means do.

    Args:
        num_parts: K, at least 1.
        window: r, the odd side of the square window.
        form: how peaks are searched and windows averaged, see `Forms.sampling`.
        peaks_every: search for peaks only every so many steps, a step being one call for each of the two views. In
            between each view keeps the peaks that it had, of whatever images it had then. An approximation without a
            bound: the parts are those of the image only as far as images agree on where the salient places are. On
            ResNet-50 at initialisation the gradient was off by 1.2 times its norm (`paco-prof breakdown --variant
            exact+stale-peaks`). Peaks are searched at once where the shape of the map changes.

    Raises:
        UsageError: K below 1, r even or not positive, `peaks_every` below 1.
    """

    def __init__(self, num_parts: int = 4, window: int = 5, form: Sampling = "loop", peaks_every: int = 1) -> None:
        super().__init__()
        if num_parts < 1:
            raise UsageError(f"K={num_parts}: at least one part is needed.", "Use -K 1 or more.")
        if window < 1 or window % 2 == 0:
            raise UsageError(f"r={window}: a window needs an odd, positive side.", "Use -r 3, -r 5, ...")
        if peaks_every < 1:
            raise UsageError(f"peaks_every={peaks_every}: peaks are searched every 1, 2, ... steps.")
        self.num_parts = num_parts
        self.window = window
        self.peaks_every = peaks_every
        self._find_peaks = find_peaks if form == "loop" else find_peaks_batched
        self._window_means = WINDOW_MEANS[form]
        self._num_calls = 0
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}
        self.spatial_attention = nn.Conv2d(1, 1, kernel_size=1, bias=False)
        nn.init.ones_(self.spatial_attention.weight)

    @stage(PART_SAMPLING)
    def forward(self, F: Tensor) -> Parts:
        """Sample the parts of a feature map (B, C, H, W)."""
        peaks, saliency = self._peaks(F)
        return Parts(self._window_means(F, peaks, self.window), peaks, saliency)

    def forget_peaks(self) -> None:
        """Search for peaks at the next call, as at the first."""
        self._num_calls = 0
        self._kept.clear()

    def kept_peaks(self) -> dict[str, Any]:
        """Where the search for peaks stands, for `keep_peaks`: calls so far, and what each view has kept."""
        return {"num_calls": self._num_calls, "kept": {view: list(kept) for view, kept in self._kept.items()}}

    def keep_peaks(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on where another sampler's search for peaks stood."""
        self._num_calls = state["num_calls"]
        self._kept = {
            view: (peaks.to(device), saliency.to(device)) for view, (peaks, saliency) in state["kept"].items()
        }

    @torch.no_grad()
    def _peaks(self, F: Tensor) -> tuple[Tensor, Tensor]:
        """Peaks and the saliency they were taken from: this call's, or those that the view has kept."""
        step, view = divmod(self._num_calls, NUM_VIEWS)
        self._num_calls += 1
        kept = self._kept.get(view)
        if kept is not None and step % self.peaks_every and kept[1].shape == F[:, 0].shape:
            return kept
        saliency = saliency_map(F, self.spatial_attention.weight)
        peaks = self._find_peaks(saliency, self.num_parts)
        if self.peaks_every > 1:
            self._kept[view] = peaks, saliency
        return peaks, saliency

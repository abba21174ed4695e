"""The fast form of part sampling, as a drop-in uses it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from paco_prof.paco2.drop_ins.arguments import Leaf, plain_state
from paco_prof.paco2.drop_ins.computed import Computed, rounding
from paco_prof.paco2.drop_ins.fast_forms import Inputs, floats
from paco_prof.paco2.parts import find_peaks_batched, saliency_map
from paco_prof.paco2.precision import full_precision, widened
from paco_prof.paco2.windows import WINDOW_MEANS
from paco_prof.stages import PART_SAMPLING

__all__ = ["Sampling", "SamplingSettings"]

MAX_PARTS = 64
# How often the peaks are searched again with noise as large as rounding, to see whether it decides them.
NUM_SHAKEN = 16


class SamplingSettings(NamedTuple):
    """What a call of a sampler does not tell.

    Attributes:
        num_parts: K.
        window: r.
        weight: the name of the 1-to-1 convolution's weight among the owner's parameters; None for a constant 1.
    """

    num_parts: int
    window: int
    weight: str | None


class Sampling:
    """Parts of feature maps (B, C, H, W), with their peaks and saliency; see `FastForm`."""

    stage = PART_SAMPLING
    takes = "a feature map (B, C, H, W)"

    def recognise(self, found: Sequence[Leaf]) -> Inputs | None:
        maps = floats(found, 4)
        return {f"map {number}": position for number, position in enumerate(maps, start=1)} or None

    def settings(
        self, given: Mapping[str, Tensor], owner: object, sizes: Collection[int]
    ) -> Iterator[Sequence[SamplingSettings]]:
        """K is a size of what is returned, r an odd number that the owner knows, or any; the weight is a parameter of
        one value.
        """
        num_images = next(iter(given.values())).shape[0]
        height, width = (max(F.shape[dim] for F in given.values()) for dim in (2, 3))
        counts = {size for total in sizes for size in (total, total // num_images)}
        counts = {count for count in counts if 1 <= count <= min(MAX_PARTS, height * width)}
        known = {value for value in plain_state(owner).values() if type(value) is int}
        every = range(1, 2 * max(height, width), 2)
        likely = sorted({r for value in known for r in (value, 2 * value + 1) if r in every})
        for weights in _weights(owner):
            for windows in (likely, every):
                yield [SamplingSettings(K, r, weight) for weight in weights for K in sorted(counts) for r in windows]

    def compute(self, given: Mapping[str, Tensor], settings: SamplingSettings, owner: object) -> Computed:
        maps = list(given.values())
        weight: Tensor | None = None
        if settings.weight is not None:
            weight = functools.reduce(getattr, settings.weight.split("."), owner)  # type: ignore[assignment]
        views = [_View(F, settings, weight) for F in maps]
        pieces = views[0].pieces() if len(views) == 1 else {}
        if len(views) > 1:
            for name, view in zip(given, views, strict=True):
                pieces |= {f"{piece} of {name}": compute for piece, compute in view.pieces().items()}
        sources = maps if weight is None else [*maps, weight]
        return Computed(
            pieces, sources, maps[0].shape[0], lambda: torch.stack([view.is_decided() for view in views]).all(dim=0)
        )


def _weights(owner: object) -> Iterator[list[str | None]]:
    """The parameters that may be the convolution's weight, the likeliest first, and none at last."""
    single: dict[str, int] = {}
    for prefix, module in owner.named_modules() if isinstance(owner, nn.Module) else ():
        # In the copies that DataParallel makes, parameters are attributes like others.
        own = module._parameters | vars(module).get("_former_parameters", {})
        dims = {name: weight.dim() for name, weight in own.items() if weight is not None and weight.numel() == 1}
        single |= {f"{prefix}.{name}" if prefix else name: num for name, num in dims.items()}
    yield [name for name, num in single.items() if num == 4]
    yield [name for name, num in single.items() if num != 4]
    yield [None]


class _View:
    """The parts of one feature map (B, C, H, W)."""

    def __init__(self, F: Tensor, settings: SamplingSettings, weight: Tensor | None) -> None:
        self._given = F
        self._settings = settings
        self._weight = F.new_ones(()) if weight is None else weight
        self._saliency: dict[bool, Tensor] = {}
        self._peaks: Tensor | None = None

    def pieces(self) -> dict[str, Callable[[], Tensor]]:
        return {
            "parts": self._parts,
            "parts, channels first": lambda: self._parts().mT,
            "parts of all images": lambda: self._parts().flatten(0, 1),
            "peaks": self._find_peaks,
            "peaks as column and row": lambda: self._find_peaks().flip(-1),
            "peaks as pixels": self._pixels,
            "rows of the peaks": lambda: self._find_peaks()[..., 0],
            "columns of the peaks": lambda: self._find_peaks()[..., 1],
            "saliency": self._map,
            "saliency, one channel": lambda: self._map()[:, None],
            "saliency of each pixel": lambda: self._map().flatten(1),
            "response": self._response,
            "response, one channel": lambda: self._response()[:, None],
        }

    def is_decided(self) -> Tensor:
        """Whether noise as large as rounding leaves the peaks where they are, (B,)."""
        with torch.no_grad():
            saliency, peaks = self._map(), self._find_peaks()
            generator = torch.Generator().manual_seed(0)
            noise = torch.rand(NUM_SHAKEN, *saliency.shape, generator=generator).to(saliency) - 0.5
            size = 2 * rounding([self._given]) * saliency.abs().amax(dim=(1, 2), keepdim=True)
            shaken = find_peaks_batched((saliency + noise * size).flatten(0, 1), self._settings.num_parts)
            return (shaken.view(NUM_SHAKEN, *peaks.shape) == peaks).flatten(2).all(dim=2).all(dim=0)

    def _map(self) -> Tensor:
        """The saliency (B, H, W); one with a gradient does for both."""
        graded = torch.is_grad_enabled()
        if graded not in self._saliency:
            if True in self._saliency:
                return self._saliency[True].detach()
            with full_precision(self._given.device):
                self._saliency[graded] = saliency_map(widened(self._given), self._weight)
        return self._saliency[graded]

    def _find_peaks(self) -> Tensor:
        if self._peaks is None:
            # The map may be handed over too, with a graph that costs next to nothing.
            self._peaks = find_peaks_batched(self._map().detach(), self._settings.num_parts)
        return self._peaks

    def _parts(self) -> Tensor:
        with full_precision(self._given.device):
            return WINDOW_MEANS["batched"](widened(self._given), self._find_peaks(), self._settings.window)

    def _pixels(self) -> Tensor:
        peaks = self._find_peaks()
        return peaks[..., 0] * self._given.shape[3] + peaks[..., 1]

    def _response(self) -> Tensor:
        return widened(self._given).norm(dim=1)

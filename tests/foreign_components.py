"""Components as other people write them: one image, one part and one distance at a time, called and answering in their
own ways.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn


def salient(fmap: Tensor, weight: Tensor | float = 1.0) -> Tensor:
    """Saliency of one image's map (C, H, W)."""
    place = torch.softmax((fmap.mean(0) * weight).flatten(), 0).view(fmap.shape[1:])
    return torch.einsum("c,chw->hw", torch.softmax(fmap.mean((1, 2)), 0), fmap) * place


def peak_list(M: Tensor, K: int) -> list[tuple[int, int]]:
    """(row, column) of one image's peaks."""
    left, found = M.detach().double().numpy().copy(), []
    down, across = int(0.1 * left.shape[0]), int(0.1 * left.shape[1])
    for _ in range(K):
        y, x = (int(i) for i in np.unravel_index(left.argmax(), left.shape))
        found.append((y, x))
        left[max(0, y - down) : y + down + 1, max(0, x - across) : x + across + 1] = -np.inf
    return found


def crop(fmap: Tensor, peak: tuple[int, int], r: int) -> Tensor:
    """Mean of one window, (C,)."""
    (y, x), half = peak, r // 2
    return fmap[:, max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1].mean((1, 2))


class Found(NamedTuple):
    """What sampling finds, before anybody writes it in a way of their own."""

    parts: Tensor
    peaks: list[list[tuple[int, int]]]
    saliency: Tensor


def sample(F: Tensor, K: int, r: int, weight: Tensor | float = 1.0) -> Found:
    """Parts (B, K, C), peaks and saliency (B, H, W) of feature maps (B, C, H, W)."""
    M = torch.stack([salient(fmap, weight) for fmap in F])
    peaks = [peak_list(one, K) for one in M]
    parts = torch.stack([torch.stack([crop(fmap, p, r) for p in ps]) for fmap, ps in zip(F, peaks, strict=True)])
    return Found(parts, peaks, M)


class Sampler(nn.Module):
    """A sampler that counts its calls, and answers as `write` says.

    Args:
        write: what it makes of what it found.
        K, r: as ever.
        squared: of another method's saliency.
    """

    def __init__(self, write: Callable[[Found], Any], K: int = 3, r: int = 3, squared: bool = False) -> None:
        super().__init__()
        self.write, self.K, self.r, self.squared = write, K, r, squared
        self.spatial = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.constant_(self.spatial.weight, 0.7)
        self.num_calls = 0

    def forward(self, features: Tensor) -> Any:
        self.num_calls += 1
        found = sample(features, self.K, self.r, self.spatial.weight.reshape(()))
        return self.write(found._replace(saliency=found.saliency**2) if self.squared else found)


@dataclass(frozen=True)
class Windows:
    """A sampler's answer as an object."""

    pixels: Tensor
    rows: Tensor
    name: str


class Peaks(NamedTuple):
    """A sampler's answer with names."""

    features: Tensor
    where: Any
    attention: Tensor


def cosine(u: Tensor, v: Tensor, _: Any) -> Tensor:
    """Cosine distance of two parts (d,)."""
    return 1 - torch.cosine_similarity(u, v, dim=0)


def mahalanobis(u: Tensor, v: Tensor, Sigma: Tensor) -> Tensor:
    """Mahalanobis distance of two parts (d,) by way of an inverse."""
    return ((u - v) @ torch.linalg.inv(Sigma) @ (u - v)).sqrt()


def squared(u: Tensor, v: Tensor, Sigma: Tensor) -> Tensor:
    """The square of it, to the sixth: another matching."""
    return mahalanobis(u, v, Sigma) ** 6


def assign(Z1: Tensor, Z2: Tensor, Sigma: Any, distance: Callable[..., Tensor]) -> list[tuple[Any, Any]]:
    """Scipy's rows and columns of each image."""
    with torch.no_grad():
        return [
            linear_sum_assignment([[float(distance(u, v, S)) for v in Z2[b]] for u in Z1[b]])
            for b, S in enumerate(Sigma if Sigma is not None else [None] * len(Z1))
        ]


def columns(found: list[tuple[Any, Any]]) -> Tensor:
    """The matching (B, K)."""
    return torch.tensor(np.array([cols for _, cols in found]))


class EpochMatcher(nn.Module):
    """A matcher that is given the epoch."""

    def __init__(self, warmup: int = 2) -> None:
        super().__init__()
        self.warmup = warmup
        self.num_calls = 0

    def forward(self, a: Tensor, b: Tensor, cov: Tensor | None, epoch: int) -> Tensor:
        self.num_calls += 1
        return columns(assign(a, b, cov, cosine if epoch < self.warmup else mahalanobis))


class ToldMatcher:
    """A matcher that is no module, and is told the epoch."""

    def __init__(self, warmup_epochs: int = 2, late: Callable[..., Tensor] = mahalanobis) -> None:
        self.warmup_epochs, self.current_epoch, self.late = warmup_epochs, 0, late
        self.num_calls = 0

    def set_epoch(self, epoch: int) -> None:
        self.current_epoch = epoch

    def __call__(self, first: Tensor, second: Tensor, Sigma1: Tensor, Sigma_plus: Tensor) -> list[np.ndarray]:
        self.num_calls += 1
        distance = cosine if self.current_epoch < self.warmup_epochs else self.late
        return [cols.astype(np.int32) for _, cols in assign(first, second, Sigma_plus, distance)]


def switched_matcher(Z1: Tensor, Z2: Tensor, Sigma: Tensor, use_mahalanobis: bool = False) -> dict[str, Any]:
    """A matcher that is a function with a switch, and answers with a dict of lists."""
    found = assign(Z1, Z2, Sigma, mahalanobis if use_mahalanobis else cosine)
    return {"pairs": [(list(map(int, rows)), list(map(int, cols))) for rows, cols in found], "parts": Z2}


def loop_pool(Z1: Tensor, Z2: Tensor) -> Tensor:
    """Users' pool, with its copies."""
    rows = [
        Z[j, k] for i in range(len(Z1)) for j in range(len(Z1)) if j != i for Z in (Z1, Z2) for k in range(Z.shape[1])
    ]
    return torch.stack(rows) if rows else Z1.new_zeros(0, Z1.shape[-1])


def draw_parts(seed: int, B: int = 4, K: int = 3, d: int = 5, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    """Parts of two views in different orders, the covariance of the first, and the joint one."""
    generator = torch.Generator().manual_seed(seed)
    Z1, noise = torch.randn(2, B, K, d, generator=generator, dtype=torch.float64) * torch.linspace(0.2, 2, d)
    Z2 = 0.4 * Z1.flip(1) + noise
    sigmas = []
    for Z in (Z1, Z2):
        centred = Z - Z.mean(1, keepdim=True)
        sigmas.append(centred.mT @ centred / max(1, K - 1) + 1e-2 * torch.eye(d, dtype=torch.float64))
    return tuple(t.to(dtype) for t in (Z1, Z2, sigmas[0], sum(sigmas) / 2 + 1e-2 * torch.eye(d)))


def draw_maps(seed: int, B: int = 4, C: int = 6, H: int = 7, W: int = 9, dtype: torch.dtype = torch.float64) -> Tensor:
    """Feature maps (B, C, H, W) in the graph of a leaf."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(B, C, H, W, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()

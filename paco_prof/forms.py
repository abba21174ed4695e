"""The forms that the stages of PaCo-2 come in: the reference, and faster ones beside it. Names only, free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from paco_prof.errors import UsageError

__all__ = [
    "REFERENCE",
    "Contrast",
    "Forms",
    "Matching",
    "Metric",
    "PartsDtype",
    "Pool",
    "Rounds",
    "Sampling",
    "Views",
]

Sampling = Literal["loop", "batched", "separable"]
Matching = Literal["scipy", "batched", "greedy"]
Pool = Literal["shared", "folded", "other-images"]
Contrast = Literal["loop", "fused"]
Rounds = Literal["loop", "batched"]
PartsDtype = Literal["model", "float64"]
Views = Literal["separate", "together"]
Metric = Literal["fro", "log-euclidean", "stein"]


@dataclass(frozen=True)
class Forms:
    """Which form each stage takes; the defaults are the reference.

    Attributes:
        contrast: PaC one distance at a time, or all of them at once (`paco2.contrast`).
        max_negatives: negatives an anchor is contrasted with; None is all of them.
        hard_negative_mining: with a limit, the hardest of the negatives; otherwise random ones.
        cache_covariance_inverse: factorise each image's metric once and keep it. The fused contrast always factorises
            once an image; there it keeps the factor and the whitened parts for the backward pass.
        sampling: windows read one by one, all at once, or by two one-dimensional averages of the whole map.
        peaks_every: steps between two searches for peaks; 1 is every step.
        matching: scipy image by image, all permutations at once (scipy where K is large), or an approximation.
        pool: the pool with its copies, each part once, or each part once and seen by other images' anchors only.
        prototypes: class by class, or all classes of the batch at once.
        weighting: windows of the weighted cross-entropy read one by one, or all at once.
        parts_dtype: what reduced parts, and all that is computed from them, are held in.
        views: each view through the backbone by itself, or both in one batch.
    """

    contrast: Contrast = "loop"
    max_negatives: int | None = None
    hard_negative_mining: bool = False
    cache_covariance_inverse: bool = False
    sampling: Sampling = "loop"
    peaks_every: int = 1
    matching: Matching = "scipy"
    pool: Pool = "shared"
    prototypes: Rounds = "loop"
    weighting: Rounds = "loop"
    parts_dtype: PartsDtype = "model"
    views: Views = "separate"

    def __post_init__(self) -> None:
        for name in ("max_negatives", "peaks_every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name}={value} should be 1 or more.")


REFERENCE = Forms()

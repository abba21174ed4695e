"""Parts as an image's metric sees them: after `L^-1`, its Mahalanobis distances are Euclidean ones."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["columns_to_whiten", "pairwise_distances", "whiten"]


def whiten(factor: Tensor, columns: Tensor) -> Tensor:
    """`L^-1 v` of row vectors (B, M, d), as (B, M, d)."""
    return torch.linalg.solve_triangular(factor, columns.mT, upper=False).mT


def pairwise_distances(one: Tensor, other: Tensor) -> Tensor:
    """Euclidean distances (B, K, N) from differences: `a^2 + b^2 - 2 a b` would lose what is near."""
    return torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")


def columns_to_whiten(anchors: Tensor, positives: Tensor, rows: Tensor) -> Tensor:
    """All that an image's metric has to whiten, (B, 2K + N, d), seen from the middle of its anchors: distances do not
    change, and are not lost in large coordinates.
    """
    together = torch.cat([anchors, positives, rows.expand(anchors.shape[0], -1, -1)], dim=1)
    return together.sub_(anchors.mean(dim=1, keepdim=True))

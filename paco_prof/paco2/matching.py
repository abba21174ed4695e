"""Which part of view 2 is which part of view 1: an optimal assignment per image."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn import functional

from paco_prof.paco2.covariance import cholesky_factor
from paco_prof.stages import MATCHING, stage

__all__ = ["HungarianMatcher", "cosine_cost", "mahalanobis_cost"]


def cosine_cost(Z1: Tensor, Z2: Tensor) -> Tensor:
    """Cosine distance `1 - cos` between the parts of two views (B, K, d), as (B, K, K). A zero part has cosine 0."""
    return 1 - functional.normalize(Z1, dim=-1) @ functional.normalize(Z2, dim=-1).transpose(1, 2)


def mahalanobis_cost(Z1: Tensor, Z2: Tensor, Sigma_plus: Tensor) -> Tensor:
    """`|| L^-1 (u - v) ||` with `L L^T = Sigma_plus` (B, d, d), for all pairs of parts (B, K, d), as (B, K, K)."""
    num_parts, dim = Z1.shape[1], Z1.shape[2]
    difference = (Z1[:, :, None] - Z2[:, None, :]).reshape(-1, num_parts * num_parts, dim)
    whitened = torch.linalg.solve_triangular(cholesky_factor(Sigma_plus), difference.transpose(1, 2), upper=False)
    return whitened.norm(dim=1).view(-1, num_parts, num_parts)


class HungarianMatcher(nn.Module):
    """Assigns each part of view 1 its part of view 2 at the least total cost, without a gradient.

    Args:
        warmup_epochs: the cost is the cosine distance while `epoch < warmup_epochs`, and the Mahalanobis distance
            under `Sigma_plus` afterwards, when the covariances mean something.
    """

    def __init__(self, warmup_epochs: int = 3) -> None:
        super().__init__()
        self.warmup_epochs = warmup_epochs

    @stage(MATCHING)
    @torch.no_grad()
    def forward(self, Z1: Tensor, Z2: Tensor, Sigma_plus: Tensor, epoch: int) -> Tensor:
        """Match reduced parts (B, K, d); entry [b, k] of the result (B, K), int64, is a part of view 2."""
        if epoch < self.warmup_epochs:
            cost = cosine_cost(Z1, Z2)
        else:
            cost = mahalanobis_cost(Z1, Z2, Sigma_plus)
        # scipy refuses NaN; any permutation is as good as another then, and the loss shows the NaN anyway.
        costs = np.nan_to_num(cost.cpu().double().numpy(), nan=0.0, posinf=0.0, neginf=0.0)
        assigned = [linear_sum_assignment(image_cost)[1] for image_cost in costs]
        return torch.as_tensor(np.stack(assigned), dtype=torch.long, device=Z1.device)

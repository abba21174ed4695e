"""Which part of view 2 is which part of view 1: an optimal assignment per image."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn import functional

from paco_prof.forms import Matching
from paco_prof.paco2.covariance import cholesky_factor
from paco_prof.stages import MATCHING, stage

__all__ = [
    "ASSIGNMENTS",
    "HungarianMatcher",
    "assign_batched",
    "assign_by_scipy",
    "assign_greedily",
    "cosine_cost",
    "mahalanobis_cost",
]

# K! permutations of more parts than these take longer than scipy does.
MAX_PERMUTED = 6


def cosine_cost(Z1: Tensor, Z2: Tensor) -> Tensor:
    """Cosine distance `1 - cos` between the parts of two views (B, K, d), as (B, K, K). A zero part has cosine 0."""
    return 1 - functional.normalize(Z1, dim=-1) @ functional.normalize(Z2, dim=-1).transpose(1, 2)


def mahalanobis_cost(Z1: Tensor, Z2: Tensor, Sigma_plus: Tensor) -> Tensor:
    """`|| L^-1 (u - v) ||` with `L L^T = Sigma_plus` (B, d, d), for all pairs of parts (B, K, d), as (B, K, K)."""
    num_parts, dim = Z1.shape[1], Z1.shape[2]
    difference = (Z1[:, :, None] - Z2[:, None, :]).reshape(-1, num_parts * num_parts, dim)
    whitened = torch.linalg.solve_triangular(cholesky_factor(Sigma_plus), difference.transpose(1, 2), upper=False)
    return whitened.norm(dim=1).view(-1, num_parts, num_parts)


def assign_by_scipy(cost: Tensor) -> Tensor:
    """The optimal permutation of each cost matrix (B, K, K), (B, K), image by image on the host."""
    costs = cost.cpu().double().numpy()
    assigned = [linear_sum_assignment(image_cost)[1] for image_cost in costs]
    return torch.as_tensor(np.stack(assigned), dtype=torch.long, device=cost.device)


def assign_batched(cost: Tensor) -> Tensor:
    """The optimal permutation of each cost matrix (B, K, K), (B, K), by trying all of them at once.

    Nobody waits for the device. Where several permutations cost the same it takes the first in lexicographic order,
    the identity before all others; scipy may take another. Above `MAX_PERMUTED` parts it is scipy.
    """
    num_parts = cost.shape[1]
    if num_parts > MAX_PERMUTED:
        return assign_by_scipy(cost)
    permutations = _permutations(num_parts, cost.device)
    parts = torch.arange(num_parts, device=cost.device)
    totals = cost.double() if cost.device.type != "mps" else cost
    best = totals[:, parts, permutations].sum(dim=2).argmin(dim=1)
    return permutations[best]


def assign_greedily(cost: Tensor) -> Tensor:
    """A permutation of each cost matrix (B, K, K), (B, K): the cheapest pair first, then the cheapest of the rest.

    An approximation. For costs that are distances of a metric the total is at most `4/3 (2 K)^0.585 - 1` times the
    optimum (Reingold and Tarjan, 1981, for 2 K points; 3.5 for K=4). For 10,000 matrices of independent uniform costs
    with K=4 it was optimal in 45 %, and 16 % dearer on average (`pytest tests/unit/paco2/test_matching_forms.py`).
    """
    num_images, num_parts, _ = cost.shape
    remaining, images = cost.clone(), torch.arange(num_images, device=cost.device)
    assigned = torch.zeros(num_images, num_parts, dtype=torch.long, device=cost.device)
    for _ in range(num_parts):
        pair = remaining.flatten(1).argmin(dim=1)
        row, col = pair.div(num_parts, rounding_mode="floor"), pair.remainder(num_parts)
        assigned[images, row] = col
        remaining[images, row] = torch.inf
        remaining[images, :, col] = torch.inf
    return assigned


@functools.cache
def _permutations(num_parts: int, device: torch.device) -> Tensor:
    """All orders of the parts, (K!, K), in lexicographic order."""
    return torch.tensor(list(itertools.permutations(range(num_parts))), device=device)


ASSIGNMENTS: dict[Matching, Callable[[Tensor], Tensor]] = {
    "scipy": assign_by_scipy,
    "batched": assign_batched,
    "greedy": assign_greedily,
}


class HungarianMatcher(nn.Module):
    """Assigns each part of view 1 its part of view 2 at the least total cost, without a gradient.

    Args:
        warmup_epochs: the cost is the cosine distance while `epoch < warmup_epochs`, and the Mahalanobis distance
            under `Sigma_plus` afterwards, when the covariances mean something.
        form: how the assignment is found, see `Forms.matching`.
    """

    def __init__(self, warmup_epochs: int = 3, form: Matching = "scipy") -> None:
        super().__init__()
        self.warmup_epochs = warmup_epochs
        self._assign = ASSIGNMENTS[form]

    @stage(MATCHING)
    @torch.no_grad()
    def forward(self, Z1: Tensor, Z2: Tensor, Sigma_plus: Tensor, epoch: int) -> Tensor:
        """Match reduced parts (B, K, d); entry [b, k] of the result (B, K), int64, is a part of view 2."""
        if epoch < self.warmup_epochs:
            cost = cosine_cost(Z1, Z2)
        else:
            cost = mahalanobis_cost(Z1, Z2, Sigma_plus)
        # scipy refuses NaN; any permutation is as good as another then, and the loss shows the NaN anyway.
        return self._assign(torch.nan_to_num(cost, nan=0.0, posinf=0.0, neginf=0.0))

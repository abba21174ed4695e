import numpy as np
import torch
import torch.nn as nn
from scipy.optimize import linear_sum_assignment

from finegrain.utils.spd import SPDUtils


class HungarianMatcher(nn.Module):
    """Matches the K parts of view 1 with the K parts of view 2, image by image."""

    def __init__(self, warmup_epochs: int = 3) -> None:
        super().__init__()
        self.warmup_epochs = warmup_epochs

    @staticmethod
    def cosine_cost(A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
        a = torch.nn.functional.normalize(A, dim=1)
        b = torch.nn.functional.normalize(B, dim=1)
        return 1.0 - a @ b.t()

    @staticmethod
    def mahalanobis_cost(A: torch.Tensor, B: torch.Tensor, Sigma: torch.Tensor) -> torch.Tensor:
        cost = torch.zeros(A.shape[0], B.shape[0], dtype=A.dtype, device=A.device)
        for i in range(A.shape[0]):
            for j in range(B.shape[0]):
                cost[i, j] = SPDUtils.mahalanobis(A[i], B[j], Sigma)
        return cost

    @torch.no_grad()
    def forward(self, Z1: torch.Tensor, Z2: torch.Tensor, Sigma_plus: torch.Tensor, epoch: int) -> torch.Tensor:
        matches = []
        for b in range(Z1.shape[0]):
            if epoch < self.warmup_epochs:
                cost = self.cosine_cost(Z1[b], Z2[b])
            else:
                cost = self.mahalanobis_cost(Z1[b], Z2[b], Sigma_plus[b])
            rows, cols = linear_sum_assignment(cost.detach().cpu().numpy())
            perm = np.zeros(len(rows), dtype=np.int64)
            perm[rows] = cols
            matches.append(torch.from_numpy(perm))
        return torch.stack(matches, dim=0).to(Z1.device)

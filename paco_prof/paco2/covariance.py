"""The second-order statistics of an image's parts."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["cholesky_factor", "joint_covariance", "part_covariance"]


def part_covariance(Z: Tensor, epsilon: float) -> Tensor:
    """Covariance of each image's K reduced parts (B, K, d), as (B, d, d).

    `centred(Z)^T centred(Z) / max(1, K - 1) + epsilon I`; its rank without the last term is at most K - 1.
    """
    centred = Z - Z.mean(dim=1, keepdim=True)
    scatter = centred.transpose(1, 2) @ centred / max(1, Z.shape[1] - 1)
    return scatter + epsilon * torch.eye(Z.shape[2], dtype=Z.dtype, device=Z.device)


def joint_covariance(Sigma1: Tensor, Sigma2: Tensor, tau: float) -> Tensor:
    """`Sigma_plus = (Sigma1 + Sigma2) / 2 + tau I`, (B, d, d): the metric in which parts are compared."""
    return (Sigma1 + Sigma2) / 2 + tau * torch.eye(Sigma1.shape[-1], dtype=Sigma1.dtype, device=Sigma1.device)


def cholesky_factor(Sigma: Tensor) -> Tensor:
    """Lower Cholesky factor of symmetric matrices (..., d, d), NaN where one is not positive definite.

    `torch.linalg.cholesky` would raise there and end the run; a loss that is NaN is measured all the same, and
    named. Nor does anybody wait for the device to see whether the factorisation succeeded.
    """
    factor, info = torch.linalg.cholesky_ex(Sigma)
    return torch.where((info != 0)[..., None, None], torch.nan, factor)

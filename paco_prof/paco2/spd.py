"""Squared distances between symmetric positive definite matrices."""

from __future__ import annotations

from typing import Any, get_args

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from paco_prof.errors import UsageError
from paco_prof.forms import Metric
from paco_prof.paco2.covariance import cholesky_factor

__all__ = ["METRICS", "squared_distance", "symmetric_log"]

METRICS: tuple[Metric, ...] = get_args(Metric)


class _SymmetricLog(torch.autograd.Function):
    """Matrix logarithm of symmetric positive definite matrices, differentiable where eigenvalues coincide.

    Autograd through `eigh` divides by differences of eigenvalues, and a part covariance has d - K + 1 equal ones.
    The derivative of a matrix function of `U diag(l) U^T` is `U (G * (U^T dA U)) U^T` with the divided differences
    `G_ij = (log l_i - log l_j) / (l_i - l_j)`, and `1 / l` where they coincide (Daleckii and Krein, 1965).
    """

    @staticmethod
    def forward(ctx: Any, A: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(A)
        ctx.save_for_backward(values, vectors)
        return (vectors * values.log().unsqueeze(-2)) @ vectors.mT

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        values, vectors = ctx.saved_tensors
        divided = _divided_differences_of_log(values)
        inner = vectors.mT @ ((grad + grad.mT) / 2) @ vectors
        return vectors @ (divided * inner) @ vectors.mT


def _divided_differences_of_log(values: Tensor) -> Tensor:
    """`(log a - log b) / (a - b)` for all pairs of the last axis (..., d), as (..., d, d), accurate for a near b.

    With `a = b (1 + t)` it is `log1p(t) / (b t)`, which loses nothing as t goes to 0.
    """
    larger = torch.maximum(values.unsqueeze(-1), values.unsqueeze(-2))
    smaller = torch.minimum(values.unsqueeze(-1), values.unsqueeze(-2))
    relative = (larger - smaller) / smaller
    ratio = torch.where(relative == 0, 1.0, torch.log1p(relative) / torch.where(relative == 0, 1.0, relative))
    return ratio / smaller


def symmetric_log(A: Tensor) -> Tensor:
    """Matrix logarithm of symmetric positive definite matrices (..., d, d); NaN where an eigenvalue is negative."""
    # eigh raises on non-finite input, and the run is to be measured and named, not ended.
    is_finite = torch.isfinite(A).all(dim=-1).all(dim=-1)[..., None, None]
    identity = torch.eye(A.shape[-1], dtype=A.dtype, device=A.device)
    result: Tensor = _SymmetricLog.apply(torch.where(is_finite, A, identity))
    return torch.where(is_finite, result, torch.nan)


def _log_det(A: Tensor) -> Tensor:
    return 2 * cholesky_factor(A).diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)


def squared_distance(A: Tensor, B: Tensor, metric: Metric) -> Tensor:
    """Squared distance between matrices (N, d, d) pair by pair, as (N,).

    Args:
        metric: `fro`, the Frobenius norm of the difference; `log-euclidean`, that of the matrix logarithms
            (Arsigny et al., 2006); `stein`, the symmetric Stein or Jensen-Bregman log-det divergence
            `log det((A + B) / 2) - (log det A + log det B) / 2`, the square of a metric (Sra, 2012).

    Raises:
        UsageError: an unknown metric.
    """
    if metric == "fro":
        return (A - B).square().sum(dim=(-2, -1))
    if metric == "log-euclidean":
        return (symmetric_log(A) - symmetric_log(B)).square().sum(dim=(-2, -1))
    if metric == "stein":
        return _log_det((A + B) / 2) - (_log_det(A) + _log_det(B)) / 2
    raise UsageError(f"metric={metric!r} is not known.", f"Use one of {', '.join(METRICS)}.")

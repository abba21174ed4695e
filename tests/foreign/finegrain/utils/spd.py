from typing import Any

import torch


class LogEig(torch.autograd.Function):
    """log of one SPD matrix. eigh's own backward blows up, our covariances have d-K equal eigenvalues."""

    @staticmethod
    def forward(ctx: Any, S: torch.Tensor) -> torch.Tensor:
        w, U = torch.linalg.eigh(S)
        w = w.clamp(min=1e-12)
        ctx.save_for_backward(w, U)
        return U @ torch.diag(torch.log(w)) @ U.t()

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        w, U = ctx.saved_tensors
        g = 0.5 * (grads[0] + grads[0].t())
        # divided differences of the log, (log a - log b) / (a - b), 1 / a if a == b
        hi = torch.maximum(w[:, None], w[None, :])
        lo = torch.minimum(w[:, None], w[None, :])
        x = (hi - lo) / lo
        P = torch.where(x == 0, torch.ones_like(x), torch.log1p(x) / x) / lo
        return U @ (P * (U.t() @ g @ U)) @ U.t()


class SPDUtils:
    """Everything about covariance matrices."""

    @staticmethod
    def compute_covariance(Z: torch.Tensor, epsilon: float = 1e-5) -> torch.Tensor:
        # Z: B x K x d  ->  B x d x d
        B, K, d = Z.shape
        eye = torch.eye(d, dtype=Z.dtype, device=Z.device)
        covs = []
        for b in range(B):
            z = Z[b].clone()
            z = z - z.mean(dim=0, keepdim=True)
            cov = torch.matmul(z.t(), z) / max(1, K - 1)
            covs.append(cov + epsilon * eye)
        return torch.stack(covs, dim=0)

    @staticmethod
    def compute_joint_covariance(Sigma1: torch.Tensor, Sigma2: torch.Tensor, tau: float = 1e-5) -> torch.Tensor:
        d = Sigma1.shape[-1]
        joint = []
        for S1, S2 in zip(Sigma1, Sigma2, strict=True):
            joint.append((S1 + S2) / 2 + tau * torch.eye(d, dtype=S1.dtype, device=S1.device))
        return torch.stack(joint, dim=0)

    @staticmethod
    def mahalanobis(u: torch.Tensor, v: torch.Tensor, Sigma: torch.Tensor) -> torch.Tensor:
        L = torch.linalg.cholesky(Sigma)
        diff = (u - v).unsqueeze(1)
        y = torch.linalg.solve_triangular(L, diff, upper=False)
        return torch.norm(y)

    @staticmethod
    def matrix_log(S: torch.Tensor) -> torch.Tensor:
        return LogEig.apply(S)

    # the three below are all SQUARED distances between two d x d matrices

    @staticmethod
    def frobenius_sq(A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
        return ((A - B) ** 2).sum()

    @staticmethod
    def log_euclidean_sq(A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
        return ((SPDUtils.matrix_log(A) - SPDUtils.matrix_log(B)) ** 2).sum()

    @staticmethod
    def stein_sq(A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
        def logdet(M: torch.Tensor) -> torch.Tensor:
            return 2 * torch.log(torch.diagonal(torch.linalg.cholesky(M))).sum()

        return logdet((A + B) / 2) - 0.5 * (logdet(A) + logdet(B))

    @staticmethod
    def distance_sq(A: torch.Tensor, B: torch.Tensor, metric: str = "fro") -> torch.Tensor:
        if metric == "fro":
            return SPDUtils.frobenius_sq(A, B)
        if metric == "log-euclidean":
            return SPDUtils.log_euclidean_sq(A, B)
        if metric == "stein":
            return SPDUtils.stein_sq(A, B)
        raise ValueError(f"unknown metric {metric}")

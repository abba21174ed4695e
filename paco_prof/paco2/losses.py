"""The three losses of PaCo-2 and their sum, in the reference form: one distance at a time."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from paco_prof.errors import UsageError
from paco_prof.paco2.covariance import cholesky_factor
from paco_prof.paco2.parts import pool_windows
from paco_prof.paco2.spd import METRICS, Metric, squared_distance
from paco_prof.stages import CE, LOSS, PAC, SOC, stage

__all__ = ["PaCLoss", "PaCoLoss", "SoCLoss", "WeightedCELoss", "mahalanobis_distance"]

WEIGHT_WINDOW = 5


def mahalanobis_distance(u: Tensor, v: Tensor, Sigma: Tensor) -> Tensor:
    """`|| L^-1 (u - v) ||` with `L L^T = Sigma` (d, d), for two parts (d,), as a scalar.

    It factorises `Sigma` anew on every call. That is what makes the reference slow, and it is kept: the reference
    is the baseline that users have.
    """
    difference = (u - v).unsqueeze(-1)
    return torch.linalg.solve_triangular(cholesky_factor(Sigma), difference, upper=False).norm()


class PaCLoss(nn.Module):
    """Part-aware contrast: a triplet loss over parts under each image's own Mahalanobis metric.

    Args:
        alpha: margin of the triplet loss.
        use_semi_hard: take the nearest negative that is strictly farther than the positive (the nearest of all
            where there is none); otherwise always the nearest of all.
    """

    def __init__(self, alpha: float = 0.2, use_semi_hard: bool = True) -> None:
        super().__init__()
        self.alpha = alpha
        self.use_semi_hard = use_semi_hard

    @stage(PAC)
    def forward(self, Z1t: Tensor, Z2t: Tensor, matching: Tensor, negatives_pool: Tensor, Sigma_plus: Tensor) -> Tensor:
        """Mean over anchors of `max(0, d_pos - d_neg + alpha)`; 0 for an empty pool.

        The positive itself stands in the shared pool, at exactly d_pos, and so is never strictly farther. Equal
        minima share the gradient evenly (the rule of `torch.min`).

        Args:
            Z1t, Z2t: reduced parts, (B, K, d); every part of view 1 is an anchor.
            matching: index of each anchor's positive in view 2, (B, K).
            negatives_pool: rows that every anchor is contrasted with, (N, d).
            Sigma_plus: metric of each image, (B, d, d).
        """
        if negatives_pool.shape[0] == 0:
            return Z1t.new_zeros(())
        losses = []
        for image in range(Z1t.shape[0]):
            for part in range(Z1t.shape[1]):
                anchor = Z1t[image, part]
                positive = Z2t[image, matching[image, part]]
                d_pos = mahalanobis_distance(anchor, positive, Sigma_plus[image])
                d_negs = torch.stack([mahalanobis_distance(anchor, row, Sigma_plus[image]) for row in negatives_pool])
                losses.append(torch.relu(d_pos - self._hardest(d_negs, d_pos) + self.alpha))
        return torch.stack(losses).mean()

    def _hardest(self, d_negs: Tensor, d_pos: Tensor) -> Tensor:
        if self.use_semi_hard:
            farther = d_negs > d_pos
            if bool(farther.any()):
                return d_negs[farther].min()
        return d_negs.min()


class SoCLoss(nn.Module):
    """Second-order consistency: the covariance of the parts agrees across views and with the class.

    Args:
        metric: distance between covariances: `fro`, `log-euclidean` or `stein`.
        beta: weight of the distance to the class prototype.

    Raises:
        UsageError: an unknown metric.
    """

    def __init__(self, metric: Metric = "fro", beta: float = 0.05) -> None:
        super().__init__()
        if metric not in METRICS:
            raise UsageError(f"metric={metric!r} is not known.", f"Use one of {', '.join(METRICS)}.")
        self.metric = metric
        self.beta = beta

    @stage(SOC)
    def forward(self, Sigma1: Tensor, Sigma2: Tensor, Sigma_proto: Tensor | None = None) -> Tensor:
        """Mean squared distance between the views' covariances (B, d, d), plus `beta` times that of their mean
        to the class prototypes (B, d, d) where these are given.
        """
        loss = squared_distance(Sigma1, Sigma2, self.metric).mean()
        if Sigma_proto is None:
            return loss
        to_class = squared_distance((Sigma1 + Sigma2) / 2, Sigma_proto, self.metric).mean()
        return loss + self.beta * to_class


class WeightedCELoss(nn.Module):
    """Cross-entropy, weighted by how strongly the features respond at the parts.

    Args:
        gamma: share of the weighted term; 0 is plain cross-entropy.
        use_weighted_ce: False is plain cross-entropy whatever gamma is.
    """

    def __init__(self, gamma: float = 0.1, use_weighted_ce: bool = True) -> None:
        super().__init__()
        self.gamma = gamma
        self.use_weighted_ce = use_weighted_ce

    @stage(CE)
    def forward(
        self, logits: Tensor, targets: Tensor, saliency_map: Tensor | None = None, peaks: Tensor | None = None
    ) -> Tensor:
        """`(1 - gamma) CE + gamma * mean_b(w_b) * CE`, CE being the batch mean.

        `w_b` is the mean over view 1's peaks of the mean of the saliency map over the 5 x 5 window around each,
        clipped at the border; the gradient flows through it. Without a map and peaks it is plain cross-entropy.

        Args:
            logits: (B, num_classes).
            targets: class indices, (B,).
            saliency_map: channel L2 norm of view 1's features, (B, H, W).
            peaks: view 1's peaks, (B, K, 2).
        """
        ce = functional.cross_entropy(logits, targets)
        if not self.use_weighted_ce or self.gamma <= 0 or saliency_map is None or peaks is None:
            return ce
        weights = pool_windows(saliency_map.unsqueeze(1), peaks, WEIGHT_WINDOW).mean(dim=(1, 2))
        return (1 - self.gamma) * ce + self.gamma * weights.mean() * ce


class PaCoLoss(nn.Module):
    """The PaCo-2 criterion, `CE + lambda_pac * PaC + eta_soc * SoC`.

    Args:
        lambda_pac: weight of the part-aware contrast.
        eta_soc: weight of the second-order consistency.
        alpha: margin of the triplet loss.
        beta: weight of the class prototypes inside SoC.
        gamma: share of the weighted term in the cross-entropy.
        metric: distance between covariances.
        use_semi_hard: semi-hard negatives, or the hardest of all.
        use_weighted_ce: weight the cross-entropy where gamma > 0.
    """

    def __init__(
        self,
        lambda_pac: float = 1.0,
        eta_soc: float = 0.1,
        alpha: float = 0.2,
        beta: float = 0.05,
        gamma: float = 0.1,
        metric: Metric = "fro",
        use_semi_hard: bool = True,
        use_weighted_ce: bool = True,
    ) -> None:
        super().__init__()
        self.lambda_pac = lambda_pac
        self.eta_soc = eta_soc
        self.ce_loss = WeightedCELoss(gamma, use_weighted_ce)
        self.pac_loss = PaCLoss(alpha, use_semi_hard)
        self.soc_loss = SoCLoss(metric, beta)

    @stage(LOSS)
    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        Z1t: Tensor,
        Z2t: Tensor,
        matching: Tensor,
        negatives_pool: Tensor,
        Sigma1: Tensor,
        Sigma2: Tensor,
        Sigma_plus: Tensor,
        Sigma_proto: Tensor | None = None,
        saliency_map: Tensor | None = None,
        peaks: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The losses as scalars: `total`, `ce`, `pac`, `soc`.

        Args:
            logits: (B, num_classes).
            targets: class indices, (B,).
            Z1t, Z2t: reduced parts of the two views, (B, K, d).
            matching: index of each part's partner in view 2, (B, K).
            negatives_pool: (N, d), N = 0 where there is nothing to contrast.
            Sigma1, Sigma2, Sigma_plus: covariances of the views and their joint metric, (B, d, d).
            Sigma_proto: class prototypes, (B, d, d).
            saliency_map: channel L2 norm of view 1's features, (B, H, W).
            peaks: view 1's peaks, (B, K, 2).
        """
        ce = self.ce_loss(logits, targets, saliency_map, peaks)
        pac = self.pac_loss(Z1t, Z2t, matching, negatives_pool, Sigma_plus)
        soc = self.soc_loss(Sigma1, Sigma2, Sigma_proto)
        total = ce + self.lambda_pac * pac + self.eta_soc * soc
        return {"total": total, "ce": ce, "pac": pac, "soc": soc}

"""The three losses of PaCo-2 in the reference form: one distance at a time."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from paco_prof.errors import UsageError
from paco_prof.forms import Metric, Rounds
from paco_prof.paco2.precision import working_dtype
from paco_prof.paco2.selection import checked_limit, distinct_rows, select_negatives
from paco_prof.paco2.spd import METRICS, squared_distance
from paco_prof.paco2.windows import WINDOW_MEANS
from paco_prof.stages import CE, PAC, SOC, stage

__all__ = ["PaCLoss", "SoCLoss", "WeightedCELoss", "mahalanobis_distance"]

WEIGHT_WINDOW = 5


def mahalanobis_distance(u: Tensor, v: Tensor, Sigma: Tensor) -> Tensor:
    """`|| L^-1 (u - v) ||` with `L L^T = Sigma` (d, d), for two parts (d,), as a scalar.

    It factorises `Sigma` anew on every call. That is what makes the reference slow, and it is kept: the reference
    is the baseline that users have.
    """
    return whitened_distance(u, v, _factor(Sigma))


def whitened_distance(u: Tensor, v: Tensor, factor: Tensor) -> Tensor:
    """`|| L^-1 (u - v) ||` for two parts (d,) and a factor L (d, d), as a scalar."""
    return torch.linalg.solve_triangular(factor, (u - v).unsqueeze(-1), upper=False).norm()


def _factor(Sigma: Tensor) -> Tensor:
    """Cholesky factor of one matrix (d, d), waiting for the device to hear of failure as `torch.linalg.cholesky` does,
    but NaN then.
    """
    factor, info = torch.linalg.cholesky_ex(Sigma)
    return torch.full_like(factor, torch.nan) if bool(info) else factor


class PaCLoss(nn.Module):
    """Part-aware contrast: a triplet loss over parts under each image's own Mahalanobis metric, in a loop.

    Args:
        alpha: margin of the triplet loss.
        use_semi_hard: take the nearest negative that is strictly farther than the positive (the nearest of all
            where there is none); otherwise always the nearest of all.
        max_negatives_per_sample, use_hard_negative_mining: see `FusedPaCLoss`, which chooses the same rows.
        cache_covariance_inverse: factorise each image's metric once, and not once a distance.
    """

    def __init__(
        self,
        alpha: float = 0.2,
        use_semi_hard: bool = True,
        max_negatives_per_sample: int | None = None,
        use_hard_negative_mining: bool = False,
        cache_covariance_inverse: bool = False,
    ) -> None:
        super().__init__()
        self.alpha = alpha
        self.use_semi_hard = use_semi_hard
        self.max_negatives_per_sample = checked_limit(max_negatives_per_sample)
        self.use_hard_negative_mining = use_hard_negative_mining
        self.cache_covariance_inverse = cache_covariance_inverse

    @stage(PAC)
    def forward(
        self,
        Z1t: Tensor,
        Z2t: Tensor,
        matching: Tensor,
        negatives_pool: Tensor,
        Sigma_plus: Tensor,
        negatives_image: Tensor | None = None,
    ) -> Tensor:
        """Mean over anchors of `max(0, d_pos - d_neg + alpha)`; an anchor without negatives adds 0.

        The positive itself stands in the shared pool, at exactly d_pos, and so is never strictly farther. Equal
        minima share the gradient evenly (the rule of `torch.min`).

        Args:
            Z1t, Z2t: reduced parts, (B, K, d); every part of view 1 is an anchor.
            matching: index of each anchor's positive in view 2, (B, K).
            negatives_pool: rows that every anchor is contrasted with, (N, d).
            Sigma_plus: metric of each image, (B, d, d).
            negatives_image: the image that each row is of, (N,): anchors of that image leave it out. None leaves
                nothing out.
        """
        if negatives_pool.shape[0] == 0:
            return Z1t.new_zeros(())
        rows, allowed = self._negatives(Z1t, negatives_pool, Sigma_plus, negatives_image)
        losses = []
        for image in range(Z1t.shape[0]):
            metric = _factor(Sigma_plus[image]) if self.cache_covariance_inverse else Sigma_plus[image]
            distance = whitened_distance if self.cache_covariance_inverse else mahalanobis_distance
            for part in range(Z1t.shape[1]):
                anchor = Z1t[image, part]
                positive = Z2t[image, matching[image, part]]
                negatives = rows if allowed is None else rows[allowed[image, part]]
                if len(negatives) == 0:
                    losses.append(anchor.new_zeros(()))
                    continue
                d_pos = distance(anchor, positive, metric)
                d_negs = torch.stack([distance(anchor, row, metric) for row in negatives])
                losses.append(torch.relu(d_pos - self._hardest(d_negs, d_pos) + self.alpha))
        return torch.stack(losses).mean()

    def _negatives(
        self, Z1t: Tensor, pool: Tensor, Sigma_plus: Tensor, negatives_image: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """The rows to contrast with, and which of them each anchor sees; None is all."""
        rows = pool
        if negatives_image is None:
            limit = self.max_negatives_per_sample
            rows = pool if limit is None else distinct_rows(pool)[0]
            if limit is None or limit >= len(rows):
                return pool, None
        dtype = working_dtype(rows.device)
        return rows, select_negatives(
            Z1t.to(dtype),
            rows.to(dtype),
            Sigma_plus.to(dtype),
            self.max_negatives_per_sample,
            self.use_hard_negative_mining,
            negatives_image,
        )

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
        wide: compute in float64 (float32 on MPS), whatever type the covariances have.

    Raises:
        UsageError: an unknown metric.
    """

    def __init__(self, metric: Metric = "fro", beta: float = 0.05, wide: bool = False) -> None:
        super().__init__()
        if metric not in METRICS:
            raise UsageError(f"metric={metric!r} is not known.", f"Use one of {', '.join(METRICS)}.")
        self.metric = metric
        self.beta = beta
        self.wide = wide

    @stage(SOC)
    def forward(self, Sigma1: Tensor, Sigma2: Tensor, Sigma_proto: Tensor | None = None) -> Tensor:
        """Mean squared distance between the views' covariances (B, d, d), plus `beta` times that of their mean
        to the class prototypes (B, d, d) where these are given.
        """
        if self.wide:
            dtype = working_dtype(Sigma1.device)
            Sigma1, Sigma2 = Sigma1.to(dtype), Sigma2.to(dtype)
        loss = squared_distance(Sigma1, Sigma2, self.metric).mean()
        if Sigma_proto is None:
            return loss
        to_class = squared_distance((Sigma1 + Sigma2) / 2, Sigma_proto.to(Sigma1.dtype), self.metric).mean()
        return loss + self.beta * to_class


class WeightedCELoss(nn.Module):
    """Cross-entropy, weighted by how strongly the features respond at the parts.

    Args:
        gamma: share of the weighted term; 0 is plain cross-entropy.
        use_weighted_ce: False is plain cross-entropy whatever gamma is.
        form: windows read one by one, or all at once.
    """

    def __init__(self, gamma: float = 0.1, use_weighted_ce: bool = True, form: Rounds = "loop") -> None:
        super().__init__()
        self.gamma = gamma
        self.use_weighted_ce = use_weighted_ce
        self._window_means = WINDOW_MEANS[form]

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
        weights = self._window_means(saliency_map.unsqueeze(1), peaks, WEIGHT_WINDOW).mean(dim=(1, 2))
        return (1 - self.gamma) * ce + self.gamma * weights.mean() * ce

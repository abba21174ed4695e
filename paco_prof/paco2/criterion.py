"""The PaCo-2 criterion: the reference, and a drop-in for it that is fast and exact."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from paco_prof.forms import Metric
from paco_prof.paco2.contrast import FusedPaCLoss
from paco_prof.paco2.losses import PaCLoss, SoCLoss, WeightedCELoss
from paco_prof.paco2.precision import full_precision, widened
from paco_prof.stages import LOSS, stage

__all__ = ["OptimizedPaCoLoss", "PaCoLoss"]


class PaCoLoss(nn.Module):
    """The PaCo-2 criterion, `CE + lambda_pac * PaC + eta_soc * SoC`, in the reference form.

    Args:
        lambda_pac: weight of the part-aware contrast.
        eta_soc: weight of the second-order consistency.
        alpha: margin of the triplet loss.
        beta: weight of the class prototypes inside SoC.
        gamma: share of the weighted term in the cross-entropy.
        metric: distance between covariances.
        use_semi_hard: semi-hard negatives, or the hardest of all.
        use_weighted_ce: weight the cross-entropy where gamma > 0.

    The three losses are the submodules `ce_loss`, `pac_loss` and `soc_loss`, and can be exchanged.
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
        self.ce_loss: nn.Module = WeightedCELoss(gamma, use_weighted_ce)
        self.pac_loss: nn.Module = PaCLoss(alpha, use_semi_hard)
        self.soc_loss: nn.Module = SoCLoss(metric, beta)

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
        negatives_image: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The losses as scalars: `total`, `ce`, `pac`, `soc`.

        Args:
            logits: (B, num_classes).
            targets: class indices, (B,).
            Z1t, Z2t: reduced parts of the two views, (B, K, d).
            matching: index of each part's partner in view 2, (B, K), of any type of whole number, on any device.
            negatives_pool: (N, d), N = 0 where there is nothing to contrast.
            Sigma1, Sigma2, Sigma_plus: covariances of the views and their joint metric, (B, d, d).
            Sigma_proto: class prototypes, (B, d, d).
            saliency_map: channel L2 norm of view 1's features, (B, H, W).
            peaks: view 1's peaks, (B, K, 2), likewise.
            negatives_image: the image that each row of the pool is of, (N,), where an anchor is not to meet its own.
        """
        # Loops read indices on the host, of whatever type and from wherever, so those who call them need not care.
        matching = matching.to(device=Z1t.device, dtype=torch.long)
        peaks = None if peaks is None else peaks.to(device=logits.device, dtype=torch.long)
        with full_precision(logits.device):
            ce = self.ce_loss(widened(logits), targets, widened(saliency_map), peaks)
            pac = self.pac_loss(
                widened(Z1t), widened(Z2t), matching, widened(negatives_pool), widened(Sigma_plus), negatives_image
            ).to(ce.dtype)
            soc = self.soc_loss(widened(Sigma1), widened(Sigma2), widened(Sigma_proto)).to(ce.dtype)
            total = ce + self.lambda_pac * pac + self.eta_soc * soc
        return {"total": total, "ce": ce, "pac": pac, "soc": soc}


class OptimizedPaCoLoss(PaCoLoss):
    """A drop-in for the PaCo-2 criterion of any model: the same keywords, results and gradients, without the loop.

    It factorises once an image, works in float64 where float32 would be wrong, under autocast too, and takes any pool:
    with its copies, shuffled, of other samples, empty. In a pool with more rows than the batch has parts it folds the
    copies, for which the host waits once on an accelerator; `folded_pool` builds one that has none.

        model.criterion = OptimizedPaCoLoss(alpha=0.2, gamma=0.1)

    Covariances that are handed in as float32 carry the rounding of whoever computed them, and so does the gradient;
    computed from float64 parts (`parts_dtype` of `Forms`) they carry none.

    Args:
        lambda_pac, eta_soc, alpha, beta, gamma, metric, use_semi_hard, use_weighted_ce: see `PaCoLoss`.
        max_negatives_per_sample, use_hard_negative_mining, cache_covariance_inverse: see `FusedPaCLoss`; with
            `max_negatives_per_sample=None` the loss is exact.
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
        max_negatives_per_sample: int | None = None,
        use_hard_negative_mining: bool = True,
        cache_covariance_inverse: bool = True,
    ) -> None:
        super().__init__(lambda_pac, eta_soc, alpha, beta, gamma, metric, use_semi_hard, use_weighted_ce)
        self.ce_loss = WeightedCELoss(gamma, use_weighted_ce, form="batched")
        self.pac_loss = FusedPaCLoss(
            alpha, use_semi_hard, max_negatives_per_sample, use_hard_negative_mining, cache_covariance_inverse
        )
        self.soc_loss = SoCLoss(metric, beta, wide=True)

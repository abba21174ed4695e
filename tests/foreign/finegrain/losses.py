import torch
import torch.nn as nn
import torch.nn.functional as F

from finegrain.utils.spd import SPDUtils


class SaliencyWeightedCE(nn.Module):
    """Cross-entropy, scaled by how strong the feature map is around the peaks."""

    def __init__(self, gamma: float = 0.1, use_weighted_ce: bool = True, win: int = 5) -> None:
        super().__init__()
        self.gamma = gamma
        self.use_weighted_ce = use_weighted_ce
        self.win = win

    def peak_weights(self, saliency_map: torch.Tensor, peaks: torch.Tensor) -> torch.Tensor:
        B, H, W = saliency_map.shape
        half = self.win // 2
        weights = []
        for b in range(B):
            vals = []
            for y, x in peaks[b].detach().cpu().numpy().copy():
                y0, y1 = max(0, int(y) - half), min(H, int(y) + half + 1)
                x0, x1 = max(0, int(x) - half), min(W, int(x) + half + 1)
                vals.append(saliency_map[b, y0:y1, x0:x1].mean())
            weights.append(torch.stack(vals).mean())
        return torch.stack(weights)

    def forward(
        self,
        logits: torch.Tensor,
        targets: torch.Tensor,
        saliency_map: torch.Tensor | None = None,
        peaks: torch.Tensor | None = None,
    ) -> torch.Tensor:
        ce = F.cross_entropy(logits, targets)
        if not self.use_weighted_ce or self.gamma <= 0 or saliency_map is None or peaks is None:
            return ce
        w = self.peak_weights(saliency_map, peaks)
        return (1 - self.gamma) * ce + self.gamma * w.mean() * ce


class PartContrastLoss(nn.Module):
    """Triplet hinge on Mahalanobis distances, (semi-)hard negative out of the shared pool."""

    def __init__(self, alpha: float = 0.2, use_semi_hard: bool = True) -> None:
        super().__init__()
        self.alpha = alpha
        self.use_semi_hard = use_semi_hard

    def pick_negative(self, dists: torch.Tensor, d_pos: torch.Tensor) -> torch.Tensor:
        if self.use_semi_hard:
            # STRICTLY greater! the positive itself is in the pool too
            harder = dists[dists > d_pos]
            if harder.numel() > 0:
                return harder.min()
        return dists.min()

    def forward(
        self,
        Z1t: torch.Tensor,
        Z2t: torch.Tensor,
        matching: torch.Tensor,
        negatives_pool: torch.Tensor,
        Sigma_plus: torch.Tensor,
    ) -> torch.Tensor:
        B, K, _ = Z1t.shape
        if negatives_pool.shape[0] == 0:  # batch of one image
            return Z1t.sum() * 0.0
        losses = []
        for b in range(B):
            for k in range(K):
                p = Z1t[b, k]
                q = Z2t[b, int(matching[b, k].item())]
                d_pos = SPDUtils.mahalanobis(p, q, Sigma_plus[b])
                d_all = []
                for n in range(negatives_pool.shape[0]):
                    d_all.append(SPDUtils.mahalanobis(p, negatives_pool[n], Sigma_plus[b]))
                d_neg = self.pick_negative(torch.stack(d_all), d_pos)
                losses.append(torch.clamp(d_pos - d_neg + self.alpha, min=0.0))
        return torch.stack(losses).mean()


class SecondOrderConsistencyLoss(nn.Module):
    """Covariance of view 1 against view 2, and of both against the class."""

    def __init__(self, beta: float = 0.05, metric: str = "fro") -> None:
        super().__init__()
        self.beta = beta
        self.metric = metric

    def forward(
        self, Sigma1: torch.Tensor, Sigma2: torch.Tensor, Sigma_proto: torch.Tensor | None = None
    ) -> torch.Tensor:
        B = Sigma1.shape[0]
        view_terms, proto_terms = [], []
        for b in range(B):
            view_terms.append(SPDUtils.distance_sq(Sigma1[b], Sigma2[b], self.metric))
            if Sigma_proto is not None:
                avg = (Sigma1[b] + Sigma2[b]) / 2
                proto_terms.append(SPDUtils.distance_sq(avg, Sigma_proto[b].detach(), self.metric))
        loss = torch.stack(view_terms).mean()
        if len(proto_terms) > 0:
            loss = loss + self.beta * torch.stack(proto_terms).mean()
        return loss


class PaCoLoss(nn.Module):
    """CE + lambda * PaC + eta * SoC."""

    def __init__(
        self,
        lambda_pac: float = 1.0,
        eta_soc: float = 0.1,
        alpha: float = 0.2,
        beta: float = 0.05,
        gamma: float = 0.1,
        metric: str = "fro",
        use_semi_hard: bool = True,
        use_weighted_ce: bool = True,
    ) -> None:
        super().__init__()
        self.lambda_pac = lambda_pac
        self.eta_soc = eta_soc
        self.ce_loss = SaliencyWeightedCE(gamma=gamma, use_weighted_ce=use_weighted_ce)
        self.pac_loss = PartContrastLoss(alpha=alpha, use_semi_hard=use_semi_hard)
        self.soc_loss = SecondOrderConsistencyLoss(beta=beta, metric=metric)

    def forward(
        self,
        logits: torch.Tensor,
        targets: torch.Tensor,
        Z1t: torch.Tensor,
        Z2t: torch.Tensor,
        matching: torch.Tensor,
        negatives_pool: torch.Tensor,
        Sigma1: torch.Tensor,
        Sigma2: torch.Tensor,
        Sigma_plus: torch.Tensor,
        Sigma_proto: torch.Tensor | None = None,
        saliency_map: torch.Tensor | None = None,
        peaks: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        ce = self.ce_loss(logits, targets, saliency_map, peaks)
        pac = self.pac_loss(Z1t, Z2t, matching, negatives_pool, Sigma_plus)
        soc = self.soc_loss(Sigma1, Sigma2, Sigma_proto)
        total = ce + self.lambda_pac * pac + self.eta_soc * soc
        return {"total": total, "ce": ce, "pac": pac, "soc": soc}

import timm
import torch
import torch.nn as nn

from finegrain.losses import PaCoLoss
from finegrain.models.matcher import HungarianMatcher
from finegrain.models.sampler import SaliencyPartSampler
from finegrain.utils.spd import SPDUtils


def make_backbone(name: str, pretrained: bool, img_size: int | None) -> nn.Module:
    if img_size is not None:
        try:
            return timm.create_model(name, pretrained=pretrained, num_classes=0, img_size=img_size)
        except TypeError:
            print(f"[PaCo] {name} takes no img_size, ignored")
    return timm.create_model(name, pretrained=pretrained, num_classes=0)


class PaCoModel(nn.Module):
    """PaCo-2: backbone, parts, matching, losses."""

    def __init__(
        self,
        backbone_name: str = "resnet50",
        num_classes: int = 200,
        pretrained: bool = False,
        K: int = 4,
        r: int = 5,
        d: int = 64,
        lambda_pac: float = 1.0,
        eta_soc: float = 0.1,
        alpha: float = 0.2,
        beta: float = 0.05,
        gamma: float = 0.1,
        epsilon: float = 1e-5,
        tau: float = 1e-5,
        metric: str = "fro",
        warmup_epochs: int = 3,
        proto_momentum: float = 0.9,
        use_semi_hard: bool = True,
        use_weighted_ce: bool = True,
        use_class_proto: bool = True,
        img_size: int | None = None,
    ) -> None:
        super().__init__()
        self.backbone = make_backbone(backbone_name, pretrained, img_size)
        self.feat_dim = self.backbone.num_features
        self.K = K
        self.d = d
        self.epsilon = epsilon
        self.tau = tau
        self.proto_momentum = proto_momentum
        self.use_class_proto = use_class_proto
        self.epoch = 0
        self.step = 0

        self.classifier = nn.Linear(self.feat_dim, num_classes)
        self.part_sampler = SaliencyPartSampler(K=K, r=r)
        self.dim_reduction = nn.Conv2d(self.feat_dim, d, kernel_size=1, bias=False)
        nn.init.kaiming_normal_(self.dim_reduction.weight)
        self.matcher = HungarianMatcher(warmup_epochs=warmup_epochs)
        self.criterion = PaCoLoss(
            lambda_pac=lambda_pac,
            eta_soc=eta_soc,
            alpha=alpha,
            beta=beta,
            gamma=gamma,
            metric=metric,
            use_semi_hard=use_semi_hard,
            use_weighted_ce=use_weighted_ce,
        )

        # identity until the class has been seen once
        self.register_buffer("class_protos", torch.eye(d).repeat(num_classes, 1, 1))
        self.register_buffer("proto_seen", torch.zeros(num_classes, dtype=torch.bool))
        print(f"[PaCo] {backbone_name}: C={self.feat_dim} K={K} r={r} d={d} metric={metric} classes={num_classes}")

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def _extract(self, x: torch.Tensor) -> torch.Tensor:
        feat = self.backbone.forward_features(x)
        if feat.dim() == 3:  # vit: B x tokens x C
            feat = feat[:, getattr(self.backbone, "num_prefix_tokens", 0) :]
            side = round(feat.shape[1] ** 0.5)
            feat = feat.transpose(1, 2).reshape(feat.shape[0], -1, side, side)
        elif feat.shape[1] != self.feat_dim and feat.shape[-1] == self.feat_dim:  # swin: channels last
            feat = feat.permute(0, 3, 1, 2)
        return feat

    def _reduce_dimensions(self, parts: torch.Tensor) -> torch.Tensor:
        # B x K x C -> B x K x d, the 1x1 conv wants an image
        z = self.dim_reduction(parts.permute(0, 2, 1).unsqueeze(-1))
        return z.squeeze(-1).permute(0, 2, 1).contiguous()

    def _create_negatives_pool(self, Z1t: torch.Tensor, Z2t: torch.Tensor) -> torch.Tensor:
        B = Z1t.shape[0]
        pool = []
        for i in range(B):
            negs_i = []
            for j in range(B):
                if j == i:
                    continue
                negs_i.append(Z1t[j].clone())
                negs_i.append(Z2t[j].clone())
            if len(negs_i) > 0:
                pool.append(torch.cat(negs_i, dim=0))
        if len(pool) == 0:
            return Z1t.new_zeros(0, Z1t.shape[-1])
        return torch.cat(pool, dim=0)

    def _get_class_prototypes(self, targets: torch.Tensor) -> torch.Tensor:
        protos = []
        for t in targets.detach().cpu().numpy():
            protos.append(self.class_protos[int(t)].detach().clone())
        return torch.stack(protos, dim=0)

    @torch.no_grad()
    def _update_class_prototypes(self, targets: torch.Tensor, Sigma1: torch.Tensor, Sigma2: torch.Tensor) -> None:
        avg = ((Sigma1 + Sigma2) / 2).detach().clone()
        for c in set(targets.detach().cpu().numpy().tolist()):
            new = avg[targets == c].mean(dim=0)
            if bool(self.proto_seen[c].item()):
                m = self.proto_momentum
                self.class_protos[c] = m * self.class_protos[c] + (1 - m) * new
            else:
                self.class_protos[c] = new
                self.proto_seen[c] = True

    def forward(
        self, x1: torch.Tensor, x2: torch.Tensor | None = None, targets: torch.Tensor | None = None
    ) -> torch.Tensor | dict[str, torch.Tensor]:
        F1 = self._extract(x1)
        gap1 = F1.mean(dim=(2, 3))
        if not self.training or x2 is None or targets is None:
            print(f"[PaCo] inference, batch {x1.shape[0]}")
            return self.classifier(gap1)

        F2 = self._extract(x2)
        gap2 = F2.mean(dim=(2, 3))
        logits = self.classifier((gap1 + gap2) / 2)

        parts1, peaks1, _ = self.part_sampler(F1)
        parts2, _, _ = self.part_sampler(F2)
        Z1t = self._reduce_dimensions(parts1)
        Z2t = self._reduce_dimensions(parts2)

        Sigma1 = SPDUtils.compute_covariance(Z1t, self.epsilon)
        Sigma2 = SPDUtils.compute_covariance(Z2t, self.epsilon)
        Sigma_plus = SPDUtils.compute_joint_covariance(Sigma1, Sigma2, self.tau)

        matching = self.matcher(Z1t, Z2t, Sigma_plus, self.epoch)
        negatives_pool = self._create_negatives_pool(Z1t, Z2t)
        Sigma_proto = self._get_class_prototypes(targets) if self.use_class_proto else None

        losses = self.criterion(
            logits=logits,
            targets=targets,
            Z1t=Z1t,
            Z2t=Z2t,
            matching=matching,
            negatives_pool=negatives_pool,
            Sigma1=Sigma1,
            Sigma2=Sigma2,
            Sigma_plus=Sigma_plus,
            Sigma_proto=Sigma_proto,
            saliency_map=torch.norm(F1, dim=1),
            peaks=peaks1,
        )
        if self.use_class_proto:
            self._update_class_prototypes(targets, Sigma1, Sigma2)

        self.step += 1
        print(
            f"[PaCo] epoch {self.epoch} step {self.step} total {losses['total'].item():.4f} "
            f"ce {losses['ce'].item():.4f} pac {losses['pac'].item():.4f} soc {losses['soc'].item():.4f}"
        )
        return {"logits": logits, **losses}

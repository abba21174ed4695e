"""PaCo-2 as one model: a backbone, parts, their matching, and the criterion."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from paco_prof.errors import UsageError
from paco_prof.forms import REFERENCE, Contrast, Forms, Metric
from paco_prof.paco2.backbone import TimmBackbone
from paco_prof.paco2.contrast import FusedPaCLoss
from paco_prof.paco2.covariance import joint_covariance, part_covariance
from paco_prof.paco2.criterion import PaCoLoss
from paco_prof.paco2.gathering import gathered_parts, joint_images, require_ranks
from paco_prof.paco2.losses import PaCLoss, WeightedCELoss
from paco_prof.paco2.matching import HungarianMatcher
from paco_prof.paco2.negatives import folded_pool, image_of_row, shared_pool
from paco_prof.paco2.parts import PartSampler
from paco_prof.paco2.precision import full_precision, widened, working_dtype
from paco_prof.paco2.prototypes import ClassPrototypes
from paco_prof.stages import BACKBONE, CLASSIFIER, COVARIANCE, DIM_REDUCTION, stage

__all__ = ["PaCoModel"]

CONTRASTS: dict[Contrast, type[PaCLoss] | type[FusedPaCLoss]] = {"loop": PaCLoss, "fused": FusedPaCLoss}


class PaCoModel(nn.Module):
    """A PaCo-2 model; each stage in the form that `forms` names, in the reference form by default.

    In training mode `model(x1, x2, targets)` returns the logits and the losses of a step; in eval mode `model(x1)`
    returns logits (B, num_classes) alone: that is inference.

    Args:
        backbone_name: a timm model.
        num_classes: number of classes.
        pretrained: load pretrained backbone weights (a download).
        K: parts per view.
        r: odd side of a part's window, in pixels of the feature map.
        d: dimension that parts are reduced to.
        lambda_pac, eta_soc, alpha, beta, gamma, metric, use_semi_hard, use_weighted_ce: see `PaCoLoss`.
        epsilon: added to the diagonal of each view's covariance.
        tau: added to the diagonal of the joint metric.
        warmup_epochs: epochs in which parts are matched by cosine distance.
        proto_momentum: momentum of the class prototypes.
        use_class_proto: keep the covariance close to the class's.
        image_size: side of the input in pixels, for backbones that are built for one size.
        forms: the form of each stage.
        gather_negatives: contrast every anchor with the parts of all ranks' images, where each rank of torch's default
            process group trains such a model on a batch of its own, under DistributedDataParallel. PaC is then that of
            the joint batch, which with the parts of its own rank's images it is not.

    Under autocast the backbone and the classifier run in reduced precision; the parts and all that is computed from
    them do not.

    Raises:
        UsageError: a value that cannot be used, named.
    """

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
        metric: Metric = "fro",
        warmup_epochs: int = 3,
        proto_momentum: float = 0.9,
        use_semi_hard: bool = True,
        use_weighted_ce: bool = True,
        use_class_proto: bool = True,
        image_size: int = 224,
        forms: Forms = REFERENCE,
        gather_negatives: bool = False,
    ) -> None:
        super().__init__()
        if num_classes < 1:
            raise UsageError(f"num_classes={num_classes}: at least one class is needed.")
        if d < 1:
            raise UsageError(f"d={d}: parts need at least one dimension.", "Use -d 1 or more.")
        if gather_negatives:
            require_ranks()
        self.forms = forms
        self.gather_negatives = gather_negatives
        self.part_sampler = PartSampler(K, r, forms.sampling, forms.peaks_every)
        self.backbone = TimmBackbone(backbone_name, pretrained, image_size)
        self.dim_reduction = nn.Conv2d(self.backbone.num_features, d, kernel_size=1, bias=False)
        nn.init.kaiming_normal_(self.dim_reduction.weight)
        self.classifier = nn.Linear(self.backbone.num_features, num_classes)
        self.matcher = HungarianMatcher(warmup_epochs, forms.matching)
        self.prototypes = ClassPrototypes(num_classes, d, proto_momentum, forms.prototypes) if use_class_proto else None
        self.criterion = PaCoLoss(lambda_pac, eta_soc, alpha, beta, gamma, metric, use_semi_hard, use_weighted_ce)
        self.criterion.ce_loss = WeightedCELoss(gamma, use_weighted_ce, forms.weighting)
        self.criterion.pac_loss = CONTRASTS[forms.contrast](
            alpha, use_semi_hard, forms.max_negatives, forms.hard_negative_mining, forms.cache_covariance_inverse
        )
        self.epsilon = epsilon
        self.tau = tau
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Tell the model which epoch it trains (from 0), for the warm-up of the matching."""
        self.epoch = epoch

    def forward(
        self, x1: Tensor, x2: Tensor | None = None, targets: Tensor | None = None
    ) -> Tensor | dict[str, Tensor]:
        """Logits of one view (eval mode), or the results of two views and their targets (training mode).

        Args:
            x1, x2: two views of each image, (B, 3, height, width).
            targets: class indices, (B,).

        Returns:
            `logits` (B, num_classes) in eval mode; in training mode a dict of `logits` and the scalars
            `total`, `ce`, `pac`, `soc`.

        Raises:
            UsageError: training mode without a second view or targets.
        """
        if not self.training:
            return self._classify(self._extract_features(x1))
        if x2 is None or targets is None:
            raise UsageError("In training mode the model takes two views and targets: model(x1, x2, targets).")
        return self._training_forward(x1, x2, targets)

    def _training_forward(self, x1: Tensor, x2: Tensor, targets: Tensor) -> dict[str, Tensor]:
        F1, F2 = self._extract_views(x1, x2)
        logits = self._classify(F1, F2)
        parts1, parts2 = self.part_sampler(F1), self.part_sampler(F2)
        with full_precision(x1.device):
            Z1, Z2 = self._reduce_dimensions(parts1.features), self._reduce_dimensions(parts2.features)
            Sigma1, Sigma2, Sigma_plus = self._covariances(Z1, Z2)
            matching = self.matcher(Z1, Z2, Sigma_plus, self.epoch)
            pool = self._create_negatives_pool(Z1, Z2)
            losses: dict[str, Tensor] = self.criterion(
                logits=logits,
                targets=targets,
                Z1t=Z1,
                Z2t=Z2,
                matching=matching,
                negatives_pool=pool,
                Sigma1=Sigma1,
                Sigma2=Sigma2,
                Sigma_plus=Sigma_plus,
                Sigma_proto=self._get_class_prototypes(targets),
                saliency_map=self._response(F1),
                peaks=parts1.peaks,
                **self._owners(pool, x1.shape[0]),
            )
            self._update_class_prototypes(targets, Sigma1, Sigma2)
        return {"logits": logits, **losses}

    def _extract_views(self, x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
        """Feature maps of both views, (B, C, H, W) each.

        In one batch they share BatchNorm's statistics, which are then of both views together: another objective.
        """
        if self.forms.views == "separate":
            return self._extract_features(x1), self._extract_features(x2)
        F1, F2 = self._extract_features(torch.cat([x1, x2])).tensor_split(2)
        return F1, F2

    @stage(BACKBONE)
    def _extract_features(self, x: Tensor) -> Tensor:
        return self.backbone.forward_features(x)

    @stage(CLASSIFIER)
    def _classify(self, *feature_maps: Tensor) -> Tensor:
        pooled = torch.stack([F.mean(dim=(2, 3)) for F in feature_maps]).mean(dim=0)
        logits: Tensor = self.classifier(pooled)
        return logits

    @stage(DIM_REDUCTION)
    def _reduce_dimensions(self, parts: Tensor) -> Tensor:
        """Reduce part features (B, K, C) to (B, K, d), in the type that parts are held in from here on."""
        reduced: Tensor = self.dim_reduction(widened(parts).transpose(1, 2).unsqueeze(-1))
        Z = reduced.squeeze(-1).transpose(1, 2)
        return Z.to(working_dtype(Z.device)) if self.forms.parts_dtype == "float64" else Z

    @stage(COVARIANCE)
    def _covariances(self, Z1: Tensor, Z2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        Sigma1, Sigma2 = part_covariance(Z1, self.epsilon), part_covariance(Z2, self.epsilon)
        return Sigma1, Sigma2, joint_covariance(Sigma1, Sigma2, self.tau)

    def _create_negatives_pool(self, Z1: Tensor, Z2: Tensor) -> Tensor:
        if self.gather_negatives:
            Z1, Z2 = gathered_parts(Z1, Z2)
        return shared_pool(Z1, Z2) if self.forms.pool == "shared" else folded_pool(Z1, Z2)

    def _owners(self, pool: Tensor, num_images: int) -> dict[str, Tensor]:
        """What tells the criterion to leave an anchor's own image out, where it is to: other criteria need not know."""
        if self.forms.pool != "other-images":
            return {}
        images = joint_images(num_images) if self.gather_negatives else range(num_images)
        return {"negatives_image": image_of_row(pool, len(images)) + images.start}

    @staticmethod
    def _response(F: Tensor) -> Tensor:
        """How strongly a feature map (B, C, H, W) responds at each pixel: its channel L2 norm, (B, H, W)."""
        return widened(F).norm(dim=1)

    def _get_class_prototypes(self, targets: Tensor) -> Tensor | None:
        if self.prototypes is None:
            return None
        prototypes: Tensor = self.prototypes.get(targets)
        return prototypes

    def _update_class_prototypes(self, targets: Tensor, Sigma1: Tensor, Sigma2: Tensor) -> None:
        if self.prototypes is not None:
            self.prototypes.update(targets, Sigma1, Sigma2)

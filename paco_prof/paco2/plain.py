"""Plain two-view training on a backbone: what PaCo-2 adds to, and the yardstick that a step of it is measured with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from paco_prof import stages
from paco_prof.paco2.backbone import TimmBackbone
from paco_prof.stages import stage

__all__ = ["PlainTwoView"]


class PlainTwoView(nn.Module):
    """Both views through the backbone, the classifier on the mean of their pooled features, cross-entropy.

    Args:
        backbone_name: the model's name in timm.
        num_classes: classes.
        image_size: side of the square input in pixels.

    Raises:
        UsageError: timm does not know the backbone, or cannot build it for that size.
    """

    def __init__(self, backbone_name: str = "resnet50", num_classes: int = 200, image_size: int = 224) -> None:
        super().__init__()
        self.backbone = TimmBackbone(backbone_name, False, image_size)
        self.classifier = nn.Linear(self.backbone.num_features, num_classes)

    def forward(self, x1: Tensor, x2: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Scalars `total` and `ce`, which are the same.

        Args:
            x1, x2: two views of each image, (B, 3, height, width).
            targets: class indices, (B,).
        """
        maps = []
        for x in (x1, x2):
            with stage(stages.BACKBONE, x) as scope:
                maps.append(scope.outputs(self.backbone.forward_features(x)))
        with stage(stages.CLASSIFIER, maps) as scope:
            pooled = torch.stack([F.mean(dim=(2, 3)) for F in maps]).mean(dim=0)
            logits = scope.outputs(self.classifier(pooled))
        with stage(stages.LOSS, logits), stage(stages.CE, logits) as scope:
            loss = scope.outputs(nn.functional.cross_entropy(logits, targets))
        return {"total": loss, "ce": loss}

from typing import Any

from finegrain.models.paco import PaCoModel


def build_model(arch: str = "resnet50", classes: int = 200, **kwargs: Any) -> PaCoModel:
    return PaCoModel(backbone_name=arch, num_classes=classes, **kwargs)

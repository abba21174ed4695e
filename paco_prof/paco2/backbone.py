"""Any timm backbone as a source of (B, C, H, W) feature maps."""

from __future__ import annotations

import difflib
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from paco_prof.errors import UsageError

__all__ = ["TimmBackbone", "import_timm"]

# Operators that torchvision declares for fake tensors; they have to exist when it is imported.
_declared_operators: list[torch.library.Library] = []


def import_timm() -> ModuleType:
    """Import timm, also where torchvision's compiled operators do not fit the installed torch.

    timm needs torchvision's transforms only, but a torchvision built for another torch (a CUDA wheel beside a CPU
    torch, say) fails as a whole on import, because operators that it refers to do not exist. Declaring them, without
    an implementation, lets everything else work.
    """
    try:
        import timm
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        _declare_torchvision_operators()
        import timm
    return timm


def _declare_torchvision_operators() -> None:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return
    registrations = Path(spec.origin).with_name("_meta_registrations.py").read_text(encoding="utf-8")
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in sorted(set(re.findall(r'register_fake\("torchvision::(\w+)"', registrations))):
        library.define(f"{operator}() -> ()")
    _declared_operators.append(library)


class TimmBackbone(nn.Module):
    """A timm model whose `forward_features` always yields a map (B, C, H, W).

    NCHW maps pass through, NHWC maps (Swin) are permuted, token sequences (ViT) lose their prefix tokens and are
    folded onto the patch grid.

    Args:
        name: the model's name in timm, e.g. `resnet50`.
        pretrained: load pretrained weights, which timm downloads.
        image_size: side of the square input in pixels; models with a fixed input size are built for it.

    Raises:
        UsageError: timm does not know the name, cannot build it for that size, or cannot get the weights.
    """

    model: Any

    def __init__(self, name: str, pretrained: bool = False, image_size: int = 224) -> None:
        super().__init__()
        self.name = name
        self.model = _create(name, pretrained, image_size)
        self.num_features = int(self.model.num_features)

    def compile_features(self) -> None:
        """From now on run the timm model through torch.compile; what folds its output onto a map stays as it is."""
        self.model.forward_features = torch.compile(self.model.forward_features)

    def forward_features(self, x: Tensor) -> Tensor:
        """Feature map (B, C, H, W) of images (B, 3, height, width).

        Raises:
            UsageError: the features are neither a map nor tokens on a patch grid.
        """
        return self._as_map(self.model.forward_features(x), x)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_features(x)

    def _as_map(self, features: Any, x: Tensor) -> Tensor:
        if isinstance(features, Tensor) and features.dim() == 4:
            is_nhwc = getattr(self.model, "output_fmt", "NCHW") == "NHWC" or (
                features.shape[1] != self.num_features and features.shape[3] == self.num_features
            )
            return features.permute(0, 3, 1, 2) if is_nhwc else features
        if isinstance(features, Tensor) and features.dim() == 3:
            return self._fold_tokens(features, x)
        shape = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
        raise UsageError(
            f"The features of backbone {self.name!r} ({shape}) are not a map and cannot be folded onto one.",
            "Use a backbone whose forward_features returns (B, C, H, W), (B, H, W, C) or patch tokens.",
        )

    def _fold_tokens(self, tokens: Tensor, x: Tensor) -> Tensor:
        num_prefix = int(getattr(self.model, "num_prefix_tokens", 0))
        patches = tokens[:, num_prefix:]
        grid = self._grid(x)
        if grid is None:
            raise UsageError(
                f"Backbone {self.name!r} does not say on which grid its {patches.shape[1]} tokens lie.",
                "Use a backbone with feature maps, or with a patch grid (patch_embed.dynamic_feat_size).",
            )
        height, width = grid
        if height * width != patches.shape[1]:
            raise UsageError(
                f"The {patches.shape[1]} patch tokens of backbone {self.name!r} do not fill a patch grid of "
                f"{height} x {width}.",
                "Use a backbone whose tokens are one a patch.",
            )
        return patches.transpose(1, 2).unflatten(2, (height, width))

    def _grid(self, x: Tensor) -> tuple[int, int] | None:
        patch_embed = getattr(self.model, "patch_embed", None)
        if patch_embed is not None and hasattr(patch_embed, "dynamic_feat_size"):
            height, width = patch_embed.dynamic_feat_size((x.shape[-2], x.shape[-1]))
            return int(height), int(width)
        return None


def _create(name: str, pretrained: bool, image_size: int) -> nn.Module:
    timm = import_timm()
    base_name = name.split(".")[0]
    if not timm.is_model(base_name):
        near = difflib.get_close_matches(base_name, timm.list_models(), n=3)
        raise UsageError(
            f"timm has no backbone named {name!r}.",
            f"Did you mean {', '.join(near)}?" if near else "timm.list_models() lists them.",
        )
    settings: dict[str, Any] = {"num_classes": 0, "pretrained": pretrained}
    try:
        config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    except RuntimeError as error:
        tags = ", ".join(timm.list_pretrained(f"{base_name}.*"))
        raise UsageError(f"timm has no pretrained weights named {name!r}.", f"Use {base_name} or {tags}.") from error
    if config is not None and config.fixed_input_size:
        settings["img_size"] = image_size
    try:
        model: nn.Module = timm.create_model(name, **settings)
    except Exception as error:
        if not pretrained:
            raise UsageError(
                f"Backbone {name!r} cannot be built for {image_size} px: {_first_line(error)}.",
                "Try another --image-size.",
            ) from error
        source = config.hf_hub_id if config is not None and config.hf_hub_id else "its published weights"
        raise UsageError(
            f"The pretrained weights of {name!r} ({source}) could not be downloaded or loaded: {_first_line(error)}.",
            "Check the network, or use pretrained=False.",
        ) from error
    return model


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")

"""PaCo-2 on a joint batch, in one process and dealt to several that gather each other's negatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, distributed
from torch.nn.parallel import DistributedDataParallel

from paco_prof.errors import UsageError
from paco_prof.forms import Forms
from paco_prof.paco2 import PaCoModel
from paco_prof.paco2.gathering import gathered_parts

__all__ = ["CASES", "IMAGES", "RANKS", "Step", "joint_step", "steps_of_rank"]

RANKS, IMAGES = 2, 4
CASES: dict[str, Forms] = {
    **{
        f"{contrast}, {pool}": Forms(contrast=contrast, pool=pool)
        for contrast in ("loop", "fused")
        for pool in ("shared", "folded", "other-images")
    },
    **{
        f"{contrast}, the hardest of other images": Forms(
            contrast=contrast, pool="other-images", max_negatives=3, hard_negative_mining=True
        )
        for contrast in ("loop", "fused")
    },
}


@dataclass(frozen=True)
class Step:
    """What a step came to: its losses, and the gradient of each parameter that has one as numbers."""

    losses: dict[str, float]
    gradient: dict[str, list[float]]


def joint_step(forms: Forms, num_images: int = IMAGES) -> Step:
    """One process with all images."""
    return _step(_model(forms), *_images(slice(num_images)))


def steps_of_rank() -> dict[str, Any]:
    """One of several processes: what each case comes to here, by its name; the gradients are those that all ranks have
    after DistributedDataParallel has averaged them.
    """
    distributed.init_process_group("gloo")
    try:
        rank = distributed.get_rank()
        share = IMAGES // RANKS
        mine = _images(slice(rank * share, (rank + 1) * share))
        fused = CASES["fused, shared"]
        steps = {name: _dealt(forms, mine, gather=True) for name, forms in CASES.items()}
        steps["not gathered"] = _dealt(fused, mine, gather=False)
        steps["an image a rank"] = _dealt(fused, _images(slice(rank, rank + 1)), gather=True)
        return {
            "steps": {name: asdict(step) for name, step in steps.items()},
            "types": [_gathered_type(dtype) for dtype in (torch.float32, torch.bfloat16, torch.float64)],
            "unequal": _unequal(rank),
        }
    finally:
        distributed.destroy_process_group()


def _model(forms: Forms, *, gather: bool = False) -> PaCoModel:
    """In float64, its backbone in eval mode: batch statistics are of a rank's own images. Weighted cross-entropy is a
    product of two batch means, which the mean over ranks is not.
    """
    torch.manual_seed(0)
    model = PaCoModel(
        "test_resnet", num_classes=7, K=2, r=1, d=6, image_size=64, gamma=0.0, forms=forms, gather_negatives=gather
    )
    model.double().train()
    model.backbone.eval()
    return model


def _images(chosen: slice) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x1, x2 = torch.randn(2, IMAGES, 3, 64, 64, dtype=torch.float64, generator=generator)
    return x1[chosen], x2[chosen], torch.tensor([2, 5, 5, 0])[chosen]


def _step(model: PaCoModel | DistributedDataParallel, x1: Tensor, x2: Tensor, targets: Tensor) -> Step:
    result: Mapping[str, Tensor] = model(x1, x2, targets)
    result["total"].backward()
    inner = model.module if isinstance(model, DistributedDataParallel) else model
    gradient = {name: p.grad.flatten().tolist() for name, p in inner.named_parameters() if p.grad is not None}
    return Step({name: value.item() for name, value in result.items() if value.dim() == 0}, gradient)


def _dealt(forms: Forms, mine: tuple[Tensor, Tensor, Tensor], *, gather: bool) -> Step:
    # Peaks carry no gradient, so one parameter has none.
    return _step(DistributedDataParallel(_model(forms, gather=gather), find_unused_parameters=True), *mine)


def _gathered_type(dtype: torch.dtype) -> str:
    first, _ = gathered_parts(*torch.ones(2, 1, 2, 3, dtype=dtype))
    return str(first.dtype)


def _unequal(rank: int) -> str:
    try:
        gathered_parts(*torch.ones(2, 1 + rank, 2, 3))
    except UsageError as error:
        return str(error)
    return ""

"""The parts of all ranks' images, where several processes train one model: negatives for each other's anchors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed
from torch.autograd.function import once_differentiable

from paco_prof.errors import UsageError
from paco_prof.stages import GATHERING, stage

__all__ = ["gathered_parts", "joint_images", "require_ranks"]


def require_ranks() -> None:
    """Find out whether there is anybody to gather from.

    Raises:
        UsageError: this process is alone, or torch's default process group is not there yet.
    """
    if not distributed.is_available() or not distributed.is_initialized() or distributed.get_world_size() < 2:
        raise UsageError(
            "Gathering negatives needs several ranks: torchrun --nproc-per-node 2 -m paco_prof ... starts two.",
            "In code of your own, torch.distributed.init_process_group comes before the model.",
        )


@stage(GATHERING)
def gathered_parts(Z1: Tensor, Z2: Tensor) -> tuple[Tensor, Tensor]:
    """The parts (B, K, d) of both views of all ranks' images, (W B, K, d) each, rank after rank.

    Differentiable: a part's gradient is the sum over all ranks' losses. The average over ranks of the gradients, as
    DistributedDataParallel takes it, is then that of the mean of their losses. Every rank has to call it, and to
    differentiate its result. Ranks exchange how many images each has, for which the host waits.

    Raises:
        UsageError: ranks have different numbers of images; every rank hears of it.
    """
    sizes = _sizes(Z1)
    if len(set(sizes)) > 1:
        told = ", ".join(map(str, sizes))
        raise UsageError(
            f"Negatives are gathered from ranks with equal batches, and these have {told} images.",
            "Give every rank as many, in the last batch of an epoch too.",
        )
    both: Tensor = _Gather.apply(torch.cat([Z1, Z2], dim=1))
    first, second = both.tensor_split(2, dim=1)
    return first, second


def joint_images(num_images: int) -> range:
    """The numbers of all ranks' images, of which every rank has so many, if this rank's own are counted from 0."""
    before = distributed.get_rank() * num_images
    return range(-before, distributed.get_world_size() * num_images - before)


def _sizes(Z: Tensor) -> list[int]:
    """How many images each rank has."""
    mine = torch.tensor([Z.shape[0]], device=Z.device)
    sizes = [torch.empty_like(mine) for _ in range(distributed.get_world_size())]
    distributed.all_gather(sizes, mine)
    return torch.cat(sizes).tolist()


class _Gather(torch.autograd.Function):
    """Tensors (B, ...) of all ranks, one after the other, (W B, ...)."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor) -> Tensor:
        mine = mine.contiguous()
        ctx.num_images = mine.shape[0]
        pieces = [torch.empty_like(mine) for _ in range(distributed.get_world_size())]
        distributed.all_gather(pieces, mine)
        return torch.cat(pieces)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        # Gloo has no reduce-scatter, and parts are small. The copy is summed in place: `grad` may be another's too.
        total = grad.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        start = distributed.get_rank() * ctx.num_images
        return total[start : start + ctx.num_images]

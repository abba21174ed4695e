"""A training step of several ranks: the same model on each, its gradients averaged, its buffers those of rank 0."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn.parallel import DistributedDataParallel

from paco_prof import stages
from paco_prof.measure.clock import Clock
from paco_prof.measure.distributed.group import Group
from paco_prof.measure.distributed.reduction import Reduction
from paco_prof.measure.losses import losses_of
from paco_prof.measure.workload import TrainingStep
from paco_prof.paco2.parts import PartSampler
from paco_prof.stages import stage

__all__ = ["distributed", "has_unused_parameters", "share_buffers"]


class _Called(nn.Module):
    """A step's forward pass as a module, as DistributedDataParallel wants one.

    Args:
        step: whose call it is.
    """

    def __init__(self, step: TrainingStep) -> None:
        super().__init__()
        self.model = step.model
        # In a tuple, for it may be the model itself, which is not to be a part twice.
        self._call = (step.call,)

    def forward(self, x1: Tensor, x2: Tensor, targets: Tensor) -> dict[str, Any]:
        # A plain dict: in an object of somebody's own class nobody would find the tensors that are differentiated.
        return dict(losses_of(self._call[0](x1, x2, targets)))


def distributed(step: TrainingStep, group: Group, clock: Clock) -> tuple[TrainingStep, Reduction]:
    """The step that all ranks take together, and what notes the all-reduce of its gradients. All ranks call this.

    Args:
        step: of this rank alone; both have the model, the batches and the optimizer.
        group: of several ranks.
        clock: the device's.
    """
    unused = any(group.shared(has_unused_parameters(step)))
    # Buffers are shared by a stage of their own, so that it can be seen what that takes.
    without_buffers: dict[str, Any] = {_shares_buffers(): False}
    model = DistributedDataParallel(_Called(step), find_unused_parameters=unused, **without_buffers)
    reduction = Reduction(clock, group.place.world_size)
    model.register_comm_hook(None, reduction.hook)

    def call(x1: Tensor, x2: Tensor, targets: Tensor) -> dict[str, Any]:
        share_buffers(step.model.buffers(), group)
        losses: dict[str, Any] = model(x1, x2, targets)
        return losses

    together = TrainingStep(step.model, step.batches, step.optimization, step.device, step.dtype, call)
    return together, reduction


def _shares_buffers() -> str:
    """The argument that says whether DistributedDataParallel shares buffers by itself: torch 2.13 has renamed it."""
    known = inspect.signature(DistributedDataParallel.__init__).parameters
    return "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"


@stage(stages.BUFFER_SYNC)
def share_buffers(buffers: Iterable[Tensor], group: Group) -> None:
    """Give all ranks rank 0's buffers: statistics of normalisation, class prototypes. One message a type."""
    by_type: dict[torch.dtype, list[Tensor]] = defaultdict(list)
    for buffer in buffers:
        by_type[buffer.dtype].append(buffer)
    with torch.no_grad():
        for alike in by_type.values():
            together = torch.cat([buffer.reshape(-1) for buffer in alike])
            # As bytes: a backend need not know the type.
            dist.broadcast(together.view(torch.uint8), src=0)
            if group.is_first:
                continue
            for buffer, values in zip(alike, together.split([buffer.numel() for buffer in alike]), strict=True):
                buffer.copy_(values.view(buffer.shape))


def has_unused_parameters(step: TrainingStep) -> bool:
    """Whether parameters get no gradient from the first batch: a forward pass tells.

    It leaves buffers and the generators of random numbers as they were, and part samplers as before a first step: the
    next one searches for peaks.

    DistributedDataParallel waits for every gradient, and looks for those that do not come, in every step, only where
    it is told to.
    """
    buffers = {name: buffer.clone() for name, buffer in step.model.named_buffers()}
    with torch.random.fork_rng([step.device] if step.device.type == "cuda" else []):
        total = step.compute(*(part.to(step.device) for part in (step.batch.x1, step.batch.x2, step.batch.targets)))
        reached = _leaves(total["total"].grad_fn)
    with torch.no_grad():
        for name, buffer in step.model.named_buffers():
            if name in buffers and buffers[name].shape == buffer.shape:
                buffer.copy_(buffers[name])
    for module in step.model.modules():
        if isinstance(module, PartSampler):
            module.forget_peaks()
    return any(id(parameter) not in reached for parameter in step.model.parameters() if parameter.requires_grad)


def _leaves(root: Node | None) -> set[int]:
    """The identities of the tensors that a graph accumulates gradients in."""
    found: set[int] = set()
    seen = {root}
    left = [root] if root is not None else []
    while left:
        node = left.pop()
        # Nodes of accumulation have their tensor, and no others behind them.
        variable = getattr(node, "variable", None)
        if isinstance(variable, Tensor):
            found.add(id(variable))
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                left.append(following)
    return found

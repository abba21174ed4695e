"""Class prototypes: what the covariance of a class's parts usually is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from paco_prof.forms import Rounds
from paco_prof.stages import PROTOTYPES, stage

__all__ = ["ClassPrototypes"]


class ClassPrototypes(nn.Module):
    """An exponential moving average of each class's mean covariance, detached; the identity for an unseen class.

    The first covariance that a class shows becomes its prototype; later ones enter with weight `1 - momentum`.

    Args:
        num_classes: number of classes.
        dim: d, the side of a covariance.
        momentum: weight of the old prototype in an update.
        form: update class by class, or all classes of the batch at once without waiting for the device.
    """

    covariances: Tensor
    seen: Tensor

    def __init__(self, num_classes: int, dim: int, momentum: float = 0.9, form: Rounds = "loop") -> None:
        super().__init__()
        self.momentum = momentum
        self.form = form
        self.register_buffer("covariances", torch.eye(dim).repeat(num_classes, 1, 1))
        self.register_buffer("seen", torch.zeros(num_classes, dtype=torch.bool))

    @stage(PROTOTYPES)
    @torch.no_grad()
    def get(self, targets: Tensor) -> Tensor:
        """Prototypes of the targets (B,), as (B, d, d)."""
        return self.covariances[targets].clone()

    @stage(PROTOTYPES)
    @torch.no_grad()
    def update(self, targets: Tensor, Sigma1: Tensor, Sigma2: Tensor) -> None:
        """Move the prototype of every class among the targets (B,) towards its mean covariance (B, d, d)."""
        update = self._update_batched if self.form == "batched" else self._update_by_class
        update(targets, (Sigma1 + Sigma2) / 2)

    def _update_by_class(self, targets: Tensor, covariances: Tensor) -> None:
        for label in targets.unique().tolist():
            batch_mean = covariances[targets == label].mean(dim=0).to(self.covariances.dtype)
            if self.seen[label]:
                batch_mean = self.momentum * self.covariances[label] + (1 - self.momentum) * batch_mean
            self.covariances[label] = batch_mean
            self.seen[label] = True

    def _update_batched(self, targets: Tensor, covariances: Tensor) -> None:
        same = targets[:, None] == targets
        shares = same.to(covariances.dtype) / same.sum(dim=1, keepdim=True)
        batch_mean = (shares @ covariances.flatten(1)).view_as(covariances).to(self.covariances.dtype)
        moved = self.momentum * self.covariances[targets] + (1 - self.momentum) * batch_mean
        updated = torch.where(self.seen[targets][:, None, None], moved, batch_mean)
        # Images of one class write the same matrix to one place: the first one's, to the last bit, whoever is last.
        self.covariances.index_copy_(0, targets, updated[same.to(torch.uint8).argmax(dim=1)])
        self.seen.index_fill_(0, targets, True)

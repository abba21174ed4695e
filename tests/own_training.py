"""Models of somebody's own that are trained on a handful of digits, each with one habit that a trainer has to bear."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from own_models import Tiny
from paco_prof.measure.job import Job
from paco_prof.records import VariantUsed
from paco_prof.settings import Workload
from paco_prof.training.trainer import Trainer, trainer_for

__all__ = ["CHANGED", "Leaving", "Narrow", "Remembering", "Sometimes", "TwoViews", "job_of_ones_own", "training"]

# Attributes of `Remembering` that training changes.
CHANGED = ["class_prototypes", "queue", "running", "seen"]


class Narrow(Tiny):
    """Wants float32, and nothing else."""

    def forward(self, x1: Tensor, x2: Tensor | None = None, targets: Tensor | None = None) -> Any:
        assert x1.dtype == torch.float32, "float32, please"
        return super().forward(x1, x2, targets)


class TwoViews(Tiny):
    """Has no forward pass for one view."""

    def forward(self, x1: Tensor, x2: Tensor, targets: Tensor) -> Any:  # type: ignore[override]
        return super().forward(x1, x2, targets)


class Leaving(Tiny):
    """Ends the process in a training step, after so many of them."""

    def __init__(self, after: int = 2) -> None:
        super().__init__()
        self.left = after

    def forward(self, x1: Tensor, x2: Tensor | None = None, targets: Tensor | None = None) -> Any:
        if x2 is not None:
            self.left -= 1
            if self.left < 0:
                sys.exit("that is enough")
        return super().forward(x1, x2, targets)


class Sometimes(Tiny):
    """Has another loss in every other step, the first one among them where it is asked to."""

    def __init__(self, at: int = 0) -> None:
        super().__init__()
        self.at = at
        self.steps = 0

    def forward(self, x1: Tensor, x2: Tensor | None = None, targets: Tensor | None = None) -> Any:
        result = super().forward(x1, x2, targets)
        if x2 is None:
            return result
        self.steps += 1
        return {**result, "extra": result["total"] * 0 + 0.5} if self.steps % 2 == self.at else result


class Remembering(Tiny):
    """Keeps what it has seen beside its weights and buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.class_prototypes: dict[int, Tensor] = {}
        self.queue: list[list[Tensor]] = [[] for _ in range(10)]
        self.running = torch.zeros(4)
        self.seen: Tensor | None = None
        # What nobody changes is there again whenever it is built; what is a weight is saved.
        self.eye = torch.eye(4)
        self.weights = [self.classifier.weight]

    def forward(self, x1: Tensor, x2: Tensor | None = None, targets: Tensor | None = None) -> Any:
        result = super().forward(x1, x2, targets)
        if x2 is not None and targets is not None:
            pooled = self.backbone(x1).mean(dim=(2, 3)).detach()
            self.seen = pooled
            self.running = self.running + pooled.mean(dim=0)
            for target, vector in zip(targets.tolist(), pooled, strict=True):
                self.class_prototypes[target] = vector
                self.queue[target].append(vector)
        return result


def job_of_ones_own(model: str, variant: str = "baseline", **changes: Any) -> Job:
    """Of a model in this file, on digits."""
    name = model if ":" in model else f"own_training:{model}"
    settings = {"image_size": 32, "batch_size": 4, "num_classes": 10, "data": "digits", "device": "cpu", "threads": 1}
    workload = Workload(model=name, **{**settings, **changes})
    return Job(workload, workload, VariantUsed(name=variant))


def training(model: str, **arguments: Any) -> AbstractContextManager[Trainer]:
    """What trains a model in this file; the digits are those that somebody has opened in the place of all."""
    return trainer_for(job_of_ones_own(model, model_args=tuple(arguments.items())))

"""Models of somebody's own that take a step in a moment, models that go wrong, and how little is measured of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from paco_prof.errors import UsageError

__all__ = ["QUICK", "Failing", "Interrupted", "Tiny", "build", "half_the_loss", "refusal"]

# Of a breakdown, as little as makes a measurement.
QUICK: dict[str, Any] = {
    **{"image_size": 32, "batch_size": 2, "threads": 1},
    **{"warmup": 1, "steps": 3, "max_seconds": 0.01, "fidelity": False},
}


class Tiny(nn.Module):
    """Two views through one convolution; what it returns holds a total."""

    def __init__(self, width: int = 4, num_classes: int = 10) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(3, width, 8, 8)
        self.classifier = nn.Linear(width, num_classes)
        self.criterion = nn.CrossEntropyLoss()
        self.epoch = -1

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def logits(self, x: Tensor) -> Tensor:
        return self.classifier(self.backbone(x).mean(dim=(2, 3)))

    def forward(self, x1: Tensor, x2: Tensor | None = None, targets: Tensor | None = None) -> Any:
        if x2 is None:
            return self.logits(x1)
        first, second = self.logits(x1), self.logits(x2)
        return {"total": self.criterion(first + second, targets), "logits": first}


class Failing(Tiny):
    """Fails in a training step, after so many of them."""

    error: BaseException = RuntimeError("the batch is too old")

    def __init__(self, after: int = 6) -> None:
        super().__init__()
        self.left = after

    def forward(self, x1: Tensor, x2: Tensor | None = None, targets: Tensor | None = None) -> Any:
        if x2 is not None:
            self.left -= 1
            if self.left < 0:
                raise self.error
        return super().forward(x1, x2, targets)


class Interrupted(Failing):
    """Somebody presses Ctrl-C instead."""

    error = KeyboardInterrupt()


def build(width: int = 4) -> Tiny:
    torch.set_num_threads(1)
    return Tiny(width)


def half_the_loss(model: Tiny, x1: Tensor, x2: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Another way of computing a step."""
    return {"total": model(x1, x2, targets)["total"] / 2}


def refusal(call: Callable[[], object]) -> str:
    """The one line that a call of the Python API is refused with, in which nothing is called an option."""
    with pytest.raises(UsageError) as told:
        call()
    assert "\n" not in str(told.value)
    assert "--" not in str(told.value)
    return str(told.value)

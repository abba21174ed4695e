"""Criteria as other people write them, with settings under their own names, and drop-ins for them of every kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from paco_prof.paco2 import PaCoLoss


class Contrast(nn.Module):
    """The margin stands where it is used."""

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.margin = margin
        self.metric = "of nobody's interest"


class Consistency(nn.Module):
    """So does the metric."""

    def __init__(self, metric: str) -> None:
        super().__init__()
        self.metric = metric
        self.beta = 3


class Criterion(nn.Module):
    """A criterion that computes PaCo-2's losses, and keeps its settings all over the place."""

    def __init__(self, metric: str = "log_euclidean") -> None:
        super().__init__()
        self.lambda_pac_weight = 0.5
        self.pac_loss = Contrast(0.75)
        self.soc_loss = Consistency(metric)
        self.use_semi_hard = False
        self.gamma = nn.Parameter(torch.tensor(0.3))
        self.num_calls = 0

    def forward(self, **batch: Any) -> dict[str, Tensor]:
        self.num_calls += 1
        losses: dict[str, Tensor] = PaCoLoss(
            self.lambda_pac_weight, 0.125, 0.75, 3, 0.0, "log-euclidean", self.use_semi_hard, False
        )(**batch)
        return losses


class Model(nn.Module):
    """What a model has beside."""

    def __init__(self, criterion: Any = None) -> None:
        super().__init__()
        self.body = nn.Linear(2, 2, dtype=torch.float64)
        self.criterion = Criterion() if criterion is None else criterion
        self.heads = nn.ModuleList([nn.Identity(), nn.Identity()])
        self.steps = {"loss": nn.functional.mse_loss}
        self.eta_soc = 0.125
        self.use_weighted_ce = False
        self.K = 4

    def _create_negatives_pool(self, Z1: Tensor, Z2: Tensor) -> Tensor:
        raise AssertionError("nobody asks")

    @property
    def fixed(self) -> Callable[[], int]:
        return lambda: 3

    def forward(self, **batch: Any) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = self.criterion(**batch)
        return losses


class Scaled(nn.Module):
    """A drop-in of the user's own with a parameter, which wants to know about parts."""

    def __init__(self, num_parts: int, name: str = "scaled", *, scale: float = 2.0) -> None:
        super().__init__()
        self.num_parts, self.name, self.scale = num_parts, name, nn.Parameter(torch.tensor(scale))

    def forward(self, logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
        return {"total": self.scale * logits.sum()}


class Taking:
    """A drop-in that looks for itself at what it replaces."""

    @classmethod
    def in_place_of(cls, original: Any) -> Callable[..., Any]:
        return lambda **batch: {"total": original.pac_loss.margin}


def failing(margin: float) -> Any:
    raise ValueError(f"a margin of {margin} is\nnot for me")


def needing(temperature: float) -> Any:
    raise AssertionError("it is not called")


def number() -> int:
    return 7


def pooling() -> Callable[[Tensor, Tensor], Tensor]:
    """Makes a function in the place of a method."""
    return lambda Z1, Z2: torch.cat([Z1, Z2])


class Pool(nn.Module):
    """A module in the place of a method."""

    def forward(self, Z1: Tensor, Z2: Tensor) -> Tensor:
        return Z1 - Z2


CONSTANT = 3

"""A step in which every stage takes as long as was planted in it, forward and backward."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from paco_prof import stages
from paco_prof.measure.doctor.delays import Delay
from paco_prof.measure.timeline import ROOT, Owner
from paco_prof.stages import stage

__all__ = ["CALLS", "PlantedStep"]

STEM, BLOCK, HEAD, INNER, UPDATE = "stem", "block", "head", "inner", "update"


@dataclass(frozen=True, slots=True)
class Planted:
    """Seconds that one piece of work takes, forward and backward."""

    forward: float
    backward: float


# No two stages take the same time, so that two that are mistaken for each other show.
PIECES = {
    STEM: Planted(0.008, 0.012),
    BLOCK: Planted(0.005, 0.007),
    HEAD: Planted(0.003, 0.004),
    f"{HEAD}/{INNER}": Planted(0.007, 0.010),
    ROOT: Planted(0.001, 0.0015),
}
UPDATE_SECONDS = 0.004

# How many stretches each stage has in each pass, in the order in which a step gets there. In backward the parent is
# at work before and after what is nested in it; a stage that is called twice has two stretches in either pass, because
# something lies between the calls.
CALLS: dict[Owner, int] = {
    Owner(STEM, "forward"): 1,
    Owner(BLOCK, "forward"): 2,
    Owner(HEAD, "forward"): 1,
    Owner(f"{HEAD}/{INNER}", "forward"): 1,
    Owner(HEAD, "backward"): 2,
    Owner(f"{HEAD}/{INNER}", "backward"): 1,
    Owner(BLOCK, "backward"): 2,
    Owner(STEM, "backward"): 1,
    Owner(UPDATE, "other"): 1,
}


class _Work(torch.autograd.Function):
    """Works forward as it is applied, and backward as it is differentiated."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, forward: Callable[[], None], backward: Callable[[], None]) -> Tensor:
        ctx.work = backward
        forward()
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        ctx.work()
        return gradients[0], None, None


class PlantedStep:
    """A training step of a single stage, one that is called twice, one with another nested in it, and an update.

    Args:
        delay: the work that it consists of.
        device: where its tensors are.

    Attributes:
        seconds: what was planted in the step that was taken last.
    """

    def __init__(self, delay: Delay, device: torch.device) -> None:
        self._delay = delay
        self._device = device
        self.seconds: dict[Owner, float] = defaultdict(float)

    def run(self) -> dict[str, Tensor]:
        """Take a step."""
        self.seconds = defaultdict(float)
        x = torch.ones(8, device=self._device, requires_grad=True)
        with stages.phase("forward"):
            with stage(STEM, x) as stem:
                x = stem.outputs(self._work(STEM, x))
            x = self._work(ROOT, x)
            x = self._block(x)
            x = self._work(ROOT, x)
            x = self._block(x)
            total = self._head(x).sum()
        with stages.phase("backward"):
            total.backward()
        with stage(UPDATE):
            self._note(Owner(UPDATE, "other"), UPDATE_SECONDS)
        return {"total": total.detach()}

    def _block(self, x: Tensor) -> Tensor:
        with stage(BLOCK, x) as block:
            return block.outputs(self._work(BLOCK, x))

    def _head(self, x: Tensor) -> Tensor:
        with stage(HEAD, x) as head:
            y = self._work(HEAD, x)
            with stage(INNER, y) as inner:
                y = inner.outputs(self._work(f"{HEAD}/{INNER}", y))
            return head.outputs(self._work(HEAD, y))

    def _work(self, path: str, x: Tensor) -> Tensor:
        piece = PIECES[path]
        y: Tensor = _Work.apply(
            x,
            lambda: self._note(Owner(path, "forward"), piece.forward),
            lambda: self._note(Owner(path, "backward"), piece.backward),
        )
        return y

    def _note(self, owner: Owner, seconds: float) -> None:
        self.seconds[owner] += self._delay.wait(seconds)

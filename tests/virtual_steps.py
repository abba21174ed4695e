"""Steps on a virtual host clock, which only `busy` and `advance` move: what each stage takes is known."""

from __future__ import annotations

from collections.abc import Callable

import torch

from paco_prof import stages
from paco_prof.measure.clock import HostClock
from paco_prof.measure.steps import TimedStep
from paco_prof.measure.training import timed_step

__all__ = ["advance", "busy", "now", "take"]

MS = 1_000_000
now_ns = 0


class Busy(torch.autograd.Function):
    """Advances the virtual clock, forward and backward; the second input joins branches."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx, x: torch.Tensor, forward_ms: float, backward_ms: float
    ) -> torch.Tensor:
        global now_ns
        ctx.backward_ms = backward_ms
        now_ns += int(forward_ms * MS)
        return x.clone()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        global now_ns
        now_ns += int(ctx.backward_ms * MS)
        return grad, None, None


def now() -> int:
    """The virtual time in nanoseconds."""
    return now_ns


def busy(x: torch.Tensor, forward_ms: float, backward_ms: float) -> torch.Tensor:
    """A copy of `x` that takes so long to make, and to differentiate."""
    return Busy.apply(x, forward_ms, backward_ms)


def take(forward: Callable[[torch.Tensor], torch.Tensor]) -> tuple[TimedStep, dict[tuple[str, str], float]]:
    """A step of `forward` and its backward; the own time of each owner in milliseconds, zeros left out."""

    def run() -> dict[str, torch.Tensor]:
        x = torch.ones(3, requires_grad=True)
        with stages.phase("forward"):
            total = forward(x)
        with stages.phase("backward"):
            total.backward()
        return {"total": total.detach()}

    step = timed_step(run, HostClock(now))
    spans = {(o.path, o.phase): round(s.host * 1e3, 6) for o, s in step.spans.items() if s.host}
    return step, spans


def advance(milliseconds: float) -> None:
    """Let time pass."""
    global now_ns
    now_ns += int(milliseconds * MS)

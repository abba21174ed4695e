"""What the stage timer costs, beside what torch.profiler costs on the same step."""

from __future__ import annotations

import random
import time

import torch
from figures import Figure
from torch import Tensor, nn

from paco_prof.measure.clock import HostClock
from paco_prof.measure.training import TimedStep, bare_step, timed_step
from paco_prof.measure.workload import TrainingStep, build_step
from paco_prof.paco2.losses import WeightedCELoss
from paco_prof.settings import Workload
from paco_prof.stages import LOSS, stage
from paco_prof.stats.summary import median_estimate

__all__ = ["overhead_figures"]

TARGET_PERCENT = 1.0
CLOCK = HostClock()


class LightLoss(nn.Module):
    """A criterion that costs next to nothing: cross-entropy alone, with every other input ignored."""

    def __init__(self) -> None:
        super().__init__()
        self.ce_loss = WeightedCELoss(gamma=0.0)

    @stage(LOSS)
    def forward(self, logits: Tensor, targets: Tensor, **unused: object) -> dict[str, Tensor]:
        ce = self.ce_loss(logits, targets)
        return {"total": ce, "ce": ce}


def light_step() -> TrainingStep:
    """ResNet-18, 96 px, batch 8: every stage of PaCo-2, and a loss that hides nothing."""
    step, _ = build_step(Workload(backbone="resnet18", image_size=96, window=3), torch.device("cpu"))
    step.model.add_module("criterion", LightLoss())
    return step


def reference_step() -> TrainingStep:
    """The same with the reference loss: 14,368 factorisations forward, 10^5 nodes backward."""
    return build_step(Workload(backbone="resnet18", image_size=96, window=3), torch.device("cpu"))[0]


def overhead_figures(name: str, step: TrainingStep, seconds: float, profiled_steps: int) -> list[Figure]:
    """Paired overhead of the stage timer and of torch.profiler on one step, as figures in percent and as ratios."""
    for _ in range(3):
        step.run()
    pairs = _pairs(step, seconds)
    overhead = median_estimate([100 * (timed.seconds / bare - 1) for timed, bare in pairs])
    inside = median_estimate([100 * timed.own_seconds / timed.seconds for timed, _ in pairs])
    bare = [bare for _, bare in pairs]
    profiled = [_profiled(step) for _ in range(profiled_steps)]
    slower = median_estimate([inner / median_estimate(bare).value for inner, _ in profiled])
    processing = median_estimate([outer / median_estimate(bare).value for _, outer in profiled])
    return [
        Figure(f"{name}: bare step", 1e3 * median_estimate(bare).value, "ms", samples=len(bare)),
        Figure(
            f"{name}: stage timer, instrumented over bare step, pairs",
            overhead.value,
            "%",
            overhead.low,
            overhead.high,
            TARGET_PERCENT,
            len(pairs),
        ),
        Figure(
            f"{name}: stage timer, time spent inside it over the step",
            inside.value,
            "%",
            inside.low,
            inside.high,
            TARGET_PERCENT,
            inside.num_samples,
        ),
        Figure(
            f"{name}: torch.profiler, profiled over bare step",
            slower.value,
            "x",
            slower.low,
            slower.high,
            samples=profiled_steps,
        ),
        Figure(
            f"{name}: torch.profiler, with its processing afterwards",
            processing.value,
            "x",
            processing.low,
            processing.high,
            samples=profiled_steps,
        ),
    ]


def _pairs(step: TrainingStep, seconds: float) -> list[tuple[TimedStep, float]]:
    order = random.Random(0)
    pairs: list[tuple[TimedStep, float]] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        if order.random() < 0.5:
            bare = bare_step(step.run, CLOCK)
            pairs.append((timed_step(step.run, CLOCK), bare))
        else:
            timed = timed_step(step.run, CLOCK)
            pairs.append((timed, bare_step(step.run, CLOCK)))
    return pairs


def _profiled(step: TrainingStep) -> tuple[float, float]:
    """Seconds of a step under torch.profiler, without and with what the profiler does after it."""
    outer = time.perf_counter()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], acc_events=True):
        start = time.perf_counter()
        step.run()
        inner = time.perf_counter() - start
    return inner, time.perf_counter() - outer

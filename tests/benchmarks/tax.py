"""The PaCo tax: what an exact PaCo-2 step takes beyond a plain two-view cross-entropy step on the same backbone."""

from __future__ import annotations

import random
import time

import torch
from figures import Figure, median_figure
from torch import Tensor, nn

from paco_prof import stages
from paco_prof.measure.clock import HostClock
from paco_prof.measure.optimization import Optimization
from paco_prof.measure.training import bare_step
from paco_prof.measure.workload import TrainingStep, build_step
from paco_prof.paco2 import PaCoModel
from paco_prof.settings import Workload, restored, with_settings
from paco_prof.stages import stage
from paco_prof.variants.resolve import find_variant

__all__ = ["tax_figures"]

CPU = torch.device("cpu")
CLOCK = HostClock()
# The least that makes a comparison, and the time to add to it.
MIN_PAIRS = 12


class PlainTwoView(nn.Module):
    """Both views through the backbone, the classifier on the mean of their features, cross-entropy."""

    def __init__(self, model: PaCoModel) -> None:
        super().__init__()
        self.backbone, self.classifier = model.backbone, model.classifier

    def forward(self, x1: Tensor, x2: Tensor, targets: Tensor) -> dict[str, Tensor]:
        with stage(stages.BACKBONE):
            maps = [self.backbone.forward_features(x) for x in (x1, x2)]
        pooled = torch.stack([F.mean(dim=(2, 3)) for F in maps]).mean(dim=0)
        return {"total": nn.functional.cross_entropy(self.classifier(pooled), targets)}


def tax_figures() -> list[Figure]:
    """Steps taken alternately, in random order within a pair."""
    return [
        *_figures("ResNet-50, 224 px, batch 8", Workload(), 1.03, seconds=150),
        *_figures(
            "ResNet-18, 96 px, batch 8", Workload(backbone="resnet18", image_size=96, window=3), 1.10, seconds=90
        ),
    ]


def _figures(name: str, base: Workload, target: float, seconds: float) -> list[Figure]:
    workload = restored(with_settings(base, find_variant("exact").settings), base, ["cudnn_benchmark"])
    exact, _ = build_step(workload, CPU)
    # Its own copy of the same weights, as a run of its own would have.
    plain_model = PlainTwoView(build_step(workload, CPU)[0].model)  # type: ignore[arg-type]
    plain = TrainingStep(plain_model, exact.batches, Optimization(plain_model, workload, CPU), CPU)
    for step in (exact, plain, exact, plain):
        step.run()
    order = random.Random(0)
    pairs: list[tuple[float, float]] = []
    end = time.perf_counter() + seconds
    while len(pairs) < MIN_PAIRS or time.perf_counter() < end:
        if order.random() < 0.5:
            first = bare_step(plain.run, CLOCK)
            pairs.append((bare_step(exact.run, CLOCK), first))
        else:
            first = bare_step(exact.run, CLOCK)
            pairs.append((first, bare_step(plain.run, CLOCK)))
    return [
        median_figure(f"{name}: plain two-view step", [1e3 * plain for _, plain in pairs], "ms"),
        median_figure(f"{name}: exact PaCo-2 step over it, pairs", [a / b for a, b in pairs], "x", target),
    ]

"""A code base that was not written for this tool, on the main job: what is found in it, and what a drop-in saves.

ResNet-50, 224 px, batch 8 (`tests/foreign`), with no configuration. The loss is timed alone, on the inputs of one step,
theirs and the drop-in's in turns; the criterion's value and gradient are compared in float64.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from figures import Figure, median_figure
from torch import Tensor, nn

from foreign_code import FOREIGN, MODEL
from paco_prof.analysis.breakdown import breakdown_view
from paco_prof.cli.progress import SilentProgress
from paco_prof.cli.set_aside import set_aside
from paco_prof.measure.building import Built, build
from paco_prof.measure.clock import HostClock
from paco_prof.measure.job import Job
from paco_prof.measure.loss_test import Call, LossAlone, capture_call
from paco_prof.measure.pacing import Budget
from paco_prof.measure.session import Plan, measure_breakdown
from paco_prof.measure.user.replacing import replace_components
from paco_prof.settings import Workload

__all__ = ["own_model_figures"]

SECONDS = 150.0
ROUNDS = 7
LEAST_SPEEDUP = 100.0
MOST_UNATTRIBUTED, MOST_OVERHEAD = 2.0, 1.0
MOST_DIFFERENCE = 1e-6
WORKLOAD = Workload(model=MODEL)
# Class prototypes are constants of a step: their code detaches them once more, and nobody asks for their gradient.
CONSTANT = ("Sigma_proto",)
COMPONENTS = ("loss", "backbone", "part_sampling", "matching", "covariance", "negatives_pool", "dim_reduction")


def own_model_figures() -> list[Figure]:
    """Components, unattributed time, overhead, and what the drop-in makes of the loss."""
    sys.path.insert(0, str(FOREIGN))
    with set_aside():
        return [*_breakdown_figures(), *_drop_in_figures()]


def _breakdown_figures() -> list[Figure]:
    job, plan = Job.baseline(WORKLOAD), Plan(max_seconds=SECONDS, fidelity=False)
    with SilentProgress() as progress:
        record = measure_breakdown(job, plan, progress, lambda record: None).record
    view, training, overhead = breakdown_view(record), record.training, record.overhead
    assert view is not None
    assert training is not None
    assert overhead is not None
    found = [path for path in COMPONENTS if view.row(path) is not None]
    divided = [path for path in COMPONENTS if (row := view.row(path)) is not None and row.backward is not None]
    shares = [100 * own / step for own, step in zip(training.instrument, training.steps, strict=True)]
    pairs = zip(overhead.instrumented, overhead.bare, strict=True)
    return [
        Figure("Components of the analysis that are found", len(found), "of 7", target=7, at_least=True),
        Figure("... with a backward of their own (matching has none)", len(divided), "of 6", target=6, at_least=True),
        Figure(
            "Unattributed",
            100 * view.unattributed["total"] / view.step.value,
            "% of the step",
            target=MOST_UNATTRIBUTED,
        ),
        median_figure("Stage timer's own time", shares, "% of the step", MOST_OVERHEAD),
        median_figure("Instrumented over bare steps", [100 * (t / b - 1) for t, b in pairs], "%", MOST_OVERHEAD),
    ]


def _drop_in_figures() -> list[Figure]:
    """The criterion that is theirs and the one that takes its place, on what one step gives it."""
    built = build(Job.baseline(WORKLOAD))
    theirs, call = _captured(built)
    replace_components(built.step.model, {"criterion": "paco_prof:OptimizedPaCoLoss"})
    ours = built.step.criterion
    assert ours is not None
    seconds = {"theirs": list[float](), "ours": list[float]()}
    for number in range(ROUNDS + 1):
        for name, criterion in (("theirs", theirs), ("ours", ours)):
            taken = _round(criterion, call)
            # The first of each warms up.
            seconds[name] += [taken] if number else []
    ratios = [loop / fused for loop, fused in zip(seconds["theirs"], seconds["ours"], strict=True)]
    loss, gradient = _difference(theirs, ours, call)
    return [
        median_figure("Their loss alone, forward and backward", [1e3 * s for s in seconds["theirs"]], "ms"),
        median_figure("The drop-in's", [1e3 * s for s in seconds["ours"]], "ms"),
        median_figure("Speed-up of the loss", ratios, "x", LEAST_SPEEDUP, at_least=True),
        Figure("Loss in float64, drop-in against theirs", loss, "relative", target=MOST_DIFFERENCE),
        Figure("Gradient in float64, drop-in against theirs", gradient, "relative", target=MOST_DIFFERENCE),
    ]


def _captured(built: Built) -> tuple[nn.Module, Call]:
    criterion = built.step.criterion
    assert criterion is not None
    with capture_call(criterion) as call:
        built.step.forward_only()
    assert built.user is not None
    built.user.release()
    return criterion, call


def _round(criterion: nn.Module, call: Call) -> float:
    """Seconds of forward, with its graph, and backward."""
    alone = LossAlone(criterion, call, HostClock())
    alone.measure(Budget(lambda: 0.0, 1e9, 1, 1), lambda _: None)
    result = alone.result()
    assert result is not None
    return result.with_graph[0] + result.backward[0]


def _difference(theirs: nn.Module, ours: nn.Module, call: Call) -> tuple[float, float]:
    """Relative errors of the total and of the gradient of all inputs together, in float64."""
    expected, expected_gradient = _in_float64(theirs, call)
    total, gradient = _in_float64(ours, call)
    error = (gradient - expected_gradient).norm() / expected_gradient.norm()
    return abs(total / expected - 1), error.item()


def _in_float64(criterion: nn.Module, call: Call) -> tuple[float, Tensor]:
    inputs: dict[str, Any] = {}
    for name, value in call.kwargs.items():
        is_real = isinstance(value, Tensor) and value.is_floating_point()
        inputs[name] = value.detach().double().requires_grad_(name not in CONSTANT) if is_real else value
    total = criterion(**inputs)["total"]
    leaves = [value for value in inputs.values() if isinstance(value, Tensor) and value.requires_grad]
    gradients = torch.autograd.grad(total, leaves, allow_unused=True)
    # One of the two may have no use for an input; its gradient there is zero.
    pieces = [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, gradients, strict=True)]
    return total.item(), torch.cat([piece.flatten() for piece in pieces])

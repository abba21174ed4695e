"""What a variant's loss and gradient are worth: both against a float64 reference on the same weights and inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from paco_prof.data.batch import Batch
from paco_prof.forms import REFERENCE
from paco_prof.measure.losses import scalars
from paco_prof.measure.workload import TrainingStep, build_model
from paco_prof.paco2.parts import PartSampler
from paco_prof.records import Fidelity
from paco_prof.settings import Workload

__all__ = [
    "MAX_LOOPED_DISTANCES",
    "copy_of_state",
    "gradient_of",
    "losses_and_gradient",
    "measure_fidelity",
    "relative_distance",
]

# Distances that the reference loop may take; a float64 forward and backward pass over so many takes a few seconds.
MAX_LOOPED_DISTANCES = 20_000
# The same objective without the loop: equal to it in float64 up to rounding, which tests hold it to.
EXACT_TWIN = replace(
    REFERENCE, contrast="fused", pool="folded", sampling="batched", weighting="batched", prototypes="batched"
)


def measure_fidelity(step: TrainingStep, workload: Workload, base: Workload) -> Fidelity:
    """Compare a step's losses and the gradient of all its parameters with those of a float64 reference.

    The reference has the weights and buffers that the step's model has now, and sees the same images. Its objective is
    the baseline's where the two models have the same parameters and input; a model with others (another backbone,
    another d, another resolution) can only be held against its own settings.

    Args:
        step: not taken: its model is called, and its weights and buffers are as before afterwards.
        workload: what it was built from.
        base: the baseline that it is a variant of.
    """
    comparable = _same_model(workload, base)
    reference = _reference(base if comparable else workload, workload)
    losses, gradient = _of_step(step)
    expected, expected_gradient = _of_reference(reference, step)
    return Fidelity(
        against="baseline" if comparable else "own settings",
        oracle="loop" if reference.forms.contrast == "loop" else "exact twin",
        losses=losses,
        reference_losses=expected,
        gradient_norm=expected_gradient.norm().item(),
        gradient_error=relative_distance(gradient, expected_gradient),
        gradient_cosine=torch.nn.functional.cosine_similarity(gradient, expected_gradient, dim=0).item(),
    )


def relative_distance(gradient: Tensor, expected: Tensor) -> float:
    """Norm of the difference over the norm of what was expected; the plain norm where that is zero."""
    difference, norm = (gradient - expected).norm().item(), expected.norm().item()
    return difference / norm if norm > 0 else difference


def losses_and_gradient(
    model: nn.Module, compute: Callable[[], Mapping[str, Any]], scale: float = 1.0
) -> tuple[dict[str, float], Tensor]:
    """The losses of one forward pass, and the gradient of all parameters that its `total` has.

    Args:
        model: without gradients before; with them afterwards.
        compute: the forward pass.
        scale: that the total is multiplied with before it is differentiated, and the gradient divided by.
    """
    result = compute()
    (result["total"] * scale).backward()
    losses = {name: value.item() for name, value in scalars(result).items()}
    return losses, gradient_of(model) / scale


def _same_model(workload: Workload, base: Workload) -> bool:
    """Whether two workloads have the same parameters and the same input."""
    return all(
        getattr(workload, name) == getattr(base, name)
        for name in ("backbone", "num_classes", "dim", "image_size", "batch_size", "seed", "use_class_proto")
    )


def _reference(objective: Workload, workload: Workload) -> Workload:
    """The workload whose model is the reference, looped where that is affordable; a pool or views of its own are part
    of an objective, and stay.
    """
    num_anchors = workload.batch_size * objective.num_parts
    num_distances = num_anchors * (2 * (workload.batch_size - 1) * num_anchors + 1)
    forms = replace(REFERENCE if num_distances <= MAX_LOOPED_DISTANCES else EXACT_TWIN, views=objective.forms.views)
    if objective.forms.pool == "other-images":
        forms = replace(forms, pool="other-images")
    return objective.model_copy(update={"forms": forms, "epoch": workload.epoch})


def copy_of_state(model: nn.Module) -> dict[str, Tensor]:
    """Weights and buffers as they are now, for `load_state_dict`, in the host's memory: in no peak of a device's."""
    # A model of the user's own may keep what is no tensor among its state.
    state = {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    return {name: value.detach().to("cpu", copy=True) for name, value in state.items()}


@contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Weights and buffers after the block are what they were before it; there are no gradients before and after."""
    before = copy_of_state(model)
    model.zero_grad(set_to_none=True)
    try:
        yield
    finally:
        model.load_state_dict(before)
        model.zero_grad(set_to_none=True)


def _of_step(step: TrainingStep) -> tuple[dict[str, float], Tensor]:
    """Losses and gradient of the step's own model, in its own precision."""
    x1, x2, targets = _inputs(step.batch, step.device)
    sampler = step.model.get_submodule("part_sampler")
    if isinstance(sampler, PartSampler):
        sampler.forget_peaks()
    if isinstance(sampler, PartSampler) and sampler.peaks_every > 1:
        # Peaks are kept from batch to batch: what they cost shows on other images than those they were found on.
        with _unchanged(step.model), step.autocast(), torch.no_grad():
            step.model(x1.roll(1, 0), x2.roll(1, 0), targets)
    scales = (2.0**16, 2.0**8, 1.0) if step.dtype == torch.float16 else (1.0,)
    for scale in scales:
        with _unchanged(step.model):
            losses, gradient = losses_and_gradient(step.model, lambda: step.compute(x1, x2, targets), scale)
        # As a gradient scaler does: a smaller scale where a gradient has overflowed.
        if bool(torch.isfinite(gradient).all()):
            break
    if isinstance(sampler, PartSampler):
        sampler.forget_peaks()
    return losses, gradient


def _of_reference(reference: Workload, step: TrainingStep) -> tuple[dict[str, float], Tensor]:
    """Losses and gradient of the reference in float64; on the CPU where the device has no float64."""
    device = torch.device("cpu") if step.device.type == "mps" else step.device
    model = build_model(reference).to(device)
    model.load_state_dict(step.model.state_dict())
    model.double().train()
    x1, x2, targets = _inputs(step.batch, device)
    return losses_and_gradient(model, lambda: model(x1.double(), x2.double(), targets))


def _inputs(batch: Batch, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    return batch.x1.to(device), batch.x2.to(device), batch.targets.to(device)


def gradient_of(model: nn.Module, names: Collection[str] | None = None) -> Tensor:
    """The gradient of all parameters, or of some, as one float64 vector on the CPU, in the order of their names."""
    pieces = [
        (torch.zeros_like(parameter) if parameter.grad is None else parameter.grad).detach().cpu().double().flatten()
        for name, parameter in sorted(model.named_parameters())
        if names is None or name in names
    ]
    return torch.cat(pieces) if pieces else torch.full((1,), math.nan)

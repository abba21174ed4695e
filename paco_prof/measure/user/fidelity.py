"""What a model of the user's own computes, held against itself in float64: what a drop-in, or a precision, changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from paco_prof.measure.fidelity import gradient_of, losses_and_gradient, relative_distance
from paco_prof.measure.losses import losses_of
from paco_prof.measure.user.step import UserParts, build_again, call_of
from paco_prof.measure.workload import TrainingStep
from paco_prof.records import Fidelity
from paco_prof.settings import Workload

__all__ = ["MAX_IMAGES", "measure_user_fidelity"]

# A loop over distances grows with the cube of the batch, and two ways of computing one objective differ on a few images
# as well; on eight the reference loop takes seconds.
MAX_IMAGES = 8


def measure_user_fidelity(
    step: TrainingStep,
    user: UserParts,
    workload: Workload,
    base: Workload,
    weights: Mapping[str, Any] | None = None,
) -> Fidelity:
    """Compare a step's losses and gradient with those of the user's model as it is without the variant, in float64.

    On the first images of the batch where that is large. Both are built anew, so that what a model keeps beside its
    weights and buffers is as in the first step; the one without the variant gets the weights of the other. Where
    drop-ins are in place, the model with them is looked at in float64 as well: what differs there is no rounding.

    Args:
        step: the variant's, for its batch and precision; it is not called.
        user: what was found in its model.
        workload: what it was built from.
        base: the baseline that it is a variant of.
        weights: and buffers to compare with; None for those of the first step.
    """
    variant = build_again(workload, user.given).to(step.device)
    reference = build_again(base, user.given).to(step.device)
    if weights is not None:
        variant.load_state_dict(weights, strict=False)
    reference.load_state_dict(variant.state_dict(), strict=False)
    before = {name: value.detach().clone() for name, value in variant.state_dict().items() if isinstance(value, Tensor)}
    names = {name for name, _ in variant.named_parameters()} & {name for name, _ in reference.named_parameters()}
    losses, gradient = _here(step, user, workload, variant, names)
    is_wide, expected, expected_gradient = _in_float64(step, user, base, reference, names)
    loss_error = gradient_error = None
    if is_wide and workload.replace != base.replace:
        variant = build_again(workload, user.given).to(step.device)
        variant.load_state_dict(before, strict=False)
        _, wide_losses, wide_gradient = _in_float64(step, user, workload, variant, names)
        loss_error = _relative(wide_losses.get("total", 0.0), expected.get("total", 0.0))
        gradient_error = relative_distance(wide_gradient, expected_gradient)
    return Fidelity(
        against="baseline",
        oracle="own model" if is_wide else "own model as it is",
        losses=losses,
        reference_losses=expected,
        gradient_norm=expected_gradient.norm().item(),
        gradient_error=relative_distance(gradient, expected_gradient),
        gradient_cosine=torch.nn.functional.cosine_similarity(gradient, expected_gradient, dim=0).item(),
        float64_loss_error=loss_error,
        float64_gradient_error=gradient_error,
        images=MAX_IMAGES if len(step.batch) > MAX_IMAGES else None,
    )


def _here(
    step: TrainingStep, user: UserParts, workload: Workload, model: nn.Module, names: set[str]
) -> tuple[dict[str, float], Tensor]:
    """Losses and gradient in the step's own precision."""
    scales = (2.0**16, 2.0**8, 1.0) if step.dtype == torch.float16 else (1.0,)
    call, inputs = call_of(workload, model, user.given), _inputs(step, torch.float32)
    torch.manual_seed(workload.seed)

    def compute() -> Mapping[str, Any]:
        with step.autocast():
            return losses_of((call or model)(*inputs))

    for scale in scales:
        model.zero_grad(set_to_none=True)
        losses, _ = losses_and_gradient(model, compute, scale)
        gradient = gradient_of(model, names) / scale
        # As a gradient scaler does: a smaller scale where a gradient has overflowed.
        if bool(torch.isfinite(gradient).all()):
            break
    return losses, gradient


def _in_float64(
    step: TrainingStep, user: UserParts, workload: Workload, model: nn.Module, names: set[str]
) -> tuple[bool, dict[str, float], Tensor]:
    """Losses and gradient in float64; in float32, and False, where the model insists on a type of its own."""
    before = {name: value.detach().clone() for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    for dtype in (torch.float64, torch.float32):
        model.to(dtype)
        model.load_state_dict(before, strict=False)
        call, inputs = call_of(workload, model, user.given), _inputs(step, dtype)
        torch.manual_seed(workload.seed)
        try:
            losses, _ = losses_and_gradient(model, lambda: losses_of((call or model)(*inputs)))  # noqa: B023
            return dtype == torch.float64, losses, gradient_of(model, names)
        except (RuntimeError, TypeError):
            if dtype == torch.float32:
                raise
            model.zero_grad(set_to_none=True)
    raise AssertionError("one of the types returns or raises")


def _inputs(step: TrainingStep, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    batch = step.batch
    x1, x2 = (x[:MAX_IMAGES].to(device=step.device, dtype=dtype, copy=True) for x in (batch.x1, batch.x2))
    return x1, x2, batch.targets[:MAX_IMAGES].to(step.device)


def _relative(value: float, expected: float) -> float:
    return abs(value - expected) / abs(expected) if expected else abs(value - expected)

"""What a model of the user's own computes, held against itself in float64: what a drop-in, or a precision, changes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

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
    variant, reference = (build_again(each, user.given).to(step.device) for each in (workload, base))
    if weights is not None:
        variant.load_state_dict(weights, strict=False)
    reference.load_state_dict(variant.state_dict(), strict=False)
    before = _state(variant)
    names = {name for name, _ in variant.named_parameters()} & {name for name, _ in reference.named_parameters()}
    sides = _Sides(step, user, names)
    losses, gradient = sides.here(workload, variant)
    is_wide, expected, expected_gradient = sides.in_float64(base, reference)
    loss_error = gradient_error = None
    if is_wide and workload.replace != base.replace:
        variant = build_again(workload, user.given).to(step.device)
        variant.load_state_dict(before, strict=False)
        is_wide, wide_losses, wide_gradient = sides.in_float64(workload, variant)
        if is_wide:
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


@dataclass(frozen=True)
class _Sides:
    """Computes losses and gradients of the models that are compared, each on the same images.

    Always in the second of two passes: what learns from a first call is to be seen at work, and a model that remembers
    one batch has then seen it on either side. Weights and buffers are those from before the first.

    Attributes:
        names: of the parameters that both have.
    """

    step: TrainingStep
    user: UserParts
    names: Collection[str]

    def here(self, workload: Workload, model: nn.Module) -> tuple[dict[str, float], Tensor]:
        """In the step's own precision."""
        scales = (2.0**16, 2.0**8, 1.0) if self.step.dtype == torch.float16 else (1.0,)
        compute = self._computing(workload, model, torch.float32, self.step.autocast)
        compute()
        for scale in scales:
            losses, _ = losses_and_gradient(model, compute, scale)
            gradient = gradient_of(model, self.names) / scale
            # As a gradient scaler does: a smaller scale where a gradient has overflowed.
            if bool(torch.isfinite(gradient).all()):
                break
        return losses, gradient

    def in_float64(self, workload: Workload, model: nn.Module) -> tuple[bool, dict[str, float], Tensor]:
        """In float64, and True; False where the model narrows what it computes, or insists on float32."""
        before = _state(model)
        for dtype in (torch.float64, torch.float32):
            model.to(dtype)
            model.load_state_dict(before, strict=False)
            compute = self._computing(workload, model, dtype, contextlib.nullcontext)
            try:
                with _Narrowing() as narrowing:
                    compute()
                losses, _ = losses_and_gradient(model, compute)
            except (RuntimeError, TypeError):
                if dtype == torch.float32:
                    raise
                continue
            return dtype == torch.float64 and not narrowing.found, losses, gradient_of(model, self.names)
        raise AssertionError("one of the types returns or raises")

    def _computing(
        self, workload: Workload, model: nn.Module, dtype: torch.dtype, context: Callable[[], Any]
    ) -> Callable[[], Mapping[str, Any]]:
        """The forward pass, from the same state and random numbers each time."""
        call = call_of(workload, model, self.user.given) or model
        inputs, before = _inputs(self.step, dtype), _state(model)

        def compute() -> Mapping[str, Any]:
            model.zero_grad(set_to_none=True)
            model.load_state_dict(before, strict=False)
            torch.manual_seed(workload.seed)
            with context():
                return losses_of(call(*(tensor.clone() for tensor in inputs)))

        return compute


class _Narrowing(TorchFunctionMode):
    """Notices where what has a gradient goes from float64 to something narrower: nothing after it is float64's."""

    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.requires_grad and result.dtype != torch.float64:
            given = (value for value in args if isinstance(value, Tensor))
            self.found = self.found or any(value.dtype == torch.float64 and value.requires_grad for value in given)
        return result


def _state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items() if isinstance(value, Tensor)}


def _inputs(step: TrainingStep, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    batch = step.batch
    x1, x2 = (x[:MAX_IMAGES].to(device=step.device, dtype=dtype, copy=True) for x in (batch.x1, batch.x2))
    return x1, x2, batch.targets[:MAX_IMAGES].to(step.device)


def _relative(value: float, expected: float) -> float:
    return abs(value - expected) / abs(expected) if expected else abs(value - expected)

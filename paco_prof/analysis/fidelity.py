"""What a variant's measured fidelity says about the kind that it claims to be."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from paco_prof.analysis.findings import ContradictedKind, GradientAstray
from paco_prof.analysis.health import GradientOfRounding, is_floor_small
from paco_prof.records import Fidelity, VariantKind, VariantUsed
from paco_prof.settings import Workload

__all__ = ["EXACT_GRADIENT", "EXACT_IN_FLOAT64", "EXACT_LOSS", "FidelityView", "fidelity_view", "find_in_fidelity"]

# An exact variant differs from float64 by what a float32 backbone rounds: on ResNet-50 at 224 px a few 1e-8 of the loss
# and, where rounding moves activations across ReLU's corner, up to 0.6 % of the gradient. Anything more is no rounding.
EXACT_LOSS = 1e-5
EXACT_GRADIENT = 1e-2
# In float64, where rounding is no excuse: two ways of computing one loss agree to far less.
EXACT_IN_FLOAT64 = 1e-6
# Below it more of a gradient is noise than signal, or close to it.
LEAST_COSINE = 0.75
# From this error on, relative to its norm, rounding decides where a gradient points.
LARGEST_ERROR = 0.5


@dataclass(frozen=True, slots=True)
class FidelityView:
    """A variant held against its reference.

    Attributes:
        kind: what it claims to be.
        measured: what was measured.
        loss_errors: relative error of each loss, name -> error; None where the reference is zero.
        is_exact: whether the total loss and the gradient agree as far as a float32 backbone allows; of a drop-in that
            was looked at in float64, whether they agree there.
        verdict: `confirmed`, `contradicted` (an exact variant that is not), or `not seen`: an approximation, or a
            difference, that this batch does not show.
    """

    kind: VariantKind
    measured: Fidelity
    loss_errors: dict[str, float | None]
    is_exact: bool
    verdict: Literal["confirmed", "contradicted", "not seen"]


def fidelity_view(kind: VariantKind, measured: Fidelity | None) -> FidelityView | None:
    """What was measured held against the kind that a variant claims; None where nothing was."""
    if measured is None:
        return None
    errors = {
        name: None if expected == 0 else abs(measured.losses[name] / expected - 1)
        for name, expected in measured.reference_losses.items()
        if name in measured.losses
    }
    total = errors.get("total")
    if measured.float64_loss_error is not None and measured.float64_gradient_error is not None:
        # Each by itself: of two, one of which is no number, the larger may be either.
        in_float64 = (measured.float64_loss_error, measured.float64_gradient_error)
        is_exact = all(error <= EXACT_IN_FLOAT64 for error in in_float64)
    else:
        is_exact = total is not None and total <= EXACT_LOSS and measured.gradient_error <= EXACT_GRADIENT
    return FidelityView(kind, measured, errors, is_exact, _verdict(kind, measured, is_exact))


def find_in_fidelity(
    variant: VariantUsed, workload: Workload, measured: Fidelity | None
) -> Iterator[ContradictedKind | GradientAstray | GradientOfRounding]:
    """What somebody should hear of a fidelity: an exact variant that is not, a gradient that points elsewhere.

    What is exact but for its arithmetic, and holds parts in float32, has a gradient of rounding where that is far off;
    with parts in float64 rounding cannot be the reason.
    """
    view = fidelity_view(variant.kind, measured)
    if view is None:
        return
    loss_error = view.loss_errors.get("total")
    error, cosine = view.measured.gradient_error, view.measured.gradient_cosine
    if view.verdict == "contradicted":
        in_float64 = view.measured.float64_gradient_error
        if in_float64 is not None:
            # Rounding is no excuse there.
            yield ContradictedKind(variant.name, view.measured.float64_loss_error, in_float64, cosine, "float64")
            return
        is_astray = error >= LARGEST_ERROR or cosine < LEAST_COSINE
        if is_astray and math.isfinite(error) and workload.forms.parts_dtype == "model":
            is_ours = workload.model is None
            yield GradientOfRounding(variant.name, loss_error, error, cosine, is_floor_small(workload), is_ours)
            return
        held_in = workload.forms.parts_dtype if workload.model is None else "own"
        yield ContradictedKind(variant.name, loss_error, error, cosine, held_in)
    elif variant.kind != "exact" and not cosine >= LEAST_COSINE:
        # The gradient of a baseline with other settings may well point elsewhere: that is what they are for.
        own_settings = view.measured.against == "own settings"
        if own_settings or variant.kind == "approximate":
            yield GradientAstray(variant.name, loss_error, error, cosine, own_settings)


def _verdict(kind: VariantKind, measured: Fidelity, is_exact: bool) -> Literal["confirmed", "contradicted", "not seen"]:
    if kind == "exact":
        return "confirmed" if is_exact else "contradicted"
    # Against its own settings a different model is to be exact, or approximate; either is what it claims.
    return "not seen" if is_exact and measured.against == "baseline" else "confirmed"

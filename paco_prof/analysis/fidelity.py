"""What a variant's measured fidelity says about the kind that it claims to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from paco_prof.records import Fidelity, VariantKind

__all__ = ["EXACT_GRADIENT", "EXACT_LOSS", "FidelityView", "fidelity_view"]

# An exact variant differs from float64 by what a float32 backbone rounds: on ResNet-50 at 224 px a few 1e-8 of the loss
# and, where rounding moves activations across ReLU's corner, up to 0.6 % of the gradient. Anything more is no rounding.
EXACT_LOSS = 1e-5
EXACT_GRADIENT = 1e-2


@dataclass(frozen=True, slots=True)
class FidelityView:
    """A variant held against its reference.

    Attributes:
        kind: what it claims to be.
        measured: what was measured.
        loss_errors: relative error of each loss, name -> error; None where the reference is zero.
        is_exact: whether the total loss and the gradient agree as far as a float32 backbone allows.
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
    is_exact = total is not None and total <= EXACT_LOSS and measured.gradient_error <= EXACT_GRADIENT
    return FidelityView(kind, measured, errors, is_exact, _verdict(kind, measured, is_exact))


def _verdict(kind: VariantKind, measured: Fidelity, is_exact: bool) -> Literal["confirmed", "contradicted", "not seen"]:
    if kind == "exact":
        return "confirmed" if is_exact else "contradicted"
    # Against its own settings a different model is to be exact, or approximate; either is what it claims.
    return "not seen" if is_exact and measured.against == "baseline" else "confirmed"

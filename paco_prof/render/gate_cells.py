"""What a check measured and what it allows, as they stand in a cell."""

from __future__ import annotations

from dataclasses import dataclass

from paco_prof import units
from paco_prof.analysis.fidelity import EXACT_GRADIENT, EXACT_IN_FLOAT64, EXACT_LOSS, FidelityView
from paco_prof.analysis.gate import CheckResult
from paco_prof.analysis.gate_figures import Figures, shown, unit_of
from paco_prof.records import Check

__all__ = ["JudgedErrors", "allowed", "bound_cell", "figure_cell", "judged_errors", "measured"]


@dataclass(frozen=True, slots=True)
class JudgedErrors:
    """The relative errors that a fidelity is judged by, and how much of either is rounding.

    Attributes:
        loss, gradient: beside float64; of a drop-in that was itself looked at in float64, those there.
        most_loss, most_gradient: that rounding explains.
        in_float64: whether both sides were in float64.
    """

    loss: float | None
    gradient: float
    most_loss: float
    most_gradient: float
    in_float64: bool


def judged_errors(view: FidelityView) -> JudgedErrors:
    """What the verdict of a fidelity rests on."""
    found = view.measured
    if found.float64_loss_error is None or found.float64_gradient_error is None:
        return JudgedErrors(view.loss_errors.get("total"), found.gradient_error, EXACT_LOSS, EXACT_GRADIENT, False)
    most = EXACT_IN_FLOAT64
    return JudgedErrors(found.float64_loss_error, found.float64_gradient_error, most, most, True)


def measured(result: CheckResult) -> str:
    """The figure of a check and its interval in a cell, `+10.3 % (+9.1 to +11.4)`; of fidelity, the larger error."""
    if result.fidelity is not None:
        name, error, _ = _decisive_error(result.fidelity)
        return f"{units.relative_error(error)} of {name}"
    return units.MISSING if result.test is None else figure_cell(shown(result.check, result.test))


def allowed(result: CheckResult) -> str:
    """What a check allows in a cell: `at most 10 %`, `at least 1.50x`, `at most +3 %`."""
    check = result.check
    if check.quantity == "fidelity":
        if result.fidelity is None:
            return units.MISSING
        _, _, largest = _decisive_error(result.fidelity)
        return f"at most {units.relative_error(largest)}" if result.fidelity.kind == "exact" else "any"
    if check.kind != "budget":
        return f"at most +{units.round_percent(check.smallest_effect)}"
    bound = check.at_most if check.at_least is None else check.at_least
    if bound is None:
        return units.MISSING
    return f"{'at most' if check.at_least is None else 'at least'} {bound_cell(check, bound)}"


def figure_cell(figures: Figures) -> str:
    """A figure and its interval, the unit once: `+10.3 % (+9.1 to +11.4)`, `1.62x (1.58 to 1.66)`."""
    value, low, high = figures.value, figures.low, figures.high
    match figures.unit:
        case "change":
            return units.signed_percent_interval(value, low, high)
        case "share":
            return units.percent_interval(value, low, high)
        case "bytes":
            return units.gigabytes_interval(value, low, high)
        case "ratio":
            ends = units.ratio_interval(low, high)
            return f"{units.precise_ratio(value)}{f' ({ends})' if ends else ''}"


def bound_cell(check: Check, bound: float) -> str:
    """A bound, as round as its user has written it."""
    match unit_of(check):
        case "bytes":
            return units.gigabytes(round(bound))
        case "ratio":
            return units.precise_ratio(bound)
        case _:
            return units.round_percent(round(bound, 6))


def _decisive_error(view: FidelityView) -> tuple[str, float | None, float]:
    """What an error is of, the error, and how much is rounding: the gradient's, unless the loss alone is astray."""
    errors = judged_errors(view)
    is_loss_kept = errors.loss is not None and errors.loss <= errors.most_loss
    if errors.gradient <= errors.most_gradient and not is_loss_kept:
        return "loss", errors.loss, errors.most_loss
    return "gradient", errors.gradient, errors.most_gradient

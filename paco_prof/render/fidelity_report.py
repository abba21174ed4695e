"""The part of a report that holds loss and gradient against a float64 reference."""

from __future__ import annotations

from paco_prof import units
from paco_prof.analysis.fidelity import EXACT_GRADIENT, EXACT_IN_FLOAT64, EXACT_LOSS, FidelityView
from paco_prof.render.document import Block, Column, Heading, Paragraph, Row, Table

__all__ = ["fidelity_blocks"]

OURS = ("loop", "exact twin")
LOSSES = {"total": "Total loss", "ce": "Cross-Entropy (CE)", "pac": "Part Contrast (PaC)", "soc": "Consistency (SoC)"}


def fidelity_blocks(view: FidelityView, when: str = "before the first step") -> list[Block]:
    """A heading, the figures, and what they are held against; `when` in the run they were measured."""
    explanation = _explanation(view, when) if view.measured.oracle in OURS else _explanation_of_ones_own(view, when)
    return [Heading("Fidelity"), _table(view), Paragraph(explanation)]


def _table(view: FidelityView) -> Table:
    measured = view.measured
    rows = [
        Row(
            (
                title,
                units.loss(measured.losses[name]),
                units.loss(measured.reference_losses[name]),
                units.relative_error(view.loss_errors[name]),
                "",
            ),
            0 if name == "total" else 1,
            "strong" if name == "total" else "plain",
        )
        for name, title in LOSSES.items()
        if name in view.loss_errors
    ]
    error, cosine = units.relative_error(measured.gradient_error), units.cosine(measured.gradient_cosine)
    rows.append(Row(("Gradient", "", "", error, cosine), style="strong"))
    columns = (Column("", "left"), Column("here"), Column("float64"), Column("relative error"), Column("cosine"))
    return Table(columns, tuple(rows))


def _explanation_of_ones_own(view: FidelityView, when: str) -> str:
    """Of a model of the user's own, which is its own reference."""
    measured, percent = view.measured, units.percent(EXACT_GRADIENT)
    how = (
        "Against your model in float64"
        if measured.oracle == "own model"
        else "Against your model as it is, which does not compute in float64"
    )
    images = "images" if measured.images is None else f"the first {measured.images} images of a batch"
    text = (
        f"{how}, on the same weights and {images}, {when}; the gradient is of all parameters, its error over the "
        "reference's norm."
    )
    if measured.float64_gradient_error is None:
        exact = f" Exact is a total loss within {EXACT_LOSS:.0e} and a gradient within {percent}."
        return text + exact + ("" if view.verdict == "confirmed" else " Rounding moves it farther than that.")
    in_float64 = (
        f" In float64, where rounding is no excuse, the drop-in changes the loss by "
        f"{units.relative_error(measured.float64_loss_error)} and the gradient by "
        f"{units.relative_error(measured.float64_gradient_error)} of its norm: "
    )
    verdict = {
        "confirmed": "it is the same objective; what differs above is rounding.",
        "contradicted": f"more than {EXACT_IN_FLOAT64:.0e}, so it is another objective.",
        "not seen": "neither shows what else was changed.",
    }[view.verdict]
    return text + in_float64 + verdict


def _explanation(view: FidelityView, when: str) -> str:
    measured = view.measured
    objective = (
        "the baseline's objective on the same weights and images"
        if measured.against == "baseline"
        else "the objective of the same settings, on the same weights and images (the baseline has other parameters or "
        "images, and nothing to compare with)"
    )
    how = "the reference loop" if measured.oracle == "loop" else "the exact twin of the loop, which would take too long"
    verdict = {
        "confirmed": {
            "exact": "It is exact, as it claims to be.",
            "approximate": "It is approximate, as it claims to be.",
            "different": "It is another objective than the baseline's, as it claims to be.",
        }[view.kind],
        "contradicted": "It claims to be exact, which this contradicts.",
        "not seen": f"It claims to be {view.kind}; neither the loss nor the gradient of this batch shows it.",
    }[view.verdict]
    if view.kind == "different" and measured.against == "own settings":
        verdict = "Another model or input than the baseline's: only its arithmetic can be checked."
    return (
        f"Against float64: {how}, {objective}, {when}; the gradient is of all parameters, its error "
        f"over the reference's norm. Exact is a total loss within {EXACT_LOSS:.0e} and a gradient within "
        f"{units.percent(EXACT_GRADIENT)}, which is what a float32 backbone rounds. {verdict}"
    )

"""The fidelity of a variant as a section: the losses, the gradient, and what they are held against."""

from __future__ import annotations

import math
from typing import Any

import pytest

from builders import exact_record, fidelity_of
from paco_prof.analysis.fidelity import fidelity_view
from paco_prof.records import VariantKind
from paco_prof.render.breakdown_report import breakdown_document
from paco_prof.render.document import Block, Heading, Paragraph, Row, Table
from paco_prof.render.fidelity_report import fidelity_blocks


def section(kind: VariantKind, loss_error: float, gradient_error: float, **changes: Any) -> list[Block]:
    """The section of a variant of some kind."""
    fidelity = fidelity_of(loss_error, gradient_error, **changes)
    view = fidelity_view(kind, fidelity)
    assert view is not None
    return fidelity_blocks(view)


def table(*arguments: Any, **changes: Any) -> Table:
    """Its table."""
    _, found, _ = section(*arguments, **changes)
    assert isinstance(found, Table)
    assert all(len(row.cells) == len(found.columns) for row in found.rows)
    return found


def words(*arguments: Any, **changes: Any) -> str:
    """Its running text."""
    _, _, found = section(*arguments, **changes)
    assert isinstance(found, Paragraph)
    assert "  " not in found.text
    assert found.text.endswith(".")
    return found.text


def test_a_heading_the_figures_and_what_they_mean() -> None:
    heading, figures, text = section("exact", 0.0, 0.0)
    assert heading == Heading("Fidelity")
    assert isinstance(figures, Table)
    assert isinstance(text, Paragraph)


def test_losses_stand_below_their_total_and_the_gradient_last() -> None:
    rows = table("exact", 4.1e-8, 0.0021).rows
    assert rows == (
        Row(("Total loss", "5.37281", "5.37281", "4.1e-08", ""), 0, "strong"),
        Row(("Cross-Entropy (CE)", "5.16002", "5.16002", "4.1e-08", ""), 1, "plain"),
        Row(("Part Contrast (PaC)", "0.200014", "0.200014", "4.1e-08", ""), 1, "plain"),
        Row(("Consistency (SoC)", "0.127781", "0.127781", "0", ""), 1, "plain"),
        Row(("Gradient", "", "", "2.1e-03", "0.999998"), 0, "strong"),
    )


def test_here_comes_before_the_reference() -> None:
    found = table("different", 0.5, 0.0)
    assert [column.title for column in found.columns] == ["", "here", "float64", "relative error", "cosine"]
    assert found.rows[0].cells[1:3] == ("8.05922", "5.37281")


def test_losses_that_are_not_ours_or_not_there_are_left_out() -> None:
    losses = {"total": 1.0, "pac": 0.5, "mine": 3.0}
    rows = table("exact", 0.0, 0.0, losses=losses, reference_losses=losses).rows
    assert [row.cells[0] for row in rows] == ["Total loss", "Part Contrast (PaC)", "Gradient"]


def test_an_error_relative_to_zero_is_not_there() -> None:
    losses = {"total": 1.0, "pac": 0.0}
    rows = table("exact", 0.0, 0.0, losses=losses, reference_losses=losses).rows
    assert rows[1].cells == ("Part Contrast (PaC)", "0", "0", "–", "")


@pytest.mark.parametrize(
    ("kind", "gradient_error", "against", "verdict"),
    [
        ("exact", 0.0, "baseline", "It is exact, as it claims to be."),
        ("exact", 0.5, "baseline", "It claims to be exact, which this contradicts."),
        ("approximate", 0.5, "baseline", "It is approximate, as it claims to be."),
        ("different", 0.5, "baseline", "It is another objective than the baseline's, as it claims to be."),
        (
            "approximate",
            0.0,
            "baseline",
            "It claims to be approximate; neither the loss nor the gradient of this batch shows it.",
        ),
        ("different", 0.0, "own settings", "only its arithmetic can be checked"),
        ("different", 0.5, "own settings", "only its arithmetic can be checked"),
    ],
)
def test_the_verdict_in_words(kind: VariantKind, gradient_error: float, against: str, verdict: str) -> None:
    assert verdict in words(kind, 0.0, gradient_error, against=against)


def test_it_says_what_the_reference_was() -> None:
    usual = words("exact", 0.0, 0.0)
    assert "the reference loop, the baseline's objective on the same weights and images" in usual
    other = words("different", 0.0, 0.0, against="own settings", oracle="exact twin")
    assert "the exact twin of the loop, which would take too long" in other
    assert "the objective of the same settings" in other
    assert "baseline's objective" not in other


def test_it_says_where_exactness_ends() -> None:
    assert "a total loss within 1e-05 and a gradient within 1.0 %" in words("exact", 0.0, 0.0)


def test_what_is_no_number_is_shown_as_what_it_is() -> None:
    rows = table("exact", math.nan, math.nan).rows
    assert rows[0].cells == ("Total loss", "nan", "5.37281", "nan", "")
    assert rows[-1].cells == ("Gradient", "", "", "nan", "nan")


def test_the_section_stands_between_the_figures_and_the_findings() -> None:
    headings = [block.text for block in breakdown_document(exact_record()).blocks if isinstance(block, Heading)]
    assert headings == ["Speed", "Bottlenecks", "Fidelity", "Findings", "The instrument"]


def test_without_a_fidelity_there_is_no_section() -> None:
    unmeasured = exact_record().model_copy(update={"fidelity": None})
    assert Heading("Fidelity") not in breakdown_document(unmeasured).blocks

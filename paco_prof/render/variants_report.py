"""The catalogue of variants as a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paco_prof.render.document import Block, Column, Document, Heading, Paragraph, Row, Table
from paco_prof.variants.variant import Variant

__all__ = ["variants_data", "variants_document"]

KINDS = (
    "exact is the same objective and gradient up to rounding, approximate an approximation of the same objective, "
    "different another model, objective or data. What a variant claims to be is checked: paco-prof breakdown --variant "
    "NAME holds its loss and gradient against a float64 reference."
)
CLAIMS = "What the analysis expects stands in its words; nobody had measured it."


def variants_document(groups: Mapping[str, Sequence[Variant]]) -> Document:
    """Groups of variants under their titles, each variant with kind, reason and the analysis's claim."""
    blocks: list[Block] = [Paragraph(KINDS), Paragraph(CLAIMS)]
    for title, variants in groups.items():
        if variants:
            blocks += [Heading(title), _table(variants)]
    return Document("paco-prof variants", tuple(blocks))


def variants_data(variants: Sequence[Variant]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {
            "name": variant.name,
            "kind": variant.kind,
            "why": variant.why,
            "settings": variant.settings,
            "variants": list(variant.parts),
            "error": variant.error,
            "claim": None
            if variant.claim is None
            else {
                "text": variant.claim.text,
                "speedup_low": variant.claim.low,
                "speedup_high": variant.claim.high,
                "of": variant.claim.of,
            },
        }
        for variant in variants
    ]


def _table(variants: Sequence[Variant]) -> Table:
    columns = (Column("variant", "left"), Column("kind", "left"), Column("what it does", "left", wraps=True))
    return Table(columns, tuple(Row((variant.name, variant.kind, _text(variant))) for variant in variants))


def _text(variant: Variant) -> str:
    # Whoever gave no reason at least learns what it does.
    why = variant.why or f"Sets {', '.join(f'{name}={value}' for name, value in variant.settings.items())}."
    parts = f" Holds {', '.join(variant.parts)}." if variant.parts else ""
    claim = f" Analysis: \u201c{variant.claim.text}\u201d." if variant.claim is not None else ""
    error = f" Error: {variant.error}" if variant.error else ""
    return f"{why}{parts}{error}{claim}".strip()

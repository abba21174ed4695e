"""The catalogue as a document and as data: every variant once, with all that is known of it."""

from __future__ import annotations

import itertools
import json

import pytest

from paco_prof.records import SpeedupClaim
from paco_prof.render.document import Heading, Paragraph, Row, Table
from paco_prof.render.variants_report import variants_data, variants_document
from paco_prof.variants.catalogue import CATALOGUE, DROP_IN, DROP_INS, OF_RANKS, PRESETS, TOGGLES
from paco_prof.variants.variant import Variant

PRESET = Variant(
    "all",
    "Everything.",
    "different",
    {"dim": 32, "compile": True},
    SpeedupClaim("2x", 2.0, 2.5, "backbone"),
    ("d32", "one"),
)
TOGGLE = Variant("one", "Another way.", "approximate", {"compile": True}, error="At most 3 %.")
MINE = Variant("mine", "What we [train].", "approximate", {"precision": "bfloat16"}, parts=("bfloat16",))


def titled(*groups: tuple[Variant, ...]) -> dict[str, tuple[Variant, ...]]:
    return dict(zip(("Presets", "Toggles", "Yours"), groups, strict=True))


def sections(*groups: tuple[Variant, ...]) -> dict[str, tuple[Row, ...]]:
    """The tables by their headings."""
    blocks = variants_document(titled(*groups)).blocks
    found = {}
    for heading, table in itertools.pairwise(blocks):
        if isinstance(heading, Heading):
            assert isinstance(table, Table)
            found[heading.text] = table.rows
    return found


def test_presets_come_first_then_toggles_then_ones_own() -> None:
    found = sections((PRESET,), (TOGGLE,), (MINE,))
    assert list(found) == ["Presets", "Toggles", "Yours"]
    assert [row.cells[0] for rows in found.values() for row in rows] == ["all", "one", "mine"]


def test_who_has_none_of_his_own_is_not_told_so() -> None:
    assert list(sections((PRESET,), (TOGGLE,), ())) == ["Presets", "Toggles"]


def test_a_row_says_what_a_variant_does_holds_and_is_claimed_to_bring() -> None:
    found = sections((PRESET,), (TOGGLE,), (MINE,))
    assert found["Presets"] == (Row(("all", "different", "Everything. Holds d32, one. Analysis: “2x”.")),)
    assert found["Toggles"] == (Row(("one", "approximate", "Another way. Error: At most 3 %.")),)
    assert found["Yours"] == (Row(("mine", "approximate", "What we [train]. Holds bfloat16.")),)


def test_the_document_says_what_kinds_are_and_whose_words_the_claims_are() -> None:
    document = variants_document(titled(PRESETS, TOGGLES, ()))
    assert document.title == "paco-prof variants"
    text = " ".join(block.text for block in document.blocks if isinstance(block, Paragraph))
    for words in ("exact", "approximate", "different", "analysis", "--variant NAME", "float64"):
        assert words in text


def test_only_running_text_wraps() -> None:
    document = variants_document(titled(PRESETS, TOGGLES, (MINE,)))
    for table in (block for block in document.blocks if isinstance(block, Table)):
        assert [column.wraps for column in table.columns] == [False, False, True]


def test_the_whole_catalogue_is_there() -> None:
    found = sections(PRESETS, (*TOGGLES, *OF_RANKS), (DROP_IN, *DROP_INS))
    assert [row.cells[0] for rows in found.values() for row in rows] == [variant.name for variant in CATALOGUE]
    assert all(cell for rows in found.values() for row in rows for cell in row.cells)


def test_a_variant_of_ones_own_without_words_says_what_it_sets() -> None:
    """An empty cell would be all that a reader learns of it."""
    (row,) = sections((), (), (Variant("mine", "", "different", {"dim": 32}),))["Yours"]
    assert "dim=32" in row.cells[2]


def test_data_has_every_field() -> None:
    assert variants_data([PRESET, TOGGLE]) == [
        {
            "name": "all",
            "kind": "different",
            "why": "Everything.",
            "settings": {"dim": 32, "compile": True},
            "variants": ["d32", "one"],
            "error": "",
            "claim": {"text": "2x", "speedup_low": 2.0, "speedup_high": 2.5, "of": "backbone"},
        },
        {
            "name": "one",
            "kind": "approximate",
            "why": "Another way.",
            "settings": {"compile": True},
            "variants": [],
            "error": "At most 3 %.",
            "claim": None,
        },
    ]


@pytest.mark.parametrize("variant", CATALOGUE, ids=[variant.name for variant in CATALOGUE])
def test_data_survives_json(variant: Variant) -> None:
    data = variants_data([variant])
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data[0]["name"] == variant.name

"""The report of growth: what stands where, at every width."""

from __future__ import annotations

import io
from functools import cache

import pytest
from rich.console import Console

from paco_prof.analysis.scale_facts import LargestBatch
from paco_prof.records import Largest, Trial
from paco_prof.render.document import Document, Heading, Table
from paco_prof.render.html import to_html
from paco_prof.render.markdown import to_markdown
from paco_prof.render.reports import document_of
from paco_prof.render.scale_cells import exponent_cell, number
from paco_prof.render.scale_text import scale_sentence
from paco_prof.render.terminal import to_terminal
from paco_prof.stats.growth import Exponent
from surveys import RECORDS, search_record, survey_record


@cache
def shared_document(name: str) -> Document:
    return document_of(RECORDS[name]())


def headings(document: Document) -> list[str]:
    return [block.text for block in document.blocks if isinstance(block, Heading)]


def on_terminal(document: Document, width: int) -> str:
    console = Console(width=width, color_system=None, file=io.StringIO(), legacy_windows=False)
    console.print(to_terminal(document))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_every_variant_has_sizes_stages_growth_and_memory() -> None:
    found = headings(shared_document("batch"))
    for name in ("baseline", "exact"):
        for section in ("Sizes", "Stages", "Growth", "Memory"):
            assert f"{section}: {name}" in found
    assert found[-3:] == ["Side by side", "Findings", "How it was measured"]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", RECORDS)
def test_nothing_is_cut_off(name: str, width: int) -> None:
    text = on_terminal(shared_document(name), width)
    assert "…" not in text
    assert all(len(line) <= width for line in text.splitlines())


@pytest.mark.parametrize("name", RECORDS)
def test_rows_have_a_cell_a_column(name: str) -> None:
    document = shared_document(name)
    tables = [block for block in document.blocks if isinstance(block, Table)]
    assert tables
    assert all(len(row.cells) == len(table.columns) for table in tables for row in table.rows)
    assert to_markdown(document).startswith("# paco-prof scale")
    assert "</table>" in to_html(document)


def test_machines_have_sections_of_their_own() -> None:
    document = shared_document("two machines")
    found = headings(document)
    assert "Machine 2 of 2" in found
    assert "Growth: baseline (machine 2)" in found
    assert "Not pooled" in to_markdown(document)


def test_a_record_without_a_point_has_a_report() -> None:
    document = document_of(survey_record(points=(), status="running"))
    assert headings(document) == ["Findings", "How it was measured"]


@pytest.mark.parametrize(
    ("exponent", "text"),
    [
        (Exponent(3.021, 2.94, 3.15), "3.02 (2.9 to 3.2)"),
        (Exponent(3.0, 2.951, 3.0401), "3.00 (2.95 to 3.05)"),
        (Exponent(0.42, 0.21, float("inf")), "0.42 (0.2 or more)"),
        (Exponent(0.42, float("-inf"), 0.71), "0.42 (0.8 or less)"),
        (Exponent(0.42, float("-inf"), float("inf")), "0.42 (anything)"),
        (Exponent(-0.001, -0.02, 0.01), "0.00 (-0.02 to 0.01)"),
        (Exponent(1.98), "1.98"),
    ],
)
def test_exponents_stand_inside_of_their_intervals(exponent: Exponent, text: str) -> None:
    assert exponent_cell(exponent) == text


@pytest.mark.parametrize(
    ("value", "text"), [(8, "8"), (1024, "1,024"), (11.34, "11.3"), (5.678, "5.68"), (123.4, "123")]
)
def test_sizes_are_plain_numbers(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("largest", "cell", "sentence"),
    [
        (Largest(contestant=0, next_size=1), "none", "not even the smallest batch fits (1 runs out of memory)."),
        (Largest(contestant=0, next_size=8), "–", "no batch is known to fit; 8 runs out of memory."),
        (
            Largest(contestant=0, reason="time is up"),
            "–",
            "no batch is known to fit; the time for the search was up, and one may fit.",
        ),
        (
            Largest(
                contestant=0,
                reason="failed",
                trials=(Trial(size=4, fits=False, reason="failed", detail="no file"),),
            ),
            "–",
            "no batch is known to fit; a trial failed for another reason than memory (no file), and one may fit.",
        ),
        (
            Largest(contestant=0, reason="interrupted", next_size=1),
            "–",
            "no batch is known to fit; the search was interrupted, and one may fit.",
        ),
    ],
    ids=["out of memory", "of several", "time is up", "failed", "interrupted"],
)
def test_nothing_fits_only_where_memory_says_so(largest: Largest, cell: str, sentence: str) -> None:
    assert scale_sentence(LargestBatch("baseline", largest)) == f"baseline: {sentence}"
    document = document_of(search_record().model_copy(update={"largest": (largest,)}))
    (row,) = [
        row
        for block in document.blocks
        if isinstance(block, Table) and block.columns[1].title == "fits"
        for row in block.rows
    ]
    assert row.cells[1] == cell


@pytest.mark.parametrize(
    ("of_device", "words"), [(False, "reserved and not resident"), (True, "the allocator reserves more than")]
)
def test_a_margin_says_what_it_is_not(of_device: bool, words: str) -> None:
    first, second = (each.model_copy(update={"of_device": of_device}) for each in search_record().largest)
    whole = to_markdown(document_of(search_record().model_copy(update={"largest": (first, second)})))
    assert whole.count(words) == 1
    unknown = [each.model_copy(update={"limit_bytes": None}) for each in (first, second)]
    assert words not in to_markdown(document_of(search_record().model_copy(update={"largest": tuple(unknown)})))


def test_a_grid_has_room_for_its_labels() -> None:
    assert on_terminal(shared_document("grid"), 80).count("  Part Contrast (PaC)  ") == 2


def test_memory_has_room_for_its_labels_beside_a_prediction() -> None:
    lines = on_terminal(shared_document("batch"), 80).splitlines()
    assert sum(line.startswith("  Loss Computation ") and "GB (" in line for line in lines) == 2


def test_a_machine_tells_of_its_own_launches() -> None:
    text = to_markdown(shared_document("two machines"))
    assert text.count("12 of the 24 planned launches are of this machine, and complete") == 2
    assert "All 24 planned launches are complete" in to_markdown(shared_document("batch"))
    assert "2 of 12 planned launches are complete (7 steps each); no other" in to_markdown(shared_document("search"))

"""What stands where in the report of an estimate, and that every figure of it can be read."""

from __future__ import annotations

import io
import re
from functools import cache

import pytest
from rich.console import Console

from comparisons import comparison_record
from paco_prof.analysis.pilots import pilots_of
from paco_prof.render.document import Bullets, Document, Heading, Paragraph, Table
from paco_prof.render.estimate_report import estimate_document, estimate_subject
from paco_prof.render.markdown import to_markdown
from paco_prof.render.terminal import to_terminal
from paco_prof.units import MISSING
from projections import RECORDS, estimate_record


@cache
def document_of(name: str) -> Document:
    return estimate_document(RECORDS[name]())


def sections(document: Document) -> list[str]:
    return [block.text for block in document.blocks if isinstance(block, Heading)]


def rows(document: Document, title: str) -> list[tuple[str, ...]]:
    """The rows of the table below a heading."""
    place = [isinstance(block, Heading) and block.text == title for block in document.blocks].index(True)
    found = document.blocks[place + 1]
    assert isinstance(found, Table)
    return [row.cells for row in found.rows]


def prose(document: Document) -> str:
    texts = [block.text for block in document.blocks if isinstance(block, Paragraph)]
    return "\n".join(
        [*texts, *(item for block in document.blocks if isinstance(block, Bullets) for item in block.items)]
    )


def on_terminal(document: Document, width: int) -> str:
    console = Console(width=width, color_system=None, file=io.StringIO(), legacy_windows=False)
    console.print(to_terminal(document))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_quoted_step_is_projected_and_the_quoted_projection_is_refuted() -> None:
    document = document_of("quoted")
    assert rows(document, "Projection") == [
        ("baseline", ""),
        ("Time per batch", "13,266 ms"),
        ("Batches per epoch", "1,000"),
        ("Time per epoch", "221.1 min"),
        ("Total, 100 epochs", "368.5 h"),
    ]
    text = prose(document)
    assert "Quoted, not measured by this tool: “PaCo-2 Performance Optimization Analysis" in text
    assert "quoted 89.7, but step x batches gives 221.1; 89.7 belongs to 5.38 s a batch" in text
    assert "quoted 149.5, but step x batches gives 368.5" in text
    assert "No interval for baseline" in text
    assert "In brackets" not in text


def test_before_and_after_stand_side_by_side() -> None:
    document = document_of("before and after")
    assert sections(document) == ["Before and after: exact", "Where the time goes", "What it rests on"]
    figures = {cells[0]: cells[1:] for cells in rows(document, "Before and after: exact")}
    assert list(figures) == [
        "Time per batch",
        "Batches per epoch",
        "Time per epoch",
        "Total, 10 epochs",
        "Time saved",
        "Speed-up",
    ]
    assert [cell.partition(" (")[0] for cell in figures["Time per batch"]] == ["1,300 ms", "520 ms"]
    assert [cell.partition(" (")[0] for cell in figures["Total, 10 epochs"]] == ["24.4 min", "9.8 min"]
    assert figures["Speed-up"][0] == ""
    assert re.fullmatch(r"2\.50x \(\d\.\d\d to \d\.\d\d\)", figures["Speed-up"][1])
    assert all("(" in cell for cell in figures["Time per epoch"])


def test_the_terms_add_up_in_the_second_table() -> None:
    found = rows(document_of("before and after"), "Where the time goes")
    assert [cells[0] for cells in found[:6]] == [
        "baseline",
        "Training steps",
        "Data loading (waiting for batches)",
        "Epoch starts",
        "Checkpoints",
        "Start-up",
    ]
    shares = [float(cells[2].removesuffix(" %")) for cells in found[1:6]]
    assert sum(shares) == pytest.approx(100.0, abs=0.3)
    assert "Evaluation" in [cells[0] for cells in rows(document_of("everything"), "Where the time goes")]


def test_what_was_not_measured_is_a_dash() -> None:
    found = rows(document_of("quoted"), "Where the time goes")
    assert ("Data loading (waiting for batches)", MISSING, MISSING) in found


def test_cost_and_energy_stand_only_where_they_are_known() -> None:
    titles = [cells[0] for cells in rows(document_of("everything"), "Before and after: exact")]
    assert titles[-2:] == ["Cost", "Energy"]
    text = prose(document_of("everything"))
    assert "Cost is at 2.50 an hour and device. Energy is at 300 W a device, as given." in text
    assert "read while steps were taken (baseline 200 W)" in prose(document_of("interrupted"))
    assert "Cost" not in [cells[0] for cells in rows(document_of("before and after"), "Before and after: exact")]


def test_the_run_its_data_and_its_command_are_named() -> None:
    text = prose(document_of("everything"))
    for words in (
        "AMD EPYC 7B13",
        "Data: digits, 1,438 images to train on and 359 to evaluate with",
        "Run: 100 epochs of 1,438 images (90 batches of 8 on each) on 2 GPUs, evaluated 20 times on 359 images.",
        "Perfect scaling is assumed",
        "Measuring took 93 s",
        "paco-prof estimate --output run.json",
        "15 steps in 3 blocks in the warm-up of matching",
    ):
        assert words in text


def test_many_variants_stand_below_each_other() -> None:
    document = document_of("many")
    assert sections(document)[0] == "Projection"
    names = [cells[0] for cells in rows(document, "Projection") if cells[1] == ""]
    assert names[0] == "baseline"
    assert len(names) == 6
    assert "batch-16 has a batch of 16 and so 50 batches an epoch" in prose(document)


def test_a_comparison_says_who_tells_speedups_more_sharply() -> None:
    document = estimate_document(estimate_record(*pilots_of(comparison_record())))
    assert "comparison's own report" in prose(document)
    assert "21 steps in 3 launches in the warm-up of matching" in prose(document)
    assert "97 of 100" not in prose(document)
    assert "7 of 10 epochs are after the warm-up of matching (the first 3)" in prose(document)


def test_subjects() -> None:
    assert estimate_subject(RECORDS["before and after"]()) == "10 epochs; resnet50, batch 8, 224 px, exact"
    assert document_of("many").title == "paco-prof estimate: 10 epochs; resnet50, batch 8, 224 px, 5 variants"


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", RECORDS)
def test_no_figure_is_cut_or_broken(name: str, width: int) -> None:
    document = document_of(name)
    text = on_terminal(document, width)
    assert max(map(len, text.splitlines())) <= width
    tables = [block for block in document.blocks if isinstance(block, Table)]
    assert not [cell for table in tables for row in table.rows for cell in row.cells[1:] if cell not in text]


@pytest.mark.parametrize("name", RECORDS)
def test_markdown_has_as_many_columns_in_each_row(name: str) -> None:
    document = document_of(name)
    for block in document.blocks:
        if isinstance(block, Table):
            assert all(len(row.cells) == len(block.columns) for row in block.rows)
    assert "paco-prof estimate" in to_markdown(document)

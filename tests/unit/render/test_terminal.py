"""Documents on the terminal: text stays text, and a narrow terminal loses nothing."""

from __future__ import annotations

import io
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

from builders import analysis_record, cpu_record, gpu_record, interrupted_record
from paco_prof.records import BreakdownRecord
from paco_prof.render.breakdown_report import breakdown_document
from paco_prof.render.document import Block, Bullets, Column, Document, Heading, Paragraph, Row, Table
from paco_prof.render.terminal import to_terminal

BUILT = [cpu_record(), gpu_record(), interrupted_record(), analysis_record()]
TYPED = st.text(string.ascii_letters + string.digits + string.punctuation, min_size=1, max_size=20)


def shown(document: Document, width: int) -> list[str]:
    """The document on a terminal without colour."""
    console = Console(width=width, color_system=None, file=io.StringIO(), legacy_windows=False)
    console.print(to_terminal(document))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("record", BUILT, ids=["cpu", "gpu", "interrupted", "analysis"])
def test_no_line_is_wider_than_the_terminal_and_no_word_is_lost(record: BreakdownRecord, width: int) -> None:
    document = breakdown_document(record)
    lines = shown(document, width)
    assert max(map(len, lines)) <= width
    words = " ".join(lines).split()
    for block in document.blocks:
        texts = block.items if isinstance(block, Bullets) else () if isinstance(block, Table) else (block.text,)
        for text in texts:
            assert " ".join(text.split()) in " ".join(words)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("record", BUILT, ids=["cpu", "gpu", "interrupted", "analysis"])
def test_every_cell_of_every_table_is_there(record: BreakdownRecord, width: int) -> None:
    document = breakdown_document(record)
    lines = shown(document, width)
    for table in (block for block in document.blocks if isinstance(block, Table)):
        for row in table.rows:
            expected = " ".join(row.cells).split()
            assert any(line.split() == expected for line in lines)


@given(TYPED)
@example("[loss/pac]")
@example("[bold]x[/bold]")
@example("x[/]")
def test_any_text_survives_wherever_it_stands(text: str) -> None:
    blocks: tuple[Block, ...] = (
        Heading(text),
        Paragraph(text),
        Bullets((text,)),
        Table((Column(text, "left"), Column("ms")), (Row((text, "1.0")),)),
    )
    lines = shown(Document(text, blocks), 120)
    assert sum(text in line for line in lines) >= 6


def test_no_cell_is_cut_while_the_first_column_can_give_way() -> None:
    table = Table(
        (Column("name", "left"), Column("forward"), Column("backward")), (Row(("n" * 60, "123,456.7", "765,432.1")),)
    )
    text = "\n".join(shown(Document("", (table,)), 40))
    assert "123,456.7" in text
    assert "765,432.1" in text
    assert text.count("n") - "name".count("n") == 60


def test_sums_stand_below_a_rule() -> None:
    rows = (Row(("a", "1")), Row(("rest", "2"), style="total"), Row(("all", "3"), style="total"))
    lines = shown(Document("t", (Table((Column("", "left"), Column("ms")), rows),)), 40)
    first, rest, whole = (
        next(i for i, line in enumerate(lines) if line.startswith(name)) for name in ("a", "rest", "all")
    )
    assert rest == first + 2
    assert whole == rest + 1

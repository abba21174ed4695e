"""Documents on the terminal: text stays text, and a narrow terminal loses nothing."""

from __future__ import annotations

import io
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

from builders import analysis_record, cpu_record, exact_record, gpu_record, interrupted_record
from paco_prof.records import BreakdownRecord
from paco_prof.render.breakdown_report import breakdown_document
from paco_prof.render.document import Block, Bullets, Column, Document, Heading, Paragraph, Row, Table
from paco_prof.render.terminal import to_terminal

BUILT = [cpu_record(), gpu_record(), interrupted_record(), analysis_record(), exact_record()]
NAMES = ["cpu", "gpu", "interrupted", "analysis", "exact"]
TYPED = st.text(string.ascii_letters + string.digits + string.punctuation, min_size=1, max_size=20)


def shown(document: Document, width: int) -> list[str]:
    """The document on a terminal without colour."""
    console = Console(width=width, color_system=None, file=io.StringIO(), legacy_windows=False)
    console.print(to_terminal(document))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("record", BUILT, ids=NAMES)
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
@pytest.mark.parametrize("record", BUILT, ids=NAMES)
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


SENTENCE = "All distances of PaC at once: one factorisation an image, in float64, with a backward of its own."


def catalogue(name: str, text: str) -> Table:
    """A table of names with running text, the last column of which wraps."""
    columns = (Column("variant", "left"), Column("kind", "left"), Column("what it does", "left", wraps=True))
    return Table(columns, (Row((name, "approximate", text)), Row(("r3", "exact", "Short."))))


@pytest.mark.parametrize("width", [50, 80, 120])
def test_running_text_wraps_between_words_and_nothing_else_does(width: int) -> None:
    name = "hard-negative-mining"
    lines = shown(Document("t", (catalogue(name, SENTENCE),)), width)
    assert max(map(len, lines)) <= width
    first = next(index for index, line in enumerate(lines) if line.startswith(name))
    last = next(index for index, line in enumerate(lines) if line.startswith("r3"))
    assert lines[first].split()[:2] == [name, "approximate"]
    start = lines[first].index("All")
    # Every further line of the cell stands in its own column, and the cells beside it stay empty.
    assert all(not line[:start].strip() for line in lines[first + 1 : last])
    assert " ".join(line[start:].strip() for line in lines[first:last]) == SENTENCE
    assert lines[last].split() == ["r3", "exact", "Short."]


@given(st.lists(st.text(string.ascii_lowercase, min_size=1, max_size=12), min_size=1, max_size=30))
def test_no_word_of_a_wrapped_cell_is_lost_or_broken(words: list[str]) -> None:
    lines = shown(Document("t", (catalogue("n" * 20, " ".join(words)),)), 60)
    assert max(map(len, lines)) <= 60
    first = next(index for index, line in enumerate(lines) if line.startswith("n" * 20))
    last = next(index for index, line in enumerate(lines) if line.startswith("r3"))
    assert " ".join(lines[first:last]).split() == ["n" * 20, "approximate", *words]


def test_a_word_that_is_wider_than_its_column_is_folded_and_not_cut() -> None:
    lines = shown(Document("t", (catalogue("name", "w" * 90),)), 60)
    assert max(map(len, lines)) <= 60
    assert sum(line.count("w") for line in lines) == 90 + "what it does".count("w")


def test_markup_in_running_text_stays_text() -> None:
    lines = shown(Document("t", (catalogue("name", "[bold]loud[/bold] [loss/pac]"),)), 80)
    assert any("[bold]loud[/bold] [loss/pac]" in line for line in lines)

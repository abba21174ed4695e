"""Markdown that a Markdown parser reads as the same document."""

from __future__ import annotations

import html
import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from builders import Times, analysis_record, cpu_record, exact_record, gpu_record, interrupted_record, training_of
from paco_prof.records import BreakdownRecord
from paco_prof.render.breakdown_report import breakdown_document
from paco_prof.render.document import Bullets, Column, Document, Heading, Paragraph, Row, Table
from paco_prof.render.markdown import to_markdown

BUILT = [cpu_record(), gpu_record(), interrupted_record(), analysis_record(), exact_record()]
NAMES = ["cpu", "gpu", "interrupted", "analysis", "exact"]
# A stage's name may hold anything that one types, and no slash: that makes a parent.
TYPED = st.text(
    string.ascii_letters + string.digits + string.punctuation.replace("/", "") + " ", min_size=1, max_size=12
)


def parsed(markdown: str) -> str:
    """Markdown as HTML, as GitHub reads it: tables and strikethrough."""
    return str(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown))


def texts(markdown: str, tag: str) -> list[str]:
    """What stands in each element of a kind, without the elements inside it."""
    found = re.findall(rf"<{tag}(?: [^>]*)?>(.*?)</{tag}>", parsed(markdown), re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>", "", text)) for text in found]


@pytest.mark.parametrize("record", BUILT, ids=NAMES)
def test_a_report_is_the_document_that_the_terminal_shows(record: BreakdownRecord) -> None:
    """Every word of it, no more and no less, in the same order."""
    document = breakdown_document(record)
    markdown = to_markdown(document)
    assert texts(markdown, "h1") == [document.title]
    assert texts(markdown, "h2") == [block.text for block in document.blocks if isinstance(block, Heading)]
    assert texts(markdown, "p") == [block.text for block in document.blocks if isinstance(block, Paragraph)]
    bullets = [item for block in document.blocks if isinstance(block, Bullets) for item in block.items]
    assert texts(markdown, "li") == bullets
    tables = [block for block in document.blocks if isinstance(block, Table)]
    assert texts(markdown, "th") == [column.title for table in tables for column in table.columns]
    cells = [cell for table in tables for row in table.rows for cell in row.cells]
    assert [text.lstrip("\xa0") for text in texts(markdown, "td")] == cells


@given(TYPED.map(str.strip).filter(bool))
@settings(max_examples=150)
def test_any_name_survives_in_a_cell(name: str) -> None:
    table = Table((Column("stage", "left"), Column("ms")), (Row((name, "1.0")), Row((name, "2.0"), style="strong")))
    assert texts(to_markdown(Document("title", (table,))), "td") == [name, "1.0", name, "2.0"]


@pytest.mark.parametrize(
    "name", ["[loss/pac]", "a|b", "a\\|b", "<script>", "**x**", "_x_", "`x`", "~~x~~", "&nbsp;x", "$x$"]
)
def test_a_stages_name_survives_in_the_report(name: str) -> None:
    leaf = name.rpartition("/")[2] if "/" in name else name
    record = cpu_record(training=training_of((Times("loss", 1.0, 1.0), Times(name, 2.0, 2.0))))
    found = [text.lstrip("\xa0") for text in texts(to_markdown(breakdown_document(record)), "td")]
    assert any(text.endswith(leaf) for text in found)


def test_children_are_indented() -> None:
    table = Table((Column("", "left"),), tuple(Row((f"depth {n}",), depth=n) for n in range(3)))
    found = texts(to_markdown(Document("title", (table,))), "td")
    assert [len(text) - len(text.lstrip("\xa0")) for text in found] == [0, 2, 4]


def test_columns_keep_their_sides() -> None:
    table = Table((Column("name", "left"), Column("ms")), (Row(("a", "1")),))
    markdown = to_markdown(Document("title", (table,)))
    assert "|:---|---:|" in markdown
    assert 'style="text-align:right"' in parsed(markdown)


def test_strong_rows_are_bold_and_empty_cells_are_empty() -> None:
    table = Table((Column("name", "left"), Column("ms")), (Row(("a", ""), style="total"),))
    markdown = to_markdown(Document("title", (table,)))
    assert "<strong>a</strong>" in parsed(markdown)
    assert "****" not in markdown


@pytest.mark.parametrize("record", BUILT, ids=NAMES)
def test_files_end_in_one_newline_and_no_line_in_a_space(record: BreakdownRecord) -> None:
    markdown = to_markdown(breakdown_document(record))
    assert markdown.endswith("\n")
    assert not markdown.endswith("\n\n")
    assert not re.search(r"[ \t]+$", markdown, re.MULTILINE)

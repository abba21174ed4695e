"""Documents as HTML: the same words as everywhere, whatever they are, in a piece that is complete in itself."""

from __future__ import annotations

import re
import string
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from builders import analysis_record, cpu_record, exact_record, gpu_record, interrupted_record
from paco_prof.records import BreakdownRecord
from paco_prof.render.breakdown_report import breakdown_document
from paco_prof.render.document import Bullets, Column, Document, Heading, Paragraph, Row, Table
from paco_prof.render.html import to_html

BUILT = [cpu_record(), gpu_record(), interrupted_record(), analysis_record(), exact_record()]
NAMES = ["cpu", "gpu", "interrupted", "analysis", "exact"]
TYPED = st.text(string.ascii_letters + string.digits + string.punctuation, min_size=1, max_size=20)
NAMES_OF_TAGS = {
    *("div", "style", "h3", "h4", "p", "ul", "li"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


class Parsed(HTMLParser):
    """The texts of HTML by the tag that they stand in, with the attributes of that; every tag must end."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {}
        self.attributes: dict[str, list[dict[str, str | None]]] = {}
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append(tag)
        self.texts.setdefault(tag, []).append("")
        self.attributes.setdefault(tag, []).append(dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open[-1]][-1] += data


def table_of(*rows: Row) -> Document:
    return Document("title", (Table((Column("stage", "left"), Column("ms")), rows),))


@pytest.mark.parametrize("record", BUILT, ids=NAMES)
def test_a_report_is_the_document_that_the_terminal_shows(record: BreakdownRecord) -> None:
    """Every word of it, no more and no less, in the same order."""
    document = breakdown_document(record)
    found = Parsed(to_html(document)).texts
    tables = [block for block in document.blocks if isinstance(block, Table)]
    assert found["h3"] == [document.title]
    assert found.get("h4", []) == [block.text for block in document.blocks if isinstance(block, Heading)]
    assert found["p"] == [block.text for block in document.blocks if isinstance(block, Paragraph)]
    assert found.get("li", []) == [i for block in document.blocks if isinstance(block, Bullets) for i in block.items]
    assert found["th"] == [column.title for table in tables for column in table.columns]
    assert found["td"] == [cell for table in tables for row in table.rows for cell in row.cells]
    assert found.keys() <= NAMES_OF_TAGS


@given(TYPED)
@example("<script>alert(1)</script>")
@example("</td></table>")
@example('" onmouseover="x')
@example("&lt;")
def test_any_text_survives_wherever_it_stands(text: str) -> None:
    table = Table((Column(text, "left"),), (Row((text,)), Row((text,), style="strong")))
    found = Parsed(to_html(Document(text, (Heading(text), Paragraph(text), Bullets((text,)), table))))
    assert all(found.texts[tag] == [text] for tag in ("h3", "h4", "p", "li", "th"))
    assert found.texts["td"] == [text, text]
    assert found.texts.keys() <= NAMES_OF_TAGS
    assert all(a.keys() <= {"class", "style", "scope"} for attributes in found.attributes.values() for a in attributes)


def test_columns_keep_their_sides() -> None:
    found = Parsed(to_html(table_of(Row(("a", "1")))))
    for tag in ("th", "td"):
        sides = [re.search(r"text-align: (\w+)", str(a["style"])) for a in found.attributes[tag]]
        assert [side[1] for side in sides if side] == ["left", "right"]


def test_children_are_indented() -> None:
    found = Parsed(to_html(table_of(*(Row(("name", "1"), depth=depth) for depth in range(3)))))
    styles = [str(attributes["style"]) for attributes in found.attributes["td"][::2]]
    indents = [float(match[1]) if (match := re.search(r"padding-left: ([\d.]+)em", style)) else 0.0 for style in styles]
    assert indents[0] == 0.0
    assert indents[0] < indents[1] < indents[2]


def test_a_rule_goes_before_the_first_sum() -> None:
    rows = (
        Row(("a", "1"), style="strong"),
        Row(("b", "2")),
        Row(("c", "3"), style="total"),
        Row(("d", "4"), style="total"),
    )
    found = Parsed(to_html(table_of(*rows)))
    assert [a.get("class") for a in found.attributes["tr"]] == [None, "strong", None, "total rule", "total"]


def test_it_stands_alone_and_takes_the_colours_of_what_surrounds_it() -> None:
    html = to_html(breakdown_document(cpu_record()))
    assert not re.search(r"https?:|url\(|@import|<link|<script|src=", html)
    found = Parsed(html)
    style = found.texts["style"][0]
    inline = " ".join(str(a.get("style")) for attributes in found.attributes.values() for a in attributes)
    assert not re.search(r"#[0-9a-fA-F]{3}|rgb|white\b(?!-)|black|background-", style + inline)
    # No rule of the style reaches outside.
    assert all(
        selector.strip().startswith(".paco-prof")
        for selectors in re.findall(r"([^{}]+)\{", style)
        for selector in selectors.split(",")
    )


def test_no_dollar_begins_a_formula() -> None:
    (attributes,) = Parsed(to_html(Document("$x$", ()))).attributes["div"]
    assert {"tex2jax_ignore", "mathjax_ignore"} <= set(str(attributes["class"]).split())

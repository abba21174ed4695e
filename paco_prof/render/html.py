"""A document as a piece of HTML: what a notebook shows of a result, complete in itself."""

from __future__ import annotations

from html import escape

from paco_prof.render.document import Block, Bullets, Document, Heading, Paragraph, Row, Table

__all__ = ["to_html"]

# Lines and text take the colour of what surrounds them, so that a dark notebook stays dark. Whatever a notebook's own
# style does to tables (stripes, sides, small print) is undone, and touches nothing outside of the report.
STYLE = """\
.paco-prof { max-width: 64em; }
.paco-prof h3, .paco-prof h4 { margin: 0.9em 0 0.4em; }
.paco-prof p, .paco-prof ul { margin: 0.4em 0; line-height: 1.45; }
.paco-prof table { border-collapse: collapse; margin: 0.4em 0; font-variant-numeric: tabular-nums; }
.paco-prof th, .paco-prof td { border: none; padding: 0.1em 0.7em; background: none; color: inherit; }
.paco-prof td { vertical-align: top; }
.paco-prof thead th { border-bottom: 1px solid currentColor; font-weight: normal; }
.paco-prof tr.strong td, .paco-prof tr.total td { font-weight: bold; }
.paco-prof tr.rule td { border-top: 1px solid currentColor; }"""
# A dollar in a name begins no formula.
CLASSES = "paco-prof tex2jax_ignore mathjax_ignore"
INDENT = 1.2
MARGIN = 0.7


def to_html(document: Document) -> str:
    """The document as one `div`, its style inside of it, with a final newline. Text is text, whatever it holds."""
    blocks = "\n".join(_block(block) for block in document.blocks)
    title = f"<h3>{escape(document.title)}</h3>"
    return f'<div class="{CLASSES}">\n<style>\n{STYLE}\n</style>\n{title}\n{blocks}\n</div>\n'


def _block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h4>{escape(text)}</h4>"
        case Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case Bullets(items):
            return "\n".join(["<ul>", *(f"<li>{escape(item)}</li>" for item in items), "</ul>"])
        case Table():
            return _table(block)


def _table(table: Table) -> str:
    head = "".join(
        f'<th scope="col" style="text-align: {column.align}">{escape(column.title)}</th>' for column in table.columns
    )
    befores = ["plain", *(row.style for row in table.rows)]
    rows = [
        _row(table, row, row.style == "total" and before != "total")
        for row, before in zip(table.rows, befores, strict=False)
    ]
    return "\n".join(["<table>", f"<thead><tr>{head}</tr></thead>", "<tbody>", *rows, "</tbody>", "</table>"])


def _row(table: Table, row: Row, after_rule: bool) -> str:
    """A row; a rule goes before the first of several sums."""
    names = [name for name in (row.style, "rule" if after_rule else "plain") if name != "plain"]
    attribute = f' class="{" ".join(names)}"' if names else ""
    cells = []
    for place, (cell, column) in enumerate(zip(row.cells, table.columns, strict=True)):
        style = f"text-align: {column.align}"
        # Running text wraps, and so does a name; a number that is broken cannot be read.
        style += "" if column.wraps or place == 0 else "; white-space: nowrap"
        if place == 0 and row.depth:
            style += f"; padding-left: {MARGIN + INDENT * row.depth:.1f}em"
        cells.append(f'<td style="{style}">{escape(cell)}</td>')
    return f"<tr{attribute}>{''.join(cells)}</tr>"

"""A document as GitHub-flavoured Markdown."""

from __future__ import annotations

import re

from paco_prof.render.document import Block, Bullets, Document, Heading, Paragraph, Row, Table

__all__ = ["to_markdown"]

INDENT = "&nbsp;&nbsp;"


def to_markdown(document: Document) -> str:
    """The document as Markdown, with a final newline."""
    blocks = [f"# {_escape(document.title)}", *(_block(block) for block in document.blocks)]
    return "\n\n".join(blocks) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {_escape(text)}"
        case Paragraph(text):
            return _escape(text)
        case Bullets(items):
            return "\n".join(f"- {_escape(item)}" for item in items)
        case Table():
            return _table(block)


def _table(table: Table) -> str:
    head = "| " + " | ".join(_escape(column.title) for column in table.columns) + " |"
    rule = "|" + "|".join(":---" if column.align == "left" else "---:" for column in table.columns) + "|"
    return "\n".join([head, rule, *(_row(row) for row in table.rows)])


def _row(row: Row) -> str:
    cells = [_escape(cell) for cell in row.cells]
    if row.style in ("strong", "total"):
        cells = [f"**{cell}**" if cell else "" for cell in cells]
    return "| " + " | ".join([INDENT * row.depth + cells[0], *cells[1:]]) + " |"


def _escape(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|~&$])", r"\\\1", text)

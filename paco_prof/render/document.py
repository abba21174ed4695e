"""A report before it has a format: headings, paragraphs, bullet points and tables of finished cells.

What a table says, its columns and their order are decided in building one; a format only lays it out, so that two
formats cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Block", "Bullets", "Column", "Document", "Heading", "Paragraph", "Row", "Table"]


@dataclass(frozen=True, slots=True)
class Heading:
    """The title of a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column's title, and the side that its cells stand on; cells of running text wrap."""

    title: str
    align: Literal["left", "right"] = "right"
    wraps: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row of finished cells.

    Attributes:
        depth: how far the first cell is indented.
        style: `strong` for what must be seen first, `total` for a sum (a rule goes before it).
    """

    cells: tuple[str, ...]
    depth: int = 0
    style: Literal["plain", "strong", "total"] = "plain"


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows of finished cells."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


Block = Heading | Paragraph | Bullets | Table


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    title: str
    blocks: tuple[Block, ...]

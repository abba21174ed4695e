"""A document on the terminal, through Rich."""

from __future__ import annotations

import re
import textwrap

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table as RichTable
from rich.text import Text

from paco_prof.render.document import Block, Bullets, Document, Heading, Paragraph, Table

__all__ = ["to_terminal"]

STYLES = {"plain": "", "strong": "bold", "total": "bold"}


def to_terminal(document: Document) -> RenderableType:
    """The document as a Rich renderable. Cells are text, never markup: `[loss/pac]` stays what it is."""
    return Group(Text(document.title, style="bold"), *(_block(block) for block in document.blocks))


def _block(block: Block) -> RenderableType:
    match block:
        case Heading(text):
            return Padding(Rule(Text(text, style="bold"), align="left", characters="─"), (1, 0, 0, 0))
        case Paragraph(text):
            return Text(text)
        case Bullets(items):
            return _bullets(items)
        case Table():
            return _table(block)


def _bullets(items: tuple[str, ...]) -> RenderableType:
    grid = RichTable.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for item in items:
        grid.add_row(Text("•"), Text(item))
    return grid


def _table(table: Table) -> RenderableType:
    rich_table = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    # Where the terminal is narrow, running text gives way, or else the first column; a broken number cannot be read.
    has_text = any(column.wraps for column in table.columns)
    for column in table.columns:
        folds = column.wraps if has_text else column is table.columns[0]
        rich_table.add_column(
            Text(column.title), justify=column.align, no_wrap=not folds, overflow="fold" if folds else "ellipsis"
        )
    for index, row in enumerate(table.rows):
        if row.style == "total" and (index == 0 or table.rows[index - 1].style != "total"):
            rich_table.add_section()
        first_cell, *others = row.cells
        rich_table.add_row(_Name(first_cell, row.depth), *(Text(cell) for cell in others), style=STYLES[row.style])
    return rich_table


class _Name:
    """The first cell of a row: where it has to be broken, between words or after a hyphen."""

    def __init__(self, text: str, depth: int) -> None:
        self._text = text
        self._indent = "  " * depth

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        lines = textwrap.wrap(self._text, width, initial_indent=self._indent, subsequent_indent=self._indent)
        yield Text("\n".join(lines))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        longest = max((len(piece) for piece in re.split(r"[\s-]", self._text)), default=0)
        return Measurement(len(self._indent) + longest + 1, len(self._indent + self._text))

"""Whole reports of measurements of growth, as the terminal and Markdown show them.

After a change of wording look at the difference, then `pytest tests/golden --snapshot-update`.
"""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from paco_prof.records import ScaleRecord
from paco_prof.render.markdown import to_markdown
from paco_prof.render.scale_report import scale_document
from paco_prof.render.terminal import to_terminal
from surveys import RECORDS

SHOWN = ("batch", "grid", "search")


class TextFile(SingleFileSnapshotExtension):
    """A snapshot that is a text file."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


class MarkdownFile(TextFile):
    """A snapshot that a Markdown viewer shows."""

    file_extension = "md"


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SHOWN)
def test_terminal(name: str, width: int, snapshot: SnapshotAssertion) -> None:
    assert rendered(RECORDS[name](), width) == snapshot(extension_class=TextFile)


def test_markdown(snapshot: SnapshotAssertion) -> None:
    assert to_markdown(scale_document(RECORDS["batch"]())) == snapshot(extension_class=MarkdownFile)


def rendered(record: ScaleRecord, width: int) -> str:
    """The report on a terminal without colour."""
    console = Console(width=width, color_system=None, file=io.StringIO(), legacy_windows=False)
    console.print(to_terminal(scale_document(record)))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in lines) + "\n"

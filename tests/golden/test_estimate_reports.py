"""Whole reports of frozen estimates, as the terminal and Markdown show them.

After a change of wording look at the difference, then `pytest tests/golden --snapshot-update`.
"""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from paco_prof.render.estimate_report import estimate_document
from paco_prof.render.markdown import to_markdown
from paco_prof.render.terminal import to_terminal
from projections import RECORDS

NAMES = ("everything", "many", "quoted", "two devices", "eight devices")


class TextFile(SingleFileSnapshotExtension):
    """A snapshot that is a text file."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


class MarkdownFile(TextFile):
    """A snapshot that a Markdown viewer shows."""

    file_extension = "md"


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", NAMES)
def test_terminal(name: str, width: int, snapshot: SnapshotAssertion) -> None:
    console = Console(width=width, color_system=None, file=io.StringIO(), legacy_windows=False)
    console.print(to_terminal(estimate_document(RECORDS[name]())))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert "\n".join(line.rstrip() for line in lines) + "\n" == snapshot(extension_class=TextFile)


@pytest.mark.parametrize("name", NAMES)
def test_markdown(name: str, snapshot: SnapshotAssertion) -> None:
    assert to_markdown(estimate_document(RECORDS[name]())) == snapshot(extension_class=MarkdownFile)

"""Whole reports of frozen histories, as the terminal and Markdown show them.

After a change of wording look at the difference, then `pytest tests/golden --snapshot-update`.
"""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from histories import changing_view, short_view, yardstick_view
from paco_prof.render.history_report import history_document
from paco_prof.render.markdown import to_markdown
from paco_prof.render.terminal import to_terminal

VIEWS = {"changing": changing_view, "yardstick": yardstick_view, "short": short_view}


class TextFile(SingleFileSnapshotExtension):
    """A snapshot that is a text file."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


class MarkdownFile(TextFile):
    """A snapshot that a Markdown viewer shows."""

    file_extension = "md"


@pytest.mark.parametrize("name", VIEWS)
def test_terminal(name: str, snapshot: SnapshotAssertion) -> None:
    console = Console(width=80, color_system=None, file=io.StringIO(), legacy_windows=False)
    console.print(to_terminal(history_document(VIEWS[name]())))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert "\n".join(line.rstrip() for line in lines) + "\n" == snapshot(extension_class=TextFile)


@pytest.mark.parametrize("name", VIEWS)
def test_markdown(name: str, snapshot: SnapshotAssertion) -> None:
    assert to_markdown(history_document(VIEWS[name]())) == snapshot(extension_class=MarkdownFile)

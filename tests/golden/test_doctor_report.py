"""Whole reports of examinations, as the terminal and Markdown show them.

After a change of wording look at the difference, then `pytest tests/golden --snapshot-update`.
"""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from doctors import DOCTORS
from paco_prof.render.doctor_report import doctor_document
from paco_prof.render.markdown import to_markdown
from paco_prof.render.terminal import to_terminal


class TextFile(SingleFileSnapshotExtension):
    """A snapshot that is a text file."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


class MarkdownFile(TextFile):
    """A snapshot that a Markdown viewer shows."""

    file_extension = "md"


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", DOCTORS)
def test_terminal(name: str, width: int, snapshot: SnapshotAssertion) -> None:
    file = io.StringIO()
    console = Console(width=width, color_system=None, file=file, legacy_windows=False)
    console.print(to_terminal(doctor_document(DOCTORS[name]())))
    rendered = "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
    assert rendered == snapshot(extension_class=TextFile)


@pytest.mark.parametrize("name", DOCTORS)
def test_markdown(name: str, snapshot: SnapshotAssertion) -> None:
    assert to_markdown(doctor_document(DOCTORS[name]())) == snapshot(extension_class=MarkdownFile)

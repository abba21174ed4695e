"""Whole reports of gates, as the terminal and Markdown show them.

After a change of wording look at the difference, then `pytest tests/golden --snapshot-update`.
"""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from gates import GATES, RESULTS
from paco_prof.render.document import Document
from paco_prof.render.gate_report import gate_document
from paco_prof.render.gate_text import gate_sentence
from paco_prof.render.junit import junit_xml
from paco_prof.render.markdown import to_markdown
from paco_prof.render.terminal import to_terminal


class TextFile(SingleFileSnapshotExtension):
    """A snapshot that is a text file."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


class MarkdownFile(TextFile):
    """A snapshot that a Markdown viewer shows."""

    file_extension = "md"


class XmlFile(TextFile):
    """A snapshot that a CI reads."""

    file_extension = "xml"


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", GATES)
def test_terminal(name: str, width: int, snapshot: SnapshotAssertion) -> None:
    assert rendered(gate_document(*GATES[name]), width) == snapshot(extension_class=TextFile)


@pytest.mark.parametrize("name", GATES)
def test_markdown(name: str, snapshot: SnapshotAssertion) -> None:
    assert to_markdown(gate_document(*GATES[name])) == snapshot(extension_class=MarkdownFile)


def test_junit(snapshot: SnapshotAssertion) -> None:
    assert junit_xml(*GATES["fail"]) == snapshot(extension_class=XmlFile)


def test_sentences(snapshot: SnapshotAssertion) -> None:
    told = "".join(f"{name}\n    {gate_sentence(result)}\n" for name, result in RESULTS.items())
    assert told == snapshot(extension_class=TextFile)


def rendered(document: Document, width: int) -> str:
    """The report on a terminal without colour."""
    file = io.StringIO()
    Console(width=width, color_system=None, file=file, legacy_windows=False).print(to_terminal(document))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"

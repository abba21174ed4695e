"""The report of several ranks, whole; after a change of wording see `test_reports`."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from paco_prof.render.breakdown_report import breakdown_document
from paco_prof.render.markdown import to_markdown
from paco_prof.render.terminal import to_terminal
from several_ranks import ranks_record

RECORDS = {
    "straggler": ranks_record(slower={1: {"matching": 0.9}}),
    "even": ranks_record(num_ranks=2, gather_negatives=True),
    "only the first": ranks_record(results=[0]),
}


class MarkdownFile(SingleFileSnapshotExtension):
    """A snapshot that a Markdown viewer shows."""

    _write_mode = WriteMode.TEXT
    file_extension = "md"


class TextFile(MarkdownFile):
    """A snapshot that is a text file."""

    file_extension = "txt"


@pytest.mark.parametrize("name", RECORDS)
def test_markdown(name: str, snapshot: SnapshotAssertion) -> None:
    assert to_markdown(breakdown_document(RECORDS[name])) == snapshot(extension_class=MarkdownFile)


def test_terminal(snapshot: SnapshotAssertion) -> None:
    console = Console(width=80, color_system=None, file=io.StringIO(), legacy_windows=False)
    console.print(to_terminal(breakdown_document(RECORDS["straggler"])))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\n".join(line.rstrip() for line in text.splitlines()) + "\n" == snapshot(extension_class=TextFile)

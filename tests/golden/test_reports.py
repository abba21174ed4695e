"""Whole reports of frozen records, as the terminal and Markdown show them.

After a change of wording look at the difference, then `pytest tests/golden --snapshot-update`.
"""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from builders import analysis_record, cpu_record, exact_record, gpu_record, interrupted_record
from comparisons import aa_record, ablation_record, comparison_record, two_machines_record
from paco_prof.records import BreakdownRecord, ComparisonRecord
from paco_prof.render.breakdown_report import breakdown_document
from paco_prof.render.comparison_report import comparison_document
from paco_prof.render.document import Document
from paco_prof.render.markdown import to_markdown
from paco_prof.render.terminal import to_terminal

RECORDS = {
    "cpu": cpu_record(),
    "gpu": gpu_record(),
    "interrupted": interrupted_record(),
    "analysis": analysis_record(),
    "exact": exact_record(),
    "compare": comparison_record(),
    "against-itself": aa_record(),
    "cumulative": ablation_record("cumulative"),
    "failures": ablation_record("one-at-a-time", status="interrupted"),
    "two-machines": two_machines_record(),
}


class TextFile(SingleFileSnapshotExtension):
    """A snapshot that is a text file."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


class MarkdownFile(TextFile):
    """A snapshot that a Markdown viewer shows."""

    file_extension = "md"


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", RECORDS)
def test_terminal(name: str, width: int, snapshot: SnapshotAssertion) -> None:
    assert rendered(RECORDS[name], width) == snapshot(extension_class=TextFile)


@pytest.mark.parametrize("name", RECORDS)
def test_markdown(name: str, snapshot: SnapshotAssertion) -> None:
    assert to_markdown(document(RECORDS[name])) == snapshot(extension_class=MarkdownFile)


def document(record: BreakdownRecord | ComparisonRecord) -> Document:
    """The report of a record of either kind."""
    return comparison_document(record) if isinstance(record, ComparisonRecord) else breakdown_document(record)


def rendered(record: BreakdownRecord | ComparisonRecord, width: int) -> str:
    """The report on a terminal without colour."""
    console = Console(width=width, color_system=None, file=io.StringIO(), legacy_windows=False)
    console.print(to_terminal(document(record)))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in lines) + "\n"

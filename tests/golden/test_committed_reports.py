"""The committed reports and the README tell the story of the committed record, in the words of this version."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console

from paco_prof.render.breakdown_report import breakdown_document
from paco_prof.render.markdown import to_markdown
from paco_prof.render.terminal import to_terminal
from paco_prof.store import read_record

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "reports" / "breakdown_resnet50.json"


def test_the_markdown_report_is_what_show_writes() -> None:
    document = breakdown_document(read_record(RECORD))
    assert RECORD.with_suffix(".md").read_text(encoding="utf-8") == to_markdown(document)


def test_the_readme_shows_what_show_prints_at_80_columns() -> None:
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(to_terminal(breakdown_document(read_record(RECORD))))
    assert isinstance(console.file, io.StringIO)
    printed = "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- report -->\n```text\n(.*?)\n```\n<!-- /report -->", readme, re.DOTALL)
    assert shown is not None
    assert shown[1] == printed


def test_the_record_is_of_the_main_job() -> None:
    workload = read_record(RECORD).workload
    assert (workload.backbone, workload.image_size, workload.batch_size) == ("resnet50", 224, 8)

"""The report inside the README: as a script it writes it anew, from the committed record."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console

from paco_prof.render.breakdown_report import breakdown_document
from paco_prof.render.terminal import to_terminal
from paco_prof.store import read_record

__all__ = ["README", "RECORD", "readme_with_report"]

REPORTS = Path(__file__).resolve().parent
README = REPORTS.parent / "README.md"
RECORD = REPORTS / "breakdown_resnet50.json"
BLOCK = re.compile(r"<!-- report -->.*?<!-- /report -->", re.DOTALL)


def readme_with_report() -> str:
    """The README with what `paco-prof show` prints of the committed record at 80 columns."""
    output = io.StringIO()
    Console(file=output, width=80, color_system=None).print(to_terminal(breakdown_document(read_record(RECORD))))
    lines = "\n".join(line.rstrip() for line in output.getvalue().splitlines())
    block = f"<!-- report -->\n```text\n{lines}\n```\n<!-- /report -->"
    return BLOCK.sub(lambda _: block, README.read_text(encoding="utf-8"), count=1)


if __name__ == "__main__":
    README.write_text(readme_with_report(), encoding="utf-8")

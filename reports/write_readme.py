"""The reports inside the README: as a script it writes them anew, from the committed records."""

from __future__ import annotations

import io
import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from paco_prof.render.document import Block, Document, Heading
from paco_prof.render.reports import document_of
from paco_prof.render.terminal import to_terminal
from paco_prof.store import read_record

__all__ = ["COMPARISON", "GATE", "GROWTH", "OWN_MODEL", "README", "RECORD", "readme_with_reports"]

REPORTS = Path(__file__).resolve().parent
README = REPORTS.parent / "README.md"
RECORD = REPORTS / "breakdown_resnet50.json"
COMPARISON = REPORTS / "compare_optimized.json"
GATE = REPORTS / "check_planted.json"
OWN_MODEL = REPORTS / "breakdown_own_model.json"
# Of a report that stands there whole above, the parts that are about a model of the user's own.
OF_OWN_MODEL = ("Bottlenecks", "Your code")
GROWTH = REPORTS / "scale_resnet50.json"
# Of two variants with all their tables, the one that grows, and what both come to.
OF_GROWTH = ("Sizes: baseline", "Growth: baseline", "Side by side", "Findings")


def readme_with_reports() -> str:
    """The README with what `paco-prof show` prints of the committed records at 80 columns."""
    text = README.read_text(encoding="utf-8")
    documents = {
        "report": _document(RECORD),
        "comparison": _document(COMPARISON),
        "own-model": _parts(_document(OWN_MODEL), OF_OWN_MODEL),
        "gate": _document(GATE),
        "scale": _parts(_document(GROWTH), OF_GROWTH),
    }
    for name, document in documents.items():
        block = re.compile(f"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)
        shown = f"<!-- {name} -->\n```text\n{_printed(document)}\n```\n<!-- /{name} -->"
        text = block.sub(lambda _, shown=shown: shown, text, count=1)
    return text


def _document(path: Path) -> Document:
    """The report, without the stages before and after and what follows them: those are under reports/."""
    whole = document_of(read_record(path))
    headings = [isinstance(block, Heading) and block.text.startswith("Before and after") for block in whole.blocks]
    return replace(whole, blocks=whole.blocks[: headings.index(True)] if any(headings) else whole.blocks)


def _parts(document: Document, headings: Collection[str]) -> Document:
    """What stands before the first heading, and the sections of some."""
    kept: list[Block] = []
    is_kept = True
    for block in document.blocks:
        if isinstance(block, Heading):
            is_kept = block.text in headings
        kept += [block] if is_kept else []
    return replace(document, blocks=tuple(kept))


def _printed(document: Document) -> str:
    output = io.StringIO()
    Console(file=output, width=80, color_system=None).print(to_terminal(document))
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines())


if __name__ == "__main__":
    README.write_text(readme_with_reports(), encoding="utf-8")

"""`paco-prof show`: render a saved record again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paco_prof.cli.outputs import Outputs

__all__ = ["show"]


def show(
    record: Annotated[Path, typer.Argument(help="A record that --output wrote.", metavar="RUN.JSON")],
    markdown: Annotated[Path | None, typer.Option(help="Write the report as Markdown.", metavar="FILE")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw it: .png, .svg or .pdf.", metavar="FILE")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no report.")] = False,
) -> None:
    """Render a saved record, measured or quoted, without measuring anything (and without torch)."""
    from paco_prof.store import read_record

    outputs = Outputs(markdown=markdown, plot=plot)
    outputs.check(inputs=(record,))
    outputs.render(read_record(record), on_screen=not quiet)

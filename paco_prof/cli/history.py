"""`paco-prof history`: the step from commit to commit, and where it became slower or faster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paco_prof.cli.outputs import Outputs, print_document, print_text
from paco_prof.errors import BadRecordError, UsageError

if TYPE_CHECKING:
    from paco_prof.analysis.history import HistoryView
    from paco_prof.store import Record

__all__ = ["history"]

GIT_SECONDS = 60


def history(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder of records; reports, where there is one, or else this one.", metavar="DIR"),
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the report as Markdown.", metavar="FILE")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw it: .png, .svg or .pdf.", metavar="FILE")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs, and no report.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no report.")] = False,
) -> None:
    """Show the time of a step from commit to commit, from the records in a folder, and mark where it changes.

    Reads what breakdown, compare, ablate and check have written (the .json files of the folder itself), of the machine
    with the most commits. The order is that of the commits, where the folder is inside of their repository. Measures
    nothing, and needs no torch.
    """
    folder = folder if folder is not None else Path("reports") if Path("reports").is_dir() else Path()
    files = _files(folder)
    outputs = Outputs(markdown=markdown, plot=plot)
    outputs.check(inputs=files)
    view = _view(folder, files)
    if as_json:
        from paco_prof.render.history_data import history_data

        print_text(json.dumps(history_data(view), indent=1) + "\n")
    _render(view, outputs, on_screen=not quiet and not as_json)


def _files(folder: Path) -> tuple[Path, ...]:
    """What may be records, in the order of their names.

    Raises:
        UsageError: there is no such folder, or it cannot be read.
    """
    if not folder.exists():
        raise UsageError(f"There is no folder {folder}.", "Name one that holds records (--output of a command).")
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.", "Name the folder that holds the records.")
    try:
        return tuple(sorted(path for path in folder.iterdir() if path.suffix == ".json" and path.is_file()))
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror}.") from error


def _view(folder: Path, files: tuple[Path, ...]) -> HistoryView:
    """What the records say.

    Raises:
        UsageError: no record holds a training step that was measured.
    """
    from paco_prof.analysis.history import history_view
    from paco_prof.render.history_text import left_out_sentences
    from paco_prof.store import read_record

    records: list[tuple[str, Record]] = []
    unread: list[str] = []
    for path in files:
        try:
            records.append((path.name, read_record(path)))
        except BadRecordError:
            unread.append(path.name)
    view = history_view(records, _commits(folder), unread)
    if not view.series:
        there = " ".join(left_out_sentences(view.left_out)) or "It holds no JSON file."
        raise UsageError(f"{folder} holds no record of a training step that was measured.", there)
    return view


def _commits(folder: Path) -> tuple[str, ...]:
    """The commits of the repository that a folder is in, the oldest first; none where there is no repository."""
    from paco_prof.git import ask_git

    try:
        return tuple(ask_git(folder, "rev-list", "--topo-order", "--reverse", "HEAD", timeout=GIT_SECONDS).split())
    except (OSError, subprocess.SubprocessError):
        return ()


def _render(view: HistoryView, outputs: Outputs, *, on_screen: bool) -> None:
    """Print the report, and write it in the formats that were asked for."""
    from paco_prof.render.history_report import history_document

    document = history_document(view)
    if on_screen:
        print_document(document)
    if outputs.markdown is not None:
        from paco_prof.render.markdown import to_markdown
        from paco_prof.store import write_text

        write_text(outputs.markdown, to_markdown(document))
    if outputs.plot is not None:
        from paco_prof.render.history_plot import save_history_plot

        save_history_plot(view, outputs.plot)
    if on_screen:
        for path in filter(None, (outputs.markdown, outputs.plot)):
            print(f"Wrote {path}.", file=sys.stderr)

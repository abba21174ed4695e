"""Where a command's results go: the screen, and the files that its options name."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paco_prof.errors import UsageError

if TYPE_CHECKING:
    from paco_prof.ranks import Place
    from paco_prof.render.document import Document
    from paco_prof.store import Record

__all__ = ["Outputs", "print_document", "print_text"]


@dataclass(frozen=True)
class Outputs:
    """The files to write, each of them optional."""

    record: Path | None = None
    markdown: Path | None = None
    plot: Path | None = None
    trace: Path | None = None
    junit: Path | None = None

    def of_rank(self, place: Place) -> Outputs:
        """What a rank writes of them: the first one all, the others nothing."""
        return self if place.is_first else Outputs()

    def check(self, inputs: tuple[Path, ...] = ()) -> None:
        """Find out before measuring whether all of them can be written.

        Args:
            inputs: files that are read, and must not be written over.

        Raises:
            UsageError: one cannot, or two are the same file, or one is an input, or the picture's format is unknown.
        """
        from paco_prof.render.reports import check_picture
        from paco_prof.store import check_writable

        paths = self._paths()
        for path in paths:
            check_writable(path)
            if path.resolve() in {given.resolve() for given in inputs}:
                raise UsageError(f"{path} would be written over, and it is read.", "Name another file.")
        if len({path.resolve() for path in paths}) < len(paths):
            raise UsageError("Two outputs name the same file.", "Give each its own.")
        if self.plot is not None:
            check_picture(self.plot)

    def save_record(self, record: Record) -> None:
        """Write the record, if one was asked for."""
        from paco_prof.store import write_record

        if self.record is not None:
            write_record(self.record, record)

    def render(self, record: Record, *, on_screen: bool, is_saved: bool = True) -> None:
        """Print the report and write it in the formats that were asked for.

        Args:
            is_saved: whether the record could be written.
        """
        from paco_prof.records import CheckRecord
        from paco_prof.render.reports import document_of, save_plot

        document = document_of(record)
        if on_screen:
            print_document(document)
        if self.markdown is not None:
            from paco_prof.render.markdown import to_markdown
            from paco_prof.store import write_text

            write_text(self.markdown, to_markdown(document))
        if self.junit is not None and isinstance(record, CheckRecord):
            from paco_prof.analysis.gate import gate_view
            from paco_prof.render.junit import junit_xml
            from paco_prof.store import write_text

            write_text(self.junit, junit_xml(record, gate_view(record)))
        if self.plot is not None:
            save_plot(record, self.plot)
        if on_screen:
            for path in filter(Path.exists, self._paths()):
                if is_saved or path != self.record:
                    print(f"Wrote {path}.", file=sys.stderr)

    def _paths(self) -> list[Path]:
        return [path for path in (self.record, self.markdown, self.plot, self.trace, self.junit) if path is not None]


def print_document(document: Document) -> None:
    """Print a report."""
    from rich.console import Console

    from paco_prof.render.terminal import to_terminal

    console = Console(highlight=False)
    # Written in one piece and by ourselves: Rich would end the process where a pipe has been closed.
    with console.capture() as capture:
        console.print(to_terminal(document))
    print_text(capture.get())


def print_text(text: str) -> None:
    """Write to standard output; a reader who has seen enough (`paco-prof show run.json | head`) is no failure."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would flush the rest at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

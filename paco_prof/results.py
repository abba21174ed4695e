"""What the Python API hands back: records that can show themselves. Free of torch.

A result is the record that the command of the same name writes, field for field, with methods on top: a data frame, the
report as text, files, and what a notebook displays. A saved one is read back as a plain record by `read_record`, and
`Breakdown.of` and its like make a result of any plain record.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from paco_prof import units
from paco_prof.errors import UsageError
from paco_prof.records import BreakdownRecord, ComparisonRecord, EstimateRecord

if TYPE_CHECKING:
    import os

    import pandas as pd

    from paco_prof.render.document import Document

__all__ = ["Breakdown", "Comparison", "Estimate"]

# Columns of text where nobody says how many there are.
WIDTH = 100
# Variants that a single line names.
MOST = 3
Plain = BreakdownRecord | ComparisonRecord | EstimateRecord


class _Result:
    """What all results can do with their record."""

    def report(self) -> str:
        """The report as Markdown."""
        from paco_prof.render.markdown import to_markdown

        return to_markdown(self._document())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the record as JSON, which `paco-prof show` and `read_record` read.

        Raises:
            UsageError: the file cannot be written.
        """
        from paco_prof.store import write_record

        write_record(Path(path), self._record())

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw the record: a .png, .svg or .pdf.

        Raises:
            UsageError: it is none of them, the record holds nothing to draw, or the file cannot be written.
        """
        from paco_prof.render.reports import check_picture, save_plot

        check_picture(Path(path))
        save_plot(self._record(), Path(path))

    def __str__(self) -> str:
        """The report as the terminal shows it."""
        from rich.console import Console

        from paco_prof.render.terminal import to_terminal

        text = io.StringIO()
        console = Console(file=text, width=WIDTH, color_system=None, highlight=False, force_jupyter=False)
        console.print(to_terminal(self._document()))
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines())

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._words()}>"

    def __eq__(self, other: object) -> bool:
        """Whether the other one is the same record, with methods or without."""
        kind = self._kind()
        if not isinstance(other, kind):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in kind.model_fields)

    # A record may hold what has no hash.
    __hash__ = None  # type: ignore[assignment]

    def _repr_html_(self) -> str:
        from paco_prof.render.html import to_html

        return to_html(self._document())

    def _repr_markdown_(self) -> str:
        return self.report()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython shows where it has only text."""
        printer.text(repr(self) if cycle else str(self))

    def _document(self) -> Document:
        from paco_prof.render.reports import document_of

        return document_of(self._record())

    def _record(self) -> Plain:
        """The same object, as what it is."""
        return cast(Plain, self)

    def _words(self) -> str:
        """What it says, in a line."""
        raise NotImplementedError

    @classmethod
    def _kind(cls) -> type[Plain]:
        """The record that it is."""
        return next(kind for kind in (BreakdownRecord, ComparisonRecord, EstimateRecord) if issubclass(cls, kind))

    @classmethod
    def of(cls, record: Plain) -> Self:
        """A plain record with the methods of a result.

        Raises:
            UsageError: it is a record of another kind.
        """
        kind = cls._kind()
        if not isinstance(record, kind):
            raise UsageError(f"A {cls.__name__} is made of a {kind.__name__}, and not of a {type(record).__name__}.")
        # It has been validated once.
        fields = {name: getattr(record, name) for name in kind.model_fields}
        return cast(Self, cast(type[Plain], cls).model_construct(_fields_set=record.model_fields_set, **fields))


class Breakdown(_Result, BreakdownRecord):
    """Where the time of a training step goes: what `paco_prof.breakdown` returns."""

    def to_pandas(self, samples: bool = False) -> pd.DataFrame:
        """The bottleneck table in seconds; see `paco_prof.analysis.frame.breakdown_frame`.

        Args:
            samples: every raw sample in its place; see `paco_prof.samples_frame`.
        """
        from paco_prof.analysis.frame import breakdown_frame, samples_frame

        return samples_frame(self) if samples else breakdown_frame(self)

    def _words(self) -> str:
        from paco_prof.analysis.breakdown import breakdown_view
        from paco_prof.render.preamble import subject

        view = breakdown_view(self)
        number = 0 if self.training is None else len(self.training.steps)
        measured = "no step measured" if view is None else f"step {units.span(view.step.value)}, {_plural(number)}"
        return f"{subject(self)}: {measured}"


class Comparison(_Result, ComparisonRecord):
    """Variants held against a baseline: what `paco_prof.compare` returns."""

    def to_pandas(self, samples: bool = False) -> pd.DataFrame:
        """One row a variant; see `paco_prof.analysis.frame.comparison_frame`.

        Args:
            samples: every raw sample in its place; see `paco_prof.samples_frame`.
        """
        from paco_prof.analysis.frame import comparison_frame, samples_frame

        return samples_frame(self) if samples else comparison_frame(self)

    def _words(self) -> str:
        from paco_prof.analysis.comparison import comparison_view
        from paco_prof.analysis.machines import by_machine

        machines = by_machine(self)
        view = comparison_view(machines[0])
        where = f" on the first of {len(machines)} machines" if len(machines) > 1 else ""
        speedups = []
        for variant in view.variants:
            said = "not measured"
            if variant.speedup is not None:
                said = units.precise_ratio(variant.speedup.ratio) + ("" if variant.speedup.established else " (~)")
            speedups.append(f"{variant.name} {said}")
        return f"beside {view.baseline.name}{where}: {_few(speedups)}"


class Estimate(_Result, EstimateRecord):
    """What a whole training run takes: what `paco_prof.estimate` returns."""

    def to_pandas(self, samples: bool = False) -> pd.DataFrame:
        """One row a variant; see `paco_prof.analysis.frame.estimate_frame`.

        Args:
            samples: every step of the pilots in its place; see `paco_prof.samples_frame`.
        """
        from paco_prof.analysis.frame import estimate_frame, samples_frame

        return samples_frame(self) if samples else estimate_frame(self)

    def _words(self) -> str:
        from paco_prof.analysis.projection import projection_view

        runs = [f"{run.name} {units.span(run.total.value)}" for run in projection_view(self).runs]
        return f"{units.count(self.plan.epochs)} epoch{'s' if self.plan.epochs != 1 else ''}: {_few(runs)}"


def _few(words: Sequence[str]) -> str:
    """The first of them, and how many others there are."""
    others = [f"{len(words) - MOST} more"] if len(words) > MOST else []
    return ", ".join([*words[:MOST], *others])


def _plural(number: int) -> str:
    return f"{units.count(number)} step{'s' if number != 1 else ''}"

"""The picture of a breakdown: a bar a stage, forward and backward stacked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from paco_prof import units
from paco_prof.analysis.breakdown import BreakdownView, StageRow, breakdown_view
from paco_prof.errors import UsageError
from paco_prof.records import BreakdownRecord
from paco_prof.render import figures
from paco_prof.render.labels import title_of
from paco_prof.render.preamble import subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["breakdown_figure", "save_breakdown_plot"]

PHASES = (
    ("forward", figures.BLUE, ""),
    ("backward", figures.ORANGE, "///"),
    ("other", figures.GREY, "..."),
)
PHASE_TITLES = {"forward": "forward", "backward": "backward", "other": "neither (optimizer, ...)"}


def save_breakdown_plot(record: BreakdownRecord, path: Path) -> None:
    """Draw a record and write it in the format of the file's name.

    Raises:
        UsageError: there are no training steps to draw, or the file cannot be written.
    """
    view = breakdown_view(record)
    if view is None:
        raise UsageError(f"{path} is not drawn: the record holds no training step.")
    figures.save_figure(lambda: breakdown_figure(view, subject(record), record.source.kind == "quoted"), path)


def breakdown_figure(view: BreakdownView, what: str, is_quoted: bool = False) -> Figure:
    """Horizontal stacked bars, the longest stage on top, what belongs to none last; no display is needed."""
    rows = sorted(view.top_rows, key=lambda row: -row.seconds)
    with figures.drawing():
        figure = figures.new_figure(1.6 + 0.36 * len(rows))
        axes = figure.subplots()
        _draw_bars(axes, rows)
        _label_bars(axes, view, rows)
        # Over the whole width: the name of a model of the user's own may be long.
        title = _title(view, what, is_quoted)
        figure.suptitle(title, x=0.01, ha="left", fontsize=figures.TITLE_SIZE, parse_math=False)
        figures.bar_axes(axes, len(rows))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_xlabel("milliseconds per training step")
        axes.legend(loc="lower right", frameon=False)
    return figure


def _title(view: BreakdownView, what: str, is_quoted: bool) -> str:
    quoted = " (quoted)" if is_quoted else ""
    return f"PaCo-2 training step{quoted}, {what}: {units.milliseconds(view.step.value)} ms"


def _draw_bars(axes: Axes, rows: list[StageRow]) -> None:
    positions = range(len(rows))
    left = [0.0] * len(rows)
    for phase, colour, hatch in PHASES:
        estimates = [getattr(row, phase) for row in rows]
        widths = [0.0 if estimate is None else estimate.value * 1e3 for estimate in estimates]
        if any(widths):
            axes.barh(
                positions,
                widths,
                left=left,
                height=0.72,
                color=colour,
                hatch=hatch,
                edgecolor="white",
                linewidth=0.0,
                label=PHASE_TITLES[phase],
            )
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.set_yticks(positions, [title_of(row.path, row.calls) for row in rows], parse_math=False)


def _label_bars(axes: Axes, view: BreakdownView, rows: list[StageRow]) -> None:
    """Time and share at the end of each bar: the small ones cannot be read off the axis."""
    longest = max((row.seconds for row in rows), default=0.0) * 1e3
    axes.set_xlim(0, longest * 1.3 or 1.0)
    for position, row in enumerate(rows):
        text = f"{units.milliseconds(row.seconds)} ms · {units.percent(row.share)}" if row.total else "not measured"
        axes.text(row.seconds * 1e3 + longest * 0.01, position, text, va="center", fontsize=10, parse_math=False)

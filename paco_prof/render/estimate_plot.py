"""The picture of an estimate: a bar a variant, its terms stacked, with the interval of the total."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from paco_prof import units
from paco_prof.analysis.projection import TERMS, ProjectedRun, ProjectionView, Term, projection_view
from paco_prof.records import EstimateRecord
from paco_prof.render import figures
from paco_prof.render.estimate_report import run_subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["estimate_figure", "save_estimate_plot"]

# Colour, hatch and words of each term.
STYLES: dict[Term, tuple[str, str, str]] = {
    "steps": (figures.BLUE, "", "steps"),
    "waiting": (figures.VERMILLION, "xxx", "waiting for data"),
    "epoch starts": (figures.YELLOW, "\\\\\\", "epoch starts"),
    "evaluation": (figures.ORANGE, "///", "evaluation"),
    "checkpoints": (figures.PURPLE, "...", "checkpoints"),
    "start-up": (figures.GREY, "---", "start-up"),
}
# Of an axis: how long the longest bar is at least, its unit in seconds, and that unit's name.
AXES = (
    (2 * 31_557_600.0, 31_557_600.0, "years"),
    (1000 * 3600.0, 86_400.0, "days"),
    (300 * 60.0, 3600.0, "hours"),
    (300.0, 60.0, "minutes"),
    (0.0, 1.0, "seconds"),
)
# Inches: what is around the rows, and the least that a row has.
AROUND, ROW = 1.7, 0.55
# An interval is drawn up to so many times its figure; beyond that an arrow goes on.
FARTHEST = 4


def save_estimate_plot(record: EstimateRecord, path: Path) -> None:
    """Draw a record and write it in the format of the file's name.

    Raises:
        UsageError: an epoch would have no batch, or the file cannot be written.
    """
    view = projection_view(record)
    figures.save_figure(lambda: estimate_figure(view, run_subject(record)), path)


def estimate_figure(view: ProjectionView, what: str) -> Figure:
    """Horizontal stacked bars, the baseline on top; no display is needed."""
    names = [figures.wrapped(run.name) for run in view.runs]
    with figures.drawing():
        figure = figures.new_figure(AROUND + len(names) * max(ROW, figures.row_height(names)))
        axes = figure.subplots()
        unit, unit_name = _unit(view.runs)
        _draw_bars(axes, view.runs, unit)
        _label_bars(axes, view.runs, unit)
        axes.set_yticks(range(len(names)), names, fontsize=figures.NAME_SIZE, parse_math=False)
        axes.xaxis.set_major_formatter("{x:,g}")
        axes.set_xlabel(f"{unit_name}, whole run")
        figures.bar_axes(axes, len(names))
        figures.headed(axes, f"Projected training, {what}")
    return figure


def _unit(runs: Sequence[ProjectedRun]) -> tuple[float, str]:
    longest = max(_end(run) for run in runs)
    return next((unit, name) for least, unit, name in AXES if longest >= least)


def _end(run: ProjectedRun) -> float:
    """Where a bar with its interval ends."""
    high = run.total.value if run.total.high is None else run.total.high
    return min(high, FARTHEST * run.total.value)


def _draw_bars(axes: Axes, runs: Sequence[ProjectedRun], unit: float) -> None:
    places = range(len(runs))
    left = [0.0] * len(runs)
    for term in TERMS:
        colour, hatch, label = STYLES[term]
        widths = [0.0 if (span := run.terms[term]) is None else span.value / unit for run in runs]
        if any(widths):
            axes.barh(
                places,
                widths,
                left=left,
                height=0.6,
                color=colour,
                hatch=hatch,
                edgecolor="white",
                linewidth=0.0,
                label=label,
            )
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for place, run in enumerate(runs):
        if run.total.low is not None and run.total.high is not None:
            low, high = run.total.low / unit, _end(run) / unit
            # White below the black: the bar itself is dark in grey print.
            for colour, width in (("white", 4.0), ("black", 1.4)):
                axes.plot((low, high), (place, place), color=colour, linewidth=width, solid_capstyle="butt")
            axes.plot(low, place, color="black", marker="|", markersize=9)
            axes.plot(high, place, color="black", marker="|" if _end(run) == run.total.high else ">", markersize=9)


def _label_bars(axes: Axes, runs: Sequence[ProjectedRun], unit: float) -> None:
    """The total, and how many times shorter it is, where the interval ends."""
    longest = max(_end(run) for run in runs) / unit
    axes.set_xlim(0, longest * 1.3 or 1.0)
    for place, run in enumerate(runs):
        faster = "" if run.speedup is None or math.isinf(run.speedup.value) else f" · {units.ratio(run.speedup.value)}"
        axes.annotate(
            f"{units.span(run.total.value)}{faster}",
            (max(_end(run), run.total.value) / unit, place),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=figures.SMALL_SIZE,
        ).set_parse_math(False)

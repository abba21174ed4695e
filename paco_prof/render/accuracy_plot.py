"""The picture of a comparison of accuracies: accuracy over training time, and differences against the margin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from paco_prof import units
from paco_prof.analysis.accuracy import AccuracyView, LearningCurve, TrainedVariant, accuracy_view
from paco_prof.errors import UsageError
from paco_prof.records import AccuracyRecord
from paco_prof.render import figures
from paco_prof.render.preamble import workload_subject
from paco_prof.stats.summary import CONFIDENCE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["accuracy_figure", "save_accuracy_plot"]


class _Style(NamedTuple):
    colour: str
    line: str
    marker: str


# The baseline's, and what the variants' are made of: no two of the first twenty are alike, with and without colour.
BASELINE = _Style(figures.GREY, "-", "o")
COLOURS = (figures.BLUE, figures.VERMILLION, figures.GREEN, figures.ORANGE, figures.PURPLE)
LINES = ("--", "-.", ":", "-")
MARKERS = ("s", "^", "D", "v", "P", "X", "<")
# A time axis on which the longest run is so many times as long as the shortest is logarithmic.
LOG_FROM = 5.0
# Inches: the curves, what is around a panel, a line of a legend.
CURVES, AROUND_PANEL, LEGEND_LINE = 3.0, 1.3, 0.2
# Letters of a line of the legend and of the names at the left of the rows, and those that a line's sample takes.
LETTERS_A_LINE, SAMPLE = 100, 8
# Seconds of a unit of the time axis, its name, and from how many of it on it is used.
TIME_UNITS = ((3600.0, "hours", 3.0), (60.0, "minutes", 3.0), (1.0, "seconds", 0.0))
# What is worse by more than the margin, its hatch, and lines across the picture.
WORSE, HATCH, BORDER = "#f6d9c8", "#d9a88c", "#444444"


def save_accuracy_plot(record: AccuracyRecord, path: Path) -> None:
    """Draw a record and write it in the format of the file's name.

    Raises:
        UsageError: no run was evaluated, or the file cannot be written.
    """
    if not _drawn(accuracy_view(record)):
        raise UsageError(f"{path} is not drawn: the record holds no run that came to its end.")
    figures.save_figure(lambda: accuracy_figure(record), path)


def accuracy_figure(record: AccuracyRecord) -> Figure:
    """Curves, and below them differences where there are any, of a record with a complete run; no display is needed."""
    view = accuracy_view(record)
    styles = {row.place: _style(row.place) for row in view.rows}
    panels = [_curve_panel(view, styles)]
    if view.judged:
        panels.append(_difference_panel(view, styles))
    with figures.drawing():
        figure = figures.new_figure(0.4 + sum(panel.height + AROUND_PANEL for panel in panels))
        figure.set_layout_engine("constrained", h_pad=0.09)
        figure.suptitle(_subject(record), x=0.01, ha="left", fontsize=figures.TITLE_SIZE + 1, parse_math=False)
        grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[panel.height for panel in panels])
        for axes, panel in zip(grid[:, 0], panels, strict=True):
            panel.draw(axes)
    return figure


def _style(place: int) -> _Style:
    if place == 0:
        return BASELINE
    number = place - 1
    return _Style(COLOURS[number % len(COLOURS)], LINES[number % len(LINES)], MARKERS[number % len(MARKERS)])


def _subject(record: AccuracyRecord) -> str:
    machine = record.environment
    device = "" if machine is None else f", {machine.accelerator or machine.processor}"
    return f"PaCo-2 training, {workload_subject(record.contestants[0].workload)}, {record.data.name}{device}"


def _drawn(view: AccuracyView) -> list[TrainedVariant]:
    return [row for row in view.rows if any(curve.seconds for curve in row.curves)]


def _curve_panel(view: AccuracyView, styles: dict[int, _Style]) -> figures.Panel:
    rows = _drawn(view)
    curves = [curve for row in rows for curve in row.curves if curve.seconds]
    unit, name = _time_unit(max(curve.seconds[-1] for curve in curves))
    is_log = _is_log(curves)
    target = [] if view.target is None else [f"target, {units.accuracy(view.target)}"]
    labels = [*(figures.clipped(row.name) for row in rows), *target]
    beside = max((len(line) for row in view.judged for line in figures.wrapped(row.name).split("\n")), default=0)
    room = LETTERS_A_LINE - beside
    num_columns = min(len(labels), max(1, room // (max(map(len, labels)) + SAMPLE)))
    num_lines = math.ceil(len(labels) / num_columns)

    def draw(axes: Axes) -> None:
        for row in rows:
            _draw_curves(axes, row, styles[row.place], unit)
        if view.target is not None:
            axes.axhline(view.target * 100, color=BORDER, linewidth=1.0, linestyle=(0, (1, 2)), label=target[0])
        axes.grid(color=figures.GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylabel("accuracy, %")
        _time_axis(axes, curves, unit, is_log)
        logarithmic = ", logarithmic" if is_log else ""
        axes.set_xlabel(f"{name} from the start of a run{logarithmic}{_of_the_loop(rows)}", parse_math=False)
        _legend(axes, num_columns)
        axes.set_title(
            "Accuracy over training time: each seed, and their mean",
            loc="left",
            fontsize=figures.TITLE_SIZE,
            pad=figures.LEGEND_ROOM + (num_lines - 1) * LEGEND_LINE * 72,
        )

    return figures.Panel(CURVES + num_lines * LEGEND_LINE, draw)


def _draw_curves(axes: Axes, row: TrainedVariant, style: _Style, unit: float) -> None:
    for curve in row.curves if len(row.curves) > 1 else ():
        axes.plot(*_points(curve, unit), color=style.colour, linewidth=0.8, alpha=0.55)
    mean = row.mean_curve if row.mean_curve is not None and row.mean_curve.seconds else row.curves[0]
    axes.plot(
        *_points(mean, unit),
        color=style.colour,
        linewidth=2.2,
        linestyle=style.line,
        marker=style.marker,
        markersize=6,
        markeredgecolor="white",
        markeredgewidth=0.7,
        label=figures.clipped(row.name),
    )


def _points(curve: LearningCurve, unit: float) -> tuple[list[float], list[float]]:
    return [time / unit for time in curve.seconds], [accuracy * 100 for accuracy in curve.accuracies]


def _time_unit(longest: float) -> tuple[float, str]:
    return next((seconds, name) for seconds, name, least in TIME_UNITS if longest >= least * seconds)


def _is_log(curves: Sequence[LearningCurve]) -> bool:
    ends = [curve.seconds[-1] for curve in curves]
    return min(curve.seconds[0] for curve in curves) > 0 and max(ends) >= LOG_FROM * min(ends)


def _time_axis(axes: Axes, curves: Sequence[LearningCurve], unit: float, is_log: bool) -> None:
    if not is_log:
        axes.set_xlim(left=0)
        return
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    first, last = min(curve.seconds[0] for curve in curves), max(curve.seconds[-1] for curve in curves)
    axes.set_xlim(first / unit / 1.3, last / unit * 1.3)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if last < 200 * first else (1.0,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _of_the_loop(rows: Sequence[TrainedVariant]) -> str:
    names = [figures.clipped(row.name) for row in rows if row.twin is not None]
    if len(names) > 1:
        return f"\n({len(names)} variants: as their loops would take)"
    return f"\n({names[0]}: as its loop would take)" if names else ""


def _legend(axes: Axes, num_columns: int) -> None:
    """Below the title, where no curve can be under it."""
    handles = axes.get_legend_handles_labels()[0]
    legend = axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=num_columns,
        borderaxespad=0.2,
        borderpad=0.1,
        columnspacing=1.4,
        handlelength=3.4,
        handletextpad=0.5,
        frameon=False,
        fontsize=figures.SMALL_SIZE,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _difference_panel(view: AccuracyView, styles: dict[int, _Style]) -> figures.Panel:
    names = [figures.wrapped(row.name) for row in view.judged]
    baseline = figures.clipped(view.baseline.name)

    def draw(axes: Axes) -> None:
        for place, row in enumerate(view.judged):
            _draw_difference(axes, place, row, styles[row.place])
        low, high = _limits(view)
        margin = -view.margin * 100
        label = f"worse by more than the margin, {units.points(-view.margin)}"
        worse = axes.axvspan(
            low, margin, facecolor=WORSE, edgecolor=HATCH, hatch="//", linewidth=0.0, zorder=0, label=label
        )
        axes.axvline(margin, color=BORDER, linewidth=1.2, linestyle="--")
        axes.axvline(0, color=BORDER, linewidth=1.0)
        axes.set_xlim(low, high)
        axes.set_yticks(range(len(names)), names, fontsize=figures.NAME_SIZE, parse_math=False)
        axes.set_xlabel(f"accuracy less that of {baseline}, percentage points", parse_math=False)
        figures.bar_axes(axes, len(names))
        _verdicts(axes, view)
        figures.headed(axes, f"Difference from {baseline}, and its {CONFIDENCE * 100:.0f} % interval", [worse])

    return figures.Panel(len(names) * max(0.42, figures.row_height(names)), draw)


def _draw_difference(axes: Axes, place: int, row: TrainedVariant, style: _Style) -> None:
    found = row.difference
    if found is None:
        return
    drawn: dict[str, Any] = {"color": style.colour, "marker": style.marker, "markersize": 8, "zorder": 3}
    if found.low is None or found.high is None:
        axes.plot([found.value * 100], [place], **drawn, markerfacecolor="white", linestyle="none")
        return
    reach = [[(found.value - found.low) * 100], [(found.high - found.value) * 100]]
    axes.errorbar([found.value * 100], [place], xerr=reach, capsize=4, elinewidth=2.0, **drawn)


def _limits(view: AccuracyView) -> tuple[float, float]:
    """Ends of the axis: all intervals, the margin on both sides of zero, and a little more."""
    ends = [-2 * view.margin, view.margin]
    for row in view.judged:
        if row.difference is not None:
            ends += [end for end in (row.difference.value, row.difference.low, row.difference.high) if end is not None]
    room = 0.04 * (max(ends) - min(ends))
    return (min(ends) - room) * 100, (max(ends) + room) * 100


def _verdicts(axes: Axes, view: AccuracyView) -> None:
    """At the right of each row, outside the axes."""
    for place, row in enumerate(view.judged):
        axes.annotate(
            str(row.verdict),
            (1, place),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=figures.NAME_SIZE,
            annotation_clip=False,
        )

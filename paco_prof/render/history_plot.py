"""The picture of a history: the time of a step from commit to commit, its levels, and where they change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paco_prof import units
from paco_prof.analysis.history import HistoryChange, HistoryPoint, HistorySeries, HistoryView
from paco_prof.render import figures
from paco_prof.render.history_text import code_words, titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["history_figure", "save_history_plot"]

# Direction of a change -> colour, shape of its line, words.
CHANGES = {
    "slower": (figures.VERMILLION, "--", "slower from here on"),
    "faster": (figures.GREEN, ":", "faster from here on"),
}
INK = "#444444"
# Inches: a panel, what is around it, and names of commits that stand upright.
PANEL, AROUND_PANEL, UPRIGHT, GAP = 1.9, 0.95, 0.7, 0.09
# Inches that a row of labels takes, each with a size and a commit below it; rows that there may be; the share of the
# panel's width that a label takes.
ROW, ROWS, LABEL_WIDTH = 0.34, 3, 0.1
# Of more panels only the first are drawn.
MOST_PANELS = 12
# Letters of a panel's title.
TITLE = 90
# Names of commits that have room below each other, beside each other, and digits of each.
MOST_NAMES, MOST_LEVEL_NAMES, DIGITS = 40, 8, 8
# An axis reaches at least so far, relatively, that noise does not look like a change.
LEAST_REACH = 0.05
# Points that have markers of full size.
MOST_LARGE = 60


# Value and ends of the interval, a point each.
_Figures = tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class _Curve:
    """What a panel shows.

    Attributes:
        title: its heading.
        axis: what the figures are.
        points: oldest first.
        values, low, high: figures and the ends of their intervals, a point each.
        levels: first place, place after the last, figure.
        changes: where one level ends.
        rows: place of a change -> the row that its label stands in.
    """

    title: str
    axis: str
    points: tuple[HistoryPoint, ...]
    values: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    levels: tuple[tuple[int, int, float], ...]
    changes: tuple[HistoryChange, ...]
    rows: dict[int, int]

    @property
    def is_upright(self) -> bool:
        """Whether names of commits have to stand upright."""
        return len(self.points) > MOST_LEVEL_NAMES

    @property
    def label_height(self) -> float:
        """Inches that labels take."""
        return ROW * (max(self.rows.values(), default=-1) + 1)

    @property
    def height(self) -> float:
        """Inches of the panel, with the names of commits."""
        return PANEL + self.label_height + UPRIGHT * self.is_upright


def save_history_plot(view: HistoryView, path: Path) -> None:
    """Draw a history of one series or more, and write it in the format of the file's name.

    Raises:
        UsageError: the file cannot be written.
    """
    figures.save_figure(lambda: history_figure(view), path)


def history_figure(view: HistoryView) -> Figure:
    """A panel a series, and one more for a ratio; no display is needed.

    A series of one commit has no history, and is drawn where no other has one.
    """
    curves = [curve for title, one in zip(titles(view), view.series, strict=True) for curve in _curves(title, one)]
    shown = ([curve for curve in curves if len(curve.points) > 1] or curves)[:MOST_PANELS]
    heights = [curve.height for curve in shown]
    machine = view.environment
    device = "" if machine is None else f", {machine.accelerator or machine.processor}"
    some = "" if len(shown) == len(curves) else f" ({len(shown)} of {len(curves)} panels)"
    with figures.drawing():
        figure = figures.new_figure(0.4 + sum(height + AROUND_PANEL for height in heights))
        figure.set_layout_engine("constrained", h_pad=GAP)
        title = f"Training step by commit{device}{some}"
        figure.suptitle(title, x=0.01, ha="left", fontsize=figures.TITLE_SIZE + 1, parse_math=False)
        grid = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)
        for axes, curve in zip(grid[:, 0], shown, strict=True):
            _draw(axes, curve)
    return figure


def _curves(title: str, series: HistorySeries) -> list[_Curve]:
    """The time of the step, and the ratio where levels are of that."""
    ratios = [point.ratio for point in series.points if point.ratio is not None]
    if not series.by_ratio:
        return [_curve(title, "ms per step", series, _milliseconds(series), 1e3)]
    beside = tuple((one.median, one.low, one.high) for one in ratios)
    return [
        _curve(title, "ms per step", series, _milliseconds(series)),
        _curve(f"{title}: beside the yardstick", "step / yardstick", series, beside, 1.0),
    ]


def _milliseconds(series: HistorySeries) -> _Figures:
    steps = [point.step for point in series.points]
    return tuple((step.value * 1e3, step.low * 1e3, step.high * 1e3) for step in steps)


def _curve(title: str, axis: str, series: HistorySeries, measured: _Figures, scale: float | None = None) -> _Curve:
    """A curve; without a scale, levels and changes are of another quantity."""
    judged = scale is not None and series.can_tell
    return _Curve(
        title=title,
        axis=axis,
        points=series.points,
        values=tuple(value for value, _, _ in measured),
        low=tuple(low for _, low, _ in measured),
        high=tuple(high for _, _, high in measured),
        levels=tuple((one.first, one.end, one.level * (scale or 1.0)) for one in series.levels) if judged else (),
        changes=series.changes if judged else (),
        rows=_label_rows(series.changes, len(series.points)) if judged else {},
    )


def _draw(axes: Axes, curve: _Curve) -> None:
    places = range(len(curve.values))
    size = 5.0 if len(places) <= MOST_LARGE else 3.0
    below = [max(0.0, value - low) for value, low in zip(curve.values, curve.low, strict=True)]
    above = [max(0.0, high - value) for value, high in zip(curve.values, curve.high, strict=True)]
    axes.errorbar(
        places,
        curve.values,
        yerr=(below, above),
        color=figures.BLUE,
        linestyle="none",
        marker="o",
        markersize=size,
        elinewidth=1.0,
        label="a commit, with its interval",
    )
    for number, (first, end, level) in enumerate(curve.levels):
        label = "level" if number == 0 else None
        axes.plot([first - 0.5, end - 0.5], [level, level], color=INK, linewidth=1.6, label=label)
    for direction, (colour, style, words) in CHANGES.items():
        found = [change for change in curve.changes if change.direction == direction]
        for number, change in enumerate(found):
            label = words if number == 0 else None
            axes.axvline(change.place - 0.5, color=colour, linestyle=style, linewidth=1.4, label=label)
    _value_axis(axes, curve)
    _commit_axis(axes, curve)
    _label_changes(axes, curve)
    *lines, points = axes.get_legend_handles_labels()[0]
    figures.headed(axes, figures.clipped(curve.title, TITLE), [points, *lines])


def _value_axis(axes: Axes, curve: _Curve) -> None:
    """From the smallest figure to the largest, with a reach that makes noise look small, and room for labels above.

    An interval that reaches far beyond all figures goes out of the picture, and does not flatten the rest.
    """
    smallest, largest = min(curve.values), max(curve.values)
    low = max(min(curve.low), smallest - 0.5 * (largest - smallest) - LEAST_REACH * smallest)
    high = min(max(curve.high), largest + 0.5 * (largest - smallest) + LEAST_REACH * largest)
    low, high = min(low, smallest * (1 - LEAST_REACH)), max(high, largest * (1 + LEAST_REACH))
    share = curve.label_height / (PANEL + curve.label_height)
    axes.set_ylim(low - 0.05 * (high - low), high + (0.05 + share / (1 - share)) * (high - low))
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.set_ylabel(curve.axis)


def _label_changes(axes: Axes, curve: _Curve) -> None:
    """The size of a change and its commit, to the right of its line, on white, since other lines pass there."""
    for change in curve.changes:
        if change.place in curve.rows:
            axes.annotate(
                f"{units.signed_percent(change.relative)}\n{_short(curve.points[change.place])}",
                (change.place - 0.5, 1),
                xycoords=("data", "axes fraction"),
                xytext=(3, -2 - 72 * ROW * curve.rows[change.place]),
                textcoords="offset points",
                va="top",
                fontsize=figures.SMALL_SIZE - 1,
                color=CHANGES[change.direction][0],
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            ).set_parse_math(False)


def _label_rows(changes: Sequence[HistoryChange], num_points: int) -> dict[int, int]:
    """Place of a change -> the row that its size stands in, from the top; the largest change is the first to choose,
    and one that finds no room has no label.
    """
    width = LABEL_WIDTH * num_points
    rows: dict[int, int] = {}
    for change in sorted(changes, key=lambda change: -abs(math.log(change.after / change.before))):
        for row in range(ROWS):
            if all(abs(change.place - place) >= width for place, other in rows.items() if other == row):
                rows[change.place] = row
                break
    return rows


def _commit_axis(axes: Axes, curve: _Curve) -> None:
    num = len(curve.points)
    # The label of a change in the last commits ends to the right of them.
    axes.set_xlim(-0.6, max(num - 0.4, *(change.place - 0.5 + LABEL_WIDTH * num for change in curve.changes), 0.6))
    places = _named(curve)
    names = [_short(curve.points[place]) for place in places]
    axes.set_xticks(
        places, names, rotation=90 if curve.is_upright else 0, fontsize=figures.SMALL_SIZE - 1, parse_math=False
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=figures.GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def _named(curve: _Curve) -> list[int]:
    """Places whose commits are named: every one, or every so many; that of a change goes before its neighbours."""
    every = math.ceil(len(curve.points) / MOST_NAMES)
    by_size = sorted(curve.changes, key=lambda change: -abs(math.log(change.after / change.before)))
    named: list[int] = []
    for place in (*(change.place for change in by_size), *range(0, len(curve.points), every)):
        if all(abs(place - other) >= every for other in named):
            named.append(place)
    return sorted(named)


def _short(point: HistoryPoint) -> str:
    """A commit by its first digits, with its mark of changes."""
    if point.commit is None:
        return code_words(point)
    return point.commit[:DIGITS] + ("+" if point.commit.endswith("+") else "")

"""The picture of a measurement of growth: times against sizes, both logarithmic, measured, fitted and predicted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from paco_prof import units
from paco_prof.analysis.scale import ScaledVariant, ScaleView, scale_view
from paco_prof.analysis.scale_machines import survey_by_machine
from paco_prof.analysis.scale_rows import STEP, GrowthRow, Sizes
from paco_prof.errors import UsageError
from paco_prof.records import ScaleRecord
from paco_prof.render import figures
from paco_prof.render.labels import plain_title
from paco_prof.render.scale_cells import factor_words, number, row_title
from paco_prof.render.scale_report import scale_subject
from paco_prof.stats.growth import Prediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["save_scale_plot", "scale_figure"]

# A colour and a shape each, for grey print.
STYLES = (
    ("#222222", "o"),
    (figures.VERMILLION, "s"),
    (figures.BLUE, "D"),
    (figures.GREEN, "^"),
    (figures.ORANGE, "v"),
    (figures.PURPLE, "P"),
)
BEYOND = "--"
# Inches that a panel is high; what is around it; points of a curve.
HEIGHT, AROUND, POINTS = 3.6, 0.55, 40
# An interval widens the axis to so many times all else that is drawn, at most; what is wider runs off its edge.
FARTHEST = 10.0
# An axis with fewer numbers than this has finer ones.
FEWEST_TICKS = 3


@dataclass(frozen=True, slots=True)
class _Line:
    """One quantity against the first factor.

    Attributes:
        others: sizes of the other factor, which it is at.
        curve: what it is predicted as at any sizes.
        has_band: whether its interval is drawn.
    """

    title: str
    row: GrowthRow
    others: Sizes
    style: tuple[str, str]
    curve: Callable[[Sequence[float]], Prediction | None]
    has_band: bool


def save_scale_plot(record: ScaleRecord, path: Path) -> None:
    """Draw a record and write it in the format of the file's name; of several machines the first.

    Raises:
        UsageError: there is nothing to draw, or the file cannot be written.
    """
    machines = survey_by_machine(record)
    view = scale_view(machines[0])
    if not any(variant.rows for variant in view.variants):
        raise UsageError(f"{path} is not drawn: the record holds no complete launch.")
    of = f", machine 1 of {len(machines)}" if len(machines) > 1 else ""
    figures.save_figure(lambda: scale_figure(view, scale_subject(record) + of), path)


def scale_figure(view: ScaleView, what: str) -> Figure:
    """A panel a variant, all with the same axes; no display is needed."""
    drawn = [variant for variant in view.variants if variant.rows]
    with figures.drawing():
        figure = figures.new_figure(AROUND + (HEIGHT + AROUND) * len(drawn))
        panels = figure.subplots(len(drawn), 1, squeeze=False, sharex=True, sharey=True)[:, 0]
        figure.suptitle(f"Growth: {what}", x=0.01, ha="left", fontsize=figures.TITLE_SIZE, parse_math=False)
        lines = [_lines(view, variant) for variant in drawn]
        for axes, variant, of_variant in zip(panels, drawn, lines, strict=True):
            _draw_panel(axes, view, variant, of_variant)
        _draw_bands(list(panels), view, lines)
        _set_axes(list(panels), view, drawn)
    return figure


def _draw_panel(axes: Axes, view: ScaleView, variant: ScaledVariant, lines: Sequence[_Line]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    for line in lines:
        _draw_line(axes, view, line)
    if view.target is not None:
        axes.axvline(view.target[0], color=figures.GREY, linewidth=1.0, linestyle=":", zorder=1)
    axes.grid(color=figures.GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylabel("ms")
    handles = [axes.plot([], [], color=line.style[0], marker=line.style[1], label=line.title)[0] for line in lines]
    figures.headed(axes, figures.clipped(variant.name, 60), handles)


def _lines(view: ScaleView, variant: ScaledVariant) -> list[_Line]:
    """The step and the stages that take most of it somewhere; of two factors, the step at each size of the second."""
    step = variant.step
    assert step is not None
    if len(view.factors) == 2:
        seconds = sorted({sizes[1] for sizes in variant.sizes})
        kept = [seconds[round(i * (len(seconds) - 1) / max(1, len(STYLES) - 1))] for i in range(len(STYLES))]
        chosen = seconds if len(seconds) <= len(STYLES) else sorted(set(kept))
        name = factor_words(view.factors[1])
        return [
            _Line(f"Step at {name} {number(size)}", step, (size,), style, variant.predict_step, has_band=False)
            for size, style in zip(chosen, STYLES, strict=False)
        ]
    stages = sorted(variant.top_stages, key=lambda row: -row.share)[: len(STYLES) - 1]
    first = _Line(row_title(STEP), step, (), STYLES[0], variant.predict_step, has_band=True)
    return [
        first,
        *(
            _Line(plain_title(row.path), row, (), style, _curve_of(row), has_band=False)
            for row, style in zip(stages, STYLES[1:], strict=False)
        ),
    ]


def _curve_of(row: GrowthRow) -> Callable[[Sequence[float]], Prediction | None]:
    return lambda sizes: None if row.growth is None else row.growth.predict(sizes)


def _draw_line(axes: Axes, view: ScaleView, line: _Line) -> None:
    """Every launch, the fit through them, and, dashed, what is predicted beyond them."""
    colour, shape = line.style
    points = [(place[0], value * 1e3) for place in _places(line) for value in line.row.launches[place]]
    axes.plot(*zip(*points, strict=True), shape, color=colour, markersize=5, alpha=0.85, zorder=4)
    for sizes, style in _stretches(view, line):
        predicted = _predicted(line, sizes)
        if predicted and (style != BEYOND or predicted[0].low is not None):
            axes.plot(sizes, [p.value * 1e3 for p in predicted], style, color=colour, linewidth=1.6, zorder=3)


def _places(line: _Line) -> list[Sizes]:
    return [place for place in line.row.launches if place[1:] == line.others]


def _stretches(view: ScaleView, line: _Line) -> Iterator[tuple[npt.NDArray[np.float64], str]]:
    """Sizes within those of launches, and from these to the target, with the style of what is drawn there."""
    measured = [place[0] for place in _places(line)]
    first, last = min(measured), max(measured)
    target = (view.target[0],) if view.target is not None else ()
    start, end = min((first, *target)), max((last, *target))
    for low, high, style in ((start, first, BEYOND), (first, last, "-"), (last, end, BEYOND)):
        if low < high:
            yield np.geomspace(low, high, POINTS), style


def _predicted(line: _Line, sizes: npt.NDArray[np.float64]) -> list[Prediction]:
    """Its curve; empty where there is none."""
    predicted = [line.curve((float(size), *line.others)) for size in sizes]
    known = [p for p in predicted if p is not None]
    return known if len(known) == len(predicted) else []


def _draw_bands(panels: Sequence[Axes], view: ScaleView, lines: Sequence[Sequence[_Line]]) -> None:
    """The intervals of lines, which may have no end; the axis, which all panels share, has one."""
    low, high = panels[0].get_ylim()
    low, high = low / FARTHEST, high * FARTHEST
    for axes, of_variant in zip(panels, lines, strict=True):
        for line in of_variant:
            for sizes, _ in _stretches(view, line) if line.has_band else ():
                ends = [
                    (p.low * 1e3, p.high * 1e3)
                    for p in _predicted(line, sizes)
                    if p.low is not None and p.high is not None
                ]
                if ends:
                    band = np.clip(np.array(ends), low, high)
                    axes.fill_between(sizes, *band.T, color=line.style[0], alpha=0.13, linewidth=0, zorder=2)
    bottom, top = panels[0].get_ylim()
    panels[0].set_ylim(max(bottom, low), min(top, high))


def _set_axes(panels: Sequence[Axes], view: ScaleView, drawn: Sequence[ScaledVariant]) -> None:
    """Ticks at the sizes themselves, and at round times, in plain numbers."""
    sizes = sorted({place[0] for variant in drawn for place in variant.sizes})
    ticks = _apart(sizes if view.target is None else sorted({*sizes, view.target[0]}))
    axes = panels[-1]
    axes.set_xticks(ticks, [number(size) for size in ticks])
    axes.set_xlabel(factor_words(view.factors[0]) + (" (dotted: the target)" if view.target is not None else ""))
    low, high = axes.get_ylim()
    marks = _ticks(low, high)
    for each in panels:
        each.minorticks_off()
        each.set_yticks(marks, [units.milliseconds(mark / 1e3) for mark in marks])
        each.set_ylim(low, high)


def _ticks(low: float, high: float) -> list[float]:
    """Powers of ten; where an axis holds few of them, twice and five times these too, or else evenly spaced figures."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1.0,), (1.0, 2.0, 5.0)):
        marks = [factor * 10.0**power for power in powers for factor in factors if low <= factor * 10.0**power <= high]
        if len(marks) >= FEWEST_TICKS:
            return marks
    from matplotlib.ticker import MaxNLocator

    return [float(mark) for mark in MaxNLocator(steps=[1, 2, 5, 10]).tick_values(low, high) if low <= mark <= high]


def _apart(sizes: Sequence[int]) -> list[int]:
    """Those with room for their numbers between them; the ends are always there."""
    room = 0.035 * math.log(sizes[-1] / sizes[0])
    kept = [sizes[0]]
    for size in sizes[1:-1]:
        if math.log(size / kept[-1]) >= room and math.log(sizes[-1] / size) >= room:
            kept.append(size)
    return [*kept, sizes[-1]] if len(sizes) > 1 else kept

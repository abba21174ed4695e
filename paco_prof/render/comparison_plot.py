"""The picture of a comparison: speed-ups with their intervals, where the time went, and the stages before and after."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib

from paco_prof import units
from paco_prof.analysis.comparison import ComparedVariant, ComparisonView, comparison_view
from paco_prof.errors import UsageError
from paco_prof.records import ComparisonRecord
from paco_prof.render import figures
from paco_prof.render.labels import plain_title
from paco_prof.render.preamble import workload_subject
from paco_prof.render.speedup_plot import KINDS, speedup_panel
from paco_prof.stats.summary import CONFIDENCE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["WaterfallBar", "comparison_figure", "save_comparison_plot", "waterfall"]

# Whole steps, and what makes them shorter or longer: colour, hatch, words.
WATERFALL = {
    "step": (figures.GREY, "", "whole step"),
    "gain": (figures.GREEN, "\\\\\\", "less time"),
    "loss": (figures.VERMILLION, "///", "more time"),
}
REST = "the rest"
# A stage whose change is less than this share of the step before has no bar of its own.
SMALLEST_CHANGE = 0.01
MOST_STAGES = 10
# Inches: of a row with two bars, and of what is around a panel.
PAIR, AROUND_PANEL = 0.44, 1.15


@dataclass(frozen=True, slots=True)
class WaterfallBar:
    """A bar of the waterfall, from where the one before it ended; a whole step starts at 0. Seconds."""

    title: str
    start: float
    end: float
    is_step: bool = False

    @property
    def kind(self) -> str:
        """A key of `WATERFALL`."""
        return "step" if self.is_step else "gain" if self.end < self.start else "loss"


def save_comparison_plot(record: ComparisonRecord, path: Path) -> None:
    """Draw a record and write it in the format of the file's name.

    Raises:
        UsageError: nothing was measured, or the file cannot be written.
    """
    if not comparison_view(record).measured:
        raise UsageError(f"{path} is not drawn: the record holds no complete launch.")
    figures.save_figure(lambda: comparison_figure(record), path)


def comparison_figure(record: ComparisonRecord) -> Figure:
    """Up to three panels below each other, of a record with one complete launch or more; no display is needed."""
    view = comparison_view(record)
    bars = waterfall(view)
    shown = view.fastest or view.measured[0]
    panels = [speedup_panel(view), *([_waterfall_panel(bars)] if bars else []), _stage_panel(view, shown)]
    with matplotlib.rc_context(figures.text_settings()):
        figure = figures.new_figure(0.4 + sum(panel.height + AROUND_PANEL for panel in panels))
        figure.suptitle(_subject(record), x=0.01, ha="left", fontsize=figures.TITLE_SIZE + 1, parse_math=False)
        grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[panel.height for panel in panels])
        for axes, panel in zip(grid[:, 0], panels, strict=True):
            panel.draw(axes)
    return figure


def waterfall(view: ComparisonView) -> list[WaterfallBar]:
    """From the baseline's step to the last one, or to the fastest; empty where no variant is faster.

    A cumulative ablation has a bar a contestant; any other comparison has one a stage that changed.
    """
    best, baseline = view.fastest, view.baseline
    if best is None or best.before is None or best.step is None or baseline.step is None or view.is_self:
        return []
    if view.design == "cumulative":
        before, last = baseline.step.value, "what is left"
        changes = []
        for variant in view.measured:
            if variant.step is not None:
                changes.append((variant.name, variant.step.value - before - sum(change for _, change in changes)))
        return _bars(baseline.name, before, changes, last)
    return _bars(baseline.name, best.before.value, _stage_steps(best, best.before.value, best.step.value), best.name)


def _stage_steps(best: ComparedVariant, before: float, after: float) -> list[tuple[str, float]]:
    """What each stage changes, the largest change first; what is small or of no stage is in one at the end."""
    stages = [(plain_title(stage.path), stage.change) for stage in best.top_stages]
    large = [(title, change) for title, change in stages if abs(change) >= SMALLEST_CHANGE * before]
    rest = after - before - sum(change for _, change in large)
    return [*sorted(large, key=lambda stage: -abs(stage[1])), (REST, rest)]


def _bars(first: str, before: float, changes: Sequence[tuple[str, float]], last: str) -> list[WaterfallBar]:
    bars = [WaterfallBar(first, 0.0, before, is_step=True)]
    for title, change in changes:
        bars.append(WaterfallBar(title, bars[-1].end, bars[-1].end + change))
    return [*bars, WaterfallBar(last, 0.0, bars[-1].end, is_step=True)]


def _subject(record: ComparisonRecord) -> str:
    machine = record.environment
    device = "" if machine is None else f", {machine.accelerator or machine.processor}"
    return f"PaCo-2 training step, {workload_subject(record.baseline.workload)}{device}"


def _waterfall_panel(bars: Sequence[WaterfallBar]) -> figures.Panel:
    names = [figures.wrapped(bar.title) for bar in bars]

    def draw(axes: Axes) -> None:
        for kind, (colour, hatch, label) in WATERFALL.items():
            places = [place for place, bar in enumerate(bars) if bar.kind == kind]
            widths = [(bars[place].end - bars[place].start) * 1e3 for place in places]
            left = [bars[place].start * 1e3 for place in places]
            if places:
                _rows_of_bars(axes, places, widths, left=left, height=0.72, color=colour, hatch=hatch, label=label)
        for place, bar in enumerate(bars[:-1]):
            axes.plot([bar.end * 1e3] * 2, [place + 0.36, place + 0.64], color="#444444", linewidth=1.0)
        for place, bar in enumerate(bars):
            change = bar.end - bar.start
            text = f"{'+' if bar.kind == 'loss' else ''}{units.milliseconds(change)} ms"
            _label(axes, max(bar.start, bar.end), place, text)
        _millisecond_axis(axes, names, [end for bar in bars for end in (bar.start, bar.end)])
        figures.headed(axes, f"From {figures.clipped(bars[0].title)} to {figures.clipped(bars[-1].title)}")

    return figures.Panel(len(names) * figures.row_height(names), draw)


def _stage_panel(view: ComparisonView, variant: ComparedVariant) -> figures.Panel:
    rows = _stage_rows(variant)
    names = [figures.wrapped(title) for title, _, _ in rows]
    own_name = "the same again" if view.is_self else figures.clipped(variant.name)
    colour = KINDS[variant.contestant.variant.kind][0]

    def draw(axes: Axes) -> None:
        sides = ((figures.clipped(view.baseline.name), figures.GREY, ""), (own_name, colour, "///"))
        for side, (label, fill, hatch) in enumerate(sides):
            seconds = [row[1 + side] for row in rows]
            places = [place + 0.4 * side - 0.2 for place in range(len(rows))]
            widths = [(value or 0.0) * 1e3 for value in seconds]
            _rows_of_bars(axes, places, widths, height=0.38, color=fill, hatch=hatch, label=label)
            for place, value in zip(places, seconds, strict=True):
                text = units.MISSING if value is None else f"{units.milliseconds(value)} ms"
                _label(axes, value or 0.0, place, text)
        _millisecond_axis(axes, names, [value for row in rows for value in row[1:] if value is not None])
        figures.headed(axes, f"Stages of a step: {sides[0][0]} and {own_name}")

    return figures.Panel(len(names) * max(PAIR, figures.row_height(names)), draw)


def _stage_rows(variant: ComparedVariant) -> list[tuple[str, float | None, float | None]]:
    """Seconds of the largest stages before and after, and of all others and of no stage together."""
    rows = [
        (plain_title(s.path), s.before.value if s.before else None, s.after.value if s.after else None)
        for s in variant.top_stages
    ]
    rows.sort(key=lambda row: -max(row[1] or 0.0, row[2] or 0.0))
    others = rows[MOST_STAGES:]
    before, after = (sum(row[side] or 0.0 for row in others) for side in (1, 2))
    unattributed = variant.unattributed
    return [*rows[:MOST_STAGES], (REST, before + unattributed[0], after + unattributed[1])]


def _rows_of_bars(axes: Axes, places: Sequence[float], widths: Sequence[float], **style: Any) -> None:
    axes.barh(places, widths, edgecolor="white", linewidth=0.0, **style)


def _label(axes: Axes, seconds: float, place: float, text: str) -> None:
    """A text at the end of a bar, or at the beginning of the axis where there is none: small ones cannot be seen."""
    figures_at = (max(seconds, 0.0) * 1e3, place)
    axes.annotate(
        text, figures_at, xytext=(4, 0), textcoords="offset points", va="center", fontsize=figures.SMALL_SIZE
    ).set_parse_math(False)


def _millisecond_axis(axes: Axes, names: Sequence[str], seconds: Sequence[float]) -> None:
    longest = max(seconds, default=0.0) * 1e3
    axes.set_xlim(min(0.0, *seconds) * 1e3, longest * 1.2 or 1.0)
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("milliseconds per training step")
    figures.bar_axes(axes, len(names))

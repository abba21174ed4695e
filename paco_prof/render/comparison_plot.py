"""The picture of a comparison: speed-ups with their intervals, where the time went, and the stages before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paco_prof import units
from paco_prof.analysis.comparison import ComparedVariant, ComparisonView, comparison_view
from paco_prof.analysis.machines import by_machine
from paco_prof.errors import UsageError
from paco_prof.records import ComparisonRecord
from paco_prof.render import figures
from paco_prof.render.labels import plain_title
from paco_prof.render.preamble import workload_subject
from paco_prof.render.speedup_plot import KINDS, speedup_panel

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
# Inches: a row with two bars, what is around a panel, and what is free above and below that.
PAIR, AROUND_PANEL, GAP = 0.44, 1.25, 0.09


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


@dataclass(frozen=True, slots=True)
class _StagePair:
    """A stage's seconds before and after; None where it does not occur."""

    title: str
    seconds: tuple[float | None, float | None]

    @property
    def longer(self) -> float:
        return max(value or 0.0 for value in self.seconds)


def save_comparison_plot(record: ComparisonRecord, path: Path) -> None:
    """Draw a record and write it in the format of the file's name.

    Raises:
        UsageError: nothing was measured, or the file cannot be written.
    """
    if not any(comparison_view(part).measured for part in by_machine(record)):
        raise UsageError(f"{path} is not drawn: the record holds no complete launch.")
    figures.save_figure(lambda: comparison_figure(record), path)


def comparison_figure(record: ComparisonRecord) -> Figure:
    """Up to three panels below each other for each machine, of a record with one complete launch or more; no display is
    needed.
    """
    machines = [part for part in by_machine(record) if comparison_view(part).measured]
    panels = _panels(machines[0]) if len(machines) == 1 else []
    if not panels:
        panels = [_named(panel, place + 1) for place, part in enumerate(machines) for panel in _panels(part)]
    with figures.drawing():
        figure = figures.new_figure(0.4 + sum(panel.height + AROUND_PANEL for panel in panels))
        figure.set_layout_engine("constrained", h_pad=GAP)
        title = _subject(record, len(machines))
        figure.suptitle(title, x=0.01, ha="left", fontsize=figures.TITLE_SIZE + 1, parse_math=False)
        grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[panel.height for panel in panels])
        for axes, panel in zip(grid[:, 0], panels, strict=True):
            panel.draw(axes)
    return figure


def _panels(record: ComparisonRecord) -> list[figures.Panel]:
    """Those of one machine."""
    view = comparison_view(record)
    bars = waterfall(view)
    shown = view.fastest or view.measured[0]
    return [speedup_panel(view), *([_waterfall_panel(view, bars)] if bars else []), _stage_panel(view, shown)]


def _named(panel: figures.Panel, number: int) -> figures.Panel:
    """A panel that says which machine it is of."""

    def draw(axes: Axes) -> None:
        panel.draw(axes)
        figures.retitled(axes, f"{axes.get_title(loc='left')} (machine {number})")

    return figures.Panel(panel.height, draw)


def waterfall(view: ComparisonView) -> list[WaterfallBar]:
    """From the baseline's step to the last one, or to the fastest; empty where no variant is faster, or where steps of
    unlike batches would not add up.

    A cumulative ablation has a bar a contestant; any other comparison has one a stage that changed.
    """
    best, baseline = view.fastest, view.baseline
    if best is None or best.before is None or best.step is None or baseline.step is None or view.is_self:
        return []
    if view.design == "cumulative":
        if any(variant.batch_size != baseline.batch_size for variant in view.measured):
            return []
        ends = [(variant.name, variant.step.value) for variant in view.measured if variant.step is not None]
        return _bars(baseline.name, baseline.step.value, ends, "what is left")
    if best.batch_size != _batch_before(view, best):
        return []
    return _bars(baseline.name, best.before.value, _stage_ends(best, best.before.value, best.step.value), best.name)


def _batch_before(view: ComparisonView, variant: ComparedVariant) -> int:
    """The baseline's batch beside a variant, halved as often as the variant's own."""
    halved = variant.contestant.workload.batch_size // variant.batch_size
    return view.baseline.contestant.workload.batch_size // halved


def _stage_ends(best: ComparedVariant, before: float, after: float) -> list[tuple[str, float]]:
    """What is left after each stage's change, the largest first; what is small or of no stage comes last, as one."""
    large = [stage for stage in best.top_stages if abs(stage.change) >= SMALLEST_CHANGE * before]
    ends = []
    for stage in sorted(large, key=lambda stage: -abs(stage.change)):
        before += stage.change
        ends.append((plain_title(stage.path), before))
    return [*ends, (REST, after)]


def _bars(first: str, before: float, ends: Sequence[tuple[str, float]], last: str) -> list[WaterfallBar]:
    bars = [WaterfallBar(first, 0.0, before, is_step=True)]
    for title, end in ends:
        bars.append(WaterfallBar(title, bars[-1].end, end))
    return [*bars, WaterfallBar(last, 0.0, bars[-1].end, is_step=True)]


def _subject(record: ComparisonRecord, num_machines: int) -> str:
    machine = record.environment
    device = "" if machine is None else f", {machine.accelerator or machine.processor}"
    if num_machines > 1:
        device = f", {units.count(num_machines)} machines"
    return f"PaCo-2 training step, {workload_subject(record.baseline.workload)}{device}"


def _waterfall_panel(view: ComparisonView, bars: Sequence[WaterfallBar]) -> figures.Panel:
    names = [figures.wrapped(bar.title) for bar in bars]
    last = bars[-2] if view.design == "cumulative" else bars[-1]
    title = f"From {figures.clipped(bars[0].title)} to {figures.clipped(last.title)}"

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
        figures.headed(axes, title)

    return figures.Panel(len(names) * figures.row_height(names), draw)


def _stage_panel(view: ComparisonView, variant: ComparedVariant) -> figures.Panel:
    rows = _stage_rows(variant)
    names = [figures.wrapped(row.title) for row in rows]
    baseline = figures.clipped(view.baseline.name)
    own_name = "the same again" if view.is_self else figures.clipped(variant.name)
    colour = KINDS[variant.contestant.variant.kind][0]

    def draw(axes: Axes) -> None:
        sides = (
            (f"{baseline}{_batch(view, _batch_before(view, variant))}", figures.GREY, ""),
            (f"{own_name}{_batch(view, variant.batch_size)}", colour, "///"),
        )
        for side, (label, fill, hatch) in enumerate(sides):
            seconds = [row.seconds[side] for row in rows]
            places = [place + 0.4 * side - 0.2 for place in range(len(rows))]
            widths = [(value or 0.0) * 1e3 for value in seconds]
            _rows_of_bars(axes, places, widths, height=0.38, color=fill, hatch=hatch, label=label)
            for place, value in zip(places, seconds, strict=True):
                text = units.MISSING if value is None else f"{units.milliseconds(value)} ms"
                _label(axes, value or 0.0, place, text)
        _millisecond_axis(axes, names, [row.longer for row in rows])
        figures.headed(axes, f"Stages of {baseline} and {own_name}")

    return figures.Panel(len(names) * max(PAIR, figures.row_height(names)), draw)


def _batch(view: ComparisonView, batch_size: int) -> str:
    """The batch, where it is not the one in the picture's title."""
    return "" if batch_size == view.baseline.contestant.workload.batch_size else f" (batch {batch_size})"


def _stage_rows(variant: ComparedVariant) -> list[_StagePair]:
    """The largest stages, and at the end all others and what is of no stage together."""
    rows = [
        _StagePair(plain_title(s.path), (s.before.value if s.before else None, s.after.value if s.after else None))
        for s in variant.top_stages
    ]
    rows.sort(key=lambda row: -row.longer)
    before, after = (
        none + sum(row.seconds[side] or 0.0 for row in rows[MOST_STAGES:])
        for side, none in enumerate(variant.unattributed)
    )
    return [*rows[:MOST_STAGES], _StagePair(REST, (before, after))]


def _rows_of_bars(axes: Axes, places: Sequence[float], widths: Sequence[float], **style: Any) -> None:
    axes.barh(places, widths, edgecolor="white", linewidth=0.0, **style)


def _label(axes: Axes, seconds: float, place: float, text: str) -> None:
    """A text at the end of a bar, or at the beginning of the axis where there is none: small ones cannot be seen."""
    end = (max(seconds, 0.0) * 1e3, place)
    axes.annotate(
        text, end, xytext=(4, 0), textcoords="offset points", va="center", fontsize=figures.SMALL_SIZE
    ).set_parse_math(False)


def _millisecond_axis(axes: Axes, names: Sequence[str], seconds: Sequence[float]) -> None:
    longest = max(seconds, default=0.0) * 1e3
    axes.set_xlim(min(0.0, *seconds) * 1e3, longest * 1.2 or 1.0)
    axes.set_yticks(range(len(names)), names, fontsize=figures.NAME_SIZE, parse_math=False)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("milliseconds per training step")
    figures.bar_axes(axes, len(names))

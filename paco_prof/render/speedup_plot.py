"""The forest plot of a comparison: the speed-up of each variant with its interval, and what was claimed of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from paco_prof import units
from paco_prof.analysis.comparison import ComparedVariant, ComparisonView
from paco_prof.records import SpeedupClaim
from paco_prof.render import figures
from paco_prof.render.comparison_text import NO_DIFFERENCE
from paco_prof.stats.summary import CONFIDENCE

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

__all__ = ["KINDS", "speedup_panel"]

# A shape beside each colour, for grey print.
KINDS = {"exact": (figures.BLUE, "o"), "approximate": (figures.ORANGE, "s"), "different": (figures.PURPLE, "D")}
# How many times beyond all points and claims the axis goes for the sake of an interval.
FARTHEST_END = 2.0
# Ratios that no axis goes beyond, as logarithms.
FARTHEST_LOG = 12.0
INK = "#444444"


def speedup_panel(view: ComparisonView) -> figures.Panel:
    """A row for each variant that was measured, in the record's order."""
    names = [figures.wrapped(variant.name) for variant in view.measured]

    def draw(axes: Axes) -> None:
        low, high = _reach(view.measured)
        axes.set_xscale("log")
        axes.set_xlim(math.exp(low), math.exp(high))
        for place, variant in enumerate(view.measured):
            _draw_row(axes, place, variant)
        axes.axvline(1.0, color=INK, linewidth=1.0, zorder=1.5)
        axes.set_yticks(range(len(names)), names, fontsize=figures.NAME_SIZE, parse_math=False)
        ticks = _ticks(math.exp(low), math.exp(high))
        axes.set_xticks(ticks, [f"{tick:g}x" for tick in ticks])
        axes.minorticks_off()
        missing = len(view.variants) - len(view.measured)
        left_out = f"; {units.count(missing)} of {units.count(len(view.variants))} not measured" if missing else ""
        axes.set_xlabel(f"times faster, per sample, logarithmic{left_out}")
        figures.bar_axes(axes, len(names))
        figures.headed(axes, _title(view), _legend(view))

    return figures.Panel(len(names) * figures.row_height(names), draw)


def _draw_row(axes: Axes, place: int, variant: ComparedVariant) -> None:
    """Claim, interval and marker of a row, and its ratio at the end of the row."""
    speedup, claim = variant.speedup, _claim_of(variant)
    assert speedup is not None
    colour, shape = KINDS[variant.contestant.variant.kind]
    left, right = axes.get_xlim()
    if claim is not None and claim.low is not None:
        # Its edge shows a claim of one figure, which has no width.
        width = (claim.high or claim.low) - claim.low
        axes.add_patch(Rectangle((claim.low, place - 0.4), width, 0.8, **_claim_style()))
    if speedup.low is not None and speedup.high is not None:
        ends = [min(max(end, left), right) for end in (speedup.low, speedup.high)]
        axes.plot(ends, [place, place], color=colour, linewidth=2.2, solid_capstyle="butt", zorder=3)
        for end, beyond, arrow in ((left, speedup.low < left, "<"), (right, speedup.high > right, ">")):
            if beyond:
                axes.plot([end], [place], arrow, color=colour, markersize=6, clip_on=False, zorder=3)
    inside = min(max(speedup.ratio, left), right)
    axes.plot([inside], [place], shape, color=colour, zorder=4, **_marker_style(speedup.established))
    text = units.ratio(speedup.ratio) if speedup.established else NO_DIFFERENCE
    axes.text(1.015, place, text, transform=axes.get_yaxis_transform(), va="center", parse_math=False)


def _marker_style(established: bool) -> dict[str, Any]:
    return {"markersize": 7.5, "markeredgewidth": 1.6, **({} if established else {"markerfacecolor": "white"})}


def _claim_style() -> dict[str, Any]:
    return {"facecolor": (figures.YELLOW, 0.5), "edgecolor": "#8f8400", "linewidth": 1.3, "zorder": 2}


def _legend(view: ComparisonView) -> list[Artist]:
    """The kinds that are there, and what else needs a word."""
    there = {variant.contestant.variant.kind for variant in view.measured}
    shapes: list[tuple[tuple[str, str], str, bool]] = [(KINDS[kind], kind, True) for kind in KINDS if kind in there]
    if any(variant.speedup is not None and not variant.speedup.established for variant in view.measured):
        shapes.append(((INK, "o"), "not established", False))
    handles: list[Artist] = [
        Line2D([], [], color=colour, marker=shape, linestyle="", label=label, **_marker_style(filled))
        for (colour, shape), label, filled in shapes
    ]
    if any(_claim_of(variant) is not None for variant in view.measured):
        handles.append(Patch(label="claimed range", **_claim_style()))
    return handles


def _claim_of(variant: ComparedVariant) -> SpeedupClaim | None:
    """What is claimed of the step over the baseline's, in figures."""
    claim = variant.contestant.claim
    return claim if claim is not None and claim.of == "step" and claim.low is not None else None


def _title(view: ComparisonView) -> str:
    numbers = [variant.num_launches for variant in view.measured]
    few, many = min(numbers), max(numbers)
    launches = f"{few} to {many} launches" if few < many else f"{many} launch{'es' if many > 1 else ''}"
    known = [v.speedup.confidence for v in view.measured if v.speedup is not None and v.speedup.low is not None]
    intervals = f", {min(CONFIDENCE, *known) * 100:.0f} % intervals" if known else ""
    baseline = figures.clipped(view.baseline.name)
    over = f"of {baseline} over itself" if view.is_self else f"over {baseline}"
    over += " together" if view.design == "leave-one-out" else ""
    return f"Speed-up {over}, {launches}{intervals}"


def _reach(variants: Sequence[ComparedVariant]) -> tuple[float, float]:
    """The ends of the axis, as logarithms: all points and claims, and of intervals what is not far away."""
    speedups = [variant.speedup for variant in variants if variant.speedup is not None]
    claims = [claim for claim in map(_claim_of, variants) if claim is not None]
    claimed = [math.log(end) for claim in claims for end in (claim.low, claim.high) if end]
    # Never so near that noise looks like something.
    points = [math.log(0.9), math.log(1.1), *claimed, *(speedup.log_ratio for speedup in speedups)]
    low, high = max(min(points), -FARTHEST_LOG), min(max(points), FARTHEST_LOG)
    slack = math.log(FARTHEST_END)
    ends = [(s.log_low, s.log_high) for s in speedups if s.log_low is not None and s.log_high is not None]
    least, most = min((low, *(end for end, _ in ends))), max((high, *(end for _, end in ends)))
    low, high = max(least, low - slack), min(most, high + slack)
    margin = 0.03 * (high - low)
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """Round ratios between the ends: powers where they are far apart, equal steps where they are not."""
    for base in (2.0, 4.0, 10.0):
        first, last = math.ceil(math.log(low, base)), math.floor(math.log(high, base))
        if last - first + 1 < 4:
            break
        if last - first + 1 <= 9:
            return [base**power for power in range(first, last + 1)]
    steps = (1.0, 0.5, 0.25, 0.2, 0.1, 0.05)
    step = next((step for step in steps if math.floor(high / step) - math.ceil(low / step) >= 3), steps[-1])
    return [round(step * count, 2) for count in range(math.ceil(low / step), math.floor(high / step) + 1) if count]

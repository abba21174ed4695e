"""The picture of a training run: losses, PaC beside alpha, accuracy beside chance, and the time of each epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from paco_prof.analysis.training_run import EPOCH_TERMS, RunView, Term, epoch_terms, run_view
from paco_prof.errors import UsageError
from paco_prof.records import TrainingRunRecord
from paco_prof.render import figures
from paco_prof.render.training_report import training_subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["save_training_plot", "training_figure"]

# Loss, words, colour and shape; PaC has a panel of its own.
LOSSES = (
    ("total", "total", figures.BLUE, "o"),
    ("ce", "cross-entropy", figures.ORANGE, "s"),
    ("soc", "SoC", figures.GREEN, "^"),
)
TERMS: dict[Term, tuple[str, str, str]] = {
    "steps": ("training steps", figures.BLUE, ""),
    "waiting": ("waiting for data", figures.VERMILLION, "///"),
    "epoch starts": ("first batch", figures.ORANGE, "\\\\\\"),
    "evaluation": ("evaluation", figures.GREEN, "..."),
    "checkpoints": ("checkpoints", figures.PURPLE, "xxx"),
    "rest": ("the rest", figures.GREY, "---"),
}
INK = "#444444"
# Inches: a panel, and what is around it.
PANEL, AROUND_PANEL, GAP = 1.75, 1.1, 0.09
# Markers on a curve; of more epochs some have one.
MOST_MARKERS = 25
# Epochs that have bars of their own; more of them touch.
MOST_BARS = 40


def save_training_plot(record: TrainingRunRecord, path: Path) -> None:
    """Draw a record and write it in the format of the file's name.

    Raises:
        UsageError: no epoch is over, or the file cannot be written.
    """
    if not record.epochs:
        raise UsageError(f"{path} is not drawn: no epoch of the run is over.")
    figures.save_figure(lambda: training_figure(record), path)


def training_figure(record: TrainingRunRecord) -> Figure:
    """Panels below each other over one axis of epochs, of a record with one epoch or more; no display is needed."""
    view = run_view(record)
    panels: list[Callable[[Axes], None]] = [
        lambda axes: _draw_losses(axes, view),
        lambda axes: _draw_pac(axes, view, record.workload.known("alpha")),
        *([lambda axes: _draw_accuracy(axes, view)] if view.last is not None else []),
        lambda axes: _draw_times(axes, view),
    ]
    with figures.drawing():
        figure = figures.new_figure(0.5 + len(panels) * (PANEL + AROUND_PANEL))
        figure.set_layout_engine("constrained", h_pad=GAP)
        title = f"PaCo-2 training run, {training_subject(record)}"
        figure.suptitle(title, x=0.01, ha="left", fontsize=figures.TITLE_SIZE + 1, parse_math=False)
        grid = figure.subplots(len(panels), 1, squeeze=False)
        for axes, draw in zip(grid[:, 0], panels, strict=True):
            draw(axes)
            _epoch_axis(axes, len(view.epochs))
    return figure


def _draw_losses(axes: Axes, view: RunView) -> None:
    """Logarithmic: they fall by orders of magnitude, and SoC in a collapse to nothing. What is zero has no logarithm,
    and no point.
    """
    drawn = False
    for name, words, colour, shape in LOSSES:
        values = [_positive(result.losses.get(name)) for result in view.epochs]
        if any(map(math.isfinite, values)):
            _curve(axes, view, values, words, colour, shape)
            drawn = True
    if drawn:
        _logarithmic(axes)
    else:
        axes.set_yticks([])
    figures.headed(axes, "Losses" if drawn else "Losses: none was finite")


def _logarithmic(axes: Axes) -> None:
    """A tick at 1, 2 and 5 of each power of ten, or, where there are many, at the powers alone; plain numbers."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 100 * low else (1.0, 2.0, 5.0)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel("loss, logarithmic")


def _draw_pac(axes: Axes, view: RunView, alpha: float) -> None:
    values = [_known(result.losses.get("pac")) for result in view.epochs]
    if any(map(math.isfinite, values)):
        _curve(axes, view, values, "PaC", figures.PURPLE, "D")
    axes.axhline(alpha, color=INK, linewidth=1.2, linestyle="--", label=f"alpha = {alpha:g}")
    axes.set_ylim(0, 1.15 * max([alpha, *filter(math.isfinite, values)]) or 1.0)
    axes.set_ylabel("PaC")
    figures.headed(axes, "Part contrast beside its margin")


def _draw_accuracy(axes: Axes, view: RunView) -> None:
    values = [math.nan if result.accuracy is None else 100 * result.accuracy for result in view.epochs]
    places = [place for place, value in enumerate(values) if math.isfinite(value)]
    epochs = [view.epochs[place].epoch + 1 for place in places]
    axes.plot(
        epochs,
        [values[place] for place in places],
        color=figures.BLUE,
        marker="o",
        markersize=5,
        markevery=_every(len(places)),
        label="accuracy",
    )
    axes.axhline(100 * view.chance, color=INK, linewidth=1.2, linestyle="--", label=f"chance ({100 * view.chance:g} %)")
    axes.set_ylim(0, 105)
    axes.set_ylabel("% right")
    figures.headed(axes, "Accuracy on held-out images")


def _draw_times(axes: Axes, view: RunView) -> None:
    """Stacked; what is next to nothing in every epoch is left out, the legend too."""
    terms = [epoch_terms(result) for result in view.epochs]
    longest = max(result.seconds for result in view.epochs)
    unit, name = (60.0, "minutes") if longest >= 300 else (1.0, "seconds")
    epochs = [result.epoch + 1 for result in view.epochs]
    bottom = [0.0] * len(epochs)
    # A bar that is alone would be a wall.
    width = 0.72 * min(1.0, len(epochs) / 3) if len(epochs) <= MOST_BARS else 1.0
    for term in sorted(EPOCH_TERMS, key=list(TERMS).index):
        # A sum of clock readings may miss its whole by their resolution.
        heights = [max(0.0, of[term]) / unit for of in terms]
        if max(heights) * unit > 1e-3 * longest:
            words, colour, hatch = TERMS[term]
            axes.bar(
                epochs,
                heights,
                bottom=bottom,
                width=width,
                color=colour,
                hatch=hatch,
                edgecolor="white",
                linewidth=0.0,
                label=words,
            )
            bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axes.set_ylim(0, 1.08 * max(bottom) or 1.0)
    axes.set_ylabel(name)
    axes.set_xlabel("epoch")
    figures.headed(axes, "Time of each epoch")


def _curve(axes: Axes, view: RunView, values: Sequence[float], words: str, colour: str, shape: str) -> None:
    epochs = [result.epoch + 1 for result in view.epochs]
    axes.plot(epochs, values, color=colour, marker=shape, markersize=5, markevery=_every(len(values)), label=words)


def _every(num: int) -> int:
    return math.ceil(num / MOST_MARKERS) or 1


def _known(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else math.nan


def _positive(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) and value > 0 else math.nan


def _epoch_axis(axes: Axes, num_epochs: int) -> None:
    """The same for all panels, with a tick at whole epochs only."""
    axes.set_xlim(0.4, num_epochs + 0.6)
    step = max(1, math.ceil(num_epochs / 12))
    # 1, 2, 5, 10, ... epochs between two ticks.
    power = 10 ** math.floor(math.log10(step))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= step)
    axes.set_xticks(sorted({1, *range(step, num_epochs + 1, step)}))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=figures.GRID, linewidth=0.8)
    axes.set_axisbelow(True)

"""What all pictures share: their size and fonts, the palette, plain axes, and files that depend on the record alone."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

from paco_prof.store import write_bytes

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Panel",
    "bar_axes",
    "clipped",
    "drawing",
    "headed",
    "new_figure",
    "row_height",
    "save_figure",
    "wrapped",
]

# Okabe and Ito's palette, told apart by colour-blind readers. Grey print needs hatches or shapes beside it.
BLUE, ORANGE, GREEN, VERMILLION, PURPLE, YELLOW, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#F0E442",
    "#999999",
)
GRID = "#dddddd"
# Inches.
WIDTH = 9.0
ROW, LINE = 0.29, 0.155
# Points.
TITLE_SIZE, NAME_SIZE, SMALL_SIZE, LEGEND_ROOM = 12, 10, 9.5, 25
# Letters of a line of a name, and of a name in a title; a name has no more lines.
NAME_WIDTH, TITLE_NAME_WIDTH, NAME_LINES = 36, 22, 3


@dataclass(frozen=True, slots=True)
class Panel:
    """One of several pictures below each other; `height` in inches, without its title, its axis and its legend."""

    height: float
    draw: Callable[[Axes], None]


def drawing() -> AbstractContextManager[None]:
    """Within it, everything is drawn in the house's style."""
    return matplotlib.rc_context({"font.size": 11, "hatch.linewidth": 0.8})


def new_figure(height: float) -> Figure:
    """An empty figure, `height` inches high, that needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def bar_axes(axes: Axes, num_rows: int) -> None:
    """Rows from top to bottom, a faint grid across them, and no frame."""
    axes.set_ylim(num_rows - 0.4, -0.6)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def headed(axes: Axes, title: str, handles: Sequence[Artist] | None = None) -> None:
    """A title, and below it a legend in one line, where no row of the picture can be under it."""
    retitled(axes, title)
    found = axes.get_legend_handles_labels()[0] if handles is None else list(handles)
    legend = axes.legend(
        handles=found,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=len(found),
        borderaxespad=0.2,
        borderpad=0.1,
        columnspacing=1.4,
        handlelength=1.5,
        handletextpad=0.5,
        frameon=False,
        fontsize=SMALL_SIZE,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def retitled(axes: Axes, title: str) -> None:
    """The same axes under this title."""
    axes.set_title(title, loc="left", fontsize=TITLE_SIZE, pad=LEGEND_ROOM, parse_math=False)


def clipped(name: str, width: int = TITLE_NAME_WIDTH) -> str:
    """A name that leaves room for the rest of a title."""
    return name if len(name) <= width else f"{name[: width - 1]}…"


def wrapped(name: str) -> str:
    """A name beside a row: what is put together is broken after a plus, what is too long even so is cut off."""
    lines = [""]
    for part in re.split(r"(?<=\+)", name):
        if lines[-1] and len(lines[-1]) + len(part) > NAME_WIDTH:
            lines.append("")
        lines[-1] += clipped(part, NAME_WIDTH)
    return "\n".join(lines if len(lines) <= NAME_LINES else [*lines[: NAME_LINES - 1], "…"])


def row_height(names: Sequence[str]) -> float:
    """Inches that each row needs for the name that has the most lines."""
    most = max(name.count("\n") for name in names)
    return ROW + LINE * most


def save_figure(draw: Callable[[], Figure], path: Path) -> None:
    """Write a picture in the format of the file's name; the same picture is the same file.

    Raises:
        UsageError: the file cannot be written.
    """
    kind = path.suffix.lower().lstrip(".")
    # The date, and names drawn by lot, would make every file another one.
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with matplotlib.rc_context({"svg.hashsalt": "paco-prof"}):
        picture = io.BytesIO()
        draw().savefig(picture, dpi=160, metadata=metadata, format=kind)
    write_bytes(path, picture.getvalue())

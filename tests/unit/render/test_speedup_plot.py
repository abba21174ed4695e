"""The forest plot of a comparison: points, intervals and claims are where the view has them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from builders import ON_CPU, training_of
from comparisons import FIELD, RECORDS, record_of, scaled
from paco_prof.analysis.comparison import ComparisonView, comparison_view
from paco_prof.render.comparison_plot import comparison_figure
from paco_prof.variants.catalogue import TOGGLES
from paco_prof.variants.contestants import compared

SHAPES = {"o", "s", "D"}
every_record = pytest.mark.parametrize("name", RECORDS)


@cache
def view_of(name: str) -> ComparisonView:
    return comparison_view(RECORDS[name]())


@cache
def forest_of(name: str) -> Axes:
    return comparison_figure(RECORDS[name]()).axes[0]


def names(axes: Axes) -> list[str]:
    """The rows, from top to bottom."""
    return [label.get_text().replace("\n", "") for label in axes.get_yticklabels()]


def markers(axes: Axes) -> list[Line2D]:
    """The points of the forest plot, from top to bottom."""
    return [line for line in axes.lines if line.get_marker() in SHAPES]


def at(line: Line2D) -> tuple[list[float], float]:
    """Where a line is: from left to right, and in which row."""
    return np.asarray(line.get_xdata(), float).tolist(), float(np.asarray(line.get_ydata(), float)[0])


def claims(axes: Axes) -> dict[int, Rectangle]:
    """The claimed ranges by row."""
    return {round(p.get_y() + p.get_height() / 2): p for p in axes.patches if isinstance(p, Rectangle)}


def legend(axes: Axes) -> list[str]:
    found = axes.get_legend()
    return [] if found is None else [text.get_text() for text in found.get_texts()]


def is_hollow(line: Line2D) -> bool:
    return line.get_markerfacecolor() == "white"


@every_record
def test_every_measured_variant_has_a_row_with_its_ratio(name: str) -> None:
    view = view_of(name)
    axes = forest_of(name)
    assert names(axes) == [variant.name for variant in view.measured]
    assert [at(line)[1] for line in markers(axes)] == list(range(len(view.measured)))
    ratios = [at(line)[0][0] for line in markers(axes)]
    assert ratios == pytest.approx([v.speedup.ratio for v in view.measured if v.speedup is not None])


@every_record
def test_what_is_not_established_is_hollow_and_has_no_figure(name: str) -> None:
    axes = forest_of(name)
    established = [v.speedup.established for v in view_of(name).measured if v.speedup is not None]
    assert [not is_hollow(line) for line in markers(axes)] == established
    assert [text.get_text() != "~" for text in axes.texts] == established
    assert ("not established" in legend(axes)) == (not all(established))


def test_intervals_are_where_they_are_and_one_launch_has_none() -> None:
    view = view_of("one at a time")
    bars = [at(line) for line in forest_of("one at a time").lines if line.get_linewidth() == 2.2]
    for variant, (ends, _) in zip(view.measured, bars, strict=True):
        assert variant.speedup is not None
        assert ends == pytest.approx([variant.speedup.low, variant.speedup.high])
    axes = forest_of("one launch")
    assert not [line for line in axes.lines if line.get_linewidth() == 2.2]
    assert axes.get_title(loc="left") == "Speed-up over baseline, 1 launch"


def test_an_interval_that_goes_far_beyond_does_not_widen_the_axis() -> None:
    """Two launches that disagree have an interval over orders of magnitude: it is cut, and an arrow says so."""
    contestants = compared(FIELD, ["baseline", "exact"])
    record = record_of("compare", contestants, (ON_CPU, ON_CPU), launches=2)
    slow = training_of(scaled(ON_CPU, {"loss/pac": 3.0}))
    late = record.launches[1].model_copy(
        update={"variant": record.launches[1].variant.model_copy(update={"training": slow})}
    )
    (axes, *_) = comparison_figure(record.model_copy(update={"launches": (record.launches[0], late)})).axes
    low, high = axes.get_xlim()
    assert high / low < 10
    arrows = {line.get_marker(): at(line)[0][0] for line in axes.lines if line.get_marker() in ("<", ">")}
    assert arrows == {"<": pytest.approx(low), ">": pytest.approx(high)}


def test_the_claim_stands_in_the_row_of_its_variant() -> None:
    axes = forest_of("every toggle")
    rows = names(axes)
    found = {rows[row]: (p.get_x(), p.get_x() + p.get_width()) for row, p in claims(axes).items()}
    expected = {
        toggle.name: (toggle.claim.low, toggle.claim.high)
        for toggle in TOGGLES
        if toggle.claim is not None and toggle.claim.low is not None and toggle.claim.of == "step"
    }
    assert found.keys() == expected.keys()
    for name, ends in expected.items():
        assert found[name] == pytest.approx(ends)
    assert "claimed range" in legend(axes)


def test_a_claim_of_one_figure_can_be_seen() -> None:
    (claim,) = claims(forest_of("compare")).values()
    assert claim.get_width() == 0
    assert claim.get_linewidth() > 1


def test_no_claim_no_legend_entry() -> None:
    assert legend(forest_of("against itself")) == ["exact", "not established"]


def test_kinds_have_shapes_and_colours_of_their_own() -> None:
    axes = forest_of("every toggle")
    kinds = [v.contestant.variant.kind for v in view_of("every toggle").measured]
    looks: dict[str, set[tuple[object, object]]] = {kind: set() for kind in kinds}
    for kind, line in zip(kinds, markers(axes), strict=True):
        looks[kind].add((line.get_color(), line.get_marker()))
    assert all(len(look) == 1 for look in looks.values())
    colours, shapes = zip(*(next(iter(look)) for look in looks.values()), strict=True)
    assert len(set(colours)) == len(set(shapes)) == len(looks) == 3
    assert legend(axes)[:3] == ["exact", "approximate", "different"]


def test_what_was_not_measured_is_counted() -> None:
    assert "1 of 6 not measured" in forest_of("one at a time").get_xlabel()
    assert "not measured" not in forest_of("compare").get_xlabel()


def test_the_axis_is_marked_at_plain_ratios() -> None:
    ticks = [label.get_text() for label in forest_of("one at a time").get_xticklabels()]
    assert ticks == ["1x", "2x", "4x", "8x"]

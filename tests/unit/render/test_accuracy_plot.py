"""The picture of a comparison of accuracies: it says what the view says, and can be read."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from accuracies import RECORDS, accuracy_record, undecided_record, unfinished_record
from paco_prof.analysis.accuracy import accuracy_view
from paco_prof.errors import UsageError
from paco_prof.render.accuracy_plot import accuracy_figure, save_accuracy_plot

DRAWN = [name for name in RECORDS if name != "unfinished"]


@cache
def figure_of(name: str) -> Figure:
    return accuracy_figure(RECORDS[name]())


def mean_lines(axes: Axes) -> dict[str, Line2D]:
    """Curves that the legend names."""
    return {str(line.get_label()): line for line in axes.lines if not str(line.get_label()).startswith("_")}


def assert_readable(figure: Figure) -> None:
    assert isinstance(figure.canvas, FigureCanvasAgg)
    figure.canvas.draw()
    hidden = {
        label
        for axes in figure.axes
        for ticks, labels, ends in (
            (axes.get_xticks(), axes.get_xticklabels(), axes.get_xlim()),
            (axes.get_yticks(), axes.get_yticklabels(), sorted(axes.get_ylim())),
        )
        for tick, label in zip(ticks, labels, strict=True)
        if not ends[0] <= tick <= ends[1]
    }
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text not in hidden]
    shown = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_visible() and text.get_text()]
    for (one, here), (other, there) in combinations(shown, 2):
        assert Bbox.intersection(here.padded(-0.5), there.padded(-0.5)) is None, (one, other)
    for text, box in shown:
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1, text


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_overlaps_and_nothing_is_cut_off(name: str) -> None:
    assert_readable(figure_of(name))


def test_a_curve_is_the_mean_over_the_seeds_in_percent_and_in_the_unit_of_the_axis() -> None:
    view, axes = accuracy_view(accuracy_record()), figure_of("decided").axes[0]
    curve, line = view.baseline.mean_curve, mean_lines(axes)["baseline"]
    assert curve is not None
    assert axes.get_xlabel().startswith("minutes")
    assert list(line.get_xdata()) == pytest.approx([seconds / 60 for seconds in curve.seconds])  # type: ignore[arg-type]
    assert list(line.get_ydata()) == pytest.approx([100 * accuracy for accuracy in curve.accuracies])  # type: ignore[arg-type]
    assert mean_lines(axes)["target, 96.7 %"].get_linestyle() != "-"


def test_every_seed_is_drawn_beside_the_mean_where_there_are_several() -> None:
    assert len(figure_of("decided").axes[0].lines) == 3 * (8 + 1) + 1
    assert len(figure_of("one seed").axes[0].lines) == 2 + 1


def test_runs_of_very_unlike_length_have_a_logarithmic_axis_and_it_says_so() -> None:
    slow, even = figure_of("decided").axes[0], figure_of("undecided").axes[0]
    assert (slow.get_xscale(), even.get_xscale()) == ("log", "linear")
    assert "logarithmic\n(baseline: as its loop would take)" in slow.get_xlabel()
    assert even.get_xlabel() == "seconds from the start of a run"
    assert even.get_xlim()[0] == 0


def test_variants_can_be_told_apart_without_colour() -> None:
    lines = mean_lines(figure_of("crowded").axes[0])
    named = [line for label, line in lines.items() if not label.startswith("target")]
    assert len(named) == 7
    assert len({line.get_marker() for line in named}) == 7


def test_differences_stand_with_their_intervals_and_verdicts_against_the_margin() -> None:
    view, axes = accuracy_view(accuracy_record()), figure_of("decided").axes[1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["exact", "optimized"]
    assert [text.get_text() for text in axes.texts] == ["as good", "worse"]
    bars = [segment for drawn in axes.collections for segment in drawn.get_segments()]  # type: ignore[attr-defined]
    for variant, bar in zip(view.variants, bars, strict=True):
        found = variant.difference
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        assert [bar[0][0], bar[1][0]] == pytest.approx([100 * found.low, 100 * found.high])
        assert axes.get_xlim()[0] < 100 * found.low < 100 * found.high < axes.get_xlim()[1]
    (worse,) = axes.patches
    assert worse.get_hatch()
    assert worse.get_extents().transformed(axes.transData.inverted()).x1 == pytest.approx(-1.0)


def test_a_difference_without_an_interval_is_hollow() -> None:
    axes = figure_of("one seed").axes[1]
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    assert len(hollow) == 1
    assert len(axes.collections) == 0


def test_without_a_common_seed_there_are_curves_alone() -> None:
    record = undecided_record()
    alone = record.model_copy(update={"runs": record.runs[:3]})
    assert len(accuracy_figure(alone).axes) == 1


def test_a_run_of_one_evaluation_is_a_point() -> None:
    record = undecided_record()
    plan = record.plan.model_copy(update={"run": record.plan.run.model_copy(update={"epochs": 1})})
    runs = tuple(run.model_copy(update={"epochs": run.epochs[:1]}) for run in record.runs)
    assert_readable(accuracy_figure(record.model_copy(update={"plan": plan, "runs": runs})))


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_record_is_the_same_file(suffix: str, tmp_path: Path) -> None:
    one, other = tmp_path / f"one{suffix}", tmp_path / f"other{suffix}"
    save_accuracy_plot(undecided_record(), one)
    save_accuracy_plot(undecided_record(), other)
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", ["[loss/pac]", "$x$", "$\\nonsense{$", "<b>&amp;</b>", "x" * 90])
def test_any_name_can_be_drawn(name: str) -> None:
    record = accuracy_record(3)
    named = tuple(contestant.model_copy(update={"name": name}) for contestant in record.contestants)
    assert_readable(accuracy_figure(record.model_copy(update={"contestants": named})))


def test_without_a_complete_run_there_is_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run that came to its end"):
        save_accuracy_plot(unfinished_record(), tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()

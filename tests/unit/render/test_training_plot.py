"""The picture of a training run: it says what the record says, and can be read."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from paco_prof.errors import UsageError
from paco_prof.render.training_plot import save_training_plot, training_figure
from training_runs import RECORDS, broken_run, collapsed_run, epoch_of, healthy_run, run_of, waiting_run

DRAWN = [name for name in RECORDS if RECORDS[name]().epochs]


def panels(figure: Figure) -> dict[str, Axes]:
    return {axes.get_title(loc="left"): axes for axes in figure.axes}


def legend(axes: Axes) -> list[str]:
    found = axes.get_legend()
    return [] if found is None else [text.get_text() for text in found.get_texts()]


def curve(axes: Axes, name: str) -> Line2D:
    return next(line for line in axes.lines if line.get_label() == name)


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_overlaps_and_nothing_is_cut_off(name: str) -> None:
    figure = training_figure(RECORDS[name]())
    assert isinstance(figure.canvas, FigureCanvasAgg)
    figure.canvas.draw()
    hidden = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            # A logarithmic axis keeps the labels of ticks beyond its ends, and draws none of them.
            ticks = axis.get_major_ticks()
            hidden |= {t.label1 for t in ticks if not low <= t.get_loc() <= high}
    found = [text for text in figure.findobj(Text) if isinstance(text, Text) and text not in hidden]
    boxes = [(t.get_text(), t.get_window_extent()) for t in found if t.get_visible() and t.get_text()]
    for (one, here), (other, there) in combinations(boxes, 2):
        assert Bbox.intersection(here.padded(-0.5), there.padded(-0.5)) is None, (one, other)
    for text, box in boxes:
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1, text


def test_losses_are_curves_on_a_logarithmic_axis() -> None:
    axes = panels(training_figure(healthy_run()))["Losses"]
    assert legend(axes) == ["total", "cross-entropy", "SoC"]
    assert axes.get_yscale() == "log"
    assert list(curve(axes, "cross-entropy").get_ydata()) == pytest.approx([2.39, 1.21, 0.62, 0.325, 0.1775])
    assert list(curve(axes, "total").get_xdata()) == [1, 2, 3, 4, 5]


def test_alpha_is_a_line_beside_pac() -> None:
    axes = panels(training_figure(collapsed_run()))["Part contrast beside its margin"]
    assert legend(axes) == ["PaC", "alpha = 0.2"]
    assert set(curve(axes, "alpha = 0.2").get_ydata()) == {0.2}
    assert axes.get_yscale() == "linear"
    assert axes.get_ylim()[1] > 0.2


def test_chance_is_a_line_beside_the_accuracy_and_what_was_not_evaluated_has_no_point() -> None:
    axes = panels(training_figure(waiting_run()))["Accuracy on held-out images"]
    assert legend(axes) == ["accuracy", "chance (10 %)"]
    assert list(curve(axes, "accuracy").get_xdata()) == [2, 4]
    assert list(curve(axes, "accuracy").get_ydata()) == [61.0, 61.0]
    assert set(curve(axes, "chance (10 %)").get_ydata()) == {10.0}


def test_without_an_evaluation_there_is_no_such_panel() -> None:
    assert len(training_figure(run_of(epoch_of(0, accuracy=None))).axes) == 3


@pytest.mark.parametrize("name", DRAWN)
def test_bars_add_up_to_the_epochs(name: str) -> None:
    record = RECORDS[name]()
    axes = panels(training_figure(record))["Time of each epoch"]
    bars = [container for container in axes.containers if isinstance(container, BarContainer)]
    heights = [sum(bar.patches[place].get_height() for bar in bars) for place in range(len(record.epochs))]
    assert heights == pytest.approx([result.seconds for result in record.epochs])


def test_terms_are_told_apart_without_colour() -> None:
    axes = panels(training_figure(healthy_run()))["Time of each epoch"]
    bars = [container for container in axes.containers if isinstance(container, BarContainer)]
    assert len({bar.patches[0].get_hatch() for bar in bars}) == len(bars) == 6
    markers = {line.get_marker() for line in panels(training_figure(healthy_run()))["Losses"].lines}
    assert len(markers) == 3


def test_what_takes_no_time_is_not_in_the_legend() -> None:
    no_time = {"start_seconds": 0.0, "waiting_seconds": 0.0, "checkpoint_seconds": 0.0, "evaluation_seconds": None}
    axes = panels(training_figure(run_of(epoch_of(0, **no_time, seconds=9.75))))["Time of each epoch"]
    assert legend(axes) == ["training steps"]


def test_long_epochs_are_in_minutes() -> None:
    axes = panels(training_figure(run_of(epoch_of(0, seconds=600.0, step_seconds=590.0))))["Time of each epoch"]
    assert axes.get_ylabel() == "minutes"
    assert axes.get_ylim()[1] == pytest.approx(10.8, rel=0.02)


def test_zero_has_no_logarithm_and_no_point() -> None:
    epochs = [epoch_of(0), epoch_of(1, losses={"total": 2.0, "ce": 2.0, "pac": 0.2, "soc": 0.0})]
    axes = panels(training_figure(run_of(*epochs)))["Losses"]
    assert math.isnan(float(curve(axes, "SoC").get_ydata()[1]))  # type: ignore[index, arg-type]


def test_where_no_loss_was_finite_the_picture_says_so() -> None:
    drawn = panels(training_figure(broken_run()))
    assert "Losses: none was finite" in drawn
    assert legend(drawn["Part contrast beside its margin"]) == ["alpha = 0.2"]


def test_of_many_epochs_some_have_a_marker_and_a_tick() -> None:
    axes = panels(training_figure(healthy_run(100)))["Losses"]
    assert curve(axes, "total").get_markevery() == 4
    assert list(axes.get_xticks()) == [1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_record_is_the_same_file(suffix: str, tmp_path: Path) -> None:
    one, other = tmp_path / f"one{suffix}", tmp_path / f"other{suffix}"
    save_training_plot(healthy_run(), one)
    save_training_plot(healthy_run(), other)
    assert one.read_bytes() == other.read_bytes()


def test_without_an_epoch_there_is_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no epoch of the run is over"):
        save_training_plot(RECORDS["nothing yet"](), tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()

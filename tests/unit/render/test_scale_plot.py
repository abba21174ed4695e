"""The picture of growth: panels, ticks, bands that end at the axis, and that it is the same each time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from paco_prof.analysis.scale import ScaledVariant, ScaleView, scale_view
from paco_prof.errors import UsageError
from paco_prof.records import Factor, ScalePlan, ScaleRecord
from paco_prof.render.reports import save_plot
from paco_prof.render.scale_plot import scale_figure
from paco_prof.stats.growth import Prediction
from surveys import RECORDS, grid_record, point, survey_record


@cache
def view_of(name: str) -> ScaleView:
    """The view of a usual record, which is not built again and again."""
    return scale_view(RECORDS[name]())


def test_the_picture_has_a_panel_a_variant_and_a_tick_a_size() -> None:
    figure = scale_figure(view_of("batch"), "what")
    first, last = figure.axes
    assert [text.get_text() for text in last.get_xticklabels()] == ["2", "4", "8", "12", "16", "32", "64"]
    assert first.get_xscale() == first.get_yscale() == "log"
    assert first.get_title("left") == "baseline"
    assert any(line.get_linestyle() == "--" for line in first.lines)


@pytest.mark.parametrize("name", ["batch", "grid"])
def test_everything_lies_within_the_picture(name: str) -> None:
    figure = scale_figure(view_of(name), "what")
    figure.draw_without_rendering()
    for axes in figure.axes:
        for text in (*axes.get_yticklabels(), axes.title, axes.yaxis.label):
            assert text.get_window_extent().x0 >= figure.bbox.x0 - 1


def test_the_same_record_is_the_same_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_plot(RECORDS["search"](), tmp_path / f"{name}.svg")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_a_record_without_a_point_is_not_drawn(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no complete launch"):
        save_plot(survey_record(points=()), tmp_path / "out.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("last", [16, 5], ids=["less than two decades", "hardly any growth"])
def test_times_of_one_size_have_numbers_beside_the_axis(last: int) -> None:
    figure = scale_figure(scale_view(grid_of(4, last)), "what")
    (axes,) = figure.axes
    low, high = axes.get_ylim()
    inside = [
        label.get_text()
        for tick, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
        if low <= tick <= high
    ]
    assert len(inside) >= 3
    assert len(set(inside)) == len(inside)


def test_an_interval_without_an_end_runs_off_the_axis(monkeypatch: pytest.MonkeyPatch) -> None:
    view = view_of("batch")
    plain = scale_figure(view, "what").axes[0].get_ylim()

    def anything(self: ScaledVariant, sizes: Sequence[float]) -> Prediction:
        value = 0.1 * sizes[0]
        return Prediction(value, 0.0, math.inf, 1.0) if sizes[0] > 32 else Prediction(value, value, value, 1.0)

    monkeypatch.setattr(ScaledVariant, "predict_step", anything)
    axes = scale_figure(view, "what").axes[0]
    low, high = axes.get_ylim()
    assert plain[0] / 20 < low < plain[0]
    assert plain[1] < high < plain[1] * 20
    heights = np.concatenate([path.vertices[:, 1] for band in axes.collections for path in band.get_paths()])
    assert np.isfinite(heights).all()
    assert heights.max() >= high
    assert heights.min() <= low


def grid_of(first: int, last: int) -> ScaleRecord:
    """A step that takes 0.28 s an image and hardly anything for a part."""
    sizes = tuple(range(first, last + 1, max(1, (last - first) // 3)))
    factors = (Factor(name="batch_size", sizes=sizes), Factor(name="num_parts", sizes=(2, 4)))
    plan = ScalePlan(factors=factors, launches=1)

    def law(sizes: tuple[int, ...]) -> dict[str, float]:
        return {"backbone": 0.093 * sizes[0], "loss/pac": 0.0001 * sizes[1]}

    points = tuple(point(0, sizes, 0, law) for sizes in plan.combinations)
    record = grid_record()
    return record.model_copy(update={"plan": plan, "points": points})

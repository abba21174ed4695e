"""The picture of a comparison: it says what the view says, and can be read."""

from __future__ import annotations

from functools import cache
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from builders import ON_CPU, ON_CPU_EXACT
from comparisons import (
    FIELD,
    RECORDS,
    TWO_MACHINES,
    comparison_record,
    record_of,
    scaled,
    times_of,
    unmeasured_record,
)
from paco_prof.analysis.comparison import ComparisonView, comparison_view
from paco_prof.errors import UsageError
from paco_prof.render.comparison_plot import comparison_figure, save_comparison_plot, waterfall
from paco_prof.variants.contestants import compared

every_record = pytest.mark.parametrize("name", RECORDS)


@cache
def view_of(name: str) -> ComparisonView:
    return comparison_view(RECORDS[name]())


@cache
def figure_of(name: str) -> Figure:
    return comparison_figure(RECORDS[name]())


def panels(name: str) -> list[Axes]:
    return figure_of(name).axes


def names(axes: Axes) -> list[str]:
    """The rows, from top to bottom."""
    return [label.get_text().replace("\n", "") for label in axes.get_yticklabels()]


def legend(axes: Axes) -> list[str]:
    found = axes.get_legend()
    return [] if found is None else [text.get_text() for text in found.get_texts()]


def drawn_texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """All that can be read, and where it stands."""
    assert isinstance(figure.canvas, FigureCanvasAgg)
    figure.canvas.draw()
    hidden = {
        label
        for axes in figure.axes
        for tick, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
        if not axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]
    }
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text not in hidden]
    return [(text.get_text(), text.get_window_extent()) for text in texts if text.get_visible() and text.get_text()]


def by_row(axes: Axes) -> list[tuple[float, float]]:
    """Start and end of each bar, from top to bottom."""
    bars = sorted((bar for container in axes.containers for bar in container), key=lambda bar: bar.get_y())
    return [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars]


@every_record
def test_nothing_overlaps_and_nothing_is_cut_off(name: str) -> None:
    assert_readable(figure_of(name))


def assert_readable(figure: Figure) -> None:
    texts = drawn_texts(figure)
    for (one, here), (other, there) in combinations(texts, 2):
        # Line heights hold room for letters that are taller than these.
        overlap = Bbox.intersection(here.padded(-0.5), there.padded(-0.5))
        assert overlap is None, (one, other)
    for text, box in texts:
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1, text


@pytest.mark.parametrize("name", ["compare", "cumulative", "factorial", "every toggle"])
def test_the_waterfall_adds_up_to_the_last_bar(name: str) -> None:
    view = view_of(name)
    bars = waterfall(view)
    last = view.measured[-1] if view.design == "cumulative" else view.fastest
    assert last is not None
    assert last.step is not None
    assert bars[0].end + sum(bar.end - bar.start for bar in bars[1:-1]) == pytest.approx(bars[-1].end)
    assert bars[-1].end == last.step.value
    for bar, following in pairwise(bars[:-1]):
        assert following.start == bar.end
    axes = panels(name)[1]
    for drawn, bar in zip(by_row(axes), bars, strict=True):
        assert drawn == pytest.approx((bar.start * 1e3, bar.end * 1e3))


def test_a_waterfall_goes_by_stage_from_the_largest_change_to_the_rest() -> None:
    bars = waterfall(view_of("compare"))
    titles = ["baseline", "Loss Computation", "Backbone", "Autograd Set-up", "the rest", "optimized"]
    assert [bar.title for bar in bars] == titles
    sizes = [abs(bar.end - bar.start) for bar in bars[1:-2]]
    assert sizes == sorted(sizes, reverse=True)


def test_a_cumulative_waterfall_goes_by_contestant() -> None:
    bars = waterfall(view_of("cumulative"))
    assert [bar.title for bar in bars] == ["baseline", "phase1", "phase2", "phase3", "what is left"]


def test_gains_and_losses_look_different_without_colour() -> None:
    """A fused loss with a slower backbone."""
    contestants = compared(FIELD, ["baseline", "fused-loss"])
    slower = scaled(times_of(contestants[1]), {"backbone": 1.2})
    axes = comparison_figure(record_of("compare", contestants, (ON_CPU, slower))).axes[1]
    assert legend(axes) == ["whole step", "less time", "more time"]
    hatches = {container.patches[0].get_hatch() for container in axes.containers}
    assert len(hatches) == 3
    signs = {text.get_text()[0] for text in axes.texts[1:-1]}
    assert signs == {"-", "+"}


@pytest.mark.parametrize("name", ["one launch", "against itself", "leave one out"])
def test_without_a_faster_variant_there_is_no_waterfall(name: str) -> None:
    assert waterfall(view_of(name)) == []
    assert len(panels(name)) == 2


@pytest.mark.parametrize(
    ("halvings", "batch_size", "names", "num_panels"),
    [
        (1, 8, ["baseline (batch 4)", "exact (batch 4)"], 3),
        (0, 16, ["baseline", "exact (batch 16)"], 2),
        (1, 16, ["baseline (batch 4)", "exact"], 2),
    ],
)
def test_steps_of_unlike_batches_are_not_subtracted(
    halvings: int, batch_size: int, names: list[str], num_panels: int
) -> None:
    baseline, exact = compared(FIELD, ["baseline", "exact"])
    workload = exact.workload.model_copy(update={"batch_size": batch_size})
    contestants = (baseline, exact.model_copy(update={"workload": workload}))
    record = record_of("compare", contestants, (ON_CPU, ON_CPU_EXACT))
    launches = tuple(launch.model_copy(update={"halvings": halvings}) for launch in record.launches)
    axes = comparison_figure(record.model_copy(update={"launches": launches})).axes
    assert len(axes) == num_panels
    assert legend(axes[-1]) == names


@pytest.mark.parametrize("name", [name for name in RECORDS if name != TWO_MACHINES])
def test_stage_bars_add_up_to_both_steps(name: str) -> None:
    view = view_of(name)
    shown = view.fastest or view.measured[0]
    axes = panels(name)[-1]
    assert len(names(axes)) == 11
    assert names(axes)[-1] == "the rest"
    before, after = (sum(bar.get_width() for bar in container) for container in axes.containers)
    assert shown.before is not None
    assert shown.step is not None
    assert (before, after) == pytest.approx((shown.before.value * 1e3, shown.step.value * 1e3))


def test_a_stage_that_is_too_small_to_see_has_its_figure() -> None:
    texts = [text.get_text() for text in panels("compare")[-1].texts]
    assert "2.11 ms" in texts
    assert len(texts) == 22


def test_a_stage_that_only_one_side_has_is_missing_and_not_zero() -> None:
    contestants = compared(FIELD, ["baseline", "fused-loss"])
    without = [stage for stage in times_of(contestants[1]) if stage.path != "graph_release"]
    axes = comparison_figure(record_of("compare", contestants, (ON_CPU, without))).axes[-1]
    row = names(axes).index("Autograd Graph Release")
    beside = {text.xy[1] - row: text.get_text() for text in axes.texts if abs(text.xy[1] - row) < 0.5}  # type: ignore[attr-defined]
    assert sorted(beside.values()) == ["52.1 ms", "–"]


def test_titles_say_what_is_shown() -> None:
    figure = figure_of("compare")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert figure.get_suptitle() == "PaCo-2 training step, resnet50, batch 8, 224 px, AMD EPYC 7B13"
    assert titles == [
        "Speed-up over baseline, 3 launches, 95 % intervals",
        "From baseline to optimized",
        "Stages of baseline and optimized",
    ]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_record_is_the_same_file(suffix: str, tmp_path: Path) -> None:
    one, other = tmp_path / f"one{suffix}", tmp_path / f"other{suffix}"
    save_comparison_plot(comparison_record(), one)
    save_comparison_plot(comparison_record(), other)
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", ["[loss/pac]", "$x$", "$\\nonsense{$", "<b>&amp;</b>", "x" * 90])
def test_any_name_can_be_drawn(name: str, tmp_path: Path) -> None:
    record = comparison_record()
    named = tuple(contestant.model_copy(update={"name": name}) for contestant in record.contestants)
    record = record.model_copy(update={"contestants": named})
    save_comparison_plot(record, tmp_path / "out.svg")
    assert (tmp_path / "out.svg").stat().st_size > 0
    assert_readable(comparison_figure(record))


def test_without_a_launch_there_is_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no complete launch"):
        save_comparison_plot(unmeasured_record(), tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


def test_a_picture_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        save_comparison_plot(comparison_record(), tmp_path / "gone" / "out.png")

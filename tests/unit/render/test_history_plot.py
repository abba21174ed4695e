"""The picture of a history: it says what the view says, and can be read with few commits and with many."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from histories import breakdowns, changing_view, commit, named, noisy, short_view, step_record, yardstick_view
from paco_prof.analysis.history import HistoryView, history_view
from paco_prof.errors import UsageError
from paco_prof.records import VariantUsed
from paco_prof.render.history_plot import MOST_NAMES, MOST_PANELS, history_figure, save_history_plot


def long_view() -> HistoryView:
    """Two hundred commits with changes close to each other and at both ends."""
    levels = (
        [0.103] * 3 + [0.12] * 57 + [0.13] * 4 + [0.107] * 60 + [0.14] * 3 + [0.094] * 40 + [0.11] * 30 + [0.13] * 3
    )
    return history_view(breakdowns(noisy(levels, 0.006)))


def restless_view() -> HistoryView:
    """So many changes that not all of them can be labelled."""
    return history_view(breakdowns([0.1 if number % 6 < 3 else 0.2 for number in range(90)]))


def many_series() -> HistoryView:
    return history_view(
        named([step_record(n, 0.1, variant=VariantUsed(name=f"variant-{n}")) for n in range(MOST_PANELS + 3)])
    )


VIEWS = {
    "changing": changing_view,
    "yardstick": yardstick_view,
    "short": short_view,
    "one commit": lambda: history_view(breakdowns([0.1])),
    "long": long_view,
    "restless": restless_view,
    "many series": many_series,
}


@cache
def view_of(name: str) -> HistoryView:
    return VIEWS[name]()


@cache
def figure_of(name: str) -> Figure:
    return history_figure(view_of(name))


def drawn_texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """All that can be read, and where it stands."""
    assert isinstance(figure.canvas, FigureCanvasAgg)
    figure.canvas.draw()
    hidden = {
        label
        for axes in figure.axes
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim()))
        for tick, label in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
        if not low <= tick <= high
    }
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text not in hidden]
    return [(text.get_text(), text.get_window_extent()) for text in texts if text.get_visible() and text.get_text()]


@pytest.mark.parametrize("name", VIEWS)
def test_nothing_overlaps_and_nothing_is_cut_off(name: str) -> None:
    figure = figure_of(name)
    texts = drawn_texts(figure)
    for (one, here), (other, there) in combinations(texts, 2):
        # Line heights hold room for letters that are taller than these.
        assert Bbox.intersection(here.padded(-0.5), there.padded(-0.5)) is None, (one, other)
    for text, box in texts:
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1, text


def points(axes: Axes) -> list[float]:
    """The figures, from left to right."""
    (container,) = axes.containers
    return [float(y) for y in container.lines[0].get_ydata()]  # type: ignore[attr-defined]


def labels(axes: Axes) -> list[str]:
    """Of the changes, from left to right."""
    return [text.get_text() for text in sorted(axes.texts, key=lambda text: text.xy[0])]  # type: ignore[attr-defined]


def legend(axes: Axes) -> list[str]:
    found = axes.get_legend()
    return [] if found is None else [text.get_text() for text in found.get_texts()]


def test_points_are_the_steps_in_milliseconds() -> None:
    axes = figure_of("changing").axes[0]
    assert points(axes) == [point.step.value * 1e3 for point in view_of("changing").series[0].points]
    assert axes.get_ylabel() == "ms per step"


def test_levels_and_changes_are_drawn() -> None:
    axes = figure_of("changing").axes[0]
    series = view_of("changing").series[0]
    assert legend(axes) == ["a commit, with its interval", "level", "slower from here on", "faster from here on"]
    codes = [series.points[change.place].commit or "" for change in series.changes]
    assert labels(axes) == [f"{size}\n{code[:8]}" for size, code in zip(("+11.2 %", "-14.7 %"), codes, strict=True)]


def test_too_few_commits_have_no_level() -> None:
    assert legend(figure_of("short").axes[0]) == ["a commit, with its interval"]


def test_a_ratio_has_a_panel_of_its_own() -> None:
    seconds, ratio = figure_of("yardstick").axes
    assert legend(seconds) == ["a commit, with its interval"]
    assert labels(seconds) == []
    assert ratio.get_ylabel() == "step / yardstick"
    assert len(labels(ratio)) == 1
    assert points(ratio) == list(view_of("yardstick").series[0].judged)


def test_of_many_commits_some_are_named() -> None:
    axes = figure_of("long").axes[0]
    assert 20 < len(axes.get_xticks()) <= MOST_NAMES
    assert len(figure_of("changing").axes[0].get_xticks()) == 31


def test_commits_are_named_by_their_first_digits_and_dates_by_the_day() -> None:
    names = [label.get_text() for label in figure_of("yardstick").axes[0].get_xticklabels()]
    assert names[3:5] == [commit(3)[:8], "2026-01-05"]
    assert f"{commit(3)[:8]}+" in [label.get_text() for label in figure_of("changing").axes[0].get_xticklabels()]


def test_of_many_changes_the_largest_have_labels() -> None:
    axes = figure_of("restless").axes[0]
    assert 10 < len(labels(axes)) < len(view_of("restless").series[0].changes)


def test_of_many_series_the_first_are_drawn() -> None:
    figure = figure_of("many series")
    assert len(figure.axes) == MOST_PANELS
    assert f"({MOST_PANELS} of {MOST_PANELS + 3} panels)" in figure.get_suptitle()


def test_a_series_of_one_commit_is_no_panel_beside_a_longer_one() -> None:
    assert len(view_of("changing").series) == 3
    assert [axes.get_title(loc="left") for axes in figure_of("changing").axes] == [
        "resnet50, batch 8, 224 px",
        "resnet50, batch 8, 224 px, exact",
    ]
    assert "(2 of 3 panels)" in figure_of("changing").get_suptitle()


def test_noise_does_not_look_like_a_change() -> None:
    axes = figure_of("short").axes[0]
    low, high = axes.get_ylim()
    assert low < 0.96 * min(points(axes))
    assert high > 1.04 * max(points(axes))


def test_an_interval_beyond_all_figures_flattens_nothing() -> None:
    records = [step_record(n, 0.1 + 0.001 * n) for n in range(8)]
    assert records[0].training is not None
    steps = (0.1, 0.1, 0.1, 5.0)
    wild = records[0].training.model_copy(
        update={"steps": steps, "stages": (), "phases": dict.fromkeys(records[0].training.phases, steps)}
    )
    view = history_view(named([step_record(0, 0.1, training=wild), *records[1:]]))
    assert history_figure(view).axes[0].get_ylim()[1] < 130


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_history_is_the_same_file(suffix: str, tmp_path: Path) -> None:
    one, other = tmp_path / f"one{suffix}", tmp_path / f"other{suffix}"
    save_history_plot(changing_view(), one)
    save_history_plot(changing_view(), other)
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", ["[loss/pac]", "$x$", "$\\nonsense{$", "<b>&amp;</b>", "x" * 150])
def test_any_name_can_be_drawn(name: str, tmp_path: Path) -> None:
    records = [step_record(n, 0.1, variant=VariantUsed(name=name)) for n in range(2)]
    save_history_plot(history_view(named(records)), tmp_path / "out.svg")
    assert (tmp_path / "out.svg").stat().st_size > 0


def test_a_picture_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        save_history_plot(short_view(), tmp_path / "gone" / "out.png")

"""The picture: as long as the numbers, legible without colour, and the same file for the same record."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.container import BarContainer

from builders import Times, analysis_record, cpu_record, gpu_record, interrupted_record, training_of
from paco_prof.analysis.breakdown import breakdown_view
from paco_prof.errors import UsageError
from paco_prof.records import BreakdownRecord
from paco_prof.render.breakdown_plot import breakdown_figure, save_breakdown_plot


def axes_of(record: BreakdownRecord) -> Axes:
    """The axes of a record's picture."""
    view = breakdown_view(record)
    assert view is not None
    (axes,) = breakdown_figure(view, "resnet50", record.source.kind == "quoted").axes
    return axes


def labels(axes: Axes) -> list[str]:
    """The stages, from top to bottom."""
    return [label.get_text() for label in axes.get_yticklabels()]


@pytest.mark.parametrize("record", [cpu_record(), interrupted_record(), analysis_record()])
def test_bars_are_as_long_as_the_rows(record: BreakdownRecord) -> None:
    view = breakdown_view(record)
    assert view is not None
    axes = axes_of(record)
    drawn = [0.0] * len(view.top_rows)
    for container in axes.containers:
        for index, bar in enumerate(container):
            assert bar.get_x() == pytest.approx(drawn[index])
            drawn[index] += bar.get_width()
    expected = sorted((row.seconds * 1e3 for row in view.top_rows), reverse=True)
    assert drawn == pytest.approx(expected)


def test_the_longest_stage_is_on_top_and_children_are_left_out() -> None:
    axes = axes_of(cpu_record())
    assert labels(axes)[:2] == ["Loss Computation", "Backbone (2x forward)"]
    assert "Part Contrast (PaC)" not in labels(axes)
    low, high = axes.get_ylim()
    assert low > high


def test_phases_are_told_apart_without_colour() -> None:
    containers = [c for c in axes_of(cpu_record()).containers if isinstance(c, BarContainer)]
    assert [container.get_label() for container in containers] == ["forward", "backward", "neither (optimizer, ...)"]
    hatches = [container.patches[0].get_hatch() for container in containers]
    assert len({hatch or "" for hatch in hatches}) == 3
    colours = {container.patches[0].get_facecolor() for container in containers}
    assert len(colours) == 3


def test_a_phase_that_nothing_runs_in_is_not_in_the_legend() -> None:
    assert [container.get_label() for container in axes_of(analysis_record()).containers] == ["forward"]


def test_time_and_share_stand_at_the_bars() -> None:
    texts = [text.get_text() for text in axes_of(cpu_record()).texts]
    assert texts[0] == "4,339 ms · 63.6 %"
    assert "0.90 ms · <0.1 %" in texts


def test_a_lost_event_is_not_drawn_as_zero_milliseconds() -> None:
    axes = axes_of(gpu_record())
    text = axes.texts[labels(axes).index("augment")].get_text()
    assert "0.00 ms" not in text


def test_the_title_says_how_long_a_step_is_and_whether_it_was_quoted() -> None:
    measured, quoted = (axes_of(record).figure.get_suptitle() for record in (cpu_record(), analysis_record()))
    assert "6,817 ms" in measured
    assert "quoted" not in measured
    assert "quoted" in quoted


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_record_is_the_same_file(suffix: str, tmp_path: Path) -> None:
    """A picture that is committed changes only where its numbers do."""
    one, other = tmp_path / f"one{suffix}", tmp_path / f"other{suffix}"
    save_breakdown_plot(cpu_record(), one)
    save_breakdown_plot(cpu_record(), other)
    assert one.read_bytes() == other.read_bytes()


def test_each_format_is_what_its_name_says(tmp_path: Path) -> None:
    for suffix, magic in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        save_breakdown_plot(cpu_record(), tmp_path / f"out{suffix}")
        assert (tmp_path / f"out{suffix}").read_bytes().startswith(magic)


@pytest.mark.parametrize("name", ["[loss/pac]", "a|b", "$x$", "$\\nonsense{$", "100 %", "<b>&amp;</b>"])
def test_any_name_can_be_drawn(name: str, tmp_path: Path) -> None:
    record = cpu_record(training=training_of((Times("loss", 1.0, 1.0), Times(name, 2.0, 2.0))))
    save_breakdown_plot(record, tmp_path / "out.svg")
    assert (tmp_path / "out.svg").stat().st_size > 0


def test_without_training_steps_there_is_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no training step"):
        save_breakdown_plot(cpu_record(training=None), tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


def test_a_picture_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        save_breakdown_plot(cpu_record(), tmp_path / "gone" / "out.png")

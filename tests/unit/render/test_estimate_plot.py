"""The picture of an estimate: nothing outside of it, and the same file each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from paco_prof.analysis.projection import TERMS, projection_view
from paco_prof.errors import UsageError
from paco_prof.records import EstimatePlan
from paco_prof.render.estimate_plot import STYLES, estimate_figure, save_estimate_plot
from projections import RECORDS, bare_pilot, estimate_record


@pytest.mark.parametrize("name", RECORDS)
def test_everything_lies_within_the_picture(name: str) -> None:
    figure = estimate_figure(projection_view(RECORDS[name]()), "so many epochs")
    figure.draw_without_rendering()
    whole = figure.bbox
    (axes,) = figure.axes
    for text in (*axes.texts, *axes.get_yticklabels(), axes.xaxis.label, axes.title):
        box = text.get_window_extent()
        assert box.x0 >= whole.x0 - 1
        assert box.x1 <= whole.x1 + 1


def test_bars_are_the_terms_in_the_unit_of_the_axis() -> None:
    """24.4 min and 9.7 min are shown in minutes."""
    view = projection_view(RECORDS["before and after"]())
    (axes,) = estimate_figure(view, "").axes
    assert axes.get_xlabel() == "minutes, whole run"
    ends = [max(patch.get_x() + patch.get_width() for patch in bars[:1]) for bars in axes.containers]
    assert max(ends) == pytest.approx(view.baseline.total.value / 60)
    assert "1.0x" not in axes.texts[0].get_text()
    assert axes.texts[1].get_text().endswith("2.5x")


@pytest.mark.parametrize(
    ("batches", "unit"), [(1, "seconds"), (50, "minutes"), (1000, "hours"), (10**6, "days"), (10**7, "years")]
)
def test_the_unit_follows_the_size(batches: int, unit: str) -> None:
    record = estimate_record(bare_pilot(), plan=EstimatePlan(epochs=10, batches_per_epoch=batches))
    (axes,) = estimate_figure(projection_view(record), "").axes
    assert axes.get_xlabel().startswith(unit)


def test_terms_differ_in_colour_and_in_hatch() -> None:
    assert set(STYLES) == set(TERMS)
    assert len({colour for colour, _, _ in STYLES.values()}) == len({hatch for _, hatch, _ in STYLES.values()}) == 6


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_same_record_is_the_same_file(suffix: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_estimate_plot(RECORDS["everything"](), tmp_path / f"{name}.{suffix}")
    assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()


def test_a_run_without_a_batch_is_not_drawn(tmp_path: Path) -> None:
    record = estimate_record(bare_pilot(), plan=EstimatePlan(dataset_size=7, drop_last=True))
    with pytest.raises(UsageError):
        save_estimate_plot(record, tmp_path / "out.png")
    assert not list(tmp_path.iterdir())

"""What growth is said to be: where a prediction lies, what has no end, and what nobody varied."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from paco_prof.analysis import scale_facts as s
from paco_prof.analysis.scale_bottleneck import Crossover
from paco_prof.analysis.scale_parts import Hindcast
from paco_prof.render.markdown import to_markdown
from paco_prof.render.reports import document_of
from paco_prof.render.scale_text import scale_sentence
from paco_prof.stats.growth import Growth, Prediction, fit_growth
from surveys import grid_record

ONE = ("batch_size",)
GRID = ("batch_size", "num_parts")
SIZES = ((8,), (16,), (64,))
PLACES = tuple((batch, parts) for batch in (2, 4, 16) for parts in (4, 8, 16))


def grown(exponent: float) -> Growth:
    growth = fit_growth([(size,) for size in (2, 4, 8, 16, 32)], [3.0 * size**exponent for size in (2, 4, 8, 16, 32)])
    assert growth is not None
    return growth


@pytest.mark.parametrize(
    ("factors", "target", "measured", "text"),
    [
        (ONE, (128,), SIZES, "a step, 2.0x the largest size; nothing was run there."),
        (ONE, (2,), SIZES, "a step, 0.25x the smallest size; nothing was run there."),
        (ONE, (32,), SIZES, "a step, within the measured sizes; nothing was run there."),
        (ONE, (16,), SIZES, "a step by the fit; what was measured there stands among the sizes."),
        (GRID, (16, 2), PLACES, "a step, 0.50x the smallest K; nothing was run there."),
        (GRID, (32, 2), PLACES, "a step, 2.0x the largest batch size and 0.50x the smallest K; nothing was run there."),
        (GRID, (8, 8), PLACES, "a step, within the measured sizes; nothing was run there."),
    ],
)
def test_a_prediction_tells_where_it_lies(
    factors: tuple[str, ...], target: tuple[int, ...], measured: tuple[tuple[int, ...], ...], text: str
) -> None:
    found = s.Predicted("exact", factors, target, Prediction(3.0, 2.9, 3.1, 1.0), measured)
    assert scale_sentence(found).endswith(f"3.0 s (2.9 to 3.1) {text}")


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (29.1, math.inf, "38.9 s (29.1 s or more) a step"),
        (0.0, 80.2, "38.9 s (80.2 s or less) a step"),
        (0.0, math.inf, "38.9 s (anything) a step"),
        (None, None, "38.9 s a step"),
    ],
)
def test_a_prediction_may_have_no_end(low: float | None, high: float | None, text: str) -> None:
    found = s.Predicted("exact", ONE, (128,), Prediction(38.9, low, high, 2.0), SIZES)
    assert text in scale_sentence(found)


def test_memory_without_an_upper_end_may_not_fit() -> None:
    peak = Prediction(4e9, 3e9, math.inf, 2.0)
    text = scale_sentence(s.MemoryAtTarget("exact", ONE, (128,), peak, "device", 8_000_000_000))
    assert text == (
        "exact at batch size 128: a peak of 4.00 GB (3.00 GB or more) of the device, which may not fit into 8.00 GB."
    )


@pytest.mark.parametrize(
    ("unvaried", "text"),
    [
        (("num_parts",), "4 sizes cannot tell how it grows, because K was not varied by itself."),
        (GRID, "4 sizes cannot tell how it grows, because batch size and K were not varied apart from each other."),
        ((), "4 sizes give an exponent without an interval, and no prediction; 4 give both"),
    ],
)
def test_many_sizes_may_tell_nothing(unvaried: tuple[str, ...], text: str) -> None:
    assert f"exact: {text}" in scale_sentence(s.NoInterval("exact", 4, 2, unvaried))


def test_a_grid_of_which_one_row_was_run_says_so() -> None:
    record = grid_record()
    of_one = tuple(point for point in record.points if point.sizes[1] == 4)
    text = to_markdown(document_of(record.model_copy(update={"points": of_one})))
    assert "3 sizes cannot tell how it grows, because K was not varied by itself." in text
    assert "give an exponent" not in text


def test_each_row_has_a_fit_of_its_own_that_leaves_sizes_out() -> None:
    text = scale_sentence(s.SizesApart("exact", "backbone", ONE, ((8.0,),)))
    assert "Backbone of exact at batch size 8" in text
    assert "its own fit leaves that out" in text


def test_what_does_not_grow_is_said_once_for_each_factor() -> None:
    flat = fit_growth(PLACES, [1.0] * len(PLACES))
    assert flat is not None
    texts = [scale_sentence(s.FastestGrowth("exact", factor, place, flat, None)) for place, factor in enumerate(GRID)]
    assert texts == [f"exact: a step takes about as long at every {name}." for name in ("batch size", "K")]


def test_what_becomes_shorter_does_not_grow() -> None:
    assert scale_sentence(s.FastestGrowth("exact", "batch_size", 0, grown(-1.0), None)).startswith(
        "exact: a step goes with batch size^-1.00"
    )
    assert "a step grows with batch size^2.00" in scale_sentence(
        s.FastestGrowth("exact", "batch_size", 0, grown(2.0), None)
    )


def test_an_interval_without_an_end_holds_nothing() -> None:
    cast = Hindcast((32,), Prediction(3.0, 0.0, math.inf, 2.0), 4.0)
    text = scale_sentence(s.LargestHeldOut("exact", ("batch_size",), cast))
    assert text.endswith("it is 4.0 s (-25.0 %, whose interval has no upper end).")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"is_measured": True}, "overtakes Backbone between batch size 16 and 31 (measured)."),
        ({}, "is predicted to overtake Backbone from batch size 31 on (interval 16 to 36.2); no size there was run."),
        (
            {"is_within": True},
            "overtakes Backbone at about batch size 31 (interval 16 to 36.2), as their fits have it; launches up to "
            "the largest size cannot tell.",
        ),
    ],
)
def test_a_bottleneck_moves(changes: dict[str, bool], text: str) -> None:
    crossover = replace(Crossover("loss", "backbone", 31.0, 16.0, 36.2, is_measured=False), **changes)
    assert scale_sentence(s.BottleneckMoves("exact", "batch_size", crossover)) == f"exact: Loss Computation {text}"

"""Notes below the tables of growth: each explains what stands there, and nothing that does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from paco_prof.analysis.scale import ScaledVariant, ScaleView, VariantRatio, scale_view
from paco_prof.analysis.scale_rows import GrowthRow
from paco_prof.render.document import Table
from paco_prof.render.scale_cells import marked_exponent
from paco_prof.render.scale_notes import fixed_notes, growth_notes, memory_notes, ratio_notes
from paco_prof.render.scale_tables import growth_table, memory_table
from paco_prof.stats.growth import fit_growth
from surveys import RECORDS

SIZES = (2, 4, 8, 16, 32, 64)


@cache
def view_of(name: str) -> ScaleView:
    """The view of a usual record, which is not built again and again."""
    return scale_view(RECORDS[name]())


def row(law: Callable[[int], float]) -> GrowthRow:
    growth = fit_growth([(size,) for size in SIZES], [law(size) for size in SIZES])
    return GrowthRow("row", {(size,): (law(size),) for size in SIZES}, growth, None)


FLAT, POWER = row(lambda size: 1e9), row(lambda size: 1e6 * size**2)
LOWER, FIXED = row(lambda size: 1e6 * size * (size + 3)), row(lambda size: 1e9 + 1e6 * size**2)


def of_one(**changes: object) -> tuple[ScaleView, ScaledVariant]:
    """A variant with a power alone, and what is changed of it."""
    view = view_of("batch")
    rows = (replace(POWER, path="[step]"),)
    plain = replace(view.variants[0], rows=rows, parts=(), peak=POWER, saved=(), hindcast=None)
    return replace(view, ratios=()), replace(plain, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("mark", ["†", "‡", "§"])
def test_a_mark_is_explained_where_it_stands(name: str, mark: str) -> None:
    view = view_of(name)
    measured = [variant for variant in view.variants if variant.rows]
    tables = [table(view, variant) for variant in measured for table in (growth_table, memory_table)]
    stands = any(mark in cell for table in tables for line in table.rows for cell in line.cells)
    ratios = [ratio.growth for ratio in view.ratios if ratio.growth is not None]
    stands |= any(mark in marked_exponent(growth, 0) for growth in ratios)
    assert (f"{mark}:" in growth_notes(view, measured)) == stands


def test_a_mark_of_the_peak_is_explained() -> None:
    assert "†:" not in growth_notes(*(lambda view, variant: (view, [variant]))(*of_one()))
    view, variant = of_one(peak=LOWER)
    assert any("†" in cell for line in memory_table(view, variant).rows for cell in line.cells)
    assert "†: a power alone misses" in growth_notes(view, [variant])


def test_what_does_not_grow_is_taken_for_a_power() -> None:
    view, variant = of_one(rows=(replace(POWER, path="[step]"), replace(FLAT, path="optimizer")))
    assert cells(growth_table(view, variant))[1][1].endswith("§")
    assert "§: its fit is all but flat (within 1.25x), and taken for a power alone" in growth_notes(view, [variant])


def test_only_a_fixed_cost_that_is_shown_is_explained() -> None:
    view, variant = of_one(saved=(row(lambda size: 1e5 + 1e8 * size**1.5),))
    assert variant.saved[0].growth is not None
    assert variant.saved[0].growth.fixed_cost is not None
    assert "There at any size" not in memory_notes(variant)
    assert "a fixed cost stands beside it" not in growth_notes(view, [variant])
    for changes in ({"peak": FIXED}, {"saved": (FIXED,)}, {"rows": (replace(FIXED, path="[step]"),)}):
        view, variant = of_one(**changes)
        assert "a fixed cost stands beside it" in growth_notes(view, [variant])
        assert ("There at any size: 1.00 GB" in memory_notes(variant)) == ("rows" not in changes)


def test_a_peak_is_the_sum_of_what_stands_below_it() -> None:
    view, variant = of_one(peak=replace(LOWER, growth=None), saved=(replace(LOWER, path="loss"),), peak_rest=FIXED)
    lines = cells(memory_table(view, variant))
    assert [line[0] for line in lines] == ["Peak", "Loss Computation", "The rest"]
    assert lines[0][2] == "–"
    assert "There at any size: 1.00 GB (1.00 to 1.00) of the rest." in memory_notes(variant)
    assert "which has no power of its own." in memory_notes(variant)
    assert "the rest is parameters" in memory_notes(variant)


def test_the_fixed_cost_of_a_step_is_shown() -> None:
    view, variant = of_one(rows=(replace(row(lambda size: 0.3 + 0.001 * size**2), path="[step]"),))
    table = growth_table(view, variant)
    assert table.columns[2].title == "fixed"
    assert table.rows[0].cells[2] == "300 ms"
    assert fixed_notes(view, variant) == ""


def test_a_grid_tells_fixed_costs_below_its_table() -> None:
    places = [(batch, parts) for batch in (2, 4, 8, 16) for parts in (2, 4, 8, 16)]
    growth = fit_growth(places, [0.5 + 0.001 * batch * batch * parts for batch, parts in places])
    (variant,) = view_of("grid").variants
    variant = replace(variant, rows=(replace(variant.rows[0], growth=growth),))
    assert "fixed" not in [column.title for column in growth_table(view_of("grid"), variant).columns]
    assert fixed_notes(view_of("grid"), variant).startswith("There at any size: 500 ms (")
    assert fixed_notes(view_of("grid"), variant).endswith(" of the step.")


def test_predictions_are_explained_where_there_are_some() -> None:
    view = view_of("batch")
    text = growth_notes(view, view.variants)
    assert "The step is predicted as the sum" in text
    assert "That rest is taken for a power alone." in text
    few = view_of("search")
    text = growth_notes(few, few.variants[:1])
    assert text == "The exponent is p of a x^p, fitted to the medians at each size, in the logarithms."


def test_a_ratio_that_does_not_grow_has_no_power() -> None:
    view = view_of("batch")
    (ratio,) = view.ratios
    assert "about the same at every size" in ratio_notes(replace(view, ratios=(with_growth(ratio, lambda size: 2.0),)))
    falling = ratio_notes(replace(view, ratios=(with_growth(ratio, lambda size: 1 / size),)))
    assert "That of exact goes with batch size^-1.00 (" in falling
    fixed = ratio_notes(replace(view, ratios=(with_growth(ratio, lambda size: 1 + 0.01 * size**2),)))
    assert "That of exact grows with batch size^2.00 (" in fixed
    assert fixed.endswith(", beside 1.00x at any size.")


def with_growth(ratio: VariantRatio, law: Callable[[int], float]) -> VariantRatio:
    return replace(ratio, growth=row(law).growth)


def cells(table: Table) -> list[tuple[str, ...]]:
    return [line.cells for line in table.rows]

"""The tables of a variant's growth: its sizes, its stages, their exponents, its memory, its largest batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from paco_prof import units
from paco_prof.analysis.scale import ScaledVariant, ScaleView
from paco_prof.analysis.scale_bottleneck import Bottleneck, bottleneck_at, bottleneck_at_target
from paco_prof.analysis.scale_rows import STEP, GrowthRow, Sizes
from paco_prof.render.document import Column, Row, Table
from paco_prof.render.labels import plain_title
from paco_prof.render.scale_cells import (
    bytes_cell,
    factor_words,
    fits_nothing,
    marked_exponent,
    row_title,
    size_cell,
    span_cell,
)
from paco_prof.stats.growth import Growth, Prediction

__all__ = [
    "growth_rows",
    "growth_table",
    "largest_table",
    "memory_rows",
    "memory_table",
    "sizes_table",
    "stages_table",
]

LEFT: Literal["left"] = "left"
# Sizes that a line of 80 letters has room for; of more, the first, the last and some between them are shown.
MOST_SIZES = 6


def sizes_table(view: ScaleView, variant: ScaledVariant) -> Table:
    """A row a size: the step, what it is for an image, memory, launches, and the bottleneck."""
    columns = (
        Column(", ".join(factor_words(factor) for factor in view.factors), LEFT),
        Column("step (ms)"),
        Column("ms/image"),
        Column("memory"),
        Column("launches"),
        Column("bottleneck", LEFT, wraps=True),
    )
    rows = [_size_row(view, variant, sizes) for sizes in variant.sizes]
    step = variant.step
    if view.target is not None and step is not None and step.target is not None:
        peak = None if variant.peak is None else variant.peak.target
        cells = (
            f"{size_cell(view.target)}, predicted",
            units.milliseconds(step.target.value),
            _for_an_image(view, variant, view.target, step.target.value),
            units.gigabytes(None if peak is None else round(peak.value)),
            "",
            _bottleneck(bottleneck_at_target(variant)),
        )
        rows.append(Row(cells, style="total"))
    return Table(columns, tuple(rows))


def _size_row(view: ScaleView, variant: ScaledVariant, sizes: Sizes) -> Row:
    step = variant.step
    seconds = None if step is None else step.at(sizes)
    peak = None if variant.peak is None else variant.peak.at(sizes)
    cells = (
        size_cell(sizes),
        units.milliseconds(seconds),
        _for_an_image(view, variant, sizes, seconds),
        units.gigabytes(None if peak is None else round(peak)),
        units.count(0 if step is None else len(step.launches.get(sizes, ()))),
        _bottleneck(bottleneck_at(variant, sizes)),
    )
    return Row(cells)


def _for_an_image(view: ScaleView, variant: ScaledVariant, sizes: Sizes, seconds: float | None) -> str:
    batch = dict(zip(view.factors, sizes, strict=True)).get("batch_size", variant.contestant.workload.batch_size)
    return units.milliseconds(None if seconds is None else seconds / batch)


def _bottleneck(found: Bottleneck | None) -> str:
    return units.MISSING if found is None else f"{plain_title(found.path)} {units.percent(found.share)}"


def stages_table(view: ScaleView, variant: ScaledVariant) -> Table:
    """A row a stage with a column a size, as many as a line has room for."""
    shown = _some(variant.sizes)
    title = "Component (ms)" if len(view.factors) == 1 else f"Component (ms) at {size_title(view)}"
    columns = (Column(title, LEFT), *(Column(size_cell(sizes)) for sizes in shown))
    rows = [
        Row(
            (row_title(row.path), *(units.milliseconds(row.at(sizes)) for sizes in shown)),
            row.depth,
            "plain" if row.is_stage else "strong",
        )
        for row in variant.rows
    ]
    return Table(columns, tuple(rows))


def size_title(view: ScaleView) -> str:
    """`batch size, K`: what the numbers of a size are of."""
    return ", ".join(factor_words(factor) for factor in view.factors)


def _some(sizes: Sequence[Sizes]) -> list[Sizes]:
    """The first, the last and evenly chosen ones between them."""
    if len(sizes) <= MOST_SIZES:
        return list(sizes)
    last = len(sizes) - 1
    return [sizes[round(place * last / (MOST_SIZES - 1))] for place in range(MOST_SIZES)]


def growth_rows(variant: ScaledVariant) -> tuple[GrowthRow, ...]:
    """Those whose growth is shown: the step and its stages."""
    return tuple(row for row in variant.rows if row.is_stage or row.path == STEP)


def growth_table(view: ScaleView, variant: ScaledVariant) -> Table:
    """A row a stage: its exponent in each factor, its fixed cost where there is one, and its prediction."""
    shown = growth_rows(variant)
    # Two exponents leave no room for it.
    has_fixed = len(view.factors) == 1 and any(
        row.growth is not None and row.growth.fixed_cost is not None for row in shown
    )
    columns = [Column("Component", LEFT), *_exponent_columns(view)]
    columns += [Column("fixed")] if has_fixed else []
    columns += [] if view.target is None else [Column(f"at {size_cell(view.target)}", LEFT)]
    rows = [Row(_growth_cells(view, row, has_fixed), row.depth, _style(row)) for row in shown]
    return Table(tuple(columns), tuple(rows))


def _exponent_columns(view: ScaleView) -> list[Column]:
    if len(view.factors) == 1:
        return [Column("exponent", LEFT)]
    return [Column(f"exponent of {factor_words(factor)}", LEFT) for factor in view.factors]


def _style(row: GrowthRow) -> Literal["plain", "strong"]:
    return "plain" if row.is_stage else "strong"


def _growth_cells(view: ScaleView, row: GrowthRow, has_fixed: bool) -> tuple[str, ...]:
    growth = row.growth
    cells = [row_title(row.path), *_exponents(growth, len(view.factors))]
    if has_fixed:
        fixed = None if growth is None else growth.fixed_cost
        cells.append("" if fixed is None else units.span(fixed.value))
    if view.target is not None:
        cells.append(span_cell(row.target) if len(view.factors) == 1 else _span(row.target))
    return tuple(cells)


def _span(predicted: Prediction | None) -> str:
    """Without the interval: two exponents leave no room for it."""
    return units.span(None if predicted is None else predicted.value)


def _exponents(growth: Growth | None, num: int) -> list[str]:
    return [units.MISSING if growth is None else marked_exponent(growth, place) for place in range(num)]


def memory_rows(variant: ScaledVariant) -> tuple[tuple[str, GrowthRow], ...]:
    """The peak, what stages keep for the backward pass, and what the peak is beside that, with their titles."""
    peak, rest = variant.peak, variant.peak_rest
    return (
        *(() if peak is None else (("Peak", peak),)),
        *((plain_title(row.path), row) for row in variant.saved),
        *(() if rest is None else (("The rest", rest),)),
    )


def memory_table(view: ScaleView, variant: ScaledVariant) -> Table:
    """Memory at the smallest and the largest size, its exponent, and its prediction."""
    # A prediction, or a second exponent, leaves no room for the smallest.
    is_wide = view.target is not None or len(view.factors) > 1
    ends = [variant.sizes[-1]] if is_wide else list(dict.fromkeys((variant.sizes[0], variant.sizes[-1])))
    columns = [Column("Memory", LEFT), *(Column(f"at {size_cell(sizes)}") for sizes in ends)]
    columns += _exponent_columns(view)
    columns += [] if view.target is None else [Column(f"at {size_cell(view.target)}", LEFT)]
    rows = [
        _memory_row(view, row, title, ends, depth=int(row is not variant.peak)) for title, row in memory_rows(variant)
    ]
    return Table(tuple(columns), tuple(rows))


def _memory_row(view: ScaleView, row: GrowthRow, title: str, ends: Sequence[Sizes], depth: int) -> Row:
    cells = [title]
    for sizes in ends:
        value = row.at(sizes)
        cells.append(units.gigabytes(None if value is None else round(value)))
    cells += _exponents(row.growth, len(view.factors))
    if view.target is not None:
        bare = units.gigabytes(None if row.target is None else round(row.target.value))
        cells.append(bytes_cell(row.target) if len(view.factors) == 1 else bare)
    return Row(tuple(cells), depth, "plain" if depth else "strong")


def largest_table(searched: Sequence[ScaledVariant]) -> Table:
    """What the search for the largest batch found, a row a variant."""
    columns = (
        Column("", LEFT),
        Column("fits"),
        Column("memory"),
        Column("of"),
        Column("margin"),
        Column("next"),
        Column("why no larger one", LEFT, wraps=True),
    )
    return Table(columns, tuple(_largest_row(variant) for variant in searched))


def _largest_row(variant: ScaledVariant) -> Row:
    largest = variant.largest
    assert largest is not None
    margin = units.MISSING
    if largest.limit_bytes is not None and largest.peak_bytes is not None:
        left = largest.limit_bytes - largest.peak_bytes
        margin = f"{units.gigabytes(left) if left >= 0 else '0.0 MB'} ({units.percent(left / largest.limit_bytes)})"
    fits = units.MISSING if largest.size is None else units.count(largest.size)
    cells = (
        variant.name,
        "none" if fits_nothing(largest) else fits,
        units.gigabytes(largest.peak_bytes),
        units.gigabytes(largest.limit_bytes),
        margin,
        units.MISSING if largest.next_size is None else units.count(largest.next_size),
        largest.reason,
    )
    return Row(cells)

"""The stages of a step before and after, in a table that adds up to the step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from paco_prof import units
from paco_prof.analysis.comparison import ComparedVariant, StageChange
from paco_prof.render.comparison_text import measured_ratio
from paco_prof.render.document import Column, Row, Table
from paco_prof.render.labels import title_of
from paco_prof.stats.summary import Estimate

__all__ = ["stage_table"]

LEFT: Literal["left"] = "left"


def stage_table(variant: ComparedVariant, most: int | None = None) -> Table:
    """The stages of a variant beside those before; without speed-ups where the step has none.

    Args:
        variant: one that has stages.
        most: stages to show, those that changed most, with their parts; all others are one row. None shows all of them,
            in the order of a step.
    """
    columns = [
        Column("Component (ms)", LEFT),
        Column("before"),
        Column("after"),
        Column("change"),
        Column("speed-up", LEFT),
    ]
    rows = _stage_rows(variant, most)
    rows.append(Row(("Unattributed", *_times(*variant.unattributed), ""), style="total"))
    if variant.before is not None and variant.step is not None:
        times = _times(variant.before.value, variant.step.value)
        rows.append(Row(("Step", *times, measured_ratio(variant.speedup)), style="total"))
    if variant.speedup is None:
        columns, rows = columns[:-1], [Row(row.cells[:-1], row.depth, row.style) for row in rows]
    return Table(tuple(columns), tuple(rows))


def _stage_rows(variant: ComparedVariant, most: int | None) -> list[Row]:
    if most is None:
        return [_stage_row(change) for change in variant.stages]
    top = sorted(variant.top_stages, key=lambda stage: -abs(stage.change))
    rows = []
    for stage in top[:most]:
        rows.append(_stage_row(stage))
        rows += [_stage_row(part) for part in variant.stages if part.path.startswith(f"{stage.path}/")]
    others = top[most:]
    if others:
        before, after = _total(stage.before for stage in others), _total(stage.after for stage in others)
        rows.append(Row((f"{len(others)} other{'' if len(others) == 1 else 's'}", *_times(before, after), "")))
    return rows


def _stage_row(change: StageChange) -> Row:
    before, after = (None if time is None else time.value for time in (change.before, change.after))
    speedup = units.MISSING if change.speedup is None else units.ratio(change.speedup.ratio)
    cells = (
        title_of(change.path, 2),
        units.milliseconds(before),
        units.milliseconds(after),
        units.signed_milliseconds(change.change),
        speedup if change.established or change.speedup is None else "~",
    )
    return Row(cells, change.depth)


def _times(before: float, after: float) -> tuple[str, str, str]:
    return units.milliseconds(before), units.milliseconds(after), units.signed_milliseconds(after - before)


def _total(times: Iterable[Estimate | None]) -> float:
    return sum(time.value for time in times if time is not None)

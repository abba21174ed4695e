"""The table of stages: all of them in their order, or those that changed most and the sum of the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from comparisons import comparison_record
from gates import revisions
from paco_prof.analysis.comparison import ComparedVariant, comparison_view
from paco_prof.render.stage_table import stage_table


def number(cell: str) -> float:
    return float(cell.replace(",", ""))


def slower() -> ComparedVariant:
    return comparison_view(revisions()).variants[0]


def test_without_a_limit_every_stage_has_its_row() -> None:
    (exact, _) = comparison_view(comparison_record()).variants
    table = stage_table(exact)
    assert len(table.rows) == len(exact.stages) + 2
    assert [row.depth for row in table.rows[:-2]] == [stage.depth for stage in exact.stages]


def test_the_largest_changes_come_first_with_their_parts() -> None:
    table = stage_table(slower(), 2)
    assert [row.cells[0] for row in table.rows] == [
        "Part Sampling (2x)",
        "Loss Computation",
        "Cross-Entropy (CE)",
        "Part Contrast (PaC)",
        "Consistency (SoC)",
        "12 others",
        "Unattributed",
        "Step",
    ]
    assert [row.depth for row in table.rows][:5] == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("most", [0, 1, 5, 100])
def test_the_rows_add_up_to_the_step_however_many_are_shown(most: int) -> None:
    *rows, step = [row for row in stage_table(slower(), most).rows if row.depth == 0]
    for column in (1, 2):
        assert sum(number(row.cells[column]) for row in rows) == pytest.approx(number(step.cells[column]), abs=2)


def test_where_all_are_shown_there_are_no_others() -> None:
    assert not any("others" in row.cells[0] for row in stage_table(slower(), 100).rows)


def test_without_a_speed_up_there_is_no_column_of_them() -> None:
    table = stage_table(replace(slower(), speedup=None))
    assert [column.title for column in table.columns] == ["Component (ms)", "before", "after", "change"]
    assert {len(row.cells) for row in table.rows} == {4}

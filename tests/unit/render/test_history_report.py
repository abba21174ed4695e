"""The report of a history, and the same as plain data."""

from __future__ import annotations

import json

import pytest

from builders import CPU, RESNET50
from histories import breakdowns, changing_view, named, noisy, short_view, step_record, training, yardstick_view
from paco_prof.analysis.history import HistoryView, history_view
from paco_prof.forms import Forms
from paco_prof.records import VariantUsed
from paco_prof.render.document import Bullets, Document, Heading, Paragraph, Table
from paco_prof.render.history_data import history_data
from paco_prof.render.history_report import history_document
from paco_prof.render.history_text import titles

VIEWS = {"changing": changing_view, "yardstick": yardstick_view, "short": short_view}


def texts(document: Document) -> str:
    """All that is said in sentences."""
    said = [block.text for block in document.blocks if isinstance(block, Paragraph | Heading)]
    return "\n".join(
        [*said, *(item for block in document.blocks if isinstance(block, Bullets) for item in block.items)]
    )


def tables(view: HistoryView) -> list[Table]:
    return [block for block in history_document(view).blocks if isinstance(block, Table)]


@pytest.mark.parametrize("name", VIEWS)
def test_every_row_has_a_cell_a_column(name: str) -> None:
    for table in tables(VIEWS[name]()):
        assert {len(row.cells) for row in table.rows} == {len(table.columns)}


def test_a_change_is_marked_and_said() -> None:
    document = history_document(changing_view())
    strong = [row.cells for row in tables(changing_view())[0].rows if row.style == "strong"]
    assert [cells[-1] for cells in strong] == ["slower by 11.2 %", "faster by 14.7 %"]
    assert f"Since commit {strong[0][0]} the step of resnet50, batch 8, 224 px is 11.2 % slower (103 to" in texts(
        document
    )


def test_a_ratio_is_said_to_be_one() -> None:
    said = texts(history_document(yardstick_view()))
    assert "slower beside the yardstick (2.00x to 2.23x its time" in said
    assert "does not drift" in said
    assert "Wall times drift" not in said
    assert "does not drift" not in texts(history_document(short_view()))


def test_a_flat_series_says_so() -> None:
    view = history_view(breakdowns(noisy([0.1] * 20, 0.01)))
    assert "No change point in 20 commits of resnet50" in texts(history_document(view))


def test_a_change_at_a_point_without_a_commit_has_its_date() -> None:
    unnamed = CPU.model_copy(update={"commit": None})
    records = [step_record(n, 0.1 if n < 8 else 0.15, environment=unnamed) for n in range(16)]
    assert "Since 2026-01-09 the step" in texts(history_document(history_view(named(records))))


def test_a_single_launch_of_a_single_step_has_no_interval() -> None:
    once = step_record(0, 0.1, training=training(0.1, num_steps=1))
    (table,) = tables(history_view(named([once, step_record(1, 0.1)])))
    assert table.rows[0].cells[3:5] == ("–", "1/1")


def test_nothing_left_out_is_not_mentioned() -> None:
    assert "Left out" not in texts(history_document(short_view()))


def test_many_files_are_counted_and_some_named() -> None:
    view = history_view(breakdowns([0.1]), unread=[f"{name}.json" for name in "abcde"])
    assert "5 other JSON files are no records that this version reads: a.json, b.json, c.json and 2 more." in texts(
        history_document(view)
    )


def test_series_of_the_same_name_are_told_apart() -> None:
    changes = [{}, {"seed": 3}, {"seed": 3, "forms": Forms(contrast="fused")}]
    records = [step_record(n, 0.1, workload=RESNET50.model_copy(update=update)) for n, update in enumerate(changes)]
    records.append(step_record(5, 0.1, variant=VariantUsed(name="mine")))
    assert titles(history_view(named(records))) == (
        "resnet50, batch 8, 224 px (seed=0, contrast=loop)",
        "resnet50, batch 8, 224 px (seed=3, contrast=loop)",
        "resnet50, batch 8, 224 px (seed=3, contrast=fused)",
        "resnet50, batch 8, 224 px, mine",
    )


@pytest.mark.parametrize("name", VIEWS)
def test_data_say_what_the_view_says(name: str) -> None:
    view = VIEWS[name]()
    data = json.loads(json.dumps(history_data(view), allow_nan=False))
    assert [len(series["points"]) for series in data["series"]] == [len(series.points) for series in view.series]
    for series, shown in zip(data["series"], view.series, strict=True):
        assert series["judged_by"] == ("ratio" if shown.by_ratio else "seconds")
        assert [change["relative"] for change in series["changes"]] == [change.relative for change in shown.changes]
        for change in series["changes"]:
            assert series["points"][change["place"]]["commit"] == change["commit"]
        assert series["levels"][-1]["end"] == len(series["points"])


def test_data_tell_of_other_machines() -> None:
    left = history_data(changing_view())["left_out"]
    assert left["unread"] == ["benchmarks.json"]
    (machine,) = left["other_machines"]
    assert machine["differences"]["cores"] == [16, 2]

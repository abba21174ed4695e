"""The bottleneck table on the terminal: every row on one line at 80 columns, every cell there and whole."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from builders import (
    ON_GPU,
    Times,
    analysis_record,
    changed,
    cpu_record,
    gpu_record,
    interrupted_record,
    training_of,
    with_stage,
)
from paco_prof.records import BreakdownRecord, StageSamples
from paco_prof.render.breakdown_report import breakdown_document
from paco_prof.render.document import Document, Row, Table
from paco_prof.render.terminal import to_terminal
from paco_prof.units import MISSING


def table_of(record: BreakdownRecord) -> Table:
    """The bottleneck table of a record."""
    blocks = breakdown_document(record).blocks
    return next(block for block in blocks if isinstance(block, Table) and block.columns[0].title.startswith("Comp"))


def lines_of(table: Table, width: int = 80) -> list[str]:
    """A table as the terminal shows it, lines that are empty or rules left out."""
    console = Console(width=width, color_system=None, file=io.StringIO(), legacy_windows=False)
    console.print(to_terminal(Document("title", (table,))))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return [line for line in text.splitlines()[1:] if line.strip().strip("─")]


def row_of(record: BreakdownRecord, title: str) -> Row:
    """The row whose first cell is the title."""
    return next(row for row in table_of(record).rows if row.cells[0] == title)


def cell(record: BreakdownRecord, title: str, column: str) -> str:
    """One cell of the bottleneck table."""
    titles = [c.title for c in table_of(record).columns]
    return row_of(record, title).cells[titles.index(column)]


def check_is_unbroken(table: Table, width: int) -> None:
    """One line a row and one for the titles, each with all its cells in full."""
    header, *lines = lines_of(table, width)
    assert header.split() == " ".join(column.title for column in table.columns).split()
    assert len(lines) == len(table.rows)
    for line, row in zip(lines, table.rows, strict=True):
        assert line.startswith("  " * row.depth + row.cells[0])
        assert line.split() == " ".join(row.cells).split()


def slow_gpu_record(factor: float) -> BreakdownRecord:
    """The launch-bound run on a GPU, so much slower."""
    slow = [Times(s.path, *(t and t * factor for t in (s.forward, s.backward, s.other)), s.calls) for s in ON_GPU]
    training = training_of(slow, on_device=True)
    stages = tuple(s.model_copy(update={"host": s.device}) for s in training.stages)
    return gpu_record().model_copy(update={"training": training.model_copy(update={"stages": stages}), "memory": None})


RECORDS = {
    "cpu": cpu_record(),
    "gpu": gpu_record(),
    "interrupted": interrupted_record(),
    "analysis": analysis_record(),
    # The analysis's own 13,266 ms a step, on a GPU that waits for the host.
    "launch-bound, 13 s": slow_gpu_record(15.3),
    # A minute and a half a step: what a batch of 16 takes in the reference loop.
    "launch-bound, 90 s": slow_gpu_record(104.0),
}


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("name", RECORDS)
def test_no_row_wraps(name: str, width: int) -> None:
    check_is_unbroken(table_of(RECORDS[name]), width)


def test_a_very_noisy_stage_does_not_wrap_its_row() -> None:
    wild = (0.0001, 0.0001, 0.01, 0.0001, 0.0001, 0.0001, 0.0001)
    stages = [
        s.model_copy(update={"host": wild}) if s.path == "transfer" else s
        for s in cpu_record().training.stages  # type: ignore[union-attr]
    ]
    table = table_of(changed(cpu_record(), "training.stages", tuple(stages)))
    assert any("±" in row.cells[4] and len(row.cells[4]) >= 9 for row in table.rows)
    check_is_unbroken(table, 80)


def test_a_name_that_is_too_long_is_folded_and_not_cut() -> None:
    """The numbers stay whole: the name gives way."""
    name = "an_augmentation_with_a_very_long_name_indeed"
    lines = lines_of(
        table_of(with_stage(cpu_record(), StageSamples(path=name, phase="other", calls=1, host=(1.0,) * 7)))
    )
    start = next(index for index, line in enumerate(lines) if line.startswith("an_"))
    assert "".join(line.split()[0] for line in lines[start : start + 2]).startswith(name[:40])
    assert "1,000" in lines[start]


@pytest.mark.parametrize(
    "name", ["[loss/pac]", "[bold]x[/bold]", "a|b", "[link=http://x]y[/link]", "x[/]", "{title}", "*a*"]
)
def test_names_are_text_and_never_markup(name: str) -> None:
    record = cpu_record(training=training_of((Times("loss", 1.0, 1.0), Times(name, 2.0, 2.0))))
    shown = [line.strip() for line in lines_of(table_of(record), 120)]
    # Its parents, if it has any, stand above it.
    assert any(line.startswith(f"{name.rpartition('/')[2]} ") for line in shown)


def test_nested_stages_are_indented_below_their_parents() -> None:
    record = cpu_record(training=training_of((Times("a/b/c", 1.0, 1.0), Times("loss/pac/lu", 1.0, 1.0))))
    rows = [(row.cells[0], row.depth) for row in table_of(record).rows[:-2]]
    assert [depth for _, depth in rows] == [0, 1, 2, 0, 1, 2]
    lines = lines_of(table_of(record))[1:7]
    assert [len(line) - len(line.lstrip()) for line in lines] == [0, 2, 4, 0, 2, 4]
    assert [title.rpartition("/")[2] for title, _ in rows[3:]] == ["a", "b", "c"]


def test_stages_have_the_analysiss_names() -> None:
    titles = [row.cells[0] for row in table_of(analysis_record()).rows]
    assert titles == [
        "Loss Computation",
        "Backbone (2x forward)",
        "Part Sampling (2x)",
        "Hungarian Matching",
        "Covariance Computation",
        "Negatives Pool Creation",
        "Dimension Reduction",
        "Unattributed",
        "Step",
    ]


def test_the_analysiss_figures_and_shares_are_reproduced() -> None:
    rows = {row.cells[0]: row.cells for row in table_of(analysis_record()).rows}
    assert [rows["Loss Computation"][i] for i in (1, 2, 3, 5, 6)] == ["4,972", MISSING, "4,972", "94.1 %", "CRITICAL"]
    assert [rows["Backbone (2x forward)"][i] for i in (1, 5, 6)] == ["188", "3.6 %", "Medium"]
    assert [rows["Dimension Reduction"][i] for i in (1, 5, 6)] == ["5.00", "0.1 %", "Low"]
    assert rows["Step"][1:4] == ("4,982", "8,284", "13,266")
    assert rows["Unattributed"][1:4] == ("-301", "8,284", "7,983")


def test_a_lost_event_is_shown_as_not_measured() -> None:
    assert row_of(gpu_record(), "augment").cells[1:] == (MISSING,) * 5 + ("",)


def test_a_measured_zero_is_shown_as_zero() -> None:
    free = StageSamples(path="free", phase="forward", calls=1, host=(0.0,) * 7)
    record = with_stage(cpu_record(), free)
    assert cell(record, "free", "forward") == "0.00"
    assert cell(record, "free", "share") == "0.0 %"


def test_launch_bound_stages_carry_a_mark_that_the_findings_explain() -> None:
    assert cell(gpu_record(), "Hungarian Matching", "priority") == "Low†"
    assert cell(gpu_record(), "Backbone (2x forward)", "priority") == "Medium"
    assert not any("†" in text for row in table_of(cpu_record()).rows for text in row.cells)


def test_the_last_rows_are_what_is_left_and_the_whole() -> None:
    for record in RECORDS.values():
        *_, rest, step = table_of(record).rows
        assert (rest.cells[0], step.cells[0]) == ("Unattributed", "Step")
        assert (rest.style, step.style) == ("total", "total")


def test_a_critical_stage_stands_out() -> None:
    styles = {row.cells[0]: row.style for row in table_of(cpu_record()).rows}
    assert styles["Loss Computation"] == "strong"
    assert styles["Backbone (2x forward)"] == "plain"


def numbers(cells: Sequence[str]) -> list[float]:
    """The totals of rows, in milliseconds."""
    return [float(text.replace(",", "")) for text in cells if text != MISSING]


@pytest.mark.parametrize("name", ["cpu", "gpu", "interrupted", "analysis"])
def test_what_is_shown_adds_up_to_rounding(name: str) -> None:
    """As a reader would check it with a pocket calculator."""
    *rows, step = table_of(RECORDS[name]).rows
    shown = numbers([row.cells[3] for row in rows if row.depth == 0])
    (whole,) = numbers([step.cells[3]])
    assert sum(shown) == pytest.approx(whole, abs=0.5 * (len(shown) + 1))

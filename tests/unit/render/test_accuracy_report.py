"""What stands where in the report of a comparison of accuracies, and that every figure of it can be read."""

from __future__ import annotations

import io
import re
from functools import cache

import pytest
from rich.console import Console

from accuracies import RECORDS, accuracy_record, twin_of
from paco_prof.analysis.accuracy import accuracy_view
from paco_prof.render.accuracy_report import accuracy_document, accuracy_subject
from paco_prof.render.document import Bullets, Document, Heading, Paragraph, Table
from paco_prof.render.markdown import to_markdown
from paco_prof.render.terminal import to_terminal
from paco_prof.units import MISSING

SIGNS = re.compile(r"[\d–]")


@cache
def document_of(name: str) -> Document:
    return accuracy_document(RECORDS[name]())


def sections(document: Document) -> list[str]:
    return [block.text for block in document.blocks if isinstance(block, Heading)]


def table(document: Document, title: str) -> Table:
    """The table below a heading."""
    place = [isinstance(block, Heading) and block.text == title for block in document.blocks].index(True)
    found = document.blocks[place + 1]
    assert isinstance(found, Table)
    return found


def rows(document: Document, title: str) -> dict[str, tuple[str, ...]]:
    return {row.cells[0]: row.cells[1:] for row in table(document, title).rows}


def prose(document: Document) -> str:
    texts = [block.text for block in document.blocks if isinstance(block, Paragraph)]
    bullets = [item for block in document.blocks if isinstance(block, Bullets) for item in block.items]
    return "\n".join([*texts, *bullets])


def on_terminal(document: Document, width: int) -> str:
    console = Console(width=width, color_system=None, file=io.StringIO(), legacy_windows=False)
    console.print(to_terminal(document))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_accuracy_comes_first_and_how_it_was_measured_last() -> None:
    wanted = ["Accuracy", "Time", "Trained through an exact twin", "Findings", "How it was measured"]
    assert sections(document_of("decided")) == wanted
    assert "Trained through an exact twin" not in sections(document_of("undecided"))


def test_an_accuracy_and_a_difference_stand_with_their_intervals() -> None:
    shown = rows(document_of("decided"), "Accuracy")
    assert list(shown) == ["baseline", "exact", "optimized"]
    baseline, exact, optimized = shown.values()
    assert baseline[0] == "8"
    assert baseline[2:] == ("", "")
    assert exact[3] == "as good"
    assert optimized[3] == "worse"
    view = accuracy_view(accuracy_record())
    difference = view.variants[1].difference
    assert difference is not None
    assert difference.low is not None
    value, low, _ = (float(number) for number in re.findall(r"[-+]\d+\.\d+", optimized[2]))
    assert (value, low) == pytest.approx((100 * difference.value, 100 * difference.low), abs=0.005)
    assert [row.style for row in table(document_of("decided"), "Accuracy").rows] == ["plain", "plain", "strong"]


def test_the_time_to_the_target_is_told_for_those_who_reached_it() -> None:
    time = table(document_of("decided"), "Time")
    assert [column.title for column in time.columns][1:] == ["kind", "an epoch", "to 96.7 %", "reached", "speed-up"]
    shown = rows(document_of("decided"), "Time")
    assert shown["baseline †"][0] == "exact"
    assert shown["baseline †"][3:] == ("8 of 8", "")
    assert shown["exact"][4].endswith("x")
    assert shown["optimized"] == ("different", "6.3 s", MISSING, "0 of 8", MISSING)


def test_what_was_trained_through_its_twin_says_so_with_the_check_and_the_scale() -> None:
    text = prose(document_of("decided"))
    for words in ("5,201 ms a step", "217 ms a step", "times 24.00", "3.1e-08", "It is exact."):
        assert words in text
    astray = prose(document_of("astray twin"))
    assert "It is not exact here: see the findings." in astray
    assert "does not have the loop's objective here" in astray


def test_one_seed_has_a_difference_and_no_interval() -> None:
    shown = rows(document_of("one seed"), "Accuracy")["exact"]
    assert "(" not in shown[1] + shown[2]
    assert shown[3] == "inconclusive"
    assert "One seed" in prose(document_of("one seed"))


def test_seeds_that_are_missing_are_counted() -> None:
    assert rows(document_of("failed run"), "Accuracy")["exact"][0] == "2 of 3"
    assert rows(document_of("failed run"), "Accuracy")["exact"][3] == "inconclusive"
    assert "the loss was NaN for 200 steps. It is not judged" in prose(document_of("failed run"))


def test_without_a_complete_run_there_is_a_report_all_the_same() -> None:
    document = document_of("unfinished")
    assert rows(document, "Accuracy") == {
        "baseline": ("0 of 3", MISSING, "", ""),
        "exact": ("0 of 3", MISSING, MISSING, "not judged"),
    }
    assert table(document, "Time").columns[3].title == "to the target"
    assert "was interrupted with 0 of 6 runs" in prose(document)


def test_the_machine_the_data_the_command_and_the_margin_are_named() -> None:
    text = prose(document_of("decided"))
    for words in ("AMD EPYC 7B13", "1,438 images to train on and 359 held out", "--accuracy --seeds 8", "-1.00 pt"):
        assert words in text
    assert "24 of 24 planned runs are judged" in text


def test_outcomes_that_are_not_known_by_image_are_said_not_to_be() -> None:
    record = accuracy_record(3)
    lost = tuple(run.model_copy(update={"correct": ""}) for run in record.runs)
    document = accuracy_document(record.model_copy(update={"runs": lost}))
    assert "taken for independent" in prose(document)


def test_a_target_that_was_given_is_said_to_be() -> None:
    plan = accuracy_record(3).plan.model_copy(update={"target": 0.9})
    document = accuracy_document(accuracy_record(3, plan=plan))
    assert table(document, "Time").columns[3].title == "to 90.0 %"
    assert "90.0 %, as asked" in prose(document)


def test_titles_name_the_variants_or_how_many_there_are() -> None:
    assert accuracy_subject(accuracy_record(3)) == "exact, optimized over baseline; resnet18, batch 32, 96 px, digits"
    assert document_of("crowded").title.startswith("paco-prof compare --accuracy: 6 variants over baseline")


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", RECORDS)
def test_no_figure_is_cut_or_broken(name: str, width: int) -> None:
    document = document_of(name)
    text = on_terminal(document, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    tables = [block for block in document.blocks if isinstance(block, Table)]
    assert not [c for t in tables for row in t.rows for c in row.cells[1:] if SIGNS.search(c) and c not in text]


@pytest.mark.parametrize("name", RECORDS)
def test_markdown_has_as_many_columns_in_each_row(name: str) -> None:
    document = document_of(name)
    for block in document.blocks:
        if isinstance(block, Table):
            assert all(len(row.cells) == len(block.columns) for row in block.rows)
    bars = [len(re.findall(r"(?<!\\)\|", x)) for x in to_markdown(document).splitlines() if x.startswith("|")]
    assert set(bars) <= {len(block.columns) + 1 for block in document.blocks if isinstance(block, Table)}


def test_two_twins_have_a_paragraph_each() -> None:
    text = prose(accuracy_document(accuracy_record(3, twins=(twin_of(0), twin_of(1)))))
    assert len(re.findall(r"† has the reference loop", text)) == 2

"""What stands where in the report of a gate, and that every figure of it can be read."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from gates import AWKWARD, GATES, LAUNCHES, gate_of, gate_record, own_comparison, revision, revisions, saved
from paco_prof.analysis.gate import gate_view
from paco_prof.errors import UsageError
from paco_prof.records import CheckPlan, ComparisonPlan
from paco_prof.render.document import Bullets, Document, Heading, Paragraph, Table
from paco_prof.render.gate_report import gate_document
from paco_prof.render.gate_text import gate_sentence, is_told
from paco_prof.render.markdown import to_markdown
from paco_prof.render.reports import document_of, save_plot
from paco_prof.render.terminal import to_terminal


def sections(document: Document) -> list[str]:
    return [block.text for block in document.blocks if isinstance(block, Heading)]


def prose(document: Document) -> str:
    return "\n".join(block.text for block in document.blocks if isinstance(block, Paragraph))


def tables(document: Document) -> list[Table]:
    return [block for block in document.blocks if isinstance(block, Table)]


def on_terminal(document: Document, width: int) -> str:
    console = Console(width=width, color_system=None, file=io.StringIO(), legacy_windows=False)
    console.print(to_terminal(document))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("name", GATES)
def test_the_title_the_table_and_the_sentences_come_first(name: str) -> None:
    record, view = GATES[name]
    document = gate_document(record, view)
    assert document.title.startswith(f"paco-prof check: {view.verdict}")
    table = document.blocks[0]
    assert isinstance(table, Table)
    assert [column.title for column in table.columns] == ["check", "measured", "allowed", "verdict"]
    assert [row.cells[0] for row in table.rows] == [result.check.name for result in view.results]
    assert [row.style == "strong" for row in table.rows] == [result.verdict != "pass" for result in view.results]
    told = [gate_sentence(result) for result in view.results if is_told(result)]
    assert [list(block.items) for block in document.blocks if isinstance(block, Bullets)] == ([told] if told else [])
    assert sections(document)[-1] == "How it was judged"


def test_an_inconclusive_gate_that_is_let_pass_says_so() -> None:
    assert gate_document(*GATES["let-pass"]).title == "paco-prof check: inconclusive, which is let pass"
    assert gate_document(*GATES["inconclusive"]).title == "paco-prof check: inconclusive"


def test_only_steps_that_have_become_slower_have_their_stages() -> None:
    fail = sections(gate_document(*GATES["fail"]))
    assert fail[:2] == ["Before and after: against main", "Before and after: against reports/baseline.json"]
    assert all(sections(gate_document(*GATES[name])) == ["How it was judged"] for name in GATES if name != "fail")


def test_how_it_was_judged_names_machine_launches_looks_tests_and_exit_codes() -> None:
    text = prose(gate_document(*GATES["fail"]))
    for words in (
        "AMD EPYC 7B13",
        "main at 0123456789ab and working tree at ba9876543210+ (resnet50, batch 8, 224 px); 14 launches",
        "twice, after 8 and, if need be, after 14, with p at most 0.5 % each time",
        "signed-rank test or rank-sum test",
        "by more than matters (3 %)",
        "Exit code 1 (0 pass, 1 fail, 2 bad input",
        "in units of the yardstick",
        "Command: paco-prof check --against main",
    ):
        assert words in text


def test_a_gate_without_a_saved_baseline_speaks_of_no_yardstick_pace_nor_rank_sums() -> None:
    text = prose(gate_document(*GATES["pass"]))
    assert "rank-sum" not in text
    assert "pace" not in text


def test_one_look_has_all_of_alpha() -> None:
    assert "once, after 14, with p at most 1 %" in prose(gate_document(*GATES["let-pass"]))
    short = gate_of("few launches", plan=CheckPlan(launches=8, first_look=8))
    assert "once, after 8, with p at most 1 %" in prose(gate_document(*short))


def test_launches_that_an_early_verdict_saved_are_not_missing() -> None:
    record, view = gate_of("as fast", comparisons=(own_comparison(launches=8), revisions()))
    assert f"8 launches of fresh processes (of {LAUNCHES} at most)" in prose(gate_document(record, view))


def test_a_gate_that_ended_early_says_so() -> None:
    for status, word in (("interrupted", "interrupted"), ("running", "killed"), ("failed", "failed")):
        assert f"The gate {'was ' if status != 'failed' else ''}{word}" in prose(
            gate_document(*gate_of("as fast", status=status))
        )


def test_a_sequential_comparison_takes_no_turns_and_its_own_model_has_its_name() -> None:
    plan = ComparisonPlan(launches=LAUNCHES, sequential=True)
    own = own_comparison(plan=plan)
    workload = own.baseline.workload.model_copy(update={"model": "mine:Model"})
    contestants = (own.baseline.model_copy(update={"workload": workload}), own.contestants[1])
    record, view = gate_of("share kept", comparisons=(own.model_copy(update={"contestants": contestants}), revisions()))
    text = prose(gate_document(record, view))
    assert "one side after the other" in text
    assert "mine:Model, batch 8" in text


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", GATES)
def test_no_figure_is_cut_or_broken(name: str, width: int) -> None:
    document = gate_document(*GATES[name])
    text = on_terminal(document, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for table in tables(document):
        assert not [cell for row in table.rows for cell in row.cells[1:] if cell not in text]


def test_a_long_name_gives_way_to_the_figures() -> None:
    results = GATES["fail"][1].results
    name = f"against {'benchmarks/' * 6}baseline.json"
    renamed = [replace(one, check=one.check.model_copy(update={"name": name})) for one in results]
    document = gate_document(*gate_of(*renamed))
    text = on_terminal(document, 80)
    assert not [cell for row in tables(document)[0].rows for cell in row.cells[1:] if cell not in text]


def test_names_are_shown_as_they_are_on_one_line() -> None:
    document = gate_document(*gate_of(AWKWARD))
    assert "[a|b], <c>" in on_terminal(document, 120)
    lines = [line for line in to_markdown(document).splitlines() if line.startswith("| **100 %")]
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in lines] == [5]


def test_a_record_alone_is_a_report() -> None:
    record = gate_record([revision(), saved()])
    document = document_of(record)
    assert document == gate_document(record, gate_view(record))
    assert document.title == "paco-prof check: fail"
    assert sections(document)[0] == "Before and after: against main"


def test_without_a_launch_there_is_a_report_all_the_same() -> None:
    nothing = (own_comparison(launches=0), revisions(launches=0))
    document = document_of(gate_record([revision(), saved()], comparisons=nothing, status="interrupted"))
    assert document.title == "paco-prof check: error"
    assert "0 launches" in prose(document)
    troubled = gate_record([revision(comparison=None, trouble="no git")], comparisons=(), command=())
    assert document_of(troubled).title == "paco-prof check: error"


def test_the_picture_is_of_the_first_comparison_with_a_launch(tmp_path: Path) -> None:
    path = tmp_path / "gate.svg"
    save_plot(gate_record([revision()], comparisons=(own_comparison(launches=0), revisions(launches=2))), path)
    assert path.exists()
    nothing = (own_comparison(launches=0), revisions(launches=0))
    with pytest.raises(UsageError, match="no complete launch"):
        save_plot(gate_record([revision()], comparisons=nothing), path)

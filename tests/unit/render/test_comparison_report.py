"""What stands where in the report of a comparison, and that every figure of it can be read."""

from __future__ import annotations

import io
import re
from functools import cache

import pytest
from rich.console import Console

from comparisons import RECORDS, TWO_MACHINES, aa_record, ablation_record, comparison_record, unmeasured_record
from paco_prof.analysis.comparison import comparison_view
from paco_prof.records import ComparisonPlan, ComparisonRecord
from paco_prof.render.comparison_report import comparison_document, comparison_subject
from paco_prof.render.document import Bullets, Document, Heading, Paragraph, Table
from paco_prof.render.markdown import to_markdown
from paco_prof.render.terminal import to_terminal
from paco_prof.units import MISSING

SIGNS = re.compile(r"[\d~–]")


@cache
def document_of(name: str) -> Document:
    return comparison_document(RECORDS[name]())


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
    return "\n".join(
        [*texts, *(item for block in document.blocks if isinstance(block, Bullets) for item in block.items)]
    )


def on_terminal(document: Document, width: int) -> str:
    console = Console(width=width, color_system=None, file=io.StringIO(), legacy_windows=False)
    console.print(to_terminal(document))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_comparison_has_speed_fidelity_claims_stages_findings_and_method_in_that_order() -> None:
    found = sections(document_of("compare"))
    wanted = ["Speed", "What it changes", "What the analysis expects", "Before and after: exact"]
    assert [title for title in found if title in wanted] == wanted
    assert found[-2:] == ["Findings", "How it was measured"]
    assert "Before and after: optimized" in found


def test_the_speed_table_has_what_was_asked_for_and_the_baseline_first() -> None:
    speed = table(document_of("compare"), "Speed")
    titles = [column.title for column in speed.columns]
    assert titles == ["ms per step", "step", "forward", "backward", "samples/s", "memory", "speed-up"]
    assert [row.cells[0] for row in speed.rows] == ["baseline", "exact", "optimized"]
    assert [row.style for row in speed.rows] == ["plain", "plain", "strong"]
    baseline = rows(document_of("compare"), "Speed")["baseline"]
    assert baseline[:4] == ("6,829", "2,059", "4,676", "1.17")
    assert baseline[4] == "2.87 GB"
    assert baseline[5] == ""


def test_a_speedup_stands_with_its_interval() -> None:
    exact = comparison_view(comparison_record()).variants[0].speedup
    assert exact is not None
    assert exact.low is not None
    cell = rows(document_of("compare"), "Speed")["exact"][5]
    value, low, high = (float(number) for number in re.findall(r"\d+\.\d+", cell))
    assert low <= value <= high
    assert value == pytest.approx(exact.ratio, abs=0.05)
    assert low == pytest.approx(exact.low, abs=0.005)


@pytest.mark.parametrize("name", [name for name in RECORDS if name != TWO_MACHINES])
def test_what_is_not_established_is_never_a_number(name: str) -> None:
    view = comparison_view(RECORDS[name]())
    shown = rows(document_of(name), "Speed")
    for variant in view.measured:
        if variant.name == view.baseline.name or variant.speedup is None:
            continue
        assert shown[variant.name][5].startswith("~") == (not variant.speedup.established)


@pytest.mark.parametrize("name", RECORDS)
def test_stages_that_are_not_established_are_never_a_number(name: str) -> None:
    for variant in comparison_view(RECORDS[name]()).measured:
        title = f"Before and after: {variant.name}"
        if title not in sections(document_of(name)):
            continue
        shown = table(document_of(name), title).rows
        for stage, row in zip(variant.stages, shown, strict=False):
            assert row.depth == stage.depth
            assert (row.cells[4] == "~") == (stage.speedup is not None and not stage.established)
        assert [row.cells[0] for row in shown[-2:]] == ["Unattributed", "Step"]


def test_a_single_launch_claims_nothing() -> None:
    document = document_of("one launch")
    assert [row[5] for row in rows(document, "Speed").values()] == ["", "~", "~"]
    assert {row.cells[4] for row in table(document, "Before and after: exact").rows} == {"~", ""}
    (claim,) = table(document, "What the analysis expects").rows
    assert claim.cells[-1] == "not distinguishable"


def test_kind_and_fidelity_stand_side_by_side() -> None:
    shown = rows(document_of("compare"), "What it changes")
    assert shown["exact"] == ("exact", "4.1e-08", "2.1e-03", "0.999998", "confirmed")
    assert shown["optimized"][0] == "different"
    assert shown["optimized"][-1] == "confirmed"


def test_the_kind_is_told_where_no_fidelity_was_measured() -> None:
    record = comparison_record(plan=ComparisonPlan(fidelity=False))
    contestants = tuple(x.model_copy(update={"fidelity": None}) for x in record.contestants)
    document = comparison_document(record.model_copy(update={"contestants": contestants}))
    cells = [cell for block in document.blocks if isinstance(block, Table) for row in block.rows for cell in row.cells]
    assert "different" in cells


def test_a_claim_stands_in_its_words_beside_what_was_measured_and_the_verdict() -> None:
    ((words, expected, measured, verdict),) = (
        row.cells for row in table(document_of("compare"), "What the analysis expects").rows
    )
    assert words == "optimized: Training time per batch: 6-7 seconds (1.9x speedup)"
    assert expected.startswith("1.9")
    assert measured == rows(document_of("compare"), "Speed")["optimized"][5]
    assert verdict == "exceeds"


def test_a_claim_of_the_backbone_says_so() -> None:
    claims = [row.cells[0] for row in table(document_of("one at a time"), "What the analysis expects").rows]
    assert [claim for claim in claims if "of the backbone" in claim] == claims[-1:]
    assert claims[-1].startswith("efficientnet-b0: ")


def test_the_phases_stand_with_the_expected_speedup_of_each() -> None:
    shown = rows(document_of("cumulative"), "Step by step")
    assert list(shown) == ["phase1", "phase2", "phase3"]
    expected = [re.findall(r"\d\.\d", cells[1]) for cells in shown.values()]
    assert expected == [["1.4", "1.6"], ["1.2", "1.4"], ["1.1", "1.2"]]
    assert all(cells[2] in ("holds", "falls short", "exceeds", "not distinguishable") for cells in shown.values())
    assert len(rows(document_of("cumulative"), "What the analysis expects")) == 3


def test_a_factorial_ablation_has_interactions_and_combinations() -> None:
    document = document_of("factorial")
    first, second = (row.cells for row in table(document, "Interactions").rows)
    assert first[0] == "fused-loss beside max-negatives-16"
    assert second[0] == "max-negatives-16 beside fused-loss"
    assert second[1].startswith("1.84x")
    assert second[2].startswith("~")
    (combination,) = rows(document, "Combinations").values()
    assert combination[0].startswith(("3.0", "2.9"))
    assert combination[-1].endswith(" %")
    assert "max-negatives-16 helps only" in prose(document)


def test_what_could_not_be_measured_says_why_in_its_row() -> None:
    shown = rows(document_of("one at a time"), "Speed")["compile"]
    assert shown == (MISSING,) * 5 + ("not applicable",)
    assert "compile cannot be measured here" in prose(document_of("one at a time"))


def test_of_an_ablation_only_the_fastest_has_its_stages() -> None:
    shown = [title for title in sections(document_of("one at a time")) if title.startswith("Before and after")]
    assert shown == ["Before and after: all 5 together"]


def test_a_variant_against_itself_shows_no_difference() -> None:
    document = document_of("against itself")
    assert [row.cells[6][:1] for row in table(document, "Speed").rows] == ["", "~"]
    assert "What the analysis expects" not in sections(document)
    assert "against itself shows no difference" in prose(document)


def test_without_a_launch_there_is_a_report_all_the_same() -> None:
    document = comparison_document(unmeasured_record())
    assert rows(document, "Speed")["exact"] == (MISSING,) * 5 + ("not measured",)
    assert not any(title.startswith("Before") for title in sections(document))
    assert "was interrupted" in prose(document)


def test_the_machine_the_command_and_the_planned_launches_are_named() -> None:
    text = prose(document_of("compare"))
    for words in ("AMD EPYC 7B13", "2 cores, 2 threads", "load 0.4", "paco-prof compare baseline exact optimized"):
        assert words in text
    assert "6 of 6 planned launches" in text


def test_a_plan_that_was_not_fulfilled_says_so() -> None:
    assert "2 of 6 planned launches" in prose(comparison_document(comparison_record(launches=1, plan=ComparisonPlan())))


def test_there_are_never_more_launches_than_planned() -> None:
    record = comparison_record()
    before = tuple(x.model_copy(update={"halvings": 1}) for x in record.launches if x.contestant == 2)
    more = record.model_copy(update={"launches": (*record.launches[:4], *before)})
    taken, planned = re.findall(r"(\d+) of (\d+) planned", prose(comparison_document(more)))[0]
    assert int(taken) <= int(planned)


def test_a_sequential_comparison_speaks_of_no_pairs() -> None:
    text = prose(comparison_document(comparison_record(plan=ComparisonPlan(sequential=True))))
    assert "log ratios of its pairs" not in text


def test_titles_name_the_variants_or_how_many_there_are() -> None:
    assert comparison_subject(comparison_record()) == "exact, optimized over baseline; resnet50, batch 8, 224 px"
    assert comparison_subject(RECORDS["one at a time"]()).startswith("6 variants over baseline")
    assert document_of("compare").title.startswith("paco-prof compare: exact, optimized")
    assert document_of("cumulative").title.startswith("paco-prof ablate, cumulative: ")


def whole_cells(name: str, width: int) -> list[str]:
    """Figures that cannot be found on the screen as they are."""
    document = document_of(name)
    text = on_terminal(document, width)
    wraps = [column.wraps for block in document.blocks if isinstance(block, Table) for column in block.columns]
    assert len(wraps) > 0
    return [
        cell
        for block in document.blocks
        if isinstance(block, Table)
        for row in block.rows
        for column, cell in zip(block.columns[1:], row.cells[1:], strict=True)
        if not column.wraps and SIGNS.search(cell) and cell not in text
    ]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", RECORDS)
def test_no_figure_is_cut_or_broken(name: str, width: int) -> None:
    assert whole_cells(name, width) == []
    text = on_terminal(document_of(name), width)
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("name", RECORDS)
def test_no_row_loses_its_name_at_eighty_columns(name: str) -> None:
    """A name may be broken, but every letter of it is there."""
    lines = on_terminal(document_of(name), 80)
    squeezed = re.sub(r"\s", "", lines)
    headings = [title for title in sections(document_of(name)) if not title.startswith("Before")]
    assert all(re.sub(r"\s", "", title) in squeezed for title in headings)
    tables = [block for block in document_of(name).blocks if isinstance(block, Table)]
    assert not [t for t in tables if t.columns[0].title and t.columns[0].title not in lines]


@pytest.mark.parametrize("name", RECORDS)
def test_markdown_has_every_cell_and_as_many_columns_in_each_row(name: str) -> None:
    document = document_of(name)
    text = to_markdown(document)
    for block in document.blocks:
        if isinstance(block, Table):
            assert all(len(row.cells) == len(block.columns) for row in block.rows)
    bars = [len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("|")]
    allowed = {len(block.columns) + 1 for block in document.blocks if isinstance(block, Table)}
    assert set(bars) <= allowed
    assert not re.search(r"(?<!\\)~", text)


def test_a_failed_record_is_a_report_too() -> None:
    record: ComparisonRecord = ablation_record("one-at-a-time", launches=1, status="failed")
    assert "The comparison failed" in prose(comparison_document(record))
    assert sections(comparison_document(aa_record(launches=0)))[0] == "Speed"

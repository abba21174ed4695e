"""What a report says: its sections, the speed tests, the notes below the table, the quoted figures."""

from __future__ import annotations

import pytest

from builders import (
    JITTER,
    Times,
    analysis_record,
    changed,
    cpu_record,
    exact_record,
    gpu_record,
    interrupted_record,
    training_of,
)
from paco_prof.records import BreakdownRecord, Memory, Note, Overhead, VariantUsed
from paco_prof.render.breakdown_report import breakdown_document
from paco_prof.render.document import Bullets, Heading, Paragraph, Table
from paco_prof.units import MISSING


def sections(record: BreakdownRecord) -> list[str]:
    """The headings."""
    return [block.text for block in breakdown_document(record).blocks if isinstance(block, Heading)]


def text_of(record: BreakdownRecord) -> str:
    """All running text."""
    blocks = breakdown_document(record).blocks
    paragraphs = [block.text for block in blocks if isinstance(block, Paragraph)]
    return "\n".join([*paragraphs, *(item for block in blocks if isinstance(block, Bullets) for item in block.items)])


def rows_of(record: BreakdownRecord, heading: str) -> dict[str, tuple[str, ...]]:
    """The rows of the table below a heading, by their first cell."""
    blocks = breakdown_document(record).blocks
    index = next(i for i, block in enumerate(blocks) if isinstance(block, Heading) and block.text == heading)
    table = blocks[index + 1]
    assert isinstance(table, Table)
    assert all(len(row.cells) == len(table.columns) for row in table.rows)
    return {row.cells[0]: row.cells[1:] for row in table.rows}


def test_sections_of_a_whole_run() -> None:
    assert sections(cpu_record()) == ["Speed", "Bottlenecks", "Findings", "The instrument"]
    assert sections(gpu_record()) == ["Speed", "Bottlenecks", "Memory", "Findings", "The instrument"]
    quoted = ["Speed", "Bottlenecks", "Findings", "Do the quoted figures follow from each other?"]
    assert sections(analysis_record()) == quoted


def test_a_run_that_ended_in_its_inference_shows_that() -> None:
    early = cpu_record(training=None, loss_test=None, overhead=None, memory=None, notes=(Note(code="interrupted"),))
    assert sections(early) == ["Speed", "Findings"]
    assert list(rows_of(early, "Speed")) == ["Inference (one view)"]


def test_a_run_that_ended_before_anything_is_a_document_all_the_same() -> None:
    nothing = cpu_record(training=None, inference=None, loss_test=None, overhead=None, operators=())
    assert sections(nothing) == []
    assert "Machine: CPU" in text_of(nothing)


def test_the_title_says_what_was_run() -> None:
    assert breakdown_document(cpu_record()).title == "paco-prof breakdown: resnet50, batch 8, 224 px"


def test_a_variant_is_named_in_the_title_and_with_all_that_it_sets() -> None:
    record = exact_record()
    assert breakdown_document(record).title == "paco-prof breakdown: resnet50, batch 8, 224 px, exact"
    text = text_of(record)
    assert "Variant: exact (exact), which sets channels_last=True, fused_optimizer=True, contrast=fused" in text
    assert all(f"{name}={value}" in text for name, value in record.variant.settings.items())
    assert "(reference form)" not in text
    assert "Variant:" not in text_of(cpu_record())
    assert "PaCo-2 (reference form)" in text_of(cpu_record())


def test_a_baseline_with_a_setting_of_its_own_says_so() -> None:
    record = cpu_record(variant=VariantUsed(kind="different", settings={"gamma": 0.0}))
    assert "which sets gamma=0.0." in text_of(record)


def test_a_variant_of_which_nothing_is_left_says_that() -> None:
    record = cpu_record(variant=VariantUsed(name="mine", left_out={"tf32": "no GPU"}))
    assert "which sets nothing that differs." in text_of(record)
    assert "Left out of mine here: tf32 (no GPU)." in text_of(record)


@pytest.mark.parametrize(
    "words",
    ["AMD EPYC 7B13", "2 cores", "25 GB memory", "torch 2.13.0+cpu", "timm 1.0.31", "24.0 M parameters", "K=4", "d=64"],
)
def test_the_machine_and_the_model_are_named(words: str) -> None:
    assert words in text_of(cpu_record())


def test_an_accelerator_is_named_with_its_memory() -> None:
    text = text_of(gpu_record())
    assert "NVIDIA H200 (150 GB)" in text
    assert "Peak memory on the device: 9.11 GB." in text


def test_a_quoted_report_says_so_first_and_claims_no_machine() -> None:
    first, *_ = breakdown_document(analysis_record()).blocks
    assert isinstance(first, Paragraph)
    assert first.text.startswith("Quoted, not measured by this tool")
    assert "Machine:" not in text_of(analysis_record())
    assert "The instrument" not in sections(analysis_record())


def test_the_speed_of_the_analysis() -> None:
    rows = rows_of(analysis_record(), "Speed")
    assert rows["Inference (one view)"] == ("22.6", MISSING, "2.82", "354")
    assert rows["Training step"][0] == "13,266"
    assert (rows["Forward"][0], rows["Backward"][0]) == ("4,982", "8,284")
    assert rows["Training / inference"][0] == "587x"


def test_the_speed_of_a_measured_run() -> None:
    rows = rows_of(cpu_record(), "Speed")
    assert list(rows) == [
        "Inference (one view)",
        "Loss alone, forward without a graph",
        "Loss alone, forward",
        "Loss alone, backward",
        "Training step",
        "Forward",
        "Backward",
        "Optimizer",
        "Training / inference",
    ]
    assert rows["Training step"] == ("6,817", "±1.2 %", "852", "1.17")
    assert rows["Training / inference"][0] == "23.4x"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("settled", "when every stage above 1 % of the step had an interval within 5 %"),
        ("time is up", "when the time was up"),
        ("as asked", "after as many steps as were asked for"),
        ("interrupted", "when it was interrupted"),
        ("failed", "when it failed"),
    ],
)
def test_why_there_are_not_more_steps(reason: str, words: str) -> None:
    assert f"Measuring stopped {words};" in text_of(changed(cpu_record(), "training.stop_reason", reason))


def test_the_confidence_of_few_steps_is_not_overstated() -> None:
    three = cpu_record(training=training_of((Times("loss", 1.0, 1.0),), (1.0, 1.1, 1.2)))
    assert "75.0 % confidence" in text_of(three)
    assert "intervals hold the median with 98.4 % confidence" in text_of(cpu_record())
    assert "it has no interval" in text_of(interrupted_record())


def test_thresholds_of_the_priorities_are_documented() -> None:
    for words in ("CRITICAL from 50.0 %", "High from 10.0 %", "Medium from 3.0 %", "Low below"):
        assert words in text_of(cpu_record())


def test_memory_of_a_cpu_is_said_to_be_of_the_whole_process() -> None:
    assert "2.86 GB resident, of the whole process and run" in text_of(cpu_record())
    assert "Peak memory" not in text_of(cpu_record(memory=None))
    assert "Memory" not in sections(cpu_record(memory=Memory(process_peak_bytes=1)))


def test_peaks_by_stage_are_a_table() -> None:
    rows = rows_of(gpu_record(), "Memory")
    assert rows["Backbone (2x forward)"] == ("9.11 GB",)
    assert rows["Host-to-Device Transfer"] == ("90.0 MB",)
    assert "Hungarian Matching" not in rows


def test_the_instruments_own_cost() -> None:
    text = text_of(cpu_record())
    assert "0.66 ms of the step (<0.1 %)" in text
    assert "3 pairs" in text
    assert "Measuring took 58 s." in text
    without = text_of(changed(cpu_record(overhead=None), "training.instrument", ()))
    assert "The stage timer itself" not in without
    assert "was not measured" in without


@pytest.mark.parametrize(("num", "extra", "is_told"), [(3, 0.05, False), (7, 0.05, True), (7, 0.0, False)])
def test_pairs_claim_no_more_than_they_can(num: int, extra: float, is_told: bool) -> None:
    """Three pairs cannot tell an overhead from noise, nor can seven that fall on both sides of zero."""
    bare = JITTER[:num]
    pairs = Overhead(instrumented=tuple(1 + extra for _ in bare), bare=bare)
    assert ("cannot be told from noise" not in text_of(cpu_record(overhead=pairs))) is is_told


def test_the_command_and_the_version_that_made_a_report_are_named() -> None:
    text = text_of(cpu_record())
    for words in ("paco-prof breakdown --output run.json", "paco-prof 0.1.0", "0123456789ab+", "2026-01-02"):
        assert words in text
    assert "Command" not in text_of(analysis_record())


def test_the_quoted_figures_and_what_follows_instead() -> None:
    rows = rows_of(analysis_record(), "Do the quoted figures follow from each other?")
    assert rows["Training is 220x slower than inference"] == ("220", "587", "does not follow")
    assert rows["per epoch (1000 batches): 89.7 minutes"] == ("89.7", "221.1", "does not follow")
    assert rows["(100 epochs): 149.5 hours"] == ("149.5", "368.5", "does not follow")
    assert rows["4,972ms out of 5,285ms total"] == ("5,285", "5,283", "within rounding")
    text = text_of(analysis_record())
    assert "220 is forward / inference" in text
    assert text.count("belongs to 5.38 s a batch") == 2


def test_a_source_whose_figures_all_follow_has_none_to_explain() -> None:
    claims = [claim for claim in analysis_record().claims if claim.quantity in ("step_ms", "components_ms")]
    record = analysis_record().model_copy(update={"claims": tuple(claims)})
    assert len(rows_of(record, "Do the quoted figures follow from each other?")) == 2
    assert "but" not in text_of(record).split("Amdahl")[-1].split("inference on the same images")[-1]

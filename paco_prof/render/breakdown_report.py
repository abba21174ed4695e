"""The report of a breakdown: the machine, the speed tests, the bottleneck table, the findings."""

from __future__ import annotations

from typing import Literal

from paco_prof import units
from paco_prof.analysis.breakdown import (
    PRIORITY_THRESHOLDS,
    BreakdownView,
    Priority,
    StageRow,
    breakdown_view,
    typical_steps,
)
from paco_prof.analysis.claims import CheckedClaim, check_claims
from paco_prof.analysis.fidelity import fidelity_view
from paco_prof.analysis.find import find
from paco_prof.analysis.ranks import ranks_view
from paco_prof.records import BreakdownRecord, Training
from paco_prof.render.document import Block, Bullets, Column, Document, Heading, Paragraph, Row, Table
from paco_prof.render.fidelity_report import fidelity_blocks
from paco_prof.render.finding_text import claim_sentence, sentence
from paco_prof.render.labels import title_of
from paco_prof.render.preamble import preamble, subject
from paco_prof.render.ranks_report import ranks_blocks
from paco_prof.render.user_code_report import user_code_blocks
from paco_prof.stages import OPTIMIZER
from paco_prof.stats.summary import CONFIDENCE, Estimate, median_estimate

__all__ = ["breakdown_document"]

LEFT: Literal["left"] = "left"


def breakdown_document(record: BreakdownRecord) -> Document:
    """The whole report of a breakdown record, partial ones included."""
    view = breakdown_view(record)
    blocks: list[Block] = [Paragraph(text) for text in preamble(record)]
    if record.inference or record.training or record.loss_test:
        blocks += [Heading("Speed"), _speed_table(record, view)]
    if view is not None and record.training is not None:
        blocks += [Heading("Bottlenecks"), _bottleneck_table(view)]
        blocks += [Paragraph(text) for text in _table_notes(record, record.training, view)]
        if any(row.peak_bytes is not None for row in view.rows):
            blocks += [Heading("Memory"), _memory_table(view)]
    ranks = ranks_view(record)
    if ranks is not None:
        blocks += ranks_blocks(ranks, record.workload)
    if record.user_code is not None:
        blocks += user_code_blocks(record.user_code)
    fidelity = fidelity_view(record.variant.kind, record.fidelity)
    if fidelity is not None:
        blocks += fidelity_blocks(fidelity)
    found = find(record, view)
    if found:
        blocks += [Heading("Findings"), Bullets(tuple(sentence(finding) for finding in found))]
    claims = check_claims(record)
    if claims:
        blocks += [Heading("Do the quoted figures follow from each other?"), _claims_table(claims)]
        failing = tuple(claim_sentence(c) for c in claims if c.verdict == "does not follow")
        blocks += [Bullets(failing)] if failing else []
    if view is not None and record.source.kind == "measured":
        blocks += [Heading("The instrument"), Paragraph(_instrument(record, view))]
    return Document(f"paco-prof breakdown: {subject(record)}", tuple(blocks))


def _speed_table(record: BreakdownRecord, view: BreakdownView | None) -> Table:
    batch = record.workload.batch_size
    rows = []
    if record.inference is not None:
        rows.append(_speed_row("Inference (one view)", median_estimate(record.inference.runs), batch))
    if record.loss_test is not None:
        test = record.loss_test
        rows.append(_speed_row("Loss alone, forward without a graph", median_estimate(test.without_graph)))
        rows.append(_speed_row("Loss alone, forward", median_estimate(test.with_graph)))
        rows.append(_speed_row("Loss alone, backward", median_estimate(test.backward)))
    if view is not None:
        rows.append(_speed_row("Training step", view.step, batch, style="strong"))
        rows.append(_speed_row("Forward", view.forward, depth=1))
        rows.append(_speed_row("Backward", view.backward, depth=1))
        optimizer = view.row(OPTIMIZER)
        if optimizer is not None and optimizer.other is not None:
            rows.append(_speed_row("Optimizer", optimizer.other, depth=1))
        if view.training_over_inference is not None:
            rows.append(Row(("Training / inference", units.ratio(view.training_over_inference), "", "", "")))
    columns = (Column("", LEFT), Column("ms"), Column("interval"), Column("ms/sample"), Column("samples/s"))
    return Table(columns, tuple(rows))


def _speed_row(title: str, estimate: Estimate, batch: int | None = None, depth: int = 0, style: str = "plain") -> Row:
    per_sample = (
        ("", "")
        if batch is None
        else (
            units.milliseconds(estimate.value / batch),
            units.samples_per_second(batch, estimate.value),
        )
    )
    cells = (title, units.milliseconds(estimate.value), units.interval(estimate.relative_half_width), *per_sample)
    return Row(cells, depth, "strong" if style == "strong" else "plain")


def _bottleneck_table(view: BreakdownView) -> Table:
    columns = (
        Column("Component (ms)", LEFT),
        Column("forward"),
        Column("backward"),
        Column("total"),
        Column("interval"),
        Column("share"),
        Column("priority", LEFT),
    )
    return Table(columns, (*(_stage_row(row) for row in view.rows), _unattributed_row(view), _step_row(view)))


def _stage_row(row: StageRow) -> Row:
    priority = "" if row.priority is None else str(row.priority)
    cells = (
        title_of(row.path, row.calls),
        _value(row.forward),
        _value(row.backward),
        _value(row.total),
        units.interval(row.total.relative_half_width if row.total else None),
        units.percent(row.share),
        priority + ("†" if row.host_bound else ""),
    )
    return Row(cells, row.depth, "strong" if row.priority is Priority.CRITICAL and row.depth == 0 else "plain")


def _unattributed_row(view: BreakdownView) -> Row:
    left = view.unattributed
    share = units.percent(left["total"] / view.step.value) if view.share_of == "step" else units.MISSING
    cells = (units.milliseconds(left[key]) for key in ("forward", "backward", "total"))
    return Row(("Unattributed", *cells, "", share, ""), style="total")


def _step_row(view: BreakdownView) -> Row:
    cells = (
        "Step",
        _value(view.forward),
        _value(view.backward),
        _value(view.step),
        units.interval(view.step.relative_half_width),
        units.percent(1.0) if view.share_of == "step" else units.MISSING,
        "",
    )
    return Row(cells, style="total")


def _memory_table(view: BreakdownView) -> Table:
    rows = (
        Row((title_of(row.path, row.calls), units.gigabytes(row.peak_bytes)), row.depth)
        for row in view.rows
        if row.peak_bytes is not None
    )
    return Table((Column("Component", LEFT), Column("peak on the device")), tuple(rows))


def _value(estimate: Estimate | None) -> str:
    return units.milliseconds(None if estimate is None else estimate.value)


def _table_notes(record: BreakdownRecord, training: Training, view: BreakdownView) -> list[str]:
    thresholds = ", ".join(f"{name} from {units.percent(least)}" for least, name in PRIORITY_THRESHOLDS)
    share = (
        "Shares are of the step."
        if view.share_of == "step"
        else "Shares are of the sum of the stages' forward times; backward was not divided by stage."
    )
    notes = [
        f"{share} Priority: {thresholds} of it, Low below. Forward and backward leave out what is in neither pass "
        f"(transfer, optimizer and the like), the total does not. {units.MISSING} is not measured, or does not occur."
    ]
    if record.source.kind == "measured":
        notes.append(f"{_intervals(training, view.step)} {_stopping(training)}")
    memory = record.memory
    if memory is not None and memory.device_peak_bytes is not None:
        notes.append(f"Peak memory on the device: {units.gigabytes(memory.device_peak_bytes)}.")
    elif memory is not None and memory.process_peak_bytes is not None:
        notes.append(
            f"Peak memory: {units.gigabytes(memory.process_peak_bytes)} resident, of the whole process and run; this "
            "device keeps no peaks by stage."
        )
    return notes


def _intervals(training: Training, step: Estimate) -> str:
    if step.num_samples < 2:
        return "One step was measured; it has no interval."
    middle = len(typical_steps(training.steps))
    which = "the middle one" if middle == 1 else f"the mean of the middle {middle}"
    what = f"Figures of the step are of the typical one, {which} of {step.num_samples} by duration; others are medians."
    confidence = units.percent(step.confidence)
    if step.confidence >= CONFIDENCE:
        return f"{what} The step's intervals hold the median with {confidence} confidence."
    return f"{what} The step's intervals are the full range, which holds the median with {confidence} confidence."


def _stopping(training: Training) -> str:
    when = {
        "settled": "when every stage above 1 % of the step had an interval within 5 %",
        "time is up": "when the time was up",
        "as asked": "after as many steps as were asked for",
        "interrupted": "when it was interrupted",
        "failed": "when it failed",
        "quoted": "",
    }
    warmup = f"{len(training.warmup)} warm-up step{'s were' if len(training.warmup) != 1 else ' was'} left out"
    return f"Measuring stopped {when[training.stop_reason]}; {warmup}."


def _instrument(record: BreakdownRecord, view: BreakdownView) -> str:
    text = ""
    if view.instrument is not None:
        share = units.percent(view.instrument / view.step.value)
        text += f"The stage timer itself took {units.milliseconds(view.instrument)} ms of the step ({share}). "
    text += "Instrumented against bare steps was not measured." if view.overhead is None else _paired(view.overhead)
    if record.measuring_seconds is not None:
        text += f" Measuring took {units.duration(record.measuring_seconds)}."
    return text


def _paired(overhead: Estimate) -> str:
    """The whole effect, caches and all; only pairs enough and an interval beside zero make it a finding."""
    pairs = f"{overhead.num_samples} pair{'s' if overhead.num_samples != 1 else ''} in random order"
    values = (
        f"{units.percent(overhead.value)} ({units.percent(overhead.low)} to {units.percent(overhead.high)}, {pairs})"
    )
    established = overhead.confidence >= CONFIDENCE and not overhead.low <= 0 <= overhead.high
    verdict = "" if established else "; this cannot be told from noise"
    return f"Instrumented steps against bare ones: {values}{verdict}."


def _claims_table(claims: tuple[CheckedClaim, ...]) -> Table:
    columns = (Column("claim", LEFT), Column("quoted"), Column("computed"), Column("verdict", LEFT))
    rows = tuple(
        Row(
            (
                checked.claim.text,
                units.fixed(checked.claim.value, checked.claim.decimals),
                units.fixed(checked.computed, checked.claim.decimals),
                checked.verdict,
            ),
            style="strong" if checked.verdict == "does not follow" else "plain",
        )
        for checked in claims
    )
    return Table(columns, rows)

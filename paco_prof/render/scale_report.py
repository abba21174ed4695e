"""The report of a measurement of growth: sizes, stages, their exponents, memory, variants side by side, findings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from paco_prof import units
from paco_prof.analysis.scale import ScaledVariant, ScaleView, scale_view
from paco_prof.analysis.scale_findings import find_in_scale
from paco_prof.analysis.scale_machines import survey_by_machine
from paco_prof.analysis.scale_rows import Sizes
from paco_prof.records import ScaleRecord
from paco_prof.render.document import Block, Bullets, Column, Document, Heading, Paragraph, Row, Table
from paco_prof.render.preamble import command_line, machine, model
from paco_prof.render.scale_cells import factor_words, ratio_cell, size_cell
from paco_prof.render.scale_notes import (
    fixed_notes,
    growth_notes,
    left_out_notes,
    margin_notes,
    memory_notes,
    method_notes,
    ratio_notes,
)
from paco_prof.render.scale_tables import growth_table, largest_table, memory_table, sizes_table, stages_table
from paco_prof.render.scale_text import scale_sentence

__all__ = ["scale_document", "scale_subject"]

LEFT: Literal["left"] = "left"
# Variants that a title names.
MOST_NAMES = 3


def scale_document(record: ScaleRecord) -> Document:
    """The whole report of a record, partial ones included; of several machines one after the other."""
    machines = survey_by_machine(record)
    blocks: list[Block] = [Paragraph(text) for text in _preamble(record, len(machines))]
    for place, one in enumerate(machines, start=1):
        if len(machines) == 1:
            blocks += _sections(one, 1)
            continue
        blocks.append(Heading(f"Machine {place} of {len(machines)}"))
        blocks += [] if one.environment is None else [Paragraph(machine(one.environment))]
        for block in _sections(one, len(machines)):
            blocks.append(Heading(f"{block.text} (machine {place})") if isinstance(block, Heading) else block)
    return Document(f"paco-prof scale: {scale_subject(record)}", tuple(blocks))


def scale_subject(record: ScaleRecord) -> str:
    """What was measured, in a few words."""
    names = [contestant.name for contestant in record.contestants]
    who = " and ".join(names) if len(names) <= MOST_NAMES else f"{len(names)} variants"
    varied = ", ".join(
        f"{factor_words(factor.name)} {size_cell(factor.sizes[:1])} to {size_cell(factor.sizes[-1:])}"
        for factor in record.plan.factors
    )
    workload = record.contestants[0].workload
    return f"{who}, {varied}; {workload.model or workload.backbone}"


def _preamble(record: ScaleRecord, num_machines: int) -> Iterator[str]:
    if num_machines > 1:
        yield (
            f"Not pooled: the launches are of {units.count(num_machines)} unlike machines, and each of them has sizes "
            "and fits of its own."
        )
    elif record.environment is not None:
        yield machine(record.environment)
    largest = tuple(factor.sizes[-1] for factor in record.plan.factors)
    varied = "; ".join(
        f"{factor_words(factor.name)} {', '.join(size_cell((size,)) for size in factor.sizes)}"
        for factor in record.plan.factors
    )
    yield f"{model(record.at(0, largest).workload)} That is the largest size; varied: {varied}."
    if record.command:
        yield command_line(record)


def _sections(record: ScaleRecord, num_machines: int) -> list[Block]:
    """All that is to be said about the launches of one machine, of so many."""
    view = scale_view(record)
    blocks: list[Block] = []
    measured = [variant for variant in view.variants if variant.rows]
    for variant in measured:
        blocks += _of_variant(view, variant)
    if measured:
        blocks += [Heading("What the growth tables say"), Paragraph(growth_notes(view, measured))]
    if view.ratios:
        blocks += [Heading("Side by side"), _ratio_table(view), Paragraph(ratio_notes(view))]
    searched = [variant for variant in view.variants if variant.largest is not None]
    if searched:
        blocks += [Heading("Largest batch"), largest_table(searched), *_paragraph(margin_notes(searched))]
    found = find_in_scale(record, view)
    if found:
        blocks += [Heading("Findings"), Bullets(tuple(scale_sentence(finding) for finding in found))]
    return [*blocks, Heading("How it was measured"), Paragraph(method_notes(record, view, num_machines))]


def _of_variant(view: ScaleView, variant: ScaledVariant) -> list[Block]:
    blocks: list[Block] = [Heading(f"Sizes: {variant.name}"), sizes_table(view, variant)]
    blocks += [Heading(f"Stages: {variant.name}"), stages_table(view, variant), *_paragraph(left_out_notes(variant))]
    blocks += [Heading(f"Growth: {variant.name}"), growth_table(view, variant), *_paragraph(fixed_notes(view, variant))]
    if variant.peak is not None:
        blocks += [Heading(f"Memory: {variant.name}"), memory_table(view, variant), Paragraph(memory_notes(variant))]
    return blocks


def _paragraph(text: str) -> list[Block]:
    return [Paragraph(text)] if text else []


def _ratio_table(view: ScaleView) -> Table:
    first = view.ratios[0].first
    columns = [Column(", ".join(factor_words(f) for f in view.factors), LEFT), Column(f"{first.name} (ms)")]
    for ratio in view.ratios:
        columns += [Column(f"{ratio.variant.name} (ms)"), Column("times faster")]
    rows = [_ratio_row(view, sizes) for sizes in first.sizes]
    if view.target is not None and any(ratio.target is not None for ratio in view.ratios):
        rows.append(_ratio_target(view, view.target))
    return Table(tuple(columns), tuple(rows))


def _ratio_row(view: ScaleView, sizes: Sizes) -> Row:
    cells = [size_cell(sizes), _step(view.ratios[0].first, sizes)]
    for ratio in view.ratios:
        value = ratio.ratios.get(sizes)
        cells += [_step(ratio.variant, sizes), units.MISSING if value is None else units.precise_ratio(value)]
    return Row(tuple(cells))


def _ratio_target(view: ScaleView, target: Sizes) -> Row:
    def step(variant: ScaledVariant) -> str:
        predicted = None if variant.step is None else variant.step.target
        return units.milliseconds(None if predicted is None else predicted.value)

    cells = [f"{size_cell(target)}, predicted", step(view.ratios[0].first)]
    for ratio in view.ratios:
        cells += [step(ratio.variant), ratio_cell(ratio.target)]
    return Row(tuple(cells), style="total")


def _step(variant: ScaledVariant, sizes: Sizes) -> str:
    return units.milliseconds(None if variant.step is None else variant.step.at(sizes))

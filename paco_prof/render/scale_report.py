"""The report of a measurement of growth: sizes, stages, their exponents, memory, variants side by side, findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from paco_prof import units
from paco_prof.analysis.scale import ScaledVariant, ScaleView, scale_view
from paco_prof.analysis.scale_findings import find_in_scale
from paco_prof.analysis.scale_machines import survey_by_machine
from paco_prof.analysis.scale_rows import Sizes
from paco_prof.records import ScaleRecord
from paco_prof.render.document import Block, Bullets, Column, Document, Heading, Paragraph, Row, Table
from paco_prof.render.preamble import command_line, machine, model
from paco_prof.render.scale_cells import factor_words, size_cell
from paco_prof.render.scale_tables import growth_table, largest_table, memory_table, sizes_table, stages_table
from paco_prof.render.scale_text import scale_sentence
from paco_prof.stats.summary import CONFIDENCE

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
            blocks += _sections(one)
            continue
        blocks.append(Heading(f"Machine {place} of {len(machines)}"))
        blocks += [] if one.environment is None else [Paragraph(machine(one.environment))]
        for block in _sections(one):
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


def _sections(record: ScaleRecord) -> list[Block]:
    """All that is to be said about the launches of one machine."""
    view = scale_view(record)
    blocks: list[Block] = []
    for variant in view.variants:
        if variant.rows:
            blocks += _of_variant(view, variant)
    measured = [variant for variant in view.variants if variant.rows]
    if measured:
        blocks += [Heading("What the growth tables say"), Paragraph(_growth_notes(view, measured))]
    if view.ratios:
        blocks += [Heading("Side by side"), _ratio_table(view), Paragraph(_ratio_notes(view))]
    searched = [variant for variant in view.variants if variant.largest is not None]
    if searched:
        blocks += [Heading("Largest batch"), largest_table(searched), *_margin_notes(searched)]
    found = find_in_scale(record, view)
    if found:
        blocks += [Heading("Findings"), Bullets(tuple(scale_sentence(finding) for finding in found))]
    return [*blocks, Heading("How it was measured"), Paragraph(_method(record, view))]


def _of_variant(view: ScaleView, variant: ScaledVariant) -> list[Block]:
    blocks: list[Block] = [Heading(f"Sizes: {variant.name}"), sizes_table(view, variant)]
    blocks += [Heading(f"Stages: {variant.name}"), stages_table(view, variant), *_left_out(variant)]
    blocks += [Heading(f"Growth: {variant.name}"), growth_table(view, variant)]
    if variant.peak is not None:
        blocks += [Heading(f"Memory: {variant.name}"), memory_table(view, variant), Paragraph(_memory_notes(variant))]
    return blocks


def _left_out(variant: ScaledVariant) -> list[Block]:
    if not variant.small:
        return []
    names = f"{units.count(len(variant.small))} stage{'s' if len(variant.small) != 1 else ''}"
    return [Paragraph(f"Left out: {names} below 1 % of the step at every size.")]


def _growth_notes(view: ScaleView, variants: Sequence[ScaledVariant]) -> str:
    growths = [row.growth for variant in variants for row in (*variant.rows, *variant.saved) if row.growth is not None]
    shapes = {growth.shape for growth in growths}
    allowed = "a fixed cost, and for a power that is one less beside it"
    if len(view.factors) > 1:
        allowed = "a fixed cost; of two factors, a power that is one less beside it is not tried"
    notes = [
        "The exponent is p of a x^p, fitted to the medians at each size, in the logarithms, with its interval "
        f"({units.round_percent(CONFIDENCE)}); where sizes are enough, that allows for {allowed}. The step is "
        "predicted as the sum of its stages of 5 % or more, measured or at the target, and of all the rest, each by "
        "its own fit, ends added up: what is put together of unlike powers has no power of its own. A predicted "
        "interval is for one new launch."
    ]
    if "fixed cost" in shapes:
        notes.append(
            "Where a power alone misses the sizes by more than noise (F test, 5 %), a fixed cost stands beside it, and "
            "the exponent is that of the rest."
        )
    if "lower order" in shapes:
        notes.append("†: a power alone misses the sizes, a fixed cost does not help, and what fits is a x^p (1 + b/x).")
    if any(growth.apart for growth in growths):
        notes.append("‡: a size that does not follow the others is left out of the fit.")
    return " ".join(notes)


def _memory_notes(variant: ScaledVariant) -> str:
    of = "the device's" if variant.peak_of == "device" else "the whole process's"
    growth = None if variant.peak is None else variant.peak.growth
    if growth is not None and growth.fixed_cost is not None:
        fixed = growth.fixed_cost
        of += f", {units.gigabytes_interval(fixed.value, fixed.low, fixed.high)} of it at any size"
    kept = " Below it, what the forward pass keeps for the backward pass, by stage." if variant.saved else ""
    return f"The peak is {of}.{kept}"


def _margin_notes(searched: Sequence[ScaledVariant]) -> list[Block]:
    """What a margin is not."""
    of = {
        each.largest.of_device
        for each in searched
        if each.largest is not None and each.largest.limit_bytes is not None and each.largest.peak_bytes is not None
    }
    notes = []
    if False in of:
        notes.append("of a process, the limit counts memory that is reserved and not resident as well")
    if True in of:
        notes.append("of a device, the allocator reserves more than is allocated")
    text = "The margin is what the peak leaves of the limit, and less than that may be free: "
    return [Paragraph(f"{text}{'; '.join(notes)}.")] if notes else []


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
        times = units.MISSING
        if ratio.target is not None:
            ends = units.ratio_interval(ratio.target.low, ratio.target.high)
            times = units.precise_ratio(ratio.target.value) + (f" ({ends})" if ends else "")
        cells += [step(ratio.variant), times]
    return Row(tuple(cells), style="total")


def _step(variant: ScaledVariant, sizes: Sizes) -> str:
    return units.milliseconds(None if variant.step is None else variant.step.at(sizes))


def _ratio_notes(view: ScaleView) -> str:
    grows = []
    for ratio in view.ratios:
        if ratio.growth is not None:
            powers = " and ".join(
                f"{factor_words(f)}^{e.value:.1f}" for f, e in zip(view.factors, ratio.growth.exponents, strict=True)
            )
            grows.append(f"That of {ratio.variant.name} grows about as {powers}.")
    return " ".join(
        [
            "Quotients of medians over launches that nobody paired: to judge a difference of a few per cent, "
            "paco-prof compare takes both in turns.",
            *grows,
        ]
    )


def _method(record: ScaleRecord, view: ScaleView) -> str:
    points = [point for point in record.points if point.is_complete]
    planned = record.plan.launches * len(view.sizes) * len(view.variants)
    seconds = "" if record.measuring_seconds is None else f" It took {units.duration(record.measuring_seconds)}."
    steps = _steps_of([len(point.training.steps) for point in points])
    return (
        f"Every launch is a process of its own. {units.count(len(points))} of {units.count(planned)} planned launches "
        f"are complete{steps}; the others, if any, are in no figure. A launch is one number, its typical step; a size "
        "is the median over its launches, and an exponent rests on these medians. Intervals have as many degrees of "
        "freedom as there are sizes beyond the parameters of a fit, and are never narrower than the scatter of "
        f"launches makes them.{seconds}"
    )


def _steps_of(numbers: Sequence[int]) -> str:
    if not numbers:
        return ""
    low, high = min(numbers), max(numbers)
    return f" ({low} steps each)" if low == high else f" ({low} to {high} steps each)"

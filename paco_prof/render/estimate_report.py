"""The report of an estimate: before and after, where the time goes, what it rests on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from paco_prof import units
from paco_prof.analysis.projection import TERMS, ProjectedRun, ProjectionView, projection_view
from paco_prof.analysis.projection_findings import find_in_projection
from paco_prof.records import DataUsed, EstimatePlan, EstimateRecord, Pilot, StepSeries
from paco_prof.render.document import Block, Bullets, Column, Document, Heading, Paragraph, Row, Table
from paco_prof.render.estimate_cells import TERM_TITLES, ratio_cell, span_cell, step_cell
from paco_prof.render.estimate_scaling import ORIGINS, num_devices, scaling_blocks
from paco_prof.render.estimate_text import estimate_sentence
from paco_prof.render.preamble import command_line, machine, model, variant_used, workload_subject
from paco_prof.stats.pace import LEAST_SPREAD
from paco_prof.stats.summary import CONFIDENCE

__all__ = ["estimate_document", "estimate_subject", "run_subject"]

LEFT: Literal["left"] = "left"
# Variants that have a table each beside the baseline; of more, all stand below each other in one.
MOST_TABLES = 3


def estimate_document(record: EstimateRecord) -> Document:
    """The whole report of an estimate record.

    Raises:
        UsageError: an epoch would have no batch.
    """
    view = projection_view(record)
    blocks: list[Block] = [Paragraph(text) for text in _preamble(record, view)]
    if 0 < len(view.variants) <= MOST_TABLES:
        for run in view.variants:
            blocks += [Heading(f"Before and after: {run.name}"), _side_by_side(view, run)]
    else:
        blocks += [Heading("Projection"), _below_each_other(view)]
    blocks += [Paragraph(_notes(view))]
    blocks += [Heading("Where the time goes"), _terms_table(view), Paragraph(_term_notes(view))]
    blocks += scaling_blocks(view)
    found = find_in_projection(record, view)
    if found:
        blocks += [Heading("Findings"), Bullets(tuple(estimate_sentence(finding) for finding in found))]
    blocks += [Heading("What it rests on"), Bullets(tuple(_origin(pilot) for pilot in record.pilots))]
    blocks += [Paragraph(_method(record, view))]
    return Document(f"paco-prof estimate: {estimate_subject(record)}", tuple(blocks))


def estimate_subject(record: EstimateRecord) -> str:
    """What is projected, in a few words."""
    names = record.names[1:]
    others = "" if not names else f", {names[0]}" if len(names) == 1 else f", {len(names)} variants"
    return f"{run_subject(record)}{others}"


def run_subject(record: EstimateRecord) -> str:
    """The run alone, in a few words."""
    workload = record.pilots[0].workload.model_copy(update={"world_size": record.plan.gpus})
    return f"{_epochs(record.plan)}; {workload_subject(workload)}"


def _epochs(plan: EstimatePlan) -> str:
    return f"{units.count(plan.epochs)} epoch{'s' if plan.epochs != 1 else ''}"


def _preamble(record: EstimateRecord, view: ProjectionView) -> list[str]:
    """Sources, machine, model, variants, the run and the command, a paragraph each."""
    citations = dict.fromkeys(pilot.source.citation for pilot in record.pilots if pilot.source.kind == "quoted")
    lines = [f"Quoted, not measured by this tool: {citation}" for citation in citations]
    if record.environment is not None:
        lines.append(machine(record.environment))
    lines.append(model(record.pilots[0].workload))
    if len(view.variants) <= MOST_TABLES:
        used = [run.pilot.variant for run in view.runs]
        lines += [variant_used(variant) for variant in used if variant.name != "baseline" or variant.settings]
    if record.data is not None:
        lines.append(_data(record.data))
    lines.append(_run(view))
    return [*lines, command_line(record)] if record.command else lines


def _data(data: DataUsed) -> str:
    split = f" ({data.split})" if data.split else ""
    return (
        f"Data: {data.name}, {units.count(data.num_train)} images to train on and {units.count(data.num_eval)} to "
        f"evaluate with{split}, {data.num_classes} classes, {data.workers} loader "
        f"process{'es' if data.workers != 1 else ''}."
    )


def _run(view: ProjectionView) -> str:
    plan, baseline = view.plan, view.baseline
    devices = "" if plan.gpus == 1 else f" on {plan.gpus} GPUs"
    each = "" if plan.gpus == 1 else " on each"
    batches = f"{units.count(baseline.batches.number)} batches of {baseline.pilot.workload.batch_size}{each}"
    last = ", a last batch that is not full left out" if plan.drop_last else ""
    number = baseline.evaluations[0]
    evaluation = "no evaluation"
    if number:
        evaluation = f"evaluated {_times(number)} on {units.count(plan.eval_size or 0)} images"
    return f"Run: {_epochs(plan)} of {units.count(view.images)} images ({batches}{last}){devices}, {evaluation}."


def _times(number: int) -> str:
    return "once" if number == 1 else f"{units.count(number)} times"


# What a projection says of a run, and how it is called.
_Cell = Callable[[ProjectedRun], str]


def _figures(plan: EstimatePlan, runs: tuple[ProjectedRun, ...]) -> list[tuple[str, _Cell]]:
    each = "" if plan.gpus == 1 else ", each GPU"
    found: list[tuple[str, _Cell]] = [
        ("Time per batch", lambda run: step_cell(run.step)),
        (f"Batches per epoch{each}", lambda run: units.count(run.batches.number)),
        ("Time per epoch", lambda run: span_cell(run.epoch)),
        (f"Total, {_epochs(plan)}", lambda run: span_cell(run.total)),
    ]
    if len(runs) > 1:
        found += [
            ("Time saved", lambda run: "" if run.saved is None else span_cell(run.saved)),
            ("Speed-up", lambda run: "" if run.speedup is None else ratio_cell(run.speedup)),
        ]
    if plan.price_per_hour is not None:
        found.append(("Cost", _cost))
    if any(run.energy is not None for run in runs):
        found.append(("Energy", _energy))
    return found


def _energy(run: ProjectedRun) -> str:
    if run.energy is None:
        return units.MISSING
    found = run.energy.watt_hours
    return units.energy_with_interval(found.value, found.low, found.high)


def _cost(run: ProjectedRun) -> str:
    if run.cost is None:
        return units.MISSING
    value, low, high = run.cost.value, run.cost.low, run.cost.high
    ends = "" if low is None or high is None or low == high else f" ({units.money(low)} to {units.money(high)})"
    return f"{units.money(value)}{ends}"


def _side_by_side(view: ProjectionView, run: ProjectedRun) -> Table:
    """The baseline's figures beside a variant's."""
    figures = _figures(view.plan, view.runs)
    columns = (Column("", LEFT), Column(view.baseline.name, LEFT), Column(run.name, LEFT))
    rows = (Row((title, cell(view.baseline), cell(run)), style=_style(title)) for title, cell in figures)
    return Table(columns, tuple(rows))


def _style(title: str) -> Literal["plain", "strong"]:
    return "strong" if title.startswith("Total") else "plain"


def _below_each_other(view: ProjectionView) -> Table:
    """The figures of every variant below its name."""
    figures = _figures(view.plan, view.runs)
    rows = []
    for run in view.runs:
        rows.append(Row((run.name, ""), style="strong"))
        rows += [Row((title, cell(run)), depth=1) for title, cell in figures if cell(run)]
    return Table((Column("", LEFT), Column("projected", LEFT)), tuple(rows))


def _terms_table(view: ProjectionView) -> Table:
    """What the total of each variant is made of; a rule of the table is that the terms add up to it."""
    rows = []
    left_out = set() if view.baseline.evaluations[0] else {"evaluation"}
    if len(view.variants) > MOST_TABLES:
        # Many rows of nothing would hide the others; the findings tell what was not measured.
        left_out |= {term for term in TERMS if all(run.terms[term] is None for run in view.runs)}
    for run in view.runs:
        rows.append(Row((run.name, span_cell(run.total), units.percent(1.0)), style="strong"))
        for term in (term for term in TERMS if term not in left_out):
            span = run.terms[term]
            share = units.MISSING if span is None else units.percent(span.value / run.total.value)
            rows.append(Row((TERM_TITLES[term], span_cell(span), share), depth=1))
    return Table((Column("", LEFT), Column("time", LEFT), Column("share")), tuple(rows))


def _notes(view: ProjectionView) -> str:
    text = (
        "Time per batch is the mean step of the run, without the wait for its batch; time per epoch is the mean over "
        "its epochs, with all that belongs to them, and start-up is in the total alone."
    )
    if any(run.total.low is not None for run in view.runs):
        text += (
            f" In brackets the interval ({units.percent(CONFIDENCE)}) for a long run at another time on the same "
            "machine."
        )
    if view.variants:
        text += (
            " Speed-up is of total time. Variants are taken to be measured independently of each other, so that time "
            "saved has the whole uncertainty of both."
        )
        if any(run.pilot.origin == "comparison" for run in view.runs):
            text += " The comparison's own report tells speed-ups more sharply: its steps are paired."
    return text + _price_notes(view)


def _price_notes(view: ProjectionView) -> str:
    plan, text = view.plan, ""
    if plan.price_per_hour is not None:
        text += f" Cost is at {units.money(plan.price_per_hour)} an hour and device."
    energies = {run.name: run.energy for run in view.runs if run.energy is not None}
    if plan.watts is not None:
        text += f" Energy is at {units.rate(plan.watts)} W a device, as given."
    elif energies:
        read = ", ".join(f"{name} {units.rate(energy.watts)} W" for name, energy in energies.items())
        text += f" Energy is at the power that was read while steps were taken ({read})."
    return text


def _term_notes(view: ProjectionView) -> str:
    text = (
        "The terms add up to the total, and their intervals too: a machine that is slow for one is slow for all. "
        f"{units.MISSING} is not measured, and not in the total."
    )
    if any(run.terms["checkpoints"] is not None for run in view.runs):
        text += " One checkpoint an epoch."
    if any(run.batches.cost < run.batches.number for run in view.runs):
        text += " A last batch that is not full costs its share of a full one."
    return text


def _origin(pilot: Pilot) -> str:
    """Where a pilot's figures come from."""
    if pilot.source.kind == "quoted":
        return f"{pilot.name}: quoted, from the source above."
    described = " and ".join(_series(pilot, series) for series in pilot.steps)
    number = pilot.workload.world_size
    together = "" if number == 1 else f" on each of {num_devices(number)}"
    return f"{pilot.name}: {ORIGINS[pilot.origin]}, {described}{together}; {pilot.workload.data} data."


def _series(pilot: Pilot, series: StepSeries) -> str:
    when = {True: " in the warm-up of matching", False: " after the warm-up of matching", None: ""}
    num_blocks, num_steps = len(series.blocks), sum(map(len, series.blocks))
    if pilot.origin == "training":
        return f"{_plural(num_blocks, 'epoch')}{when[series.during_warmup]}"
    blocks = "launches" if pilot.origin == "comparison" else "blocks"
    in_blocks = "" if num_blocks == 1 else f" in {units.count(num_blocks)} {blocks}"
    return f"{_plural(num_steps, 'step')}{in_blocks}{when[series.during_warmup]}"


def _plural(number: int, one: str) -> str:
    return f"{units.count(number)} {one}{'s' if number != 1 else ''}"


def _method(record: EstimateRecord, view: ProjectionView) -> str:
    text = "Every term is a mean duration times how often the run has it."
    if any(run.total.low is not None for run in view.runs):
        text += (
            " The level of a later run is taken to be one more draw from the levels of the blocks that were measured "
            "(log-normal, Student's t); a single block of eight steps or more is cut into four. A spread of "
            f"{units.percent(LEAST_SPREAD)} between launches, which no single one can show, is added. What was "
            "measured only once is as uncertain as the steps."
        )
    if record.measuring_seconds is not None:
        text += f" Measuring took {units.duration(record.measuring_seconds)}."
    return text

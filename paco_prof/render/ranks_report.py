"""The part of a breakdown's report that is about several ranks."""

from __future__ import annotations

from typing import Literal

from paco_prof import units
from paco_prof.analysis.ranks import CommunicationView, OverRanks, RanksView, Straggler
from paco_prof.render.document import Block, Bullets, Column, Heading, Paragraph, Row, Table
from paco_prof.render.labels import plain_title, title_of
from paco_prof.render.objective import objective_over_ranks
from paco_prof.settings import Workload

__all__ = ["ranks_blocks"]

LEFT: Literal["left"] = "left"


def ranks_blocks(view: RanksView, workload: Workload) -> list[Block]:
    """The ranks' table, what it means, and what follows from it."""
    blocks: list[Block] = [Heading("Ranks")]
    if len(view.numbers) > 1:
        blocks.append(_table(view))
    if view.communication is not None:
        blocks.append(_communication_table(view.communication))
    blocks.append(Paragraph(_about(view)))
    blocks.append(Paragraph(objective_over_ranks(workload)))
    findings = [_straggler(view.straggler)] if view.straggler is not None else []
    if view.communication is not None:
        findings.append(_communication(view.communication, view.step.median))
    return [*blocks, Bullets(tuple(findings))] if findings else blocks


def _table(view: RanksView) -> Table:
    columns = (
        Column("Component (ms)", LEFT),
        Column("minimum"),
        Column("median"),
        Column("maximum"),
        Column("longest on", LEFT),
    )
    rows = [_row(title_of(path, calls), over, depth) for path, depth, calls, over in view.rows]
    last = (_row("Own work", view.work, style="total"), _row("Step", view.step, style="total"))
    return Table(columns, (*rows, *last))


def _row(title: str, over: OverRanks, depth: int = 0, style: Literal["plain", "total"] = "plain") -> Row:
    longest = units.MISSING if over.minimum == over.maximum else f"rank {over.largest}"
    cells = (title, *_milliseconds(over), longest)
    return Row(cells, depth, style)


def _communication_table(view: CommunicationView) -> Table:
    columns = (Column("All-reduce of gradients (ms)", LEFT), Column("minimum"), Column("median"), Column("maximum"))
    hidden = tuple(units.percent(share) for share in (view.hidden.minimum, view.hidden.median, view.hidden.maximum))
    rows = (
        Row(("On its way", *_milliseconds(view.total))),
        Row(("Exposed after backward", *_milliseconds(view.exposed)), 1),
        Row(("Hidden behind backward", *hidden), 1),
    )
    return Table(columns, rows)


def _milliseconds(over: OverRanks) -> tuple[str, str, str]:
    first, middle, last = (units.milliseconds(value) for value in (over.minimum, over.median, over.maximum))
    return first, middle, last


def _about(view: RanksView) -> str:
    where = ", ".join(view.devices) + ("" if view.machines == 1 else f" of {view.machines} machines")
    text = f"{view.world_size} ranks on {where} through {view.backend}; all else in this report is of rank 0. "
    if len(view.numbers) == 1:
        return text + "The run ended before the others had told what they measured."
    return text + (
        "Each figure is a rank's median over its steps, all phases and all stages inside included, and the table has "
        "the smallest, the median and the largest over ranks, which need not add up. Own work is the step without "
        "what a rank waits for others in: the exposed all-reduce, the buffers, gathering."
    )


def _straggler(found: Straggler) -> str:
    excess = found.excess
    interval = f"{units.percent(excess.low)} to {units.percent(excess.high)}, {excess.num_samples} steps, paired"
    if found.established:
        where = f"in {plain_title(found.stage)}" if found.stage else "outside of all stages"
        return (
            f"Rank {found.rank} is the straggler: beside the median of the others it works "
            f"{units.percent(excess.median)} longer ({interval}), {units.milliseconds(found.seconds)} ms a step, most "
            f"of it {where} ({units.milliseconds(found.stage_seconds)} ms). The others wait for it."
        )
    few = f" {found.least_steps} steps are the least that it takes." if excess.num_samples < found.least_steps else ""
    return (
        f"No straggler can be told: rank {found.rank} works longest, {units.percent(excess.median)} beside the median "
        f"of the others ({interval}).{few}"
    )


def _communication(view: CommunicationView, step: float) -> str:
    buckets = f"{view.buckets} bucket{'s' if view.buckets != 1 else ''}"
    text = (
        f"All-reduce: {units.gigabytes(view.num_bytes)} of gradients in {buckets} a step. "
        f"{units.percent(view.hidden.median)} of its time hides behind backward; what does not is "
        f"{units.milliseconds(view.exposed.median)} ms, {units.percent(view.exposed.median / step)} of the step. "
        f"The rank that came last, and waited for nobody, was left with {units.milliseconds(view.least)} ms: that is "
        "the network's part, the rest is waiting for slower ranks."
    )
    if view.buckets == 1:
        text += " One bucket is handed over when backward is done, so that nothing can hide."
    return text

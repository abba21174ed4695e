"""The report of a training run: what was trained on what, epoch by epoch, where the time went, what ails it."""

from __future__ import annotations

from typing import Literal

from paco_prof import units
from paco_prof.analysis.fidelity import fidelity_view
from paco_prof.analysis.training_run import RunView, Term, TermTime, find_in_run, run_view
from paco_prof.records import DataUsed, EpochResult, TrainingRunRecord
from paco_prof.render.document import Block, Bullets, Column, Document, Heading, Paragraph, Row, Table
from paco_prof.render.fidelity_report import fidelity_blocks
from paco_prof.render.objective import objective_over_ranks
from paco_prof.render.preamble import command_line, machine, model, variant_used, workload_subject
from paco_prof.render.training_text import run_sentence
from paco_prof.settings import Workload

__all__ = ["data_used", "devices", "shown_epochs", "training_document", "training_subject"]

LEFT: Literal["left"] = "left"
# Rows of the table of epochs; of more epochs it shows some.
MOST_EPOCHS = 20
LOSSES = ("total", "ce", "pac", "soc")
# What a run spends its time on, and what it is once: of how many there is one figure each.
TERM_TITLES: dict[Term, tuple[str, str]] = {
    "start-up": ("Start-up", "process"),
    "epoch starts": ("First batch of an epoch", "epoch"),
    "waiting": ("Waiting for data", "batch"),
    "steps": ("Training steps", "step"),
    "evaluation": ("Evaluation", "evaluation"),
    "checkpoints": ("Checkpoints", ""),
    "rest": ("The rest", ""),
}


def training_document(record: TrainingRunRecord) -> Document:
    """The whole report of a training run, partial ones included."""
    view = run_view(record)
    blocks: list[Block] = [Paragraph(text) for text in _preamble(record)]
    if view.epochs:
        blocks += [Heading("Training"), Paragraph(_outcome(record, view)), _epoch_table(view)]
        blocks += [Paragraph(text) for text in _epoch_notes(record, view)]
    if view.total_seconds > 0:
        blocks += [Heading("Where the time went"), _time_table(view), Paragraph(TIME_NOTES)]
    fidelity = fidelity_view(record.variant.kind, record.fidelity)
    if fidelity is not None:
        blocks += fidelity_blocks(fidelity, "after the last epoch and on the first batch of the first")
    found = find_in_run(record)
    if found:
        blocks += [Heading("Findings"), Bullets(tuple(run_sentence(finding) for finding in found))]
    return Document(f"paco-prof train: {training_subject(record)}", tuple(blocks))


def training_subject(record: TrainingRunRecord) -> str:
    """What was trained, in a few words."""
    variant = "" if record.variant.name == "baseline" else f", {record.variant.name}"
    return f"{workload_subject(record.workload)}{variant}, {record.data.name}"


def data_used(data: DataUsed, num_devices: int = 1) -> str:
    """What was trained on and evaluated with, in a sentence."""
    split = f" ({data.split})" if data.split else ""
    each = "" if num_devices == 1 else " on each device"
    workers = "the process that trains loads them" if data.workers == 0 else _plural(data.workers, "worker")
    last = "a last batch that is not full is left out" if data.drop_last else "the last batch may be smaller"
    return (
        f"Data: {data.name}, {_plural(data.num_train, 'image')} to train on and {units.count(data.num_eval)} held "
        f"out{split}, {_plural(data.num_classes, 'class', 'classes')}; two augmented views of each image; "
        f"{workers}{each}; {last}."
    )


def devices(workload: Workload) -> str:
    """How several devices share the work, and what that makes of the objective, in a few sentences."""
    number, batch = workload.world_size, workload.batch_size
    joint = units.count(number * batch)
    return (
        f"Devices: {units.count(number)} devices, each with batches of {units.count(batch)}: {joint} images a step. "
        "Losses are means over devices, images a second are those of all of them, and times are the first one's. "
        f"{objective_over_ranks(workload)}"
    )


def shown_epochs(epochs: tuple[EpochResult, ...], best: int | None, most: int = MOST_EPOCHS) -> list[EpochResult]:
    """The epochs of the table: all, or the first, the last, evenly chosen ones in between, and the best."""
    if len(epochs) <= most:
        return list(epochs)
    places = {round(place * (len(epochs) - 1) / (most - 1)) for place in range(most)}
    return [result for result in epochs if result.epoch in places or result.epoch == best]


def _preamble(record: TrainingRunRecord) -> list[str]:
    lines = [] if record.environment is None else [machine(record.environment)]
    lines += [model(record.workload), data_used(record.data, record.workload.world_size)]
    if record.workload.world_size > 1:
        lines.append(devices(record.workload))
    if record.variant.name != "baseline" or record.variant.settings:
        lines.append(variant_used(record.variant))
    return [*lines, command_line(record)] if record.command else lines


def _outcome(record: TrainingRunRecord, view: RunView) -> str:
    """How far it came, how good it is, how fast it was."""
    text = f"{len(view.epochs)} of {_plural(record.plan.epochs, 'epoch')} in {units.span(view.total_seconds)}."
    if view.last is not None and view.best is not None:
        is_best = view.last.accuracy >= view.best.accuracy
        best = (
            "" if is_best else f"; the best was {units.percent(view.best.accuracy)} after epoch {view.best.epoch + 1}"
        )
        text += (
            f" Accuracy is {units.percent(view.last.accuracy)} after epoch {view.last.epoch + 1}{best} (guessing: "
            f"{units.percent(view.chance)})."
        )
    if view.images_per_second is not None and view.step_seconds is not None:
        text += (
            f" Training ran at {units.rate(view.images_per_second)} images/s, "
            f"{units.milliseconds(view.step_seconds)} ms a step."
        )
    return text


def _epoch_table(view: RunView) -> Table:
    columns = (
        Column("epoch"),
        Column("total loss"),
        Column("CE"),
        Column("PaC"),
        Column("SoC"),
        Column("accuracy"),
        Column("images/s"),
        Column("time"),
    )
    best = None if view.best is None else view.best.epoch
    return Table(columns, tuple(_epoch_row(result, best) for result in shown_epochs(view.epochs, best)))


def _epoch_row(result: EpochResult, best: int | None) -> Row:
    cells = (
        str(result.epoch + 1),
        *(_loss(result.losses.get(name)) for name in LOSSES),
        units.percent(result.accuracy),
        units.rate(result.images_per_second),
        units.span(result.seconds),
    )
    return Row(cells, style="strong" if result.epoch == best else "plain")


def _loss(value: float | None) -> str:
    return units.MISSING if value is None else units.short_loss(value)


def _epoch_notes(record: TrainingRunRecord, view: RunView) -> list[str]:
    shown = len(shown_epochs(view.epochs, None if view.best is None else view.best.epoch))
    some, alpha = "", record.workload.known("alpha")
    if shown < len(view.epochs):
        some = (
            f"{shown} of {len(view.epochs)} epochs are shown: the first, the last, evenly chosen ones in between, and "
            "the best. "
        )
    return [
        f"{some}Losses are means over the epoch's steps; PaC is {alpha:g}, its margin alpha, where "
        "positives and negatives cannot be told apart. Throughput is of training alone, loading included; time is of "
        "the whole epoch. The best epoch is the first of those with the highest accuracy."
    ]


TIME_NOTES = (
    "Start-up is all before the first epoch: libraries, model, data. An epoch's first batch is waited for while its "
    "workers fill their queues; waiting for data is all other waiting. The rest is between the measured parts, and the "
    "work after a last checkpoint that was lost."
)


def _time_table(view: RunView) -> Table:
    columns = (Column("", LEFT), Column("time"), Column("share"), Column("each", LEFT))
    rows = [_time_row(term) for term in view.terms]
    whole = units.percent(1.0)
    return Table(columns, (*rows, Row(("The whole run", units.span(view.total_seconds), whole, ""), style="total")))


def _time_row(term: TermTime) -> Row:
    title, once = TERM_TITLES[term.term]
    each = f"{units.span(term.seconds / term.times)} a{_n(once)} {once}" if term.times else ""
    return Row((title, units.span(term.seconds), units.percent(term.share), each))


def _n(word: str) -> str:
    return "n" if word[:1] in "aeiou" else ""


def _plural(number: int, one: str, many: str = "") -> str:
    return f"{units.count(number)} {one if number == 1 else many or f'{one}s'}"

"""The report of a comparison of accuracies: how accurate, how surely as good, after how long."""

from __future__ import annotations

from typing import Literal

from paco_prof import units
from paco_prof.analysis.accuracy import AccuracyView, TrainedVariant, TwinView, accuracy_view
from paco_prof.analysis.accuracy_findings import find_in_accuracy
from paco_prof.analysis.fidelity import EXACT_GRADIENT, EXACT_LOSS
from paco_prof.records import AccuracyRecord
from paco_prof.render.accuracy_text import accuracy_sentence
from paco_prof.render.document import Block, Bullets, Column, Document, Heading, Paragraph, Row, Table
from paco_prof.render.preamble import command_line, machine, model, workload_subject
from paco_prof.render.training_report import data_used
from paco_prof.stats.summary import CONFIDENCE

__all__ = ["accuracy_document", "accuracy_subject"]

LEFT: Literal["left"] = "left"
# Variants that a title names one by one.
MOST_NAMES = 3
# Beside the name of what was trained through its twin.
TWIN = "†"


def accuracy_document(record: AccuracyRecord) -> Document:
    """The whole report of a comparison of accuracies, partial ones included."""
    view = accuracy_view(record)
    blocks: list[Block] = [Paragraph(text) for text in _preamble(record)]
    blocks += [Heading("Accuracy"), _accuracy_table(record, view), Paragraph(_accuracy_notes(record, view))]
    blocks += [Heading("Time"), _time_table(view), Paragraph(_time_notes(view))]
    twins = [(row.name, row.twin) for row in view.rows if row.twin is not None]
    if twins:
        blocks += [Heading("Trained through an exact twin"), *(Paragraph(_twin(name, twin)) for name, twin in twins)]
    found = find_in_accuracy(record, view)
    if found:
        blocks += [Heading("Findings"), Bullets(tuple(accuracy_sentence(finding) for finding in found))]
    blocks += [Heading("How it was measured"), Paragraph(_method(record, view))]
    return Document(f"paco-prof compare --accuracy: {accuracy_subject(record)}", tuple(blocks))


def accuracy_subject(record: AccuracyRecord) -> str:
    """What was compared, in a few words."""
    others = [contestant.name for contestant in record.contestants[1:]]
    names = ", ".join(others) if len(others) <= MOST_NAMES else f"{len(others)} variants"
    baseline = record.contestants[0]
    return f"{names} over {baseline.name}; {workload_subject(baseline.workload)}, {record.data.name}"


def _preamble(record: AccuracyRecord) -> list[str]:
    lines = [] if record.environment is None else [machine(record.environment)]
    lines += [model(record.contestants[0].workload), data_used(record.data)]
    return [*lines, command_line(record)] if record.command else lines


def _accuracy_table(record: AccuracyRecord, view: AccuracyView) -> Table:
    columns = (
        Column("", LEFT),
        Column("seeds"),
        Column("accuracy", LEFT),
        Column("difference", LEFT),
        Column("verdict", LEFT),
    )
    return Table(columns, tuple(_accuracy_row(record, row) for row in view.rows))


def _accuracy_row(record: AccuracyRecord, row: TrainedVariant) -> Row:
    accuracy, difference = row.accuracy, row.difference
    planned = record.plan.seeds
    seeds = units.count(len(row.runs)) if len(row.runs) == planned else f"{len(row.runs)} of {planned}"
    shown = units.MISSING
    if accuracy is not None:
        shown = units.accuracy_interval(accuracy.value, accuracy.low, accuracy.high)
    beside = "" if row.place == 0 else units.MISSING
    if difference is not None:
        beside = units.points_interval(difference.value, difference.low, difference.high)
    verdict = row.verdict or ("" if row.place == 0 else "not judged")
    return Row((row.name, seeds, shown, beside, verdict), style="strong" if verdict == "worse" else "plain")


def _accuracy_notes(record: AccuracyRecord, view: AccuracyView) -> str:
    epochs = record.plan.run.epochs
    margin = units.points(-view.margin)
    return (
        f"After {_plural(epochs, 'epoch', 'epochs')}; mean over the seeds, in brackets the interval "
        f"({units.percent(CONFIDENCE)}) over seeds and evaluation images. A difference is the variant's accuracy less "
        f"the baseline's with the same seed, in percentage points (pt). as good: all of its interval is above "
        f"{margin}, the margin; better: above zero as well; worse: all of it is below {margin}; inconclusive: "
        "anything else."
    )


def _time_table(view: AccuracyView) -> Table:
    to_target = "to the target" if view.target is None else f"to {units.accuracy(view.target)}"
    columns = (
        Column("", LEFT),
        Column("kind", LEFT),
        Column("an epoch"),
        Column(to_target, LEFT),
        Column("reached"),
        Column("speed-up"),
    )
    return Table(columns, tuple(_time_row(row) for row in view.rows))


def _time_row(row: TrainedVariant) -> Row:
    target = row.target
    name = row.name if row.twin is None else f"{row.name} {TWIN}"
    speedup = units.MISSING if row.target_speedup is None else units.ratio(row.target_speedup)
    cells = (
        name,
        row.contestant.variant.kind,
        units.span(row.epoch_seconds),
        units.MISSING if target is None else units.span_with_interval(target.mean, target.low, target.high),
        units.MISSING if target is None else f"{target.num_reached} of {target.num_runs}",
        "" if row.place == 0 else speedup,
    )
    return Row(cells)


def _time_notes(view: AccuracyView) -> str:
    if view.target is None:
        text = "An epoch is training, evaluation and checkpoint. There is no target to reach: no baseline run is over."
    else:
        whose = "as asked" if view.target_was_given else "the baseline's mean accuracy less the margin"
        text = (
            f"An epoch is training, evaluation and checkpoint. The target is {units.accuracy(view.target)}, {whose}; "
            "the time to it is from the start of a run to the end of the first evaluation that reached it: mean over "
            "the runs that did, in brackets the shortest and the longest. The speed-up is the baseline's time to the "
            "target over the variant's, and is told where all runs of both reached it."
        )
    if any(row.twin is not None for row in view.rows):
        text += f" {TWIN} trained through its exact twin; times are those of the reference loop."
    return text


def _twin(name: str, twin: TwinView) -> str:
    ms, measured = units.milliseconds, twin.fidelity.measured
    loss, gradient = twin.fidelity.loss_errors.get("total"), measured.gradient_error
    verdict = "It is exact." if twin.is_exact else "It is not exact here: see the findings."
    return (
        f"{name} {TWIN} has the reference loop, {ms(twin.loop_step)} ms a step, and was trained in forms that compute "
        f"the same objective without it, {ms(twin.twin_step)} ms a step (medians of steps taken in turns). Its "
        f"accuracy is the twin's; its times are those of the loop: the seconds of its steps times "
        f"{units.fixed(twin.factor, 2)}. Against the loop's objective in float64, on the weights and the batch that "
        f"the runs begin with, the twin's total loss is off by {units.relative_error(loss)} and its gradient by "
        f"{units.relative_error(gradient)} of the reference's norm; exact is within {units.relative_error(EXACT_LOSS)} "
        f"and {units.relative_error(EXACT_GRADIENT)}. {verdict}"
    )


def _method(record: AccuracyRecord, view: AccuracyView) -> str:
    planned = record.plan.seeds * len(record.contestants)
    done = sum(len(row.runs) for row in view.rows)
    seconds = "" if record.measuring_seconds is None else f" It took {units.duration(record.measuring_seconds)}."
    by_image = all(row.difference.by_image for row in view.judged if row.difference is not None)
    images = (
        "differences are taken within seeds and within images, which both sides share"
        if by_image
        else "outcomes of single images are not known, and are taken for independent"
    )
    return (
        f"{units.count(done)} of {units.count(planned)} planned runs are judged: each variant is trained with the same "
        "seeds (of weights, order and augmentation) on the same data, one run after the other, and evaluated on the "
        f"same {_plural(view.num_images, 'image', 'images')}. Two things are drawn by lot, the seeds and the "
        f"evaluation images; {images}. The interval takes Student's t for either part, with the degrees of freedom of "
        "the seeds and of the images, and counts a few images that nobody has seen, so that equal outcomes are no "
        "certainty. Each verdict is by itself: of forty variants that are worse by just the margin one is called as "
        "good. Times are of runs that followed each other; paco-prof compare without --accuracy judges speed."
        f"{seconds}"
    )


def _plural(number: int, one: str, many: str) -> str:
    return f"{units.count(number)} {one if number == 1 else many}"

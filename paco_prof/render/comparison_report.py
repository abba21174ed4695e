"""The report of a comparison or an ablation: speed, what was changed for it, claims, stages, findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from paco_prof import units
from paco_prof.analysis.ablation import AblationStep, Interaction, Prediction, interactions, predictions, steps
from paco_prof.analysis.comparison import ComparedVariant, ComparisonView, comparison_view
from paco_prof.analysis.comparison_findings import find_in_comparison
from paco_prof.analysis.expectation import Expectation
from paco_prof.analysis.machines import by_machine
from paco_prof.records import ComparisonRecord, Fidelity, Launch, SpeedupClaim
from paco_prof.render.comparison_text import comparison_sentence, failure_words, measured_ratio
from paco_prof.render.document import Block, Bullets, Column, Document, Heading, Paragraph, Row, Table
from paco_prof.render.machines_report import machine_by_machine
from paco_prof.render.objective import objective_over_ranks
from paco_prof.render.preamble import command_line, machine, model, workload_subject
from paco_prof.render.stage_table import stage_table
from paco_prof.render.user_code_report import missing_sentence, replacement_sentence
from paco_prof.settings import Workload
from paco_prof.stats.paired import ALPHA
from paco_prof.stats.summary import CONFIDENCE

__all__ = ["comparison_document", "comparison_subject"]

LEFT: Literal["left"] = "left"
# Variants whose stages are shown one table each; of more, only the fastest's.
MAX_STAGE_TABLES = 3


def comparison_document(record: ComparisonRecord) -> Document:
    """The whole report of a comparison record, partial ones included; of several machines one after the other."""
    machines = by_machine(record)
    title = f"{_title(record)}: {comparison_subject(record)}"
    blocks = machine_by_machine(machines, _sections) if len(machines) > 1 else _sections(machines[0])
    return Document(title, (*(Paragraph(text) for text in _preamble(record, len(machines))), *blocks))


def _sections(record: ComparisonRecord) -> list[Block]:
    """All that is to be said about the launches of one machine."""
    view = comparison_view(record)
    blocks: list[Block] = [Heading("Speed"), _speed_table(view), Paragraph(_speed_notes(view))]
    is_ours = record.baseline.workload.model is None
    blocks += [Heading("What it changes"), _fidelity_table(view, is_ours)]
    blocks.append(Paragraph(FIDELITY if is_ours else FIDELITY_OF_ONES_OWN))
    blocks += _user_code_blocks(record)
    blocks += _ablation_blocks(record, view)
    reference = view.baseline.contestant.variant.name == "baseline"
    claimed = [variant for variant in view.variants if variant.expectation is not None]
    if claimed:
        blocks += [Heading("What the analysis expects"), _claims_table(claimed), Paragraph(OUTCOMES)]
        blocks += [] if reference else [Paragraph(OF_THE_REFERENCE)]
    for variant in _with_stages(view):
        blocks += [Heading(f"Before and after: {variant.name}"), stage_table(variant), Paragraph(STAGES)]
    found = find_in_comparison(record, view)
    if found:
        blocks += [Heading("Findings"), Bullets(tuple(comparison_sentence(finding) for finding in found))]
    return [*blocks, Heading("How it was measured"), Paragraph(_method(record, view))]


def comparison_subject(record: ComparisonRecord) -> str:
    """What was compared, in a few words."""
    others = [contestant.name for contestant in record.contestants[1:]]
    names = ", ".join(others) if len(others) <= MAX_STAGE_TABLES else f"{len(others)} variants"
    return f"{names} over {record.baseline.name}; {workload_subject(record.baseline.workload)}"


def _title(record: ComparisonRecord) -> str:
    return "paco-prof compare" if record.design == "compare" else f"paco-prof ablate, {record.design}"


def _preamble(record: ComparisonRecord, num_machines: int) -> list[str]:
    lines = [] if record.environment is None or num_machines > 1 else [machine(record.environment)]
    lines.append(model(record.baseline.workload))
    return [*lines, command_line(record)] if record.command else lines


def _speed_table(view: ComparisonView) -> Table:
    columns = (
        Column("ms per step", LEFT),
        Column("step"),
        Column("forward"),
        Column("backward"),
        Column("samples/s"),
        Column("memory"),
        Column("speed-up", LEFT),
    )
    best = view.fastest
    rows = [_speed_row(variant, is_best=variant is best) for variant in (view.baseline, *view.variants)]
    return Table(columns, tuple(rows))


def _speed_row(variant: ComparedVariant, is_best: bool) -> Row:
    rate = variant.samples_per_second
    times = (variant.step, variant.forward, variant.backward)
    cells = (
        variant.name,
        *(units.milliseconds(None if time is None else time.value) for time in times),
        units.MISSING if rate is None else units.rate(rate),
        units.gigabytes(variant.peak_bytes),
        _speedup_cell(variant),
    )
    return Row(cells, style="strong" if is_best else "plain")


def _speedup_cell(variant: ComparedVariant) -> str:
    if variant.speedup is not None:
        return measured_ratio(variant.speedup)
    if variant.failures:
        return failure_words(variant.failures[-1])
    return "" if variant.place == 0 else "not measured"


def _speed_notes(view: ComparisonView) -> str:
    measured = view.measured
    of = {variant.peak_of for variant in measured if variant.peak_of}
    memory = {"device": " Memory is the device's peak.", "process": " Memory is the peak of the whole process."}
    return (
        f"Speed-up is the {view.baseline.name}'s time per sample over the variant's, from pairs within launches; so it "
        "is not the quotient of the times, which are typical steps of all launches together. In brackets its interval "
        f"({units.percent(CONFIDENCE)}); ~ is a difference that is not established ({_level()})."
        + "".join(memory[name] for name in sorted(of))
    )


FIDELITY = (
    "Against a float64 reference on the same weights and images, before the first step: the error of the total loss, "
    "and of the gradient of all parameters over its norm. Exact is within 1e-05 and 1.0 %. A different model is held "
    "against the reference of its own settings."
)
FIDELITY_OF_ONES_OWN = (
    "Against your model in float64, on the same weights and images, before the first step: the error of the total "
    "loss, and of the gradient of all parameters over its norm. In float64: the larger of the two with the drop-in in "
    "float64 as well, where rounding is no excuse; what is exact is within 1e-06 there, else within 1e-05 and 1.0 %."
)
OUTCOMES = (
    "Quoted from the analysis, which had not measured it. holds: the interval is not below what it expects; falls "
    "short: all of it is; exceeds: all of it is above; not distinguishable: it holds the least that is expected; "
    f"{units.MISSING}: the words hold no figure, or nothing was measured."
)
OF_THE_REFERENCE = "The analysis expects this of the reference; the baseline here is another one."
STAGES = "All phases together, typical steps; speed-ups over launches, all stages of a variant judged together (Holm)."


def _user_code_blocks(record: ComparisonRecord) -> list[Block]:
    """What drop-ins took the place of in a model of the user's own, and what was not found in it."""
    told: dict[str, None] = {}
    for contestant in record.contestants:
        for replaced in contestant.user_code.replaced if contestant.user_code is not None else ():
            told[f"{contestant.name}: {replacement_sentence(replaced)}"] = None
    used = record.baseline.user_code
    missing = [] if used is None else [missing_sentence(each) for each in used.missing]
    return [Bullets((*told, *missing))] if told or missing else []


def _fidelity_table(view: ComparisonView, is_ours: bool) -> Table:
    columns = (
        Column("", LEFT),
        Column("kind", LEFT),
        Column("loss error"),
        Column("gradient error"),
        Column("cosine" if is_ours else "in float64"),
        Column("", LEFT),
    )
    return Table(columns, tuple(_fidelity_row(variant, is_ours) for variant in (view.baseline, *view.variants)))


def _fidelity_row(variant: ComparedVariant, is_ours: bool) -> Row:
    kind, fidelity = variant.contestant.variant.kind, variant.fidelity
    if fidelity is None:
        return Row((variant.name, kind, units.MISSING, units.MISSING, units.MISSING, "not compared"))
    measured = fidelity.measured
    cells = (
        variant.name,
        kind,
        units.relative_error(fidelity.loss_errors.get("total")),
        units.relative_error(measured.gradient_error),
        units.cosine(measured.gradient_cosine) if is_ours else _in_float64(measured),
        fidelity.verdict if is_ours or fidelity.verdict != "contradicted" else _own_verdict(measured),
    )
    return Row(cells, style="strong" if fidelity.verdict == "contradicted" else "plain")


def _own_verdict(measured: Fidelity) -> str:
    """Of what is not what the user's model is in float64: without a drop-in in float64 that is rounding."""
    return "rounding" if measured.float64_gradient_error is None else "contradicted"


def _in_float64(measured: Fidelity) -> str:
    """The larger of the two errors: that of the loss, and that of the gradient."""
    loss, gradient = measured.float64_loss_error, measured.float64_gradient_error
    return units.MISSING if loss is None or gradient is None else units.relative_error(max(loss, gradient))


def _ablation_blocks(record: ComparisonRecord, view: ComparisonView) -> list[Block]:
    blocks: list[Block] = []
    walked, found, predicted = steps(record, view), interactions(record, view), predictions(view)
    if walked:
        blocks += [Heading("Step by step"), _steps_table(walked)]
    if found:
        blocks += [Heading("Interactions"), _interactions_table(found), Paragraph(INTERACTIONS)]
    if predicted:
        blocks += [Heading("Combinations"), _predictions_table(predicted), Paragraph(PREDICTIONS)]
    return blocks


INTERACTIONS = (
    "The speed-up by a toggle without the other one and with it. The factor is their quotient: 1 where neither gets in "
    "the other's way, below 1 where both save the same time."
)
PREDICTIONS = (
    "Predicted stage by stage (Amdahl): every stage scales by the product of what each toggle alone makes of it. The "
    "error is the predicted speed-up over the measured one, less one."
)


def _steps_table(walked: Sequence[AblationStep]) -> Table:
    columns = (Column("", LEFT), Column("speed-up over the one before", LEFT), Column("expected"), Column("", LEFT))
    rows = (
        Row((step.variant.name, measured_ratio(step.speedup), *_expected_cells(step.expectation))) for step in walked
    )
    return Table(columns, tuple(rows))


def _interactions_table(found: Sequence[Interaction]) -> Table:
    columns = (
        Column("toggle", LEFT),
        Column("without the other", LEFT),
        Column("with it", LEFT),
        Column("factor", LEFT),
    )
    rows = (
        Row(
            (
                f"{i.toggle} beside {i.other}",
                measured_ratio(i.alone),
                measured_ratio(i.together),
                measured_ratio(i.factor),
            )
        )
        for i in found
    )
    return Table(columns, tuple(rows))


def _predictions_table(predicted: Sequence[Prediction]) -> Table:
    columns = (Column("", LEFT), Column("predicted"), Column("measured", LEFT), Column("error"))
    rows = (
        Row((p.variant.name, units.ratio(p.predicted), measured_ratio(p.measured), units.signed_percent(p.error)))
        for p in predicted
    )
    return Table(columns, tuple(rows))


def _claims_table(claimed: Sequence[ComparedVariant]) -> Table:
    columns = (
        Column("in its words", LEFT, wraps=True),
        Column("expected"),
        Column("measured", LEFT),
        Column("", LEFT),
    )
    return Table(columns, tuple(_claim_row(v.name, v.expectation) for v in claimed if v.expectation is not None))


def _claim_row(name: str, expected: Expectation) -> Row:
    claimed, outcome = _expected_cells(expected)
    of = "" if expected.claim.of == "step" else f" (of the {expected.claim.of})"
    return Row((f"{name}: {expected.claim.text}{of}", claimed, measured_ratio(expected.measured), outcome))


def _expected_cells(expected: Expectation | None) -> tuple[str, str]:
    if expected is None:
        return units.MISSING, ""
    return _claimed(expected.claim), str(expected.outcome or units.MISSING)


def _claimed(claim: SpeedupClaim) -> str:
    if claim.low is None or claim.high is None:
        return units.MISSING
    if claim.low == claim.high:
        return units.ratio(claim.low)
    return units.ratio_interval(claim.low, claim.high)


def _with_stages(view: ComparisonView) -> list[ComparedVariant]:
    if view.design == "compare" and len(view.measured) <= MAX_STAGE_TABLES:
        return list(view.measured)
    return [view.fastest] if view.fastest is not None else []


def _method(record: ComparisonRecord, view: ComparisonView) -> str:
    judged = [launch for variant in view.variants for launch in record.launches_of(variant.place)]
    plan = record.plan
    if plan.sequential:
        turns = "one side after the other, in random order"
        number = "the difference between the medians of the logarithms of its steps"
    else:
        turns = f"each with its baseline, steps taken in turns, in random order within a pair{_pairs(judged)}"
        number = "the median of the log ratios of its pairs"
    seconds = "" if record.measuring_seconds is None else f" It took {units.duration(record.measuring_seconds)}."
    return (
        f"Every variant lives in a process of its own. {units.count(len(judged))} of "
        f"{units.count(plan.launches * len(view.variants))} planned launches of fresh processes are judged, {turns}. "
        f"A launch is one number, {number}; up to seven are judged by Student's t over launches, eight or more "
        "by the exact signed-rank test with the Hodges-Lehmann estimate. A difference is claimed at "
        f"{_level()}, two-sided.{seconds}{_over_ranks(record.baseline.workload)}"
    )


def _over_ranks(workload: Workload) -> str:
    if workload.world_size == 1:
        return ""
    return (
        f" Each variant trains on {units.count(workload.world_size)} devices together, a process on each. A step is "
        "rank 0's, which ends when the gradients of all are in; memory is that of the rank that needs most, loss and "
        f"gradient beside float64 are rank 0's. {objective_over_ranks(workload)}"
    )


def _pairs(launches: Sequence[Launch]) -> str:
    numbers = sorted(len(launch.variant.training.steps) for launch in launches)
    if not numbers:
        return ""
    return f" ({numbers[0]} pairs each)" if numbers[0] == numbers[-1] else f" ({numbers[0]} to {numbers[-1]} pairs)"


def _level() -> str:
    return f"p at most {ALPHA:g}, and half of that below eight launches"

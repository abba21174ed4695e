"""The report of a gate: a short table, sentences about what is not as it should be, and how it was judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from paco_prof import units
from paco_prof.analysis.gate import CheckResult, GateView
from paco_prof.analysis.gate_figures import exit_code
from paco_prof.analysis.gate_stages import changed_stages
from paco_prof.analysis.machine_findings import find_about_the_machine
from paco_prof.errors import ExitCode
from paco_prof.records import YARDSTICK, CheckPlan, CheckRecord, ComparisonRecord, Contestant
from paco_prof.render.comparison_text import comparison_sentence
from paco_prof.render.document import Block, Bullets, Column, Document, Heading, Paragraph, Row, Table
from paco_prof.render.gate_cells import allowed, measured
from paco_prof.render.gate_text import gate_sentence, is_told, one_line
from paco_prof.render.preamble import command_line, machine, workload_subject
from paco_prof.render.stage_table import stage_table
from paco_prof.stats.summary import CONFIDENCE

__all__ = ["gate_document", "gate_table", "stage_blocks"]

LEFT: Literal["left"] = "left"
# Stages of a step that has become slower, those that changed most.
MOST_STAGES = 5
ENDED = {
    "running": "The gate was killed; what it says rests on the launches until then.",
    "interrupted": "The gate was interrupted; what it says rests on the launches until then.",
    "failed": "The gate failed; what it says rests on the launches until then.",
}
SAME_REVISION = (
    "Both sides are the same commit, without changes: what was measured is the noise of this machine (A against A)."
)
BESIDE_SAVED = (
    f"Beside a saved baseline the step counts in units of the {YARDSTICK}, a plain two-view step on the same backbone "
    "that is measured beside it, then and now; times now are shown at the pace that the machine had then."
)


def gate_document(record: CheckRecord, view: GateView) -> Document:
    """The whole report of a gate, complete or not."""
    blocks: list[Block] = [gate_table(view.results)]
    told = tuple(gate_sentence(result) for result in view.results if is_told(result))
    if told:
        blocks.append(Bullets(told))
    if record.status != "complete":
        blocks.append(Paragraph(ENDED[record.status]))
    if any(note.code == "same revision" for note in record.notes):
        blocks.append(Paragraph(SAME_REVISION))
    if view.verdict == "inconclusive":
        blocks += _about_the_machine(record)
    for result in view.results:
        blocks += stage_blocks(record, result)
    blocks += [Heading("How it was judged"), *(Paragraph(text) for text in _method(record, view))]
    return Document(_title(view), tuple(blocks))


def _about_the_machine(record: CheckRecord) -> list[Block]:
    """What may be why nobody can tell."""
    found = [finding for comparison in record.comparisons for finding in find_about_the_machine(comparison)]
    sentences = tuple(dict.fromkeys(comparison_sentence(finding) for finding in found))
    return [Heading("The machine meanwhile"), Bullets(sentences)] if sentences else []


def gate_table(results: Sequence[CheckResult]) -> Table:
    """A row a check."""
    columns = (Column("check", LEFT), Column("measured", LEFT), Column("allowed", LEFT), Column("verdict", LEFT))
    return Table(columns, tuple(_row(result) for result in results))


def stage_blocks(record: CheckRecord, result: CheckResult) -> list[Block]:
    """The stages of a step that has become slower than it was, before and after; nothing of any other check."""
    variant = changed_stages(record, result) if result.verdict == "fail" else None
    if variant is None:
        return []
    return [Heading(f"Before and after: {one_line(result.check.name)}"), stage_table(variant, MOST_STAGES)]


def _title(view: GateView) -> str:
    """`paco-prof check: fail`."""
    lets_pass = view.verdict == "inconclusive" and view.inconclusive_ok
    return f"paco-prof check: {view.verdict}{', which is let pass' if lets_pass else ''}"


def _row(result: CheckResult) -> Row:
    verdict = "pass, faster" if result.verdict == "pass" and result.improved else result.verdict
    cells = (one_line(result.check.name), measured(result), allowed(result), verdict)
    return Row(cells, style="plain" if result.verdict == "pass" else "strong")


def _method(record: CheckRecord, view: GateView) -> list[str]:
    """Machine, what was measured, how it was judged, exit codes and command, a paragraph each."""
    lines = [] if record.environment is None else [machine(record.environment)]
    lines += [_taken(comparison) for comparison in record.comparisons]
    lines.append(_judgement(record))
    if any(check.kind == "record" for check in record.checks):
        lines.append(BESIDE_SAVED)
    lines.append(_codes(view))
    return [*lines, command_line(record)] if record.command else lines


def _taken(comparison: ComparisonRecord) -> str:
    *others, last = (_name(contestant) for contestant in comparison.contestants)
    what = workload_subject(comparison.baseline.workload)
    numbers = {len(comparison.launches_of(place)) for place in range(1, len(comparison.contestants))}
    taken = " to ".join(units.count(number) for number in sorted({min(numbers), max(numbers)}))
    taken += " launch" if numbers == {1} else " launches"
    planned = comparison.plan.launches
    most = "" if numbers == {planned} else f" (of {units.count(planned)} at most)"
    turns = "one side after the other" if comparison.plan.sequential else "steps of both sides in turns"
    seconds = comparison.measuring_seconds
    took = "" if seconds is None else f", in {units.duration(seconds)}"
    return f"Measured: {', '.join(others)} and {last} ({what}); {taken} of fresh processes{most}, {turns}{took}."


def _name(contestant: Contestant) -> str:
    name, commit = one_line(contestant.name), contestant.revision
    # A revision may have been named by the beginning of its commit.
    return f"{name} at {commit}" if commit and not commit.startswith(name) else name


def _judgement(record: CheckRecord) -> str:
    kinds = {check.kind == "record" for check in record.checks}
    tests = {False: "signed-rank test", True: "rank-sum test (beside saved launches)"}
    effects = sorted({check.smallest_effect for check in record.checks if check.smallest_effect})
    matters = " or ".join(units.round_percent(effect) for effect in effects)
    beyond = f" and the estimate lies beyond it by more than matters ({matters})" if matters else ""
    return (
        f"A launch is one number. {_looks(record.plan)}. A check fails where the exact one-sided "
        f"{' or '.join(tests[kind] for kind in sorted(kinds))} rejects that its bound is kept{beyond}; it passes where "
        f"the whole interval ({units.round_percent(CONFIDENCE)}) lies within; anything else is inconclusive."
    )


def _looks(plan: CheckPlan) -> str:
    first, last = plan.first_look, units.count(plan.launches)
    if first is None or first >= plan.launches:
        return f"Launches are looked at once, after {last}, with p at most {units.round_percent(plan.alpha)}"
    looks = f"twice, after {units.count(first)} and, if need be, after {last}"
    return f"Launches are looked at {looks}, with p at most {units.round_percent(plan.alpha / 2)} each time"


def _codes(view: GateView) -> str:
    codes = {
        ExitCode.DONE: "pass",
        ExitCode.REGRESSION: "fail",
        ExitCode.USAGE: "bad input",
        ExitCode.INCONCLUSIVE: "inconclusive unless it is let pass",
        ExitCode.MEASUREMENT_FAILED: "error",
    }
    words = ", ".join(f"{code.value} {word}" for code, word in codes.items())
    return f"Exit code {exit_code(view).value} ({words})."

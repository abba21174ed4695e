"""A gate's record as verdicts: what each check found, by how much, how surely, and which stage explains it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

from paco_prof import stages
from paco_prof.analysis.breakdown import stage_paths, stage_seconds
from paco_prof.analysis.comparison import launch_effects
from paco_prof.analysis.fidelity import FidelityView, fidelity_view
from paco_prof.analysis.regression import Explanation, StepChange, step_change
from paco_prof.analysis.yardstick import over_yardstick, sides_of
from paco_prof.records import (
    Check,
    CheckPlan,
    CheckRecord,
    ComparisonRecord,
    Failure,
    Side,
)
from paco_prof.settings import changed_settings
from paco_prof.stats.bounds import LEAST_LAUNCHES, BoundTest, beside_bound, beside_sample, level_of_look

__all__ = ["CheckResult", "Explanation", "GateView", "Verdict", "check_result", "failure_line", "gate_view"]

Verdict = Literal["pass", "fail", "inconclusive", "error"]
# Why a check has no answer. few launches: too few for a verdict; interval: the noise hides what matters;
# oversubscribed: more threads than cores; changed: the working tree was edited while it was measured; ended early:
# somebody ended the run; failed: a process did not end as planned; not measured: there is no launch; trouble: it could
# not even begin.
Reason = Literal[
    "", "few launches", "interval", "oversubscribed", "changed", "ended early", "failed", "not measured", "trouble"
]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found.

    Attributes:
        check: the question.
        verdict: the answer.
        reason: why there is none, for `inconclusive` and `error`.
        detail: the particulars of a reason, in words of the process that failed, or of the record.
        hint: what can be done about it.
        test: of all but fidelity. Its numbers are logarithms of ratios for `step` (of the time after over the time
            before; of a speed-up that is asked for, of `subject` over `other`) and `paco tax` (of the step over the
            plain step), shares for `share` and `unattributed`, bytes for `memory`; of a bound from below all of it is
            negated, so that more is worse. `analysis.gate_figures.shown` turns it back.
        fidelity: of a fidelity check.
        explanation: of a step that has changed beside a revision or a record.
        before, after: seconds of the typical step on either side, for `step`.
    """

    check: Check
    verdict: Verdict
    reason: Reason = ""
    detail: str = ""
    hint: str = ""
    test: BoundTest | None = None
    fidelity: FidelityView | None = None
    explanation: Explanation | None = None
    before: float | None = None
    after: float | None = None

    @property
    def improved(self) -> bool:
        """Whether a step beside a revision or a record is established to be faster by more than matters."""
        return self.check.kind != "budget" and self.test is not None and self.test.improved


@dataclass(frozen=True, slots=True)
class GateView:
    """What a gate says.

    Attributes:
        results: of all checks, in the record's order.
        verdict: of the gate: fail before error before inconclusive before pass.
        inconclusive_ok: an inconclusive gate lets pass.
    """

    results: tuple[CheckResult, ...]
    inconclusive_ok: bool = False

    @property
    def verdict(self) -> Verdict:
        there = {result.verdict for result in self.results}
        order: tuple[Verdict, ...] = ("fail", "error", "inconclusive", "pass")
        return next((verdict for verdict in order if verdict in there), "error")


def gate_view(record: CheckRecord) -> GateView:
    """The verdicts of a gate's record, complete or not."""
    results = []
    for check in record.checks:
        comparison = None if check.comparison is None else record.comparisons[check.comparison]
        result = check_result(check, comparison, record.plan)
        if comparison is not None and comparison.status != "complete" and result.test is not None:
            # Whoever ends a run chooses when to look.
            result = _ended_early(result)
        if any(note.code == "changed" for note in record.notes) and result.verdict in ("pass", "fail"):
            result = replace(result, verdict="inconclusive", reason="changed")
        results.append(result)
    return GateView(tuple(results), record.plan.inconclusive_ok)


def _ended_early(result: CheckResult) -> CheckResult:
    detail = "the run was ended before its launches were looked at"
    return replace(result, verdict="inconclusive", reason="ended early", detail=detail)


def check_result(check: Check, comparison: ComparisonRecord | None, plan: CheckPlan) -> CheckResult:
    """The answer to one check."""
    if check.trouble or comparison is None:
        detail = check.trouble or "nothing was measured"
        return CheckResult(check, "error", "trouble" if check.trouble else "not measured", detail, check.hint)
    place = _place(check, comparison)
    failure = next((f for f in comparison.failures if f.contestant == place or (f.of_baseline and place == 0)), None)
    if failure is not None:
        return CheckResult(check, "error", "failed", failure_line(comparison, failure), failure.hint)
    if check.quantity == "fidelity":
        return _fidelity_result(check, comparison)
    if not sides_of(comparison, place):
        return CheckResult(check, "error", "not measured", "no launch came to its end")
    trouble = _other_workload(check, comparison) or _unmeasured(check, comparison, place)
    if trouble:
        return CheckResult(check, "error", "trouble", trouble)
    test = _test(check, comparison, place, plan)
    result = CheckResult(check, test.outcome, test=test)
    if check.quantity == "step":
        result = _with_step(result, step_change(check, comparison, place))
    crowd = _oversubscription(comparison)
    if crowd:
        return replace(result, verdict="inconclusive", reason="oversubscribed", detail=crowd)
    if test.outcome == "inconclusive":
        return replace(result, reason="few launches" if test.num_launches < LEAST_LAUNCHES else "interval")
    return result


def _oversubscription(comparison: ComparisonRecord) -> str:
    """`8 threads on 2`, of whoever has the most; empty where the cores suffice."""
    environment = comparison.environment
    if environment is None:
        return ""
    noted = [note.number or 0 for note in comparison.notes if note.code == "threads"]
    crowded = environment.model_copy(update={"threads": max([environment.threads, *noted])})
    return f"{crowded.threads} threads on {crowded.cores}" if crowded.is_oversubscribed else ""


def _place(check: Check, comparison: ComparisonRecord) -> int:
    """The contestant whose launches answer a check: the one that is not the first, where two stand beside each other;
    0 where the first stands alone.
    """
    names = [contestant.name for contestant in comparison.contestants]
    places = [names.index(name) for name in (check.subject, check.other) if name]
    return max(places)


def failure_line(comparison: ComparisonRecord, failure: Failure) -> str:
    """Who failed, how, at what, and why, in a line."""
    name = comparison.contestants[0 if failure.of_baseline else failure.contestant].name
    return f"{name}: {failure.kind} at its {failure.during}: {failure.detail.rstrip('.')}"


def _fidelity_result(check: Check, comparison: ComparisonRecord) -> CheckResult:
    contestant = next(one for one in comparison.contestants if one.name == check.subject)
    view = fidelity_view(contestant.variant.kind, contestant.fidelity)
    if view is None:
        noted = [note.detail for note in comparison.notes if note.code == "no_fidelity"]
        return CheckResult(check, "error", "not measured", noted[-1] if noted else "it was not compared with float64")
    found = view.measured
    in_float64 = [error for error in (found.float64_loss_error, found.float64_gradient_error) if error is not None]
    numbers = [*found.losses.values(), found.gradient_error, *in_float64]
    is_broken = view.verdict == "contradicted" or not all(map(math.isfinite, numbers))
    return CheckResult(check, "fail" if is_broken else "pass", fidelity=view)


def _other_workload(check: Check, comparison: ComparisonRecord) -> str:
    """In what the other revision measures something else, since it knows other settings or has other defaults."""
    if check.kind != "revision":
        return ""
    before, after = (contestant.workload for contestant in comparison.contestants[:2])
    changed = changed_settings(before, after)
    flat = changed_settings(after, before)
    words = [f"{name} is {value} there and {flat[name]} here" for name, value in changed.items()]
    return f"the two revisions do not measure the same: {', '.join(words)}" if words else ""


def _unmeasured(check: Check, comparison: ComparisonRecord, place: int) -> str:
    """Why the launches do not hold what a budget is about: what was not measured keeps to no bound."""
    sides = sides_of(comparison, place)
    trainings = [side.training for side in sides]
    if check.quantity == "memory" and any(_peak(side) is None for side in sides):
        return "no peak of memory was measured"
    whole = next((training.backward_whole for training in trainings if training.backward_whole), "")
    if check.quantity == "share" and whole and check.stage != stages.BACKWARD:
        return f"backward could not be divided by stage: {whole}"
    if check.quantity in ("share", "unattributed") and any(_of_stages(check, side) is None for side in sides):
        return "the time of a stage was lost in more than half of the steps"
    paths = stage_paths(trainings)
    if check.quantity == "share" and check.stage not in paths:
        return f"no step enters a stage {check.stage!r}; there are {', '.join(paths) or 'none'}"
    return ""


def _test(check: Check, comparison: ComparisonRecord, place: int, plan: CheckPlan) -> BoundTest:
    if check.kind == "record":
        assert check.saved is not None
        before, after = over_yardstick(check.saved), over_yardstick(comparison)
        level = level_of_look(plan.alpha, len(after), plan.first_look)
        return beside_sample(before, after, math.log1p(check.smallest_effect), level)
    values, bound, slack = _numbers(check, comparison, place)
    return beside_bound(values, bound, slack, level_of_look(plan.alpha, len(values), plan.first_look))


def _numbers(check: Check, comparison: ComparisonRecord, place: int) -> tuple[list[float], float, float]:
    """What each launch says, the bound, and what matters beyond it; the larger the worse."""
    relative = math.log1p(check.smallest_effect)
    if check.quantity in ("step", "paco tax"):
        # The first contestant's time over the other one's, in logarithms.
        effects = list(launch_effects(comparison, place).values())
        is_first = comparison.contestants[0].name == check.subject
        if check.kind == "revision":
            return [-effect for effect in effects], 0.0, relative
        over_other = effects if is_first else [-effect for effect in effects]
        if check.quantity == "paco tax":
            return over_other, math.log1p(check.at_most or 0.0), relative
        # A speed-up is the other one's time over the subject's: what is asked for at least, negated.
        return over_other, -math.log(check.at_least or 1.0), relative
    bound = check.at_most or 0.0
    slack = bound * check.smallest_effect
    sides = sides_of(comparison, place)
    if check.quantity == "memory":
        return [float(_peak(side) or 0) for side in sides], bound, slack
    return [value for side in sides if (value := _of_stages(check, side)) is not None], bound, slack


def _of_stages(check: Check, side: Side) -> float | None:
    """What a check of a share, or of what is left, makes of a launch."""
    return _unattributed(side) if check.quantity == "unattributed" else _share(side, check.stage)


def _share(side: Side, stage: str) -> float | None:
    """A stage's share of the step, the median over the launch's steps; nothing in a launch that never entered it, and
    None where its time was lost in more than half of the steps.
    """
    training = side.training
    seconds = stage_seconds(training, stage) or [0.0] * len(training.steps)
    return _median_of_most([None if s is None else s / step for s, step in zip(seconds, training.steps, strict=True)])


def _unattributed(side: Side) -> float | None:
    """The share of the step that no stage has, the median over the launch's steps; None as for a share."""
    training = side.training
    left: list[float | None] = [1.0] * len(training.steps)
    for samples in training.stages:
        shares = zip(left, samples.seconds, training.steps, strict=True)
        left = [None if rest is None or own is None else rest - own / step for rest, own, step in shares]
    return _median_of_most([None if rest is None else abs(rest) for rest in left])


def _median_of_most(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if 2 * len(known) > len(values) else None


def _peak(side: Side) -> int | None:
    """The device's peak of memory where it keeps one, else the process's."""
    memory = side.memory
    return None if memory is None else memory.device_peak_bytes or memory.process_peak_bytes


def _with_step(result: CheckResult, change: StepChange) -> CheckResult:
    """The times of the step on both sides and, where it differs from another tree's or time's, the stage that explains
    it.
    """
    differs = result.check.kind != "budget" and (result.verdict == "fail" or result.improved)
    explained = change.explanation() if differs else None
    return replace(result, before=change.before, after=change.after, explanation=explained)

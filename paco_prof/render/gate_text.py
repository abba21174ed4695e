"""What a check found, in a sentence or two for whoever reads a log."""

from __future__ import annotations

import re

from paco_prof import units
from paco_prof.analysis.fidelity import FidelityView
from paco_prof.analysis.gate import CheckResult, Explanation
from paco_prof.analysis.gate_figures import Figures, shown
from paco_prof.records import Check
from paco_prof.render.gate_cells import allowed, bound_cell, figure_cell, judged_errors
from paco_prof.render.labels import plain_title
from paco_prof.stats.bounds import LEAST_LAUNCHES, BoundTest, least_launches

__all__ = ["gate_sentence", "is_told", "one_line"]

_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# From here on a share reads as all of it.
_ALL = 0.995
MORE = "more --launches or a quieter machine would tell"


def gate_sentence(result: CheckResult) -> str:
    """One check in words: what was found, by how much, how surely, why, and what can be done where something can.

    `against main: the step is 10.3 % slower (9.1 % to 11.4 %), 104 ms instead of 94.3 ms; Part Sampling explains 96 %
    of it (+9.40 ms).`
    """
    text = one_line(f"{result.check.name}: {_answer(result)}")
    return text if text.endswith((".", "!", "?")) else f"{text}."


def is_told(result: CheckResult) -> bool:
    """Whether somebody should hear of it: all but what is just as it should be."""
    return result.verdict != "pass" or result.improved


def one_line(text: str) -> str:
    """Text of a user, or of a process that crashed, as a part of a sentence: without line breaks and what no terminal,
    log or XML file should be given.
    """
    plain = _ESCAPE_SEQUENCE.sub("", text)
    return " ".join("".join(sign if sign.isprintable() else " " for sign in plain).split())


def _answer(result: CheckResult) -> str:
    if result.verdict == "error":
        return _error(result)
    if result.verdict == "inconclusive":
        return _inconclusive(result)
    if result.fidelity is not None:
        return _fidelity(result.check, result.fidelity)
    if result.test is None:
        return result.verdict
    figures = shown(result.check, result.test)
    return _budget(result, figures) if result.check.kind == "budget" else _step(result, figures)


def _step(result: CheckResult, figures: Figures) -> str:
    """A step beside that of another revision, or of a baseline that was saved."""
    matters = result.check.smallest_effect
    if result.verdict == "fail":
        return f"the step is {_slower(figures)}{_times(result)}{_because(result.explanation)}"
    if not result.improved:
        least = f"no slower than {units.round_percent(matters)} allows" if matters else "not slower"
        return f"{least}: {_figure_in_words(figures)}"
    advice = "; paco-prof baseline save makes it the new baseline" if result.check.kind == "record" else ""
    return f"the step is {_slower(figures)}{_times(result)}, an improvement{_because(result.explanation)}{advice}"


def _slower(figures: Figures) -> str:
    """`10.3 % slower (9.1 % to 11.4 %)`, `7.1 % faster (6.0 % to 8.2 %)`."""
    value, low, high, word = figures.value, figures.low, figures.high, "slower"
    if value < 0:
        value, word = -value, "faster"
        low, high = (None if end is None else -end for end in (figures.high, figures.low))
    ends = units.percent_ends(value, low, high)
    return f"{units.percent_interval(value, None, None)} {word}{f' ({ends})' if ends else ''}"


def _times(result: CheckResult) -> str:
    if result.before is None or result.after is None:
        return ""
    return f", {units.milliseconds(result.after)} ms instead of {units.milliseconds(result.before)} ms"


def _because(explained: Explanation | None) -> str:
    if explained is None:
        return ""
    if not explained.path:
        return "; no single stage explains it, it is spread over the step"
    new = ", which is new," if explained.before == 0 else ", which is gone," if explained.after == 0 else ""
    part = "all" if explained.share >= _ALL else units.round_percent(round(explained.share, 2))
    change = units.signed_milliseconds(explained.seconds)
    return f"; {plain_title(explained.path)}{new} explains {part} of it ({change} ms)"


def _budget(result: CheckResult, figures: Figures) -> str:
    """A figure beside its bound, within one run."""
    check = result.check
    found = _as_said(check, figures)
    if result.verdict == "fail":
        return f"{found}; {allowed(result)} is {'allowed' if check.at_least is None else 'asked for'}"
    if figures.is_beyond:
        return (
            f"{found}; beyond the bound, but by less than the {units.round_percent(check.smallest_effect)} that matter"
        )
    return found


def _as_said(check: Check, figures: Figures) -> str:
    """A figure, its interval, and what it is of."""
    figure = _figure_in_words(figures)
    match check.quantity:
        case "share":
            return f"{figure} of the step"
        case "unattributed":
            return f"{figure} of the step in no stage"
        case "paco tax":
            return f"{figure} beside a plain step on the same backbone"
        case "step" if check.kind == "budget":
            return f"{check.subject} is {figure} as fast as {check.other}"
        case _:
            return figure


def _fidelity(check: Check, view: FidelityView) -> str:
    errors = judged_errors(view)
    found = f"its loss is off by {units.relative_error(errors.loss)}, its gradient by "
    found += units.relative_error(errors.gradient)
    beside = "with both in float64" if errors.in_float64 else "against float64"
    if view.verdict == "contradicted":
        bounds = dict.fromkeys(units.relative_error(most) for most in (errors.most_loss, errors.most_gradient))
        return f"{check.subject} is not exact: {beside} {found}, where rounding explains up to {' and '.join(bounds)}"
    exact = "is exact" if errors.in_float64 else "is as exact as float32 allows"
    is_what = exact if view.is_exact else f"is {view.kind}, as it claims to be"
    return f"{check.subject} {is_what}: {beside} {found}"


def _error(result: CheckResult) -> str:
    fallback = {
        "failed": "a process did not end as planned",
        "not measured": "nothing was measured",
        "trouble": "it could not be measured",
    }
    detail = result.detail or result.check.trouble or fallback.get(result.reason, "it could not be measured")
    hint = result.hint or result.check.hint
    return f"{one_line(detail).rstrip('.')}. {hint}"


def _inconclusive(result: CheckResult) -> str:
    match result.reason:
        case "few launches":
            words = _few_launches(result.check, result.test)
        case "oversubscribed":
            cores = "core" if result.detail.endswith(" 1") else "cores"
            detail = f"{result.detail} {cores}" if result.detail else "more threads than there are cores"
            words = f"a step uses {detail}, which makes its time a matter of luck; fewer --threads would tell"
        case "changed":
            words = "the working tree was edited while it was measured; leave it as it is, and run it again"
        case _:
            words = result.detail or _wide(result)
    return f"{words}. {result.hint}" if result.hint else words


def _few_launches(check: Check, test: BoundTest | None) -> str:
    num = 0 if test is None else test.num_launches
    if check.kind == "record":
        return (
            f"one side has {_launches(num)}, then or now, and a verdict needs {LEAST_LAUNCHES} on both; more "
            "--launches or a larger --max-minutes gives them"
        )
    needed = LEAST_LAUNCHES if test is None else max(LEAST_LAUNCHES, least_launches(test.level))
    return (
        f"{_launches(num)} could be taken, a verdict needs {needed}; more --launches or a larger --max-minutes "
        "gives them"
    )


def _launches(number: int) -> str:
    return f"{units.count(number)} launch{'' if number == 1 else 'es'}"


def _wide(result: CheckResult) -> str:
    """Why launches enough do not tell, in figures."""
    check, test = result.check, result.test
    if test is None:
        return f"the launches do not tell; {MORE}"
    figures = shown(check, test)
    found, bound = _as_said(check, figures), _limit(check, figures)
    if test.low is None or test.low <= test.limit:
        return f"{found}, an interval that holds {bound}; {MORE}"
    asked = f"p is {units.fixed(test.p_above, 3)} where {units.fixed(test.level, 3)} is asked for"
    return f"{found}, which lies beyond {bound}, but not surely enough ({asked}); {MORE}"


def _limit(check: Check, figures: Figures) -> str:
    """What an estimate has to lie beyond, to fail."""
    matters = units.round_percent(check.smallest_effect)
    if check.kind != "budget":
        return f"the {matters} that matter" if check.smallest_effect else "no change"
    is_what = "allowed" if check.at_least is None else "asked for"
    if not check.smallest_effect:
        return f"the {bound_cell(check, figures.bound)} {is_what}"
    return f"{bound_cell(check, figures.limit)}, the bound and the {matters} that matter"


def _figure_in_words(figures: Figures) -> str:
    """In a sentence: percent wherever it is."""
    value, low, high = figures.value, figures.low, figures.high
    if figures.unit not in ("change", "share"):
        return figure_cell(figures)
    if figures.unit == "change":
        alone, ends = units.signed_percent_interval(value, None, None), units.signed_percent_ends(low, high)
    else:
        alone, ends = units.percent_interval(value, None, None), units.percent_ends(value, low, high)
    return f"{alone}{f' ({ends})' if ends else ''}"

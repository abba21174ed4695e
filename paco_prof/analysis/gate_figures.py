"""A gate's findings as the figures that people know, and as the number that the shell sees."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from paco_prof.analysis.gate import GateView, Verdict
from paco_prof.errors import ExitCode
from paco_prof.records import Check
from paco_prof.stats.bounds import BoundTest

__all__ = ["Figures", "Unit", "exit_code", "shown", "unit_of"]

# change: of a time, relatively, 0.1 is a tenth longer; ratio: how many times as fast; share: of the step; bytes.
Unit = Literal["change", "ratio", "share", "bytes"]

_CODES: dict[Verdict, ExitCode] = {
    "pass": ExitCode.DONE,
    "fail": ExitCode.REGRESSION,
    "inconclusive": ExitCode.INCONCLUSIVE,
    "error": ExitCode.MEASUREMENT_FAILED,
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What a check measured beside what it allows.

    Attributes:
        unit: of all of them.
        value: the estimate.
        low, high: ends of its interval; None where there are too few launches.
        bound: what is allowed, or asked for; 0 of a step beside another one.
        limit: the bound and the smallest effect that matters beyond it.
        is_beyond: whether the estimate breaks the bound, be it by less than matters.
    """

    unit: Unit
    value: float
    low: float | None
    high: float | None
    bound: float
    limit: float
    is_beyond: bool


def unit_of(check: Check) -> Unit | None:
    """The unit of a check's figures; None of fidelity, which has errors."""
    if check.quantity == "step":
        return "ratio" if check.kind == "budget" else "change"
    units: dict[str, Unit] = {"paco tax": "change", "memory": "bytes", "share": "share", "unattributed": "share"}
    return units.get(check.quantity)


def shown(check: Check, test: BoundTest) -> Figures:
    """The figures of a test: out of its logarithms, and with the sign that it has for people.

    Raises:
        ValueError: the check is of fidelity.
    """
    unit = unit_of(check)
    if unit is None:
        raise ValueError("fidelity is no figure that is held against a bound")
    turned = _turned(check, unit)
    # Of a speed-up and a bound from below, the test has counted downwards.
    ends = (test.high, test.low) if unit == "ratio" or check.at_least is not None else (test.low, test.high)
    low, high = (None if end is None else turned(end) for end in ends)
    is_beyond = test.value > test.bound
    return Figures(unit, turned(test.value), low, high, turned(test.bound), turned(test.limit), is_beyond)


def exit_code(view: GateView) -> ExitCode:
    """What the shell sees of a gate."""
    verdict = view.verdict
    return ExitCode.DONE if verdict == "inconclusive" and view.inconclusive_ok else _CODES[verdict]


def _turned(check: Check, unit: Unit) -> Callable[[float], float]:
    if unit == "ratio":
        return lambda value: math.exp(-value)
    sign = 1.0 if check.at_least is None else -1.0
    if unit == "change":
        return lambda value: math.expm1(sign * value)
    return lambda value: sign * value

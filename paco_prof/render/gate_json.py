"""A gate's verdicts for programs."""

from __future__ import annotations

import math

from paco_prof.analysis.fidelity import FidelityView
from paco_prof.analysis.gate import CheckResult, Explanation, GateView
from paco_prof.analysis.gate_figures import exit_code, shown
from paco_prof.records import Check, CheckRecord
from paco_prof.render.gate_text import gate_sentence

__all__ = ["gate_json"]


def gate_json(record: CheckRecord, view: GateView) -> dict[str, object]:
    """Verdict, exit code and checks, as JSON knows them: null for what was not measured or is no number.

    Figures are in plain units, which `unit` names: `change` (of a time: 0.1 is a tenth longer), `ratio` (how many times
    as fast), `share` (of the step), `bytes`. `limit` is the bound and the smallest effect that matters beyond it.
    """
    environment = record.environment
    return {
        "verdict": view.verdict,
        "exit_code": exit_code(view).value,
        "inconclusive_ok": view.inconclusive_ok,
        "status": record.status,
        "tool_version": record.tool_version,
        "created": record.created,
        "commit": None if environment is None else environment.commit,
        "checks": [_check(result) for result in view.results],
    }


def _check(result: CheckResult) -> dict[str, object]:
    check = result.check
    return {
        "name": check.name,
        "kind": check.kind,
        "quantity": check.quantity,
        "stage": check.stage or None,
        "subject": check.subject or None,
        "other": check.other or None,
        "verdict": result.verdict,
        "improved": result.improved,
        "reason": result.reason or None,
        "sentence": gate_sentence(result),
        "smallest_effect": check.smallest_effect,
        **_figures(result),
        "before_seconds": _number(result.before),
        "after_seconds": _number(result.after),
        "explanation": None if result.explanation is None else _explanation(result.explanation),
        "fidelity": None if result.fidelity is None else _fidelity(result.fidelity),
    }


def _figures(result: CheckResult) -> dict[str, object]:
    test = result.test
    if test is None:
        names = ("unit", "value", "low", "high", "bound", "limit", "p_value", "level", "launches")
        return {**dict.fromkeys(names), "bound": _number(_chosen(result.check))}
    figures, chosen = shown(result.check, test), _chosen(result.check)
    return {
        "unit": figures.unit,
        "value": _number(figures.value),
        "low": _number(figures.low),
        "high": _number(figures.high),
        "bound": _number(figures.bound if chosen is None else chosen),
        "limit": _number(figures.limit),
        "p_value": _number(test.p_above),
        "level": _number(test.level),
        "launches": test.num_launches,
    }


def _chosen(check: Check) -> float | None:
    """A bound as its user chose it, before it became a logarithm."""
    return check.at_most if check.at_least is None else check.at_least


def _explanation(explained: Explanation) -> dict[str, object]:
    """The stage is null where the change is spread over the step."""
    return {
        "stage": explained.path or None,
        "share": _number(explained.share),
        "seconds": _number(explained.seconds),
        "before_seconds": _number(explained.before),
        "after_seconds": _number(explained.after),
    }


def _fidelity(view: FidelityView) -> dict[str, object]:
    return {
        "kind": view.kind,
        "verdict": view.verdict,
        "loss_error": _number(view.loss_errors.get("total")),
        "gradient_error": _number(view.measured.gradient_error),
        "gradient_cosine": _number(view.measured.gradient_cosine),
        "float64_loss_error": _number(view.measured.float64_loss_error),
        "float64_gradient_error": _number(view.measured.float64_gradient_error),
    }


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None

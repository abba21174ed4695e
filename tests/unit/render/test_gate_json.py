"""A gate for programs: plain units, no number that JSON lacks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from builders import fidelity_of
from gates import GATES, RESULTS, gate_of, gate_record, revision
from paco_prof.analysis.fidelity import fidelity_view
from paco_prof.analysis.gate import Explanation, gate_view
from paco_prof.render.gate_json import gate_json
from paco_prof.render.gate_text import gate_sentence


def read(name: str, **changes: Any) -> dict[str, Any]:
    """As a program reads it, which knows neither NaN nor infinity."""
    return strict(*gate_of(name, **changes))


def strict(record: Any, view: Any) -> dict[str, Any]:
    return json.loads(json.dumps(gate_json(record, view), allow_nan=False))


def test_a_regression_has_figures_sentence_and_explanation() -> None:
    found = read("slower")
    assert {name: found[name] for name in ("verdict", "exit_code", "status", "commit")} == {
        "verdict": "fail",
        "exit_code": 1,
        "status": "complete",
        "commit": "0123456789ab+",
    }
    (check,) = found["checks"]
    assert check["sentence"] == gate_sentence(RESULTS["slower"])
    assert (check["name"], check["kind"], check["verdict"], check["reason"]) == (
        "against main",
        "revision",
        "fail",
        None,
    )
    assert check["unit"] == "change"
    figures = [check[name] for name in ("value", "low", "high", "bound", "limit")]
    assert figures == pytest.approx([0.103, 0.091, 0.114, 0.0, 0.03])
    assert (check["p_value"], check["level"], check["launches"]) == (0.0001, 0.005, 14)
    assert check["explanation"] == {
        "stage": "part_sampling",
        "share": 0.96,
        "seconds": 0.0094,
        "before_seconds": 0.0031,
        "after_seconds": 0.0125,
    }
    assert (check["before_seconds"], check["after_seconds"]) == (0.0943, 0.104)


@pytest.mark.parametrize(
    ("name", "unit", "bound"),
    [("share kept", "share", 0.1), ("tax kept", "change", 0.15), ("memory kept", "bytes", 3e9)],
)
def test_bounds_are_as_their_users_chose_them(name: str, unit: str, bound: float) -> None:
    (check,) = read(name)["checks"]
    assert (check["unit"], check["bound"]) == (unit, bound)


def test_a_speed_up_is_a_ratio() -> None:
    (check,) = read("speed-up kept")["checks"]
    assert [check[name] for name in ("value", "low", "high", "bound")] == pytest.approx([1.62, 1.58, 1.66, 1.5])
    assert check["bound"] == 1.5


def test_a_change_that_is_spread_has_no_stage() -> None:
    (check,) = read("spread")["checks"]
    assert check["explanation"]["stage"] is None


@pytest.mark.parametrize("name", GATES)
def test_every_gate_is_valid_json_with_the_same_keys_for_each_check(name: str) -> None:
    found = strict(*GATES[name])
    assert found["verdict"] == GATES[name][1].verdict
    assert len({tuple(check) for check in found["checks"]}) == 1
    assert found["exit_code"] == {"pass": 0, "faster": 0, "fail": 1, "inconclusive": 3, "let-pass": 0, "error": 1}[name]


def test_what_is_no_number_is_null() -> None:
    astray = fidelity_of(float("nan"), float("inf"))
    result = replace(RESULTS["not exact"], fidelity=fidelity_view("exact", astray))
    (check,) = strict(*gate_of(result))["checks"]
    assert check["fidelity"]["loss_error"] is None
    assert check["fidelity"]["gradient_error"] is None
    explained = Explanation("loss", float("nan"), float("inf"))
    (check,) = strict(*gate_of(replace(RESULTS["slower"], explanation=explained, after=float("nan"))))["checks"]
    assert (check["explanation"]["share"], check["after_seconds"]) == (None, None)


def test_a_fidelity_has_the_errors_in_float64_where_there_are_any() -> None:
    found = fidelity_of(0.1, 0.2, float64_loss_error=1e-12, float64_gradient_error=1e-11)
    result = replace(RESULTS["exact"], fidelity=fidelity_view("exact", found))
    here, without = (strict(*gate_of(one))["checks"][0]["fidelity"] for one in (result, "exact"))
    assert (here["float64_loss_error"], here["float64_gradient_error"], here["gradient_error"]) == (1e-12, 1e-11, 0.2)
    assert (without["float64_loss_error"], without["float64_gradient_error"]) == (None, None)


def test_a_gate_that_measured_nothing_has_no_commit() -> None:
    record = gate_record([revision(comparison=None, trouble="no git")], comparisons=())
    found = strict(record, gate_view(record))
    assert (found["commit"], found["exit_code"]) == (None, 4)
    assert found["checks"][0]["reason"] == "trouble"

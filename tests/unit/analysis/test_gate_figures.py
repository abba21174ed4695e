"""Logarithms and negated bounds become the figures that people know, and verdicts the shell's number."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates import FIDELITY, LOSS, MEMORY, RESULTS, SPEEDUP, TAX, change_of, found_of, gate_of, revision, speedup_of
from paco_prof.analysis.gate_figures import Figures, exit_code, shown
from paco_prof.errors import ExitCode
from paco_prof.records import Check, CheckPlan


def figures_of(name: str) -> Figures:
    result = RESULTS[name]
    assert result.test is not None
    return shown(result.check, result.test)


@pytest.mark.parametrize(
    ("name", "unit", "value", "low", "high", "bound", "limit"),
    [
        ("slower", "change", 0.103, 0.091, 0.114, 0.0, 0.03),
        ("tax broken", "change", 1.963, 1.921, 2.012, 0.15, 0.1845),
        ("share broken", "share", 0.124, 0.121, 0.128, 0.1, 0.1),
        ("memory kept", "bytes", 2.863e9, 2.861e9, 2.866e9, 3e9, 3e9),
        ("speed-up kept", "ratio", 1.62, 1.58, 1.66, 1.5, 1.5),
    ],
)
def test_every_quantity_is_shown_in_its_own_unit(
    name: str, unit: str, value: float, low: float, high: float, bound: float, limit: float
) -> None:
    figures = figures_of(name)
    assert figures.unit == unit
    found = (figures.value, figures.low, figures.high, figures.bound, figures.limit)
    assert found == pytest.approx((value, low, high, bound, limit))


def test_a_bound_from_below_is_turned_round() -> None:
    check = LOSS.model_copy(update={"at_most": None, "at_least": 0.05})
    test = found_of(-0.08, -0.09, -0.07, bound=-0.05, limit=-0.05)
    figures = shown(check, test)
    assert (figures.value, figures.low, figures.high, figures.bound) == (0.08, 0.07, 0.09, 0.05)
    assert not figures.is_beyond


def test_what_is_beyond_its_bound_is_so_for_either_sense() -> None:
    beyond = {name for name in ("share broken", "speed-up missed", "share within") if figures_of(name).is_beyond}
    assert beyond == {"share broken", "speed-up missed", "share within"}
    assert not any(figures_of(name).is_beyond for name in ("share kept", "speed-up kept", "tax kept", "faster"))


def test_too_few_launches_have_no_interval() -> None:
    assert (figures_of("few launches").low, figures_of("few launches").high) == (None, None)


def test_fidelity_has_no_figures() -> None:
    with pytest.raises(ValueError, match="fidelity"):
        shown(FIDELITY, change_of(0.1, 0.0, 0.2))


@given(
    check=st.sampled_from((revision(), LOSS, TAX, MEMORY, SPEEDUP)),
    ends=st.lists(st.floats(-3, 3), min_size=3, max_size=3).map(sorted),
)
def test_an_estimate_stays_inside_its_interval(check: Check, ends: list[float]) -> None:
    low, value, high = ends
    figures = shown(check, found_of(value, low, high, limit=0.0))
    assert figures.low is not None
    assert figures.high is not None
    assert figures.low <= figures.value <= figures.high


@given(st.floats(0.01, 100))
def test_a_speed_up_comes_back_as_it_was(ratio: float) -> None:
    figures = shown(SPEEDUP, speedup_of(ratio, ratio, ratio, 1.5))
    assert math.isclose(figures.value, ratio, rel_tol=1e-12)


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("as fast", "faster"), ExitCode.DONE),
        (("as fast", "wide"), ExitCode.INCONCLUSIVE),
        (("wide", "failed"), ExitCode.MEASUREMENT_FAILED),
        (("failed", "slower", "wide"), ExitCode.REGRESSION),
    ],
)
def test_the_worst_verdict_is_the_exit_code(names: tuple[str, ...], code: ExitCode) -> None:
    assert exit_code(gate_of(*names)[1]) == code


def test_an_inconclusive_gate_may_be_let_pass_and_no_other() -> None:
    plan = CheckPlan(inconclusive_ok=True)
    assert exit_code(gate_of("wide", plan=plan)[1]) == ExitCode.DONE
    assert exit_code(gate_of("wide", "failed", plan=plan)[1]) == ExitCode.MEASUREMENT_FAILED
    assert exit_code(replace(gate_of("wide")[1], results=())) == ExitCode.MEASUREMENT_FAILED

"""Quoted figures against the ones that follow from the others, computed and not known by heart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import analysis_record, changed, cpu_record
from paco_prof.analysis.claims import Bounds, CheckedClaim, check_claims
from paco_prof.records import BreakdownRecord, Claim

ANALYSIS = analysis_record()
POSITIVE = st.floats(0.1, 1e3)


def check(record: BreakdownRecord, quantity: str) -> CheckedClaim:
    """The one claim of that quantity, checked."""
    (checked,) = [c for c in check_claims(record) if c.claim.quantity == quantity]
    return checked


def with_claim(claim: Claim, record: BreakdownRecord = ANALYSIS) -> CheckedClaim:
    """A claim that the record makes instead of its own, checked."""
    (checked,) = check_claims(record.model_copy(update={"claims": (claim,)}))
    return checked


def quoting(where: str, value: object) -> BreakdownRecord:
    """The analysis with another figure."""
    return changed(ANALYSIS, where, value)


def test_220_times_is_the_forward_pass_alone() -> None:
    checked = check(ANALYSIS, "step_over_inference")
    assert checked.verdict == "does not follow"
    assert checked.computed == pytest.approx(13266 / 22.59, rel=1e-3)
    assert (checked.basis, checked.instead) == ("step / inference", "forward / inference")


def test_an_epochs_minutes_belong_to_another_step() -> None:
    checked = check(ANALYSIS, "epoch_minutes")
    assert checked.verdict == "does not follow"
    assert round(checked.computed, 1) == 221.1
    assert round(checked.implied_step or 0.0, 2) == 5.38


def test_the_hours_of_100_epochs_belong_to_the_same_one() -> None:
    checked = check(ANALYSIS, "total_hours")
    assert checked.verdict == "does not follow"
    assert round(checked.computed, 1) == 368.5
    assert round(checked.implied_step or 0.0, 2) == 5.38


def test_the_sum_of_the_components_is_within_rounding() -> None:
    """5,283 from seven figures that were rounded to milliseconds; 5,285 cannot be excluded."""
    checked = check(ANALYSIS, "components_ms")
    assert checked.verdict == "within rounding"
    assert checked.computed == pytest.approx(5283)


def test_the_forward_pass_is_shorter_than_its_components() -> None:
    checked = check(ANALYSIS, "forward_ms")
    assert checked.verdict == "does not follow"
    assert checked.computed == pytest.approx(5283)


def test_the_step_is_forward_and_backward() -> None:
    assert check(ANALYSIS, "step_ms").verdict == "follows"


def test_the_shares_follow_but_the_losss_by_rounding_alone() -> None:
    shares = {c.claim.stage: c.verdict for c in check_claims(ANALYSIS) if c.claim.quantity == "share_percent"}
    assert shares.pop("loss") == "within rounding"
    assert set(shares.values()) == {"follows"}
    assert len(shares) == 6


def test_no_more_and_no_less_fails() -> None:
    failing = {c.claim.quantity for c in check_claims(ANALYSIS) if c.verdict == "does not follow"}
    assert failing == {"forward_ms", "step_over_inference", "epoch_minutes", "total_hours"}


@pytest.mark.parametrize(
    ("quantity", "value"),
    [("step_over_inference", 587), ("epoch_minutes", 221.1), ("total_hours", 368.5), ("components_ms", 5283)],
)
def test_the_right_figure_follows(quantity: str, value: float) -> None:
    claims = [c.model_copy(update={"value": value}) if c.quantity == quantity else c for c in ANALYSIS.claims]
    checked = check(ANALYSIS.model_copy(update={"claims": tuple(claims)}), quantity)
    assert (checked.verdict, checked.instead, checked.implied_step) == ("follows", "", None)


@pytest.mark.parametrize(
    ("where", "seconds", "quantity"),
    [
        ("training.stages.0.host", 4.671, "forward_ms"),
        ("training.steps", 4.98, "step_over_inference"),
        ("inference.runs", 0.0603, "step_over_inference"),
        ("training.steps", 5.382, "epoch_minutes"),
        ("training.steps", 5.382, "total_hours"),
    ],
)
def test_figures_from_which_a_claim_follows(where: str, seconds: float, quantity: str) -> None:
    """The same claim, other figures beneath it: the verdict is of the figures, not of the claim."""
    assert check(ANALYSIS, quantity).verdict == "does not follow"
    assert check(quoting(where, (seconds,)), quantity).verdict == "follows"


@pytest.mark.parametrize(
    ("where", "seconds", "quantity"),
    [
        ("training.phases.forward", 4.5, "step_ms"),
        ("training.phases.backward", 8.1, "step_ms"),
        ("training.stages.1.host", 0.4, "components_ms"),
    ],
)
def test_figures_from_which_a_claim_no_longer_follows(where: str, seconds: float, quantity: str) -> None:
    assert check(ANALYSIS, quantity).verdict != "does not follow"
    assert check(quoting(where, (seconds,)), quantity).verdict == "does not follow"


def test_rounding_excuses_no_more_than_rounding() -> None:
    """Seven figures to half a millisecond each, and half a one in the sum: four, and not five."""
    assert with_claim(Claim(quantity="components_ms", text="", value=5287)).verdict == "within rounding"
    assert with_claim(Claim(quantity="components_ms", text="", value=5288)).verdict == "does not follow"
    assert with_claim(Claim(quantity="components_ms", text="", value=5279)).verdict == "within rounding"
    assert with_claim(Claim(quantity="components_ms", text="", value=5278)).verdict == "does not follow"


def test_more_digits_leave_less_room() -> None:
    """`22.59` is known to a hundredth; `588` is not its quotient, `587.3` is."""
    assert with_claim(Claim(quantity="step_over_inference", text="", value=588)).verdict == "does not follow"
    assert with_claim(Claim(quantity="step_over_inference", text="", value=587.3, decimals=1)).verdict == "follows"


def test_a_round_figure_in_milliseconds_is_known_to_the_millisecond() -> None:
    """20 ms was not rounded to tens."""
    round_inference = quoting("inference.runs", (0.020,))
    claim = Claim(quantity="step_over_inference", text="", value=700)
    assert with_claim(claim, round_inference).verdict == "does not follow"


def test_records_without_claims_are_not_checked() -> None:
    assert check_claims(cpu_record()) == ()
    assert check_claims(ANALYSIS.model_copy(update={"training": None})) == ()
    assert check_claims(ANALYSIS.model_copy(update={"inference": None})) == ()


def test_a_quantity_that_nobody_knows_is_passed_over() -> None:
    unknown = ANALYSIS.model_copy(update={"claims": (Claim(quantity="phase of the moon", text="", value=1),)})
    assert check_claims(unknown) == ()


@given(POSITIVE, POSITIVE, POSITIVE, POSITIVE, st.floats(0, 1), st.floats(0, 1))
def test_bounds_hold_whatever_values_lie_in_them(a: float, b: float, c: float, d: float, s: float, t: float) -> None:
    one, other = Bounds(min(a, b), max(a, b)), Bounds(min(c, d), max(c, d))
    x, y = a + s * (b - a), c + t * (d - c)

    def holds(bounds: Bounds, value: float) -> bool:
        return bounds.low * (1 - 1e-12) <= value <= bounds.high * (1 + 1e-12)

    assert holds(one + other, x + y)
    assert holds(one / other, x / y)
    assert holds(one * 3.0, x * 3.0)
    assert one.overlaps(other) == other.overlaps(one) == (max(one.low, other.low) <= min(one.high, other.high))

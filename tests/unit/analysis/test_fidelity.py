"""What a measured fidelity says about a kind: errors, where exactness ends, and the verdict."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import exact_record, fidelity_of
from paco_prof.analysis.fidelity import EXACT_GRADIENT, EXACT_LOSS, FidelityView, fidelity_view
from paco_prof.records import Fidelity, VariantKind

KINDS: tuple[VariantKind, ...] = ("exact", "approximate", "different")


def view_of(fidelity: Fidelity, kind: VariantKind = "exact") -> FidelityView:
    """The view of a fidelity that a variant of some kind has."""
    view = fidelity_view(kind, fidelity)
    assert view is not None
    return view


def losses(total: float, expected: float) -> Fidelity:
    """A fidelity in which only the total loss is known."""
    return fidelity_of(0.0, 0.0, losses={"total": total}, reference_losses={"total": expected})


def test_without_a_fidelity_there_is_no_view() -> None:
    assert fidelity_view("exact", None) is None


def test_the_view_holds_what_was_measured_and_claimed() -> None:
    view = fidelity_view("exact", exact_record().fidelity)
    assert view is not None
    assert view.measured == exact_record().fidelity
    assert (view.kind, view.verdict, view.is_exact) == ("exact", "confirmed", True)


def test_errors_are_relative_to_the_reference() -> None:
    view = view_of(fidelity_of(0.25, 0.0))
    assert view.loss_errors == {
        "total": pytest.approx(0.25),
        "ce": pytest.approx(0.25),
        "pac": pytest.approx(0.25),
        "soc": 0.0,
    }


@pytest.mark.parametrize(("total", "expected", "error"), [(1.5, 2.0, 0.25), (-1.0, 2.0, 1.5), (-3.0, -2.0, 0.5)])
def test_errors_have_no_sign(total: float, expected: float, error: float) -> None:
    assert view_of(losses(total, expected)).loss_errors == {"total": pytest.approx(error)}


def test_a_reference_of_zero_has_no_relative_error() -> None:
    """PaC of a single image, say: zero against zero, and zero against something, are both without one."""
    reference = {"total": 5.0, "pac": 0.0, "soc": 0.0}
    view = view_of(fidelity_of(0.0, 0.0, losses={**reference, "soc": 0.3}, reference_losses=reference))
    assert view.loss_errors == {"total": 0.0, "pac": None, "soc": None}
    assert view.is_exact


def test_only_losses_that_both_have_are_compared() -> None:
    both = fidelity_of(0.0, 0.0, losses={"total": 1.0, "new": 2.0}, reference_losses={"total": 1.0, "old": 3.0})
    assert set(view_of(both).loss_errors) == {"total"}


def test_without_a_total_nothing_is_exact() -> None:
    assert not view_of(fidelity_of(0.0, 0.0, losses={"ce": 1.0}, reference_losses={"ce": 1.0})).is_exact
    assert not view_of(losses(0.0, 0.0)).is_exact


@pytest.mark.parametrize(
    ("loss_error", "gradient_error", "is_exact"),
    [
        (0.0, 0.0, True),
        (0.9 * EXACT_LOSS, EXACT_GRADIENT, True),
        (1.1 * EXACT_LOSS, 0.0, False),
        (-1.1 * EXACT_LOSS, 0.0, False),
        (0.0, 1.0001 * EXACT_GRADIENT, False),
        (math.nan, 0.0, False),
        (0.0, math.nan, False),
        (0.0, math.inf, False),
    ],
)
def test_exact_is_as_exact_as_a_float32_backbone(loss_error: float, gradient_error: float, is_exact: bool) -> None:
    assert view_of(fidelity_of(loss_error, gradient_error)).is_exact is is_exact


@pytest.mark.parametrize(
    ("loss_error", "gradient_error", "is_exact"),
    [
        (1e-9, 1e-9, True),
        (1e-5, 1e-9, False),
        (1e-9, 1e-5, False),
        (math.nan, 1e-9, False),
        (1e-9, math.nan, False),
    ],
)
def test_what_was_looked_at_in_float64_is_judged_there(
    loss_error: float, gradient_error: float, is_exact: bool
) -> None:
    wide = {"float64_loss_error": loss_error, "float64_gradient_error": gradient_error}
    assert view_of(fidelity_of(1e-3, 0.3, **wide)).is_exact == is_exact


def test_a_loss_of_its_own_does_not_count_as_the_total_does() -> None:
    """What PaC loses in the total is nothing: its weight and its size decide."""
    reference = {"total": 5.0, "pac": 1e-7}
    view = view_of(fidelity_of(0.0, 0.0, losses={"total": 5.0, "pac": 2e-7}, reference_losses=reference))
    assert view.loss_errors["pac"] == pytest.approx(1.0)
    assert view.is_exact


@pytest.mark.parametrize(
    ("kind", "against", "is_exact", "verdict"),
    [
        ("exact", "baseline", True, "confirmed"),
        ("exact", "baseline", False, "contradicted"),
        ("exact", "own settings", True, "confirmed"),
        ("exact", "own settings", False, "contradicted"),
        ("approximate", "baseline", True, "not seen"),
        ("approximate", "baseline", False, "confirmed"),
        ("approximate", "own settings", False, "confirmed"),
        ("different", "baseline", True, "not seen"),
        ("different", "baseline", False, "confirmed"),
        ("different", "own settings", True, "confirmed"),
        ("different", "own settings", False, "confirmed"),
    ],
)
def test_the_verdict(kind: VariantKind, against: str, is_exact: bool, verdict: str) -> None:
    view = view_of(fidelity_of(0.0, 0.0 if is_exact else 0.5, against=against), kind)
    assert view.verdict == verdict


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_smaller_error_is_never_less_exact(loss: float, gradient: float, less: float, lesser: float) -> None:
    worse, better = view_of(fidelity_of(loss, gradient)), view_of(fidelity_of(loss * less, gradient * lesser))
    assert better.is_exact or not worse.is_exact


@given(st.floats(1e-3, 1e3), st.floats(1e-6, 1))
def test_the_size_of_the_loss_does_not_matter(factor: float, error: float) -> None:
    found = fidelity_of(error, 0.0)
    scaled = found.model_copy(
        update={
            "losses": {name: value * factor for name, value in found.losses.items()},
            "reference_losses": {name: value * factor for name, value in found.reference_losses.items()},
        }
    )
    assert view_of(scaled).loss_errors == pytest.approx(view_of(found).loss_errors, abs=1e-12)


def test_only_who_claims_to_be_exact_can_be_contradicted() -> None:
    errors = (0.0, 1.0, math.nan, math.inf)
    for kind, loss, gradient in itertools.product(KINDS, errors, errors):
        contradicted = view_of(fidelity_of(loss, gradient), kind).verdict == "contradicted"
        assert contradicted is (kind == "exact" and (loss, gradient) != (0.0, 0.0))

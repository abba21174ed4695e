"""Several variants as one: what a later one sets counts, and no kind is hidden by another."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paco_prof.records import SpeedupClaim, VariantKind
from paco_prof.variants.variant import Variant, combined, least_exact

FUSED = Variant("fused", "Fused.", "exact", {"contrast": "fused"}, optional=frozenset({"contrast"}))
HALF = Variant("half", "Half.", "approximate", {"precision": "bfloat16"}, SpeedupClaim("faster", 1.2, 1.4))
SMALL = Variant("small", "Small.", "different", {"dim": 32, "contrast": "loop"})
KINDS: st.SearchStrategy[VariantKind] = st.sampled_from(("exact", "approximate", "different"))


def test_settings_are_put_together_and_the_later_counts() -> None:
    assert combined("x", "", [FUSED, SMALL]).settings == {"contrast": "loop", "dim": 32}
    assert combined("x", "", [SMALL, FUSED]).settings == {"contrast": "fused", "dim": 32}


def test_it_knows_its_parts_in_their_order_and_has_its_own_words() -> None:
    whole = combined("x", "Why.", [SMALL, FUSED], SpeedupClaim("much"))
    assert (whole.name, whole.why, whole.parts, whole.claim) == ("x", "Why.", ("small", "fused"), SpeedupClaim("much"))


def test_the_claim_of_a_part_is_not_one_of_the_whole() -> None:
    assert combined("x", "", [HALF, FUSED]).claim is None


def test_what_a_part_may_leave_out_the_whole_may() -> None:
    assert combined("x", "", [FUSED, HALF]).optional == {"contrast"}
    assert combined("x", "", [HALF, SMALL]).optional == frozenset()


def test_the_parts_stay_as_they_were() -> None:
    combined("x", "", [FUSED, SMALL]).settings["contrast"] = "changed"
    assert (FUSED.settings, SMALL.settings) == ({"contrast": "fused"}, {"dim": 32, "contrast": "loop"})


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        ((), "exact"),
        ((FUSED,), "exact"),
        ((FUSED, HALF), "approximate"),
        ((FUSED, SMALL), "different"),
        ((HALF, SMALL, FUSED), "different"),
    ],
)
def test_the_kind_is_the_least_exact(parts: tuple[Variant, ...], kind: str) -> None:
    for order in itertools.permutations(parts):
        assert combined("x", "", order).kind == kind


@given(st.lists(KINDS, max_size=5), st.lists(KINDS, max_size=5))
def test_kinds_put_together_in_any_grouping_are_the_same(one: list[VariantKind], other: list[VariantKind]) -> None:
    assert least_exact([least_exact(one), least_exact(other)]) == least_exact([*other, *one])


def test_nothing_together_is_exact() -> None:
    assert least_exact([]) == "exact"

"""Who takes part in a comparison or an ablation, what each of them changes, and what is refused."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest

from paco_prof.errors import ExitCode, UsageError
from paco_prof.records import Contestant, Design, SpeedupClaim
from paco_prof.settings import Workload, changed_settings, with_settings
from paco_prof.variants.catalogue import PHASE_CLAIMS, PHASES, TOGGLES, drop_in
from paco_prof.variants.contestants import Field, ablated, compared
from paco_prof.variants.resolve import find_variant
from paco_prof.variants.variant import Variant

BASE = Workload(seed=4, device="cpu")
FIELD = Field(BASE)
MINE = Variant("mine", "Mine.", "approximate", {"matching": "greedy", "dim": 16}, optional=frozenset({"matching"}))
WITH_MINE = Field(BASE, (MINE,))
DESIGNS: tuple[Design, ...] = ("one-at-a-time", "leave-one-out", "cumulative", "factorial")


def names(contestants: tuple[Contestant, ...]) -> list[str]:
    """As tables have them, but for spaces around a plus."""
    return [contestant.name.replace(" + ", "+") for contestant in contestants]


def sets(contestant: Contestant) -> dict[str, object]:
    return changed_settings(contestant.workload, BASE)


def refusal(design: Design, toggles: list[str] | None, base: str = "baseline", field: Field = FIELD) -> str:
    with pytest.raises(UsageError) as caught:
        ablated(field, design, base, toggles)
    assert caught.value.exit_code == ExitCode.USAGE
    assert "\n" not in str(caught.value)
    return str(caught.value)


# compare


def test_a_comparison_has_its_variants_in_the_order_of_the_command_line() -> None:
    contestants = compared(FIELD, ["exact", "baseline", "fused-loss+d32"])
    assert names(contestants) == ["exact", "baseline", "fused-loss+d32"]
    assert contestants[1].workload == BASE
    assert sets(contestants[2]) == {"contrast": "fused", "dim": 32}
    assert [contestant.base for contestant in contestants] == [BASE] * 3
    assert [contestant.toggles for contestant in contestants] == [()] * 3


def test_a_contestant_carries_its_kind_and_the_settings_that_it_may_lose() -> None:
    _, exact, toggle = compared(FIELD, ["baseline", "exact", "bfloat16"])
    assert exact.variant.kind == "exact"
    assert exact.optional == tuple(sorted(find_variant("exact").settings))
    assert (toggle.variant.kind, toggle.optional) == ("approximate", ())


def test_the_analysiss_claims_stand_beside_the_baseline() -> None:
    _, optimized, phase2, fused = compared(FIELD, ["baseline", "optimized", "phase2", "fused-loss"])
    found = [optimized.claim, phase2.claim, fused.claim]
    assert [(claim.low, claim.high) for claim in found if claim] == [(1.9, 1.9), (1.7, 2.2), (1.5, 1.7)]


@pytest.mark.parametrize("pair", [("phase1", "phase2"), ("exact", "optimized"), ("fastest", "fused-loss")])
def test_beside_another_variant_the_analysis_claims_nothing(pair: tuple[str, str]) -> None:
    assert compared(FIELD, pair)[1].claim is None


def test_a_variant_against_itself_claims_nothing() -> None:
    assert compared(FIELD, ["optimized", "optimized"])[1].claim is None


def test_the_same_variant_twice_is_a_comparison_with_itself() -> None:
    first, second = compared(FIELD, ["d32", "d32"])
    assert (first.name, first.workload, first.variant) == (second.name, second.workload, second.variant)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "needs a baseline and at least one variant"),
        (["baseline"], "needs a baseline and at least one variant"),
        (["baseline", "exact", "exact"], "'exact' stands there twice"),
        (["exact", "baseline", "exact"], "'exact' stands there twice"),
        (["d32", "d32", "d32"], "'d32' stands there twice"),
        (["baseline", "optimised"], "optimized"),
        (["baseline", "fused-los"], "fused-loss"),
        (["baseline", "qqqq"], "paco-prof variants"),
        (["baseline", ""], "There is no variant ''"),
        (["baseline", "exact+"], "There is no variant ''"),
    ],
)
def test_what_cannot_be_compared_is_one_line(given: list[str], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        compared(FIELD, given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == ExitCode.USAGE


def test_an_option_that_a_variant_would_undo_is_refused() -> None:
    field = Field(with_settings(BASE, {"dim": 48}), explicit=("dim",))
    with pytest.raises(UsageError, match=r"'d32' sets dim to 32.*48"):
        compared(field, ["baseline", "d32"])
    assert compared(field, ["baseline", "fused-loss"])[1].workload.dim == 48


def test_an_option_that_says_what_the_variant_says_is_no_conflict() -> None:
    field = Field(with_settings(BASE, {"dim": 32}), explicit=("dim",))
    baseline, d32 = compared(field, ["baseline", "d32"])
    assert baseline.workload == d32.workload


def test_settings_that_nobody_chose_may_be_changed_by_a_variant() -> None:
    assert compared(Field(with_settings(BASE, {"dim": 48})), ["baseline", "d32"])[1].workload.dim == 32


def test_the_users_own_variants_take_part() -> None:
    baseline, mine, both = compared(WITH_MINE, ["baseline", "mine", "exact+mine"])
    assert baseline.workload == BASE
    assert sets(mine) == {"matching": "greedy", "dim": 16}
    assert (mine.variant.kind, mine.optional, mine.claim) == ("approximate", ("matching",), None)
    assert sets(both)["matching"] == "greedy"
    assert names(compared(WITH_MINE, ["mine", "baseline"])) == ["mine", "baseline"]


def test_a_misspelt_variant_of_the_users_own_has_its_near_names() -> None:
    with pytest.raises(UsageError, match="mine"):
        compared(WITH_MINE, ["baseline", "mines"])


# one at a time


def test_one_at_a_time_takes_every_toggle_alone_by_default() -> None:
    contestants = ablated(FIELD, "one-at-a-time", "baseline", None)
    assert names(contestants) == ["baseline", *(toggle.name for toggle in TOGGLES)]
    for contestant, toggle in zip(contestants[1:], TOGGLES, strict=True):
        assert contestant.toggles == (toggle.name,)
        assert contestant.workload == with_settings(BASE, toggle.settings)
        assert contestant.claim == toggle.claim
        assert contestant.step_claim is None


def test_named_toggles_come_all_together_as_well() -> None:
    contestants = ablated(FIELD, "one-at-a-time", "baseline", ["fused-loss", "d32", "bfloat16"])
    assert names(contestants) == ["baseline", "fused-loss", "d32", "bfloat16", "all 3 together"]
    whole = contestants[-1]
    assert whole.toggles == ("fused-loss", "d32", "bfloat16")
    assert sets(whole) == {"contrast": "fused", "dim": 32, "precision": "bfloat16"}
    assert (whole.variant.kind, whole.claim) == ("different", None)


def test_toggles_that_exclude_each_other_do_not_come_together() -> None:
    assert names(ablated(FIELD, "one-at-a-time", "baseline", ["bfloat16", "float16"])) == [
        "baseline",
        "bfloat16",
        "float16",
    ]


def test_one_toggle_has_nothing_to_come_together_with() -> None:
    assert names(ablated(FIELD, "one-at-a-time", "baseline", ["d32"])) == ["baseline", "d32"]


def test_on_top_of_exact_its_own_toggles_are_left_away() -> None:
    first, *others = ablated(FIELD, "one-at-a-time", "exact", None)
    assert first.name == "exact"
    assert first.workload == with_settings(BASE, find_variant("exact").settings)
    assert not {contestant.name for contestant in others} & set(find_variant("exact").parts)
    assert {"bfloat16", "d32", "separable-sampling"} <= {contestant.name for contestant in others}
    for contestant in others:
        assert contestant.variant.name == f"exact+{contestant.name}"
        assert contestant.workload != first.workload
        assert contestant.workload.forms.contrast == "fused"
        # What the analysis says of a toggle, it says of it on the baseline.
        assert contestant.claim is None


def test_what_the_baseline_already_has_is_no_toggle() -> None:
    field = Field(with_settings(BASE, {"dim": 32}), explicit=("dim",))
    assert "d32" not in names(ablated(field, "one-at-a-time", "baseline", None))


@pytest.mark.parametrize(("setting", "value"), [("backbone", "resnet18"), ("image_size", 96), ("dim", 48)])
def test_a_default_toggle_that_would_undo_an_option_is_left_away(setting: str, value: object) -> None:
    field = Field(with_settings(BASE, {setting: value}), explicit=(setting,))
    assert len(ablated(field, "one-at-a-time", "baseline", None)) == len(TOGGLES)


def test_a_named_toggle_that_would_undo_an_option_is_refused() -> None:
    field = Field(with_settings(BASE, {"image_size": 96}), explicit=("image_size",))
    assert "192px" in refusal("one-at-a-time", ["fused-loss", "192px"], field=field)


def test_a_toggle_alone_may_not_be_left_out_and_one_of_several_may() -> None:
    _, single, _, both = ablated(FIELD, "one-at-a-time", "baseline", ["compile", "d32"])
    assert single.optional == ()
    assert set(both.optional) == {"compile", "dim"}


# leave one out


def test_leave_one_out_takes_exact_apart_by_default() -> None:
    parts = find_variant("exact").parts
    whole, *others = ablated(FIELD, "leave-one-out", "baseline", None)
    assert whole.name == f"all {len(parts)}"
    assert whole.workload == with_settings(BASE, find_variant("exact").settings)
    assert names(tuple(others)) == [f"without {part}" for part in parts]
    for part, without in zip(parts, others, strict=True):
        assert without.toggles == tuple(other for other in parts if other != part)
        assert changed_settings(without.workload, whole.workload).keys() == find_variant(part).settings.keys()
        assert without.claim is None


def test_leave_one_out_keeps_its_base() -> None:
    whole, first, second = ablated(FIELD, "leave-one-out", "d32", ["fused-loss", "bfloat16"])
    assert sets(whole) == {"dim": 32, "contrast": "fused", "precision": "bfloat16"}
    assert sets(first) == {"dim": 32, "precision": "bfloat16"}
    assert sets(second) == {"dim": 32, "contrast": "fused"}
    assert first.toggles == ("bfloat16",)
    assert first.claim is None


def test_leave_one_out_of_its_own_toggles_keeps_its_base_too() -> None:
    whole, *_ = ablated(FIELD, "leave-one-out", "d32", None)
    assert whole.workload.dim == 32


def test_leaving_out_what_makes_no_difference_is_not_measured() -> None:
    field = Field(with_settings(BASE, {"contrast": "fused"}), explicit=("contrast",))
    whole, *others = ablated(field, "leave-one-out", "baseline", None)
    assert all(contestant.workload != whole.workload for contestant in others)


# cumulative


def test_the_default_walks_the_three_phases_of_the_checklist() -> None:
    first, *walked = ablated(FIELD, "cumulative", "baseline", None)
    assert first.workload == BASE
    assert names(tuple(walked)) == ["phase1", "phase2", "phase3"]
    for count, (phase, contestant) in enumerate(zip(PHASES, walked, strict=True), 1):
        assert contestant.workload == with_settings(BASE, find_variant(phase).settings)
        assert contestant.toggles == PHASES[:count]


def test_phases_are_expected_to_bring_what_the_analysis_says() -> None:
    """Its table: 1.4-1.6x, 1.2-1.4x, 1.1-1.2x, and together 1.4-1.6x, 1.7-2.2x, 1.9-2.6x."""
    _, *walked = ablated(FIELD, "cumulative", "baseline", None)
    steps = [contestant.step_claim for contestant in walked]
    wholes = [contestant.claim for contestant in walked]
    assert [(claim.low, claim.high) for claim in steps if claim] == [(1.4, 1.6), (1.2, 1.4), (1.1, 1.2)]
    assert [(claim.low, claim.high) for claim in wholes if claim] == [(1.4, 1.6), (1.7, 2.2), (1.9, 2.6)]
    assert steps == list(PHASE_CLAIMS.values())


def test_each_phase_adds_what_its_checklist_says() -> None:
    workloads = [contestant.workload for contestant in ablated(FIELD, "cumulative", "baseline", None)]
    first, second, third = (changed_settings(after, before) for before, after in pairwise(workloads))
    assert first == {"backbone": "efficientnet_b0", "dim": 32, "precision": "bfloat16", "max_negatives": 16}
    assert second.keys() == {"hard_negative_mining", "cache_covariance_inverse", "matching", "clip_norm", "schedule"}
    assert third == {"image_size": 192, "matching": "greedy", "sampling": "separable"}


def test_cumulative_adds_one_toggle_at_a_time() -> None:
    contestants = ablated(FIELD, "cumulative", "baseline", ["fused-loss", "d32", "bfloat16"])
    assert names(contestants) == ["baseline", "+ fused-loss", "+ d32", "+ bfloat16"]
    assert [len(sets(contestant)) for contestant in contestants] == [0, 1, 2, 3]
    assert contestants[-1].toggles == ("fused-loss", "d32", "bfloat16")
    fused, d32, bfloat16 = (find_variant(name).claim for name in ("fused-loss", "d32", "bfloat16"))
    # Beside the baseline only the first is what the analysis speaks of; beside the one before, each is.
    assert [contestant.claim for contestant in contestants] == [None, fused, None, None]
    assert [contestant.step_claim for contestant in contestants] == [None, fused, d32, bfloat16]


def test_a_phase_after_a_toggle_holds_the_toggle_too() -> None:
    *_, last = ablated(FIELD, "cumulative", "baseline", ["fused-loss", "phase1"])
    assert sets(last)["contrast"] == "fused"


def test_the_first_two_phases_can_be_walked_alone() -> None:
    contestants = ablated(FIELD, "cumulative", "baseline", ["phase1", "phase2"])
    assert names(contestants) == ["baseline", "phase1", "phase2"]


def test_cumulative_on_top_of_exact_starts_there() -> None:
    first, second, third = ablated(FIELD, "cumulative", "exact", ["bfloat16", "d32"])
    assert first.workload.forms.contrast == second.workload.forms.contrast == third.workload.forms.contrast == "fused"
    assert (second.workload.precision, second.workload.dim) == ("bfloat16", 64)
    assert (third.workload.precision, third.workload.dim) == ("bfloat16", 32)


# factorial


@pytest.mark.parametrize("toggles", [["fused-loss", "d32"], ["d32", "r3", "gamma0"], ["d32", "r3", "gamma0", "192px"]])
def test_factorial_takes_every_subset_once(toggles: list[str]) -> None:
    first, *others = ablated(FIELD, "factorial", "baseline", toggles)
    assert first.toggles == ()
    subsets = [subset for size in range(1, len(toggles) + 1) for subset in combinations(toggles, size)]
    assert [contestant.toggles for contestant in others] == subsets
    assert names(tuple(others)) == ["+".join(subset) for subset in subsets]
    assert len({str(contestant.workload) for contestant in (first, *others)}) == 2 ** len(toggles)


def test_factorial_asks_by_default_whether_limiting_negatives_helps_beside_the_fused_loss() -> None:
    assert names(ablated(FIELD, "factorial", "baseline", None)) == [
        "baseline",
        "fused-loss",
        "max-negatives-16",
        "fused-loss+max-negatives-16",
    ]


def test_in_a_factorial_only_single_toggles_have_claims() -> None:
    _, fused, negatives, both = ablated(FIELD, "factorial", "baseline", None)
    assert fused.claim == SpeedupClaim("Optimize Loss Computation (Priority 1) - 50-70% Speedup", 1.5, 1.7)
    assert negatives.claim is not None
    assert negatives.claim.low is None
    assert both.claim is None


# What is refused


@pytest.mark.parametrize("design", DESIGNS)
def test_no_toggles_at_all_are_refused(design: Design) -> None:
    assert "empty" in refusal(design, [])


@pytest.mark.parametrize("design", DESIGNS)
def test_a_toggle_twice_is_refused(design: Design) -> None:
    assert "'d32' stands there twice" in refusal(design, ["d32", "fused-loss", "d32"])


@pytest.mark.parametrize("design", DESIGNS)
def test_an_unknown_toggle_has_its_near_names(design: Design) -> None:
    assert "fused-loss" in refusal(design, ["d32", "fused-los"])


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("toggles", [None, ["d32", "r3"]])
def test_an_unknown_base_has_its_near_names(design: Design, toggles: list[str] | None) -> None:
    assert "exact" in refusal(design, toggles, base="exacd")


@pytest.mark.parametrize("design", ["one-at-a-time", "cumulative", "factorial"])
def test_a_toggle_that_the_base_has_already_is_refused(design: Design) -> None:
    message = refusal(design, ["d32", "fused-loss"], base="exact")
    assert "fused-loss changes nothing of exact" in message


def test_leave_one_out_refuses_a_toggle_that_changes_nothing_too() -> None:
    assert "fused-loss" in refusal("leave-one-out", ["d32", "fused-loss"], base="exact")


def test_the_baseline_is_no_toggle() -> None:
    assert "baseline changes nothing" in refusal("one-at-a-time", ["baseline"])


@pytest.mark.parametrize("design", ["leave-one-out", "cumulative", "factorial"])
@pytest.mark.parametrize(
    ("pair", "setting"),
    [
        (["bfloat16", "float16"], "precision"),
        (["max-negatives-16", "hard-negative-mining"], "hard_negative_mining"),
        (["vectorized-sampling", "separable-sampling"], "sampling"),
    ],
)
def test_two_that_exclude_each_other_cannot_go_together(design: Design, pair: list[str], setting: str) -> None:
    message = refusal(design, pair)
    assert all(name in message for name in (*pair, setting, design))


@pytest.mark.parametrize("design", ["leave-one-out", "factorial"])
def test_one_toggle_is_too_few(design: Design) -> None:
    assert "2 toggles" in refusal(design, ["d32"])


def test_five_factors_are_too_many() -> None:
    message = refusal("factorial", ["d32", "r3", "gamma0", "192px", "bfloat16"])
    assert "31 combinations" in message
    assert "at most 4" in message


def test_own_variants_are_toggles_and_bases_too() -> None:
    assert names(ablated(WITH_MINE, "one-at-a-time", "mine", ["fused-loss"])) == ["mine", "fused-loss"]
    contestants = ablated(WITH_MINE, "factorial", "baseline", ["mine", "bfloat16"])
    assert names(contestants) == ["baseline", "mine", "bfloat16", "mine+bfloat16"]
    assert "both set dim" in refusal("cumulative", ["mine", "d32"], field=WITH_MINE)


@pytest.mark.parametrize("design", DESIGNS)
def test_every_design_holds_all_against_one_baseline(design: Design) -> None:
    contestants = ablated(FIELD, design, "baseline", ["fused-loss", "d32"])
    assert len(set(names(contestants))) == len(contestants)
    assert {contestant.base for contestant in contestants} == {BASE}
    assert contestants[0].claim is None
    assert contestants[0].step_claim is None


# A model of the user's own


OWN = BASE.model_copy(update={"model": "nets:build"})
NAMED = Field(OWN, (drop_in({"neck": "my:Fast"}),))


def test_a_drop_in_that_somebody_named_is_compared_and_ablated() -> None:
    assert names(compared(NAMED, ["baseline", "drop-in"])) == ["baseline", "drop-in"]
    for variants in (["baseline", "drop-in-pool"], ["bfloat16", "bfloat16"]):
        with pytest.raises(UsageError, match="drop-in is not among what is measured"):
            compared(NAMED, variants)
    for design in DESIGNS:
        found = ablated(NAMED, design, "baseline", None)
        assert any("drop-in" in contestant.toggles for contestant in found), design
        assert "drop-in is not among" in refusal(design, ["bfloat16", "drop-in-pool"], field=NAMED)


def test_all_is_what_goes_with_the_model() -> None:
    own = Field(OWN)
    together: tuple[Design, ...] = ("leave-one-out", "cumulative")
    for design in together:
        assert "both set" in refusal(design, ["all"])
        whole = ablated(own, design, "baseline", ["all"])
        assert {"drop-in-matcher", "tf32"} < {toggle for contestant in whole for toggle in contestant.toggles}
    assert "combinations" in refusal("factorial", ["all"], field=own)
    for field in (FIELD, own):
        assert ablated(field, "one-at-a-time", "baseline", ["all"]) == ablated(field, "one-at-a-time", "baseline", None)

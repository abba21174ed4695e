"""From a name, options and `--set` to a workload: what is applied, what it is called, and what is refused."""

from __future__ import annotations

import re
from contextlib import nullcontext

import pytest

from paco_prof.errors import UsageError
from paco_prof.forms import Forms
from paco_prof.settings import Workload, restored, with_settings
from paco_prof.variants.catalogue import CATALOGUE, TOGGLES, drop_in
from paco_prof.variants.resolve import find_variant, parse_overrides, plan_variant, refuse_unused_drop_ins
from paco_prof.variants.variant import Variant

BASE = Workload(seed=4, device="cpu", threads=3)
OWN = BASE.model_copy(update={"model": "my_models:build"})
MINE = Variant("mine", "Mine.", "approximate", {"matching": "greedy", "dim": 16}, optional=frozenset({"matching"}))


def test_the_baseline_changes_nothing() -> None:
    planned = plan_variant(BASE, "baseline", {})
    assert planned.workload == planned.base == BASE
    assert (planned.used.name, planned.used.kind, planned.used.settings) == ("baseline", "exact", {})
    assert planned.optional == frozenset()


def test_a_variants_settings_are_those_that_differ_from_the_baseline() -> None:
    planned = plan_variant(BASE, "max-negatives-16", {})
    assert planned.workload.forms == Forms(max_negatives=16)
    assert planned.base == BASE
    # It sets hard_negative_mining as well, to what it is.
    assert planned.used.settings == {"max_negatives": 16}
    assert (planned.used.name, planned.used.kind) == ("max-negatives-16", "approximate")


def test_the_rest_of_the_baseline_stays() -> None:
    planned = plan_variant(BASE, "exact", {})
    assert planned.workload != BASE
    assert restored(planned.workload, BASE, planned.used.settings) == BASE


def test_drop_ins_for_two_components_go_together() -> None:
    planned = plan_variant(OWN, "drop-in-criterion+drop-in-matcher+bfloat16", {})
    assert dict(planned.workload.replace) == {
        "criterion": "paco_prof:OptimizedPaCoLoss",
        "matcher": "paco_prof:BatchedMatcher",
    }
    assert planned.used.kind == "approximate"
    assert planned.used.settings == {
        "precision": "bfloat16",
        "replace": "criterion=paco_prof:OptimizedPaCoLoss,matcher=paco_prof:BatchedMatcher",
    }
    # As the record has it, it makes the same workload again.
    assert with_settings(OWN, planned.used.settings) == planned.workload


def test_paco_2_itself_has_no_need_of_drop_ins() -> None:
    with pytest.raises(UsageError, match=r"^drop-in: drop-ins take the place of components of a model of your own\."):
        plan_variant(BASE, "drop-in", {})


@pytest.mark.parametrize("name", ["exact", "d32", "fused-loss", "bfloat16+gamma0"])
def test_a_model_of_ones_own_knows_nothing_of_paco_2s_settings(name: str) -> None:
    with pytest.raises(UsageError, match=r"is a setting of PaCo-2 here, and my_models:build knows nothing of it\."):
        plan_variant(OWN, name, {})


@pytest.mark.parametrize(
    ("name", "overrides", "setting"),
    [
        ("efficientnet-b0", {}, "backbone"),
        ("baseline", {"backbone": "resnet18"}, "backbone"),
        ("bfloat16+efficientnet-b0", {}, "backbone"),
        ("classes", {}, "num_classes"),
    ],
)
def test_what_a_factory_decides_no_variant_changes(name: str, overrides: dict[str, str], setting: str) -> None:
    own = [Variant("classes", "", "different", {"num_classes": 10})]
    for base in (OWN, with_settings(OWN, {"backbone": "resnet34", "num_classes": 5})):
        with pytest.raises(
            UsageError, match=rf"^{re.escape(name)}: {setting} is a setting of PaCo-2 here, and my_models"
        ):
            plan_variant(base, name, overrides, own)
    assert plan_variant(BASE, name, overrides, own).used.settings[setting]


def test_a_baseline_may_say_what_its_batch_and_its_yardstick_need() -> None:
    base = with_settings(OWN, {"backbone": "resnet34", "num_classes": 5})
    assert plan_variant(base, "bfloat16", {}).workload.backbone == "resnet34"
    # As --num-classes has it.
    assert plan_variant(base, "baseline", {"num_classes": "7"}).workload.num_classes == 7


@pytest.mark.parametrize(
    ("names", "is_used"),
    [
        (["baseline"], False),
        (["baseline", "drop-in-pool", "bfloat16"], False),
        (["baseline", "drop-in"], True),
        (["bfloat16+drop-in"], True),
    ],
)
def test_a_drop_in_that_somebody_named_is_measured(names: list[str], is_used: bool) -> None:
    refuse_unused_drop_ins([MINE], names)
    words = r"^--replace says what the variant drop-in is, and drop-in is not among what is measured\."
    with nullcontext() if is_used else pytest.raises(UsageError, match=words):
        refuse_unused_drop_ins([MINE, drop_in({"neck": "my:Fast"})], names)


@pytest.mark.parametrize("variant", CATALOGUE, ids=[variant.name for variant in CATALOGUE])
def test_every_variant_can_be_planned(variant: Variant) -> None:
    base = OWN if "replace" in variant.settings else BASE
    planned = plan_variant(base, variant.name, {})
    assert planned.workload == with_settings(base, variant.settings)
    assert planned.used.kind == variant.kind
    assert planned.used.left_out == {}
    assert planned.optional == variant.optional


def test_several_variants_are_joined_by_a_plus() -> None:
    planned = plan_variant(BASE, "fused-loss+d32+bfloat16", {})
    assert planned.used.settings == {"contrast": "fused", "dim": 32, "precision": "bfloat16"}
    assert (planned.used.name, planned.used.kind) == ("fused-loss+d32+bfloat16", "different")


def test_of_two_that_set_the_same_the_later_counts() -> None:
    assert plan_variant(BASE, "bfloat16+float16", {}).workload.precision == "float16"
    assert plan_variant(BASE, "float16+bfloat16", {}).workload.precision == "bfloat16"


def test_a_preset_keeps_what_may_be_left_out_and_a_toggle_beside_it_may_not() -> None:
    optional = plan_variant(BASE, "exact+tf32", {}).optional
    assert "cudnn_benchmark" in optional
    assert "tf32" not in optional


@pytest.mark.parametrize(
    ("name", "near"),
    [("fused", "fused-loss"), ("phase4", "phase3"), ("exact+bfloat", "bfloat16"), ("channels_last", "channels-last")],
)
def test_an_unknown_variant_is_refused_with_what_is_near(name: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_variant(name)
    assert repr(name.split("+")[-1]) in caught.value.message
    assert near in caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["zzzzzzz", "", "d32+", "+d32", "d32++r3"])
def test_with_nothing_near_the_list_is_named(name: str) -> None:
    with pytest.raises(UsageError, match="There is no variant") as caught:
        find_variant(name)
    assert "paco-prof variants" in caught.value.hint


def test_the_users_variants_are_known_beside_the_others() -> None:
    planned = plan_variant(BASE, "mine+d32", {}, (MINE,))
    assert planned.workload.dim == 32
    assert planned.workload.forms.matching == "greedy"
    assert planned.used.kind == "different"
    with pytest.raises(UsageError, match="Did you mean mine"):
        find_variant("minee", (MINE,))


def test_overrides_come_last_and_may_use_aliases() -> None:
    planned = plan_variant(BASE, "optimized", {"d": "48", "max-negatives": "none"})
    assert planned.workload.dim == 48
    assert planned.workload.forms.max_negatives is None
    assert planned.used.settings["dim"] == 48
    assert "max_negatives" not in planned.used.settings
    assert planned.used.name == "optimized"


def test_the_baseline_that_a_variant_is_held_against_knows_no_override() -> None:
    assert plan_variant(BASE, "exact", {"batch_size": "2"}).base == BASE


def test_an_override_is_the_users_choice_and_not_left_out() -> None:
    planned = plan_variant(BASE, "exact", {"tf32": "true", "channels_last": "false"})
    assert not {"tf32", "channels_last"} & planned.optional
    assert "fused_optimizer" in planned.optional


@pytest.mark.parametrize(
    ("name", "overrides", "kind"),
    [
        ("baseline", {}, "exact"),
        ("baseline", {"contrast": "fused"}, "exact"),
        ("baseline", {"contrast": "fused", "sampling": "separable", "compile": "true"}, "exact"),
        ("baseline", {"d": "64"}, "exact"),
        ("baseline", {"precision": "float16"}, "approximate"),
        ("exact", {"matching": "greedy"}, "approximate"),
        ("exact", {"cache_covariance_inverse": "true"}, "exact"),
        ("bfloat16", {"contrast": "fused"}, "approximate"),
        ("baseline", {"d": "32"}, "different"),
        ("baseline", {"d": "33"}, "different"),
        ("baseline", {"batch_size": "16"}, "different"),
        ("baseline", {"alpha": "0.3"}, "different"),
        ("exact", {"pool": "other-images"}, "different"),
        ("bfloat16", {"gamma": "0"}, "different"),
    ],
)
def test_what_an_override_makes_of_the_kind(name: str, overrides: dict[str, str], kind: str) -> None:
    assert plan_variant(BASE, name, overrides).used.kind == kind


@pytest.mark.parametrize(
    ("name", "overrides", "kind"),
    [
        ("exact", {"channels_last": "false"}, "exact"),
        ("exact", {"contrast": "loop", "sampling": "loop"}, "exact"),
        ("exact", {"sampling": "separable"}, "exact"),
        ("bfloat16+fused-loss", {"contrast": "loop"}, "approximate"),
    ],
)
def test_taking_a_part_of_a_variant_back_makes_nothing_different(
    name: str, overrides: dict[str, str], kind: str
) -> None:
    """Leaving one toggle of a preset away is how its share is measured; the reference is no other objective."""
    assert plan_variant(BASE, name, overrides).used.kind == kind


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("baseline", {"max_negatives": "16"}),
        ("max-negatives-16", {"hard_negative_mining": "true"}),
    ],
)
def test_overrides_that_together_are_a_toggle_are_of_its_kind(name: str, overrides: dict[str, str]) -> None:
    """They build what `max-negatives-16` and `hard-negative-mining` build, to the last setting."""
    assert plan_variant(BASE, name, overrides).used.kind == "approximate"


@pytest.mark.parametrize("toggle", TOGGLES, ids=[toggle.name for toggle in TOGGLES])
def test_a_toggle_that_is_spelled_out_is_of_its_kind(toggle: Variant) -> None:
    overrides = {name: str(value) for name, value in toggle.settings.items()}
    spelled, named = plan_variant(BASE, "baseline", overrides), plan_variant(BASE, toggle.name, {})
    assert spelled.workload == named.workload
    assert spelled.used.settings == named.used.settings
    assert spelled.used.kind == named.used.kind


@pytest.mark.parametrize(
    ("name", "explicit", "words"),
    [
        ("d32", {"dim": 64}, "Variant 'd32' sets dim to 32, and an option sets it to 64"),
        ("exact+r3", {"dim": 64, "window": 7}, "Variant 'exact+r3' sets window to 3, and an option sets it to 7"),
        ("phase3", {"image_size": 96}, "Variant 'phase3' sets image_size to 192, and an option sets it to 96"),
        ("optimized", {"backbone": "test_vit"}, "sets backbone to efficientnet_b0, and an option sets it to test_vit"),
    ],
)
def test_a_variant_does_not_undo_an_option(name: str, explicit: dict[str, object], words: str) -> None:
    base = with_settings(BASE, explicit)
    with pytest.raises(UsageError) as caught:
        plan_variant(base, name, {}, (), tuple(explicit))
    assert words in caught.value.message
    assert "--set " in caught.value.hint
    assert "\n" not in str(caught.value)
    # What the line says to do is what helps.
    setting, _, value = caught.value.hint.removeprefix("Use --set ").split()[0].partition("=")
    assert plan_variant(BASE, name, {setting: value}).workload.model_dump()[setting] == explicit[setting]


@pytest.mark.parametrize(
    ("name", "explicit"), [("d32", {"dim": 32}), ("d32", {"window": 7}), ("exact", {"dim": 8, "batch_size": 2})]
)
def test_an_option_that_the_variant_leaves_or_repeats_is_fine(name: str, explicit: dict[str, object]) -> None:
    base = with_settings(BASE, explicit)
    planned = plan_variant(base, name, {}, (), tuple(explicit))
    assert planned.base == base
    assert planned.workload == with_settings(base, find_variant(name).settings)
    assert not set(explicit) & set(planned.used.settings)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [({"dimm": "32"}, "'dimm' is not a setting"), ({"d": "0"}, "dim='0'"), ({"contrast": "none"}, "contrast=None")],
)
def test_an_override_that_cannot_be_is_refused(overrides: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        plan_variant(BASE, "exact", overrides)


def test_overrides_are_read_from_text() -> None:
    assert parse_overrides([]) == {}
    assert parse_overrides(["d=32", "gamma=0"]) == {"d": "32", "gamma": "0"}
    assert parse_overrides(["backbone=a=b"]) == {"backbone": "a=b"}
    assert parse_overrides(["d=32", "d=16"]) == {"d": "16"}


@pytest.mark.parametrize("text", ["d", "=32", "d=", "=", ""])
def test_what_is_no_override_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not of the form name=value") as caught:
        parse_overrides(["gamma=0", text])
    assert repr(text) in caught.value.message
    assert "--set d=32" in caught.value.hint


@pytest.mark.parametrize(("setting", "value"), [("max_negatives", "8"), ("peaks_every", "2")])
def test_another_size_of_an_approximation_is_one_too(setting: str, value: str) -> None:
    assert plan_variant(Workload(), "exact", {setting: value}).used.kind == "approximate"


def test_a_kind_that_its_author_has_said_stays_with_an_override() -> None:
    own = (Variant("mine", "", "different", {"contrast": "fused"}),)
    assert plan_variant(Workload(), "mine", {"sampling": "batched"}, own).used.kind == "different"

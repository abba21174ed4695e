"""The catalogue holds what it says: names, kinds, settings that change something, and presets that add up."""

from __future__ import annotations

import re

import pytest

from paco_prof.settings import Workload, changed_settings, settable, with_settings
from paco_prof.variants.catalogue import CATALOGUE, DROP_INS, OF_RANKS, PRESETS, TOGGLES
from paco_prof.variants.variant import Variant, least_exact

BY_NAME = {variant.name: variant for variant in CATALOGUE}
BASELINE, *OTHER_PRESETS = PRESETS
CLAIMED = [variant for variant in CATALOGUE if variant.claim is not None]
# How a step is carried out, and not what it computes.
EXECUTION = {"channels_last", "compile", "fused_optimizer", "cudnn_benchmark"}
# Forms that are nothing but another way to compute the same.
REWRITES = {
    "contrast",
    "cache_covariance_inverse",
    "pool",
    "parts_dtype",
    "sampling",
    "matching",
    "prototypes",
    "weighting",
}


def names(variants: object) -> list[str]:
    """Their names, as a parametrized test shows them."""
    return [variant.name for variant in variants]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "name",
    [
        *("fused-loss", "max-negatives-16", "hard-negative-mining", "cholesky-caching", "vectorized-sampling"),
        *("batched-matching", "approximate-matching", "separable-sampling", "bfloat16", "float16", "channels-last"),
        *("both-views", "efficientnet-b0", "d32", "r3", "gamma0", "192px", "compile", "fused-optimizer", "tf32"),
        *("cudnn-benchmark", "other-images-pool", "gather-negatives"),
        *("baseline", "exact", "optimized", "phase1", "phase2", "phase3", "fastest"),
    ],
)
def test_what_was_asked_for_is_there(name: str) -> None:
    assert name in BY_NAME


def test_names_are_unique_and_can_be_typed() -> None:
    assert len(BY_NAME) == len(CATALOGUE) == len(PRESETS) + len(TOGGLES) + len(OF_RANKS) + 1 + len(DROP_INS)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in BY_NAME)


@pytest.mark.parametrize("variant", CATALOGUE, ids=names(CATALOGUE))
def test_why_is_a_sentence(variant: Variant) -> None:
    assert re.fullmatch(r"[A-Za-z][^\n]+\.", variant.why)


@pytest.mark.parametrize(
    "variant", [*OTHER_PRESETS, *TOGGLES, *OF_RANKS], ids=names([*OTHER_PRESETS, *TOGGLES, *OF_RANKS])
)
def test_every_variant_sets_what_can_be_set_and_changes_something(variant: Variant) -> None:
    assert set(variant.settings) <= set(settable())
    changed = changed_settings(with_settings(Workload(), variant.settings), Workload())
    assert changed
    # What a variant names comes out as it names it, type and all.
    assert all(repr(value) == repr(variant.settings[name]) for name, value in changed.items())


def test_no_two_toggles_are_the_same() -> None:
    built = [repr(with_settings(Workload(), toggle.settings)) for toggle in TOGGLES]
    assert len(set(built)) == len(TOGGLES)


@pytest.mark.parametrize("toggle", TOGGLES, ids=names(TOGGLES))
def test_a_toggle_stands_alone(toggle: Variant) -> None:
    """A toggle that cannot be done is nothing: it ends the run, and is not left out."""
    assert toggle.optional == frozenset()
    assert toggle.parts == ()


def test_what_needs_several_ranks_is_in_no_preset_and_another_objective() -> None:
    assert not {toggle.name for toggle in OF_RANKS} & {part for preset in PRESETS for part in preset.parts}
    assert {toggle.kind for toggle in OF_RANKS} == {"different"}
    assert not {toggle.name for toggle in OF_RANKS} & {toggle.name for toggle in TOGGLES}


@pytest.mark.parametrize("toggle", TOGGLES, ids=names(TOGGLES))
def test_an_exact_toggle_touches_neither_model_nor_objective(toggle: Variant) -> None:
    if toggle.kind == "exact":
        assert set(toggle.settings) <= EXECUTION | REWRITES
        assert toggle.settings.get("pool") != "other-images"
        assert toggle.settings.get("matching") != "greedy"
    else:
        assert not set(toggle.settings) <= EXECUTION


@pytest.mark.parametrize("preset", PRESETS, ids=names(PRESETS))
def test_a_preset_is_its_toggles_one_after_another(preset: Variant) -> None:
    parts = [BY_NAME[name] for name in preset.parts]
    assert all(part in TOGGLES for part in parts)
    settings: dict[str, object] = {}
    for part in parts:
        settings |= part.settings
    assert preset.settings == settings
    assert preset.kind == least_exact(part.kind for part in parts)
    assert len(set(preset.parts)) == len(preset.parts)


@pytest.mark.parametrize("preset", PRESETS, ids=names(PRESETS))
def test_all_of_a_preset_may_be_left_out(preset: Variant) -> None:
    assert preset.optional == set(preset.settings)


def test_the_baseline_is_the_reference() -> None:
    assert BASELINE.name == "baseline"
    assert BASELINE.kind == "exact"
    assert BASELINE.settings == {}


def test_exact_holds_every_exact_toggle_that_leaves_the_stages_visible() -> None:
    """Compiled, backward cannot be divided; separable sampling would take the place of the vectorized one."""
    exact = BY_NAME["exact"]
    assert exact.kind == "exact"
    toggles = {toggle.name for toggle in TOGGLES if toggle.kind == "exact"}
    assert set(exact.parts) == toggles - {"compile", "separable-sampling"}
    assert exact.settings["sampling"] == "batched"


def test_the_phases_are_cumulative() -> None:
    first, second, third = (BY_NAME[f"phase{number}"].parts for number in (1, 2, 3))
    assert set(first) < set(second) < set(third)
    assert second[: len(first)] == first
    assert third[: len(second)] == second


def test_the_training_side_of_the_checklist_is_in_its_second_phase() -> None:
    settings = BY_NAME["phase2"].settings
    assert (settings["clip_norm"], settings["schedule"]) == (1.0, "cosine")
    assert "clip_norm" not in BY_NAME["phase1"].settings


def test_optimized_is_the_analysiss_configuration() -> None:
    settings = BY_NAME["optimized"].settings
    expected = {"backbone": "efficientnet_b0", "dim": 32, "window": 3, "gamma": 0.0, "max_negatives": 16}
    assert expected.items() <= settings.items()
    assert settings["contrast"] == "fused"
    assert settings["hard_negative_mining"] is True


def test_fastest_holds_exact_and_more() -> None:
    fastest = BY_NAME["fastest"]
    assert set(BY_NAME["exact"].parts) < set(fastest.parts)
    assert {"compile", "tf32", "both-views", "192px"} <= set(fastest.parts)
    assert fastest.kind == "different"


def quoted_speedup(text: str) -> tuple[float, float] | None:
    """The speed-up that a claim's words hold: "20-40% Speedup", "1.4-1.6x", "1.9x"."""
    if match := re.search(r"(\d+)-(\d+)% Speedup", text):
        return 1 + int(match[1]) / 100, 1 + int(match[2]) / 100
    if match := re.search(r"([\d.]+)-([\d.]+)x\b", text):
        return float(match[1]), float(match[2])
    if match := re.search(r"([\d.]+)x\b", text):
        return float(match[1]), float(match[1])
    return None


@pytest.mark.parametrize("variant", CLAIMED, ids=names(CLAIMED))
def test_a_claims_numbers_are_those_of_its_words(variant: Variant) -> None:
    claim = variant.claim
    assert claim is not None
    assert claim.text
    assert (claim.low is None) == (claim.high is None)
    expected = quoted_speedup(claim.text)
    if expected is not None:
        assert claim.low == pytest.approx(expected[0])
        assert claim.high == pytest.approx(expected[1])
    elif claim.low is not None:
        # "30 %" of a backbone's time may be meant as 1.3 times as fast, or as 30 % of the time less.
        assert variant.name == "efficientnet-b0"
        assert claim.of == "backbone"
        assert claim.low == pytest.approx(1.3)
        assert claim.high == pytest.approx(1 / 0.7, abs=0.03)


@pytest.mark.parametrize("toggle", TOGGLES, ids=names(TOGGLES))
def test_an_approximation_states_its_error_and_nobody_else_has_one(toggle: Variant) -> None:
    assert bool(toggle.error) is (toggle.kind == "approximate")
    assert not toggle.error or toggle.error.endswith(".")


def test_what_the_analysis_names_has_its_claim() -> None:
    claimed = set(names(CLAIMED))
    assert {"fused-loss", "bfloat16", "float16", "d32", "r3", "optimized", "phase1", "phase2", "phase3"} <= claimed
    assert not {"baseline", "exact", "tf32", "cudnn-benchmark", "other-images-pool"} & claimed

"""Every finding about a training's health appears at its boundary, not before it, and never in a healthy run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from builders import JITTER, ON_CPU, RESNET50, cpu_record, exact_record, fidelity_of, training_of
from paco_prof.analysis import health as h
from paco_prof.analysis.breakdown import breakdown_view
from paco_prof.analysis.fidelity import find_in_fidelity
from paco_prof.analysis.find import find
from paco_prof.analysis.findings import ContradictedKind
from paco_prof.records import BreakdownRecord, EpochResult, PartsHealth, VariantUsed
from paco_prof.settings import Workload, with_settings
from training_runs import DIGITS, HEALTHY_PARTS, RESNET18, SAME_PARTS, collapsed_run, epoch_of, healthy_run

COLLAPSED = {"pac": 0.2, "soc": 1e-6}


def with_losses(pac: Sequence[float], soc: Sequence[float] | None, **settings: Any) -> BreakdownRecord:
    """The quiet breakdown with other losses."""
    losses = {"pac": tuple(pac)} | ({} if soc is None else {"soc": tuple(soc)})
    factors = JITTER if len(pac) == len(JITTER) else (1.0,) * len(pac)
    workload = with_settings(RESNET50, settings)
    return cpu_record(training=training_of(ON_CPU, factors, losses=losses), workload=workload)


def in_breakdown(record: BreakdownRecord, kind: type[Any]) -> list[Any]:
    return [finding for finding in find(record, breakdown_view(record)) if isinstance(finding, kind)]


def in_epochs(epochs: Sequence[EpochResult], workload: Workload = RESNET18, **data: Any) -> tuple[h.HealthFinding, ...]:
    return tuple(h.find_in_epochs(epochs, workload, DIGITS.model_copy(update=data)))


def kinds(found: Sequence[h.HealthFinding]) -> list[type[Any]]:
    return [type(finding) for finding in found]


@pytest.mark.parametrize("num_epochs", [0, 1, 5, 100])
def test_a_healthy_run_has_no_finding(num_epochs: int) -> None:
    assert in_epochs(healthy_run(num_epochs).epochs) == ()


def test_a_breakdown_of_healthy_parts_has_none() -> None:
    assert in_breakdown(cpu_record(parts=HEALTHY_PARTS), object) == in_breakdown(cpu_record(), object)


def test_a_collapse_is_told_since_its_first_epoch_with_its_values() -> None:
    (found, *_) = in_epochs(collapsed_run(6, since=2).epochs)
    assert isinstance(found, h.Collapse)
    assert (found.since, found.until) == (2, 5)
    assert (found.alpha, found.pac, found.soc, found.at_alpha) == (0.2, 0.2, 4.1e-6, 1.0)


def test_a_run_that_recovered_has_not_collapsed() -> None:
    epochs = collapsed_run(3, since=0).epochs
    assert h.Collapse not in kinds(in_epochs((*epochs, epoch_of(3))))


def test_the_epochs_of_a_collapse_are_the_last_ones_without_a_break() -> None:
    broken = [*collapsed_run(2, since=0).epochs, epoch_of(2), *collapsed_run(5, since=0).epochs[3:]]
    (found,) = [finding for finding in in_epochs(broken) if isinstance(finding, h.Collapse)]
    assert (found.since, found.until) == (3, 4)


@pytest.mark.parametrize(
    ("at_alpha", "soc", "fires"),
    [
        (0.9, 1e-3, True),
        (0.899, 1e-3, False),
        (0.9, 1.001e-3, False),
        (1.0, 0.0, True),
        (1.0, -1e-9, True),
        (1.0, math.nan, False),
    ],
)
def test_an_epoch_collapses_at_its_boundary(at_alpha: float, soc: float, fires: bool) -> None:
    epoch = epoch_of(0, at_alpha=at_alpha, losses={"pac": 0.2, "soc": soc})
    assert (h.Collapse in kinds(in_epochs([epoch]))) == fires


def test_without_soc_nobody_can_tell() -> None:
    assert in_epochs([epoch_of(0, at_alpha=1.0, losses={"pac": 0.2})]) == ()


def test_without_a_margin_pac_says_nothing() -> None:
    no_margin = with_settings(RESNET18, {"alpha": 0.0})
    assert in_epochs([epoch_of(0, at_alpha=1.0, losses={"pac": 0.0, "soc": 0.0})], no_margin) == ()
    assert not in_breakdown(with_losses([0.0] * 7, [0.0] * 7, alpha=0.0), h.Collapse)


def test_a_breakdown_shows_a_collapse_over_its_steps() -> None:
    (found,) = in_breakdown(with_losses([0.2] * 10, [2e-4, *[0.0] * 9]), h.Collapse)
    assert (found.since, found.until, found.at_alpha) == (None, None, 1.0)
    assert (found.pac, found.soc) == (pytest.approx(0.2), pytest.approx(2e-5))


@pytest.mark.parametrize(
    ("pac", "soc", "fires"),
    [
        ([0.2] * 9 + [0.1], [0.0] * 10, True),
        ([0.2] * 8 + [0.1] * 2, [0.0] * 10, False),
        ([0.2019] * 10, [0.0] * 10, True),
        ([0.1979] * 10, [0.0] * 10, False),
        ([0.2] * 10, [0.0011] * 10, False),
        ([0.2] * 10, [0.001] + [0.0] * 9, True),
        ([math.nan] * 10, [0.0] * 10, False),
        ([0.2] * 10, [math.nan] * 10, False),
        ([0.2] * 10, None, False),
    ],
)
def test_steps_collapse_at_their_boundary(pac: list[float], soc: list[float] | None, fires: bool) -> None:
    assert bool(in_breakdown(with_losses(pac, soc), h.Collapse)) == fires


def test_only_what_has_not_been_done_is_advised() -> None:
    (untouched,) = in_breakdown(with_losses([0.2] * 7, [0.0] * 7), h.Collapse)
    assert untouched.remedies == ("learning_rate", "warm_up", "eta_soc", "floor", "window")
    done = {"schedule": "cosine", "eta_soc": 0.0, "epsilon": 1e-2, "tau": 1e-2, "window": 1}
    (all_done,) = in_breakdown(with_losses([0.2] * 7, [0.0] * 7, **done), h.Collapse)
    assert all_done.remedies == ("learning_rate",)


def parts(coinciding: float = 0.0, at_floor: float = 0.0) -> PartsHealth:
    return PartsHealth(coinciding=coinciding, at_floor=at_floor, spread=0.1)


@pytest.mark.parametrize(("share", "fires"), [(0.5, True), (0.4999, False), (1.0, True), (0.0, False)])
def test_half_of_the_pairs_and_half_of_the_covariances_are_enough(share: float, fires: bool) -> None:
    coinciding = tuple(h.find_in_parts(parts(coinciding=share), RESNET50))
    at_floor = tuple(h.find_in_parts(parts(at_floor=share), RESNET50))
    assert kinds(coinciding) == [h.CoincidingParts] * fires
    assert kinds(at_floor) == [h.CovarianceAtFloor] * fires


def test_a_breakdowns_parts_are_those_before_the_first_step() -> None:
    record = cpu_record(parts=SAME_PARTS)
    assert [f.epoch for f in in_breakdown(record, h.CoincidingParts | h.CovarianceAtFloor)] == [None, None]


def test_a_breakdown_without_a_step_has_parts_too() -> None:
    assert in_breakdown(cpu_record(parts=SAME_PARTS, training=None), h.CoincidingParts)


def test_a_runs_parts_are_those_of_its_last_epoch() -> None:
    first, last = epoch_of(0, parts=SAME_PARTS), epoch_of(1)
    assert in_epochs([first, last]) == ()
    assert [f.epoch for f in in_epochs([first, epoch_of(1, parts=SAME_PARTS)])] == [1, 1]  # type: ignore[union-attr]


def coinciding(window: int, size: int, image_size: int = 96) -> h.CoincidingParts:
    settings = {"window": window, "image_size": image_size}
    workload = with_settings(RESNET50, settings).model_copy(update={"feature_map": (2048, size, size)})
    (found,) = h.find_in_parts(parts(coinciding=1.0), workload)
    assert isinstance(found, h.CoincidingParts)
    return found


@given(window=st.integers(0, 6).map(lambda n: 2 * n + 1), size=st.integers(1, 9))
def test_a_window_covers_the_map_where_each_one_holds_all_of_it(window: int, size: int) -> None:
    reach = window // 2
    held = [min(size, pixel + reach + 1) - max(0, pixel - reach) for pixel in range(size)]
    assert coinciding(window, size).covers_map == (min(held) == size)


def test_what_would_make_windows_differ_is_computed() -> None:
    # A map of 3 x 3 at 96 px has a pixel for every 32: r=5 takes 7 of them, which is 224 px.
    found = coinciding(5, 3)
    assert (found.smaller_window, found.larger_image) == (1, 224)
    assert coinciding(5, 7, 224).smaller_window == 3
    assert coinciding(5, 7, 224).larger_image is None
    assert coinciding(3, 14, 448).smaller_window is None


@given(window=st.integers(0, 8).map(lambda n: 2 * n + 1), size=st.integers(1, 20))
def test_what_is_advised_covers_the_map_no_more(window: int, size: int) -> None:
    found = coinciding(window, size)
    if found.smaller_window is not None:
        assert found.smaller_window % 2 == 1
        assert found.smaller_window < window
        assert not coinciding(found.smaller_window, size).covers_map
    if found.larger_image is not None:
        assert found.larger_image > 96
        assert not coinciding(window, window + 2).covers_map


def test_where_the_map_is_not_known_there_is_no_advice_about_it() -> None:
    (found,) = h.find_in_parts(parts(coinciding=1.0), Workload())
    assert found == h.CoincidingParts(1.0, None, 5, None, False, None, None)


@pytest.mark.parametrize(
    ("correct", "fires"),
    # P(X >= 50) = 0.0108 and P(X >= 51) = 0.0070 where X is binomial with 359 and a tenth.
    [(0, True), (36, True), (50, True), (51, False), (359, False)],
)
def test_an_accuracy_is_at_chance_until_guessing_is_unlikely(correct: int, fires: bool) -> None:
    epoch = epoch_of(0, accuracy=correct / 359)
    found = in_epochs([epoch])
    assert kinds(found) == [h.AccuracyAtChance] * fires
    assert (binomtest(correct, 359, 0.1, alternative="greater").pvalue > 0.01) == fires


def test_the_last_evaluation_counts() -> None:
    evaluated = [epoch_of(0, accuracy=0.9), epoch_of(1, accuracy=0.1), epoch_of(2, accuracy=None)]
    (found,) = in_epochs(evaluated)
    assert isinstance(found, h.AccuracyAtChance)
    assert (found.epoch, found.accuracy, found.num_images, found.chance) == (1, 0.1, 359, 0.1)


@pytest.mark.parametrize("data", [{"num_eval": 0}, {"num_classes": 1}, {"num_eval": 1}])
def test_where_nothing_could_be_above_chance_there_is_no_finding(data: dict[str, int]) -> None:
    assert in_epochs([epoch_of(0, accuracy=0.0)], **data) == ()


def test_without_an_evaluation_there_is_none() -> None:
    assert in_epochs([epoch_of(0, accuracy=None)]) == ()


@given(of=st.integers(1, 400), share=st.floats(0, 1), classes=st.integers(2, 200))
def test_the_tail_is_that_of_a_binomial_test(of: int, share: float, classes: int) -> None:
    correct = round(share * of)
    expected = binomtest(correct, of, 1 / classes, alternative="greater").pvalue
    assert h.chance_tail(correct, of, 1 / classes) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_non_finite_steps_are_counted_from_their_first_epoch() -> None:
    epochs = [epoch_of(0), epoch_of(1, non_finite=3), epoch_of(2, non_finite=1), epoch_of(3)]
    assert in_epochs(epochs) == (h.NonFiniteSteps(4, 180, 1, until_the_end=False, clips=False, scales=False),)
    scaled = with_settings(RESNET18, {"precision": "float16", "clip_norm": 1.0})
    assert in_epochs(epochs[:3], scaled) == (h.NonFiniteSteps(4, 135, 1, until_the_end=True, clips=True, scales=True),)


def rounding(kind: str, gradient_error: float, parts_dtype: str = "model", **changes: Any) -> list[Any]:
    workload = with_settings(RESNET50, {"parts_dtype": parts_dtype})
    variant = VariantUsed.model_validate({"name": "mine", "kind": kind})
    return list(find_in_fidelity(variant, workload, fidelity_of(1e-4, gradient_error, **changes)))


@pytest.mark.parametrize(
    ("error", "changes", "fires"),
    [
        (0.5, {}, True),
        (0.499, {}, False),
        (297.0, {}, True),
        (0.3, {"gradient_cosine": 0.749}, True),
        (0.3, {"gradient_cosine": 0.75}, False),
        (math.nan, {}, False),
        (math.inf, {}, False),
    ],
)
def test_a_gradient_far_off_is_rounding(error: float, changes: dict[str, Any], fires: bool) -> None:
    (found,) = rounding("exact", error, **changes)
    assert type(found) is (h.GradientOfRounding if fires else ContradictedKind)
    assert found.name == "mine"


def test_parts_in_float64_are_not_what_rounds() -> None:
    assert kinds(rounding("exact", 5.0, "float64")) == [ContradictedKind]


@pytest.mark.parametrize("kind", ["approximate", "different"])
def test_who_claims_another_objective_is_not_accused_of_rounding(kind: str) -> None:
    assert h.GradientOfRounding not in kinds(rounding(kind, 5.0))


def test_the_floor_is_advice_where_it_is_small() -> None:
    (found,) = rounding("exact", 5.0)
    assert found.has_small_floor
    assert not h.is_floor_small(with_settings(RESNET50, {"epsilon": 1e-2, "tau": 1e-2}))
    assert h.is_floor_small(with_settings(RESNET50, {"epsilon": 1e-2}))


def test_a_breakdown_whose_gradient_is_rounding_says_so_in_place_of_its_kind() -> None:
    record = cpu_record(fidelity=fidelity_of(1e-6, 297.0))
    assert len(in_breakdown(record, h.GradientOfRounding)) == 1
    assert not in_breakdown(record, ContradictedKind)
    assert not in_breakdown(exact_record(), h.GradientOfRounding)

"""Steps, interactions and predicted combinations, by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from builders import Times
from comparisons import FIELD, ablation_record, comparison_record, record_of
from paco_prof.analysis.ablation import interactions, predictions, steps
from paco_prof.analysis.comparison import comparison_view
from paco_prof.analysis.expectation import Outcome
from paco_prof.records import ComparisonRecord, Design, Launch
from paco_prof.variants.contestants import ablated

# Seconds of the step: 1.0 in all, nothing between the stages.
STEP = (Times("backbone", 0.2, 0.4), Times("loss", 0.1, 0.2), Times("optimizer", other=0.1))


def scaled(backbone: float = 1.0, loss: float = 1.0, brought: float = 0.0, optimizer: float = 1.0) -> tuple[Times, ...]:
    found = (
        Times("backbone", 0.2 * backbone, 0.4 * backbone),
        Times("loss", 0.1 * loss, 0.2 * loss),
        Times("optimizer", other=0.1 * optimizer),
    )
    return (*found, Times("clipping", other=brought)) if brought else found


def record(
    design: Design, toggles: Sequence[str], *stages: Sequence[Times] | None, launches: int = 3
) -> ComparisonRecord:
    contestants = ablated(FIELD, design, "baseline", toggles)
    return record_of(design, contestants, [STEP, *stages])


def test_steps_of_a_cumulative_ablation_multiply_up_to_the_whole() -> None:
    found = ablation_record("cumulative")
    view = comparison_view(found)
    walked = steps(found, view)
    assert [step.variant.name for step in walked] == ["phase1", "phase2", "phase3"]
    logs = [step.speedup.log_ratio for step in walked if step.speedup is not None]
    last = view.variants[-1].speedup
    assert last is not None
    assert sum(logs) == pytest.approx(last.log_ratio, abs=1e-9)
    assert len(logs) == 3


def test_the_first_step_is_the_variants_own_speedup() -> None:
    found = ablation_record("cumulative")
    view = comparison_view(found)
    assert steps(found, view)[0].speedup == view.variants[0].speedup


def test_each_phase_is_held_against_what_the_analysis_expects_of_it_alone() -> None:
    found = ablation_record("cumulative")
    walked = steps(found, comparison_view(found))
    claims = [(step.expectation.claim.low, step.expectation.claim.high) for step in walked if step.expectation]
    assert claims == [(1.4, 1.6), (1.2, 1.4), (1.1, 1.2)]
    for step in walked:
        assert step.expectation is not None
        assert step.expectation.measured == step.speedup
        assert isinstance(step.expectation.outcome, Outcome)


def test_a_step_over_one_that_failed_is_not_measured() -> None:
    found = record("cumulative", ["bfloat16", "d32", "r3"], scaled(0.5), None, scaled(0.25))
    first, second, third = steps(found, comparison_view(found))
    assert first.speedup is not None
    assert (second.speedup, third.speedup) == (None, None)


def test_a_step_rests_on_the_rounds_that_both_have() -> None:
    found = record("cumulative", ["bfloat16", "d32"], scaled(0.5), scaled(0.25))
    fewer = tuple(launch for launch in found.launches if (launch.contestant, launch.round) != (2, 1))
    cut = found.model_copy(update={"launches": fewer})
    _, second = steps(cut, comparison_view(cut))
    assert second.speedup is not None
    assert second.speedup.num_launches == 2


def test_only_a_cumulative_ablation_has_steps_and_only_a_factorial_one_interactions() -> None:
    for found in (ablation_record("one-at-a-time", ["d32", "r3"]), ablation_record("leave-one-out", ["d32", "r3"])):
        assert steps(found, comparison_view(found)) == ()
        assert interactions(found, comparison_view(found)) == ()
    factorial = ablation_record("factorial")
    assert steps(factorial, comparison_view(factorial)) == ()
    assert predictions(comparison_view(comparison_record())) == ()


GLUE = 0.009


def factorial(alone: float, other: float, both: float) -> ComparisonRecord:
    """Two toggles of these speed-ups; what lies between the stages takes its 9 ms with each of them."""
    every = [
        scaled(factor, factor, optimizer=factor) for factor in ((1 + GLUE) / r - GLUE for r in (alone, other, both))
    ]
    return record("factorial", ["fused-loss", "d32"], *every)


def test_an_interaction_is_the_speedup_with_over_the_speedup_without() -> None:
    """Alone 2x and 4x, together 5x: the second brings 2.5x with the first, the first 1.25x with the second."""
    found = factorial(2, 4, 5)
    first, second = interactions(found, comparison_view(found))
    assert (first.toggle, first.other) == (second.other, second.toggle) == ("fused-loss", "d32")
    assert first.alone.ratio == pytest.approx(2, rel=0.02)
    assert first.together.ratio == pytest.approx(1.25, rel=0.02)
    assert second.alone.ratio == pytest.approx(4, rel=0.02)
    assert second.together.ratio == pytest.approx(2.5, rel=0.02)
    for one in (first, second):
        assert one.factor.ratio == pytest.approx(5 / 8, rel=0.02)
        assert one.factor.log_ratio == pytest.approx(one.together.log_ratio - one.alone.log_ratio, abs=1e-9)
        assert not one.helps_only_alone
    assert first.factor == second.factor


def test_toggles_that_do_not_get_in_each_others_way_have_a_factor_of_one() -> None:
    found = factorial(2, 4, 8)
    first, _ = interactions(found, comparison_view(found))
    assert first.factor.ratio == pytest.approx(1, rel=0.02)
    assert not first.factor.established


@pytest.mark.parametrize(("both", "alone_only"), [(2, True), (1.6, True), (2.6, False)])
def test_a_toggle_that_gains_nothing_or_loses_beside_the_other_helps_only_alone(both: float, alone_only: bool) -> None:
    """The second toggle alone is 1.5x; with the first, which is 2x, the step is as fast, slower, or faster."""
    found = factorial(2, 1.5, both)
    _, second = interactions(found, comparison_view(found))
    assert second.helps_only_alone == alone_only


def test_limiting_negatives_helps_only_where_the_loss_is_slow() -> None:
    found = ablation_record("factorial")
    shown = {i.toggle: i for i in interactions(found, comparison_view(found))}
    assert shown["max-negatives-16"].helps_only_alone
    assert not shown["fused-loss"].helps_only_alone
    assert shown["max-negatives-16"].alone.ratio == pytest.approx(1.84, abs=0.02)
    assert shown["max-negatives-16"].together.ratio == pytest.approx(1.0, abs=0.01)


def test_three_factors_have_three_pairs_both_ways() -> None:
    found = ablation_record("factorial", ["fused-loss", "d32", "bfloat16"])
    pairs = [(i.toggle, i.other) for i in interactions(found, comparison_view(found))]
    assert len(pairs) == len(set(pairs)) == 6
    assert {tuple(reversed(pair)) for pair in pairs} == set(pairs)


def test_a_combination_that_failed_has_no_interaction() -> None:
    found = record("factorial", ["fused-loss", "d32"], scaled(0.5), scaled(0.5), None)
    assert interactions(found, comparison_view(found)) == ()
    assert predictions(comparison_view(found)) == ()
    first_only = record("factorial", ["fused-loss", "d32"], scaled(0.5), None, scaled(0.2))
    assert interactions(first_only, comparison_view(first_only)) == ()


def test_a_combination_is_predicted_stage_by_stage() -> None:
    """Backbone 0.6 s halved by one and to a third by the other, loss 0.3 s to a tenth by one; 0.1 s and glue stay."""
    one, other = scaled(backbone=1 / 2, loss=1 / 10), scaled(backbone=1 / 3)
    found = record("one-at-a-time", ["fused-loss", "d32"], one, other, scaled(1 / 6, 1 / 10))
    (predicted,) = predictions(comparison_view(found))
    expected = (1.0 + GLUE) / (0.6 / 6 + 0.3 / 10 + 0.1 + GLUE)
    assert predicted.variant.contestant.toggles == ("fused-loss", "d32")
    # Luck and the glue scale with it: each side has up to 0.7 % of it.
    assert predicted.predicted == pytest.approx(expected, rel=0.02)
    assert predicted.error == pytest.approx(0.0, abs=0.02)
    assert predicted.error == pytest.approx(predicted.predicted / predicted.measured.ratio - 1)


def test_toggles_that_save_the_same_time_are_predicted_too_fast() -> None:
    found = record("factorial", ["fused-loss", "d32"], scaled(loss=0.1), scaled(loss=0.1), scaled(loss=0.1))
    (predicted,) = predictions(comparison_view(found))
    whole = 1.0 + GLUE
    assert predicted.error == pytest.approx((whole - 0.27) / (whole - 0.297) - 1, abs=0.02)
    assert predicted.error > 0


def test_a_stage_that_a_toggle_brings_is_added() -> None:
    one, other = scaled(brought=0.5), scaled(backbone=0.5)
    found = record("one-at-a-time", ["gradient-clipping", "d32"], one, other, scaled(backbone=0.5, brought=0.5))
    (predicted,) = predictions(comparison_view(found))
    assert predicted.predicted == pytest.approx((1.0 + GLUE) / (0.3 + 0.3 + 0.1 + 0.5 + GLUE), rel=0.02)


def test_combinations_are_predicted_only_from_all_their_parts() -> None:
    found = record("one-at-a-time", ["fused-loss", "d32"], scaled(0.5), None, scaled(0.2))
    assert predictions(comparison_view(found)) == ()
    cumulative = ablation_record("cumulative")
    assert predictions(comparison_view(cumulative)) == ()


def test_where_backward_is_whole_ratios_are_multiplied() -> None:
    found = record("one-at-a-time", ["compile", "d32"], scaled(0.5), scaled(0.25), scaled(0.2))
    launches = tuple(whole(launch) if launch.contestant in (1, 3) else launch for launch in found.launches)
    view = comparison_view(found.model_copy(update={"launches": launches}))
    (predicted,) = predictions(view)
    first, second = (variant.speedup for variant in view.variants[:2])
    assert first is not None
    assert second is not None
    assert predicted.predicted == pytest.approx(math.exp(first.log_ratio + second.log_ratio))


def whole(launch: Launch) -> Launch:
    training = launch.variant.training.model_copy(update={"backward_whole": "compiled"})
    return launch.model_copy(update={"variant": launch.variant.model_copy(update={"training": training})})


def test_the_largest_factorial_predicts_all_eleven_combinations() -> None:
    found = ablation_record("factorial", ["fused-loss", "d32", "bfloat16", "channels-last"])
    predicted = predictions(comparison_view(found))
    assert len(predicted) == 11
    assert all(abs(p.error) < 0.03 for p in predicted)

"""A run's terms, worked out on paper, and what must hold for any."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import RESNET50, analysis_record
from paco_prof.analysis.pilots import pilots_of
from paco_prof.analysis.projection import ProjectedRun, projection_view
from paco_prof.errors import UsageError
from paco_prof.records import EstimatePlan, EvaluationSeries, Pilot, StepSeries
from projections import RECORDS, bare_pilot, blocks_of, estimate_record, exact_pilot, full_pilot


def projected(pilot: Pilot, **plan: Any) -> ProjectedRun:
    size = {} if {"dataset_size", "batches_per_epoch"} & plan.keys() else {"batches_per_epoch": 100}
    record = estimate_record(pilot, plan=EstimatePlan.model_validate({"epochs": 10, **size, **plan}))
    return projection_view(record).baseline


def seconds(run: ProjectedRun) -> dict[str, float | None]:
    return {term: None if span is None else pytest.approx(span.value) for term, span in run.terms.items()}


def test_the_analysiss_own_step() -> None:
    run = projected(pilots_of(analysis_record())[0], epochs=100, batches_per_epoch=1000)
    assert run.step.value == 13.266
    assert run.epoch.value == pytest.approx(13266.0)
    assert run.total.value / 3600 == pytest.approx(368.5)
    assert (run.total.low, run.total.high) == (None, None)
    assert run.missing == ("waiting", "epoch starts", "checkpoints", "start-up")


def test_every_term_of_a_run() -> None:
    """10 epochs of 100 batches: 3 of the warm-up with 2 s a step, 7 with 1 s; evaluated after 4, 8 and 10 epochs, on
    20 images, which are 2.5 batches of half a second.
    """
    run = projected(full_pilot(), eval_size=20, eval_every=4)
    assert seconds(run) == {
        "steps": 3 * 100 * 2.0 + 7 * 100 * 1.0,
        "waiting": 10 * 100 * 0.1,
        "epoch starts": 10 * 4.0,
        "evaluation": 3 * (2.5 * 0.5 + 3.0),
        "checkpoints": 10 * 0.25,
        "start-up": 20.0,
    }
    assert run.total.value == pytest.approx(1300 + 100 + 40 + 12.75 + 2.5 + 20)
    assert run.step.value == pytest.approx(1.3)
    assert run.epoch.value == pytest.approx((1300 + 100 + 40 + 12.75 + 2.5) / 10)
    assert run.missing == ()


def test_a_run_within_the_warmup_never_leaves_it() -> None:
    assert projected(full_pilot(), epochs=2).step.value == pytest.approx(2.0)


def test_without_a_warmup_there_is_none() -> None:
    workload = RESNET50.model_copy(update={"warmup_epochs": 0})
    assert projected(full_pilot(workload=workload)).step.value == pytest.approx(1.0)


def test_steps_of_one_kind_stand_for_all() -> None:
    during, after = full_pilot().steps
    assert projected(full_pilot(steps=(during,))).step.value == pytest.approx(2.0)
    assert projected(full_pilot(steps=(after,))).step.value == pytest.approx(1.0)
    untold = StepSeries(blocks=blocks_of(1.5))
    assert projected(bare_pilot(steps=(untold,))).step.value == pytest.approx(1.5)
    # What nobody told the kind of stands for the kind that was not measured.
    assert projected(bare_pilot(steps=(during, untold))).step.value == pytest.approx((3 * 2.0 + 7 * 1.5) / 10)


def test_several_gpus_share_images_and_nothing_else() -> None:
    one, four = projected(full_pilot(), dataset_size=1438), projected(full_pilot(), dataset_size=1438, gpus=4)
    for term, share in (("steps", 45 / 179.75), ("waiting", 45 / 179.75), ("epoch starts", 1.0), ("start-up", 1.0)):
        assert four.terms[term].value == pytest.approx(one.terms[term].value * share)  # type: ignore[index, union-attr]


def test_a_last_batch_costs_its_share_or_nothing() -> None:
    assert projected(bare_pilot(), dataset_size=20, epochs=1).total.value == pytest.approx(2.5 * 2.0)
    assert projected(bare_pilot(), dataset_size=20, epochs=1, drop_last=True).total.value == pytest.approx(2 * 2.0)
    with pytest.raises(UsageError):
        projected(bare_pilot(), dataset_size=7, drop_last=True)


def test_a_variant_with_another_batch_sees_the_same_images() -> None:
    record = estimate_record(bare_pilot(), bare_pilot("twice", 3.0, 16), plan=EstimatePlan(epochs=1, dataset_size=40))
    baseline, twice = projection_view(record).runs
    assert (baseline.batches.cost, twice.batches.cost, twice.batches.number) == (5.0, 2.5, 3)
    assert twice.speedup is not None
    assert twice.speedup.value == pytest.approx(5 * 2.0 / (2.5 * 3.0))


def test_evaluation_has_its_own_batch() -> None:
    evaluation = EvaluationSeries(blocks=blocks_of(0.5), batch_size=40)
    run = projected(full_pilot(evaluation=evaluation), eval_size=100)
    assert run.terms["evaluation"] is not None
    assert run.terms["evaluation"].value == pytest.approx(10 * 2.5 * 0.5)


def test_evaluation_that_was_asked_for_and_not_measured_is_missing() -> None:
    run = projected(full_pilot(evaluation=None), eval_size=100)
    assert run.terms["evaluation"] is None
    assert run.missing == ("evaluation",)
    not_asked = projected(full_pilot(evaluation=None))
    assert not_asked.missing == ()
    assert not_asked.terms["evaluation"].value == 0.0  # type: ignore[union-attr]


def test_what_was_measured_once_is_as_uncertain_as_the_steps() -> None:
    run = projected(full_pilot())
    startup, step = run.terms["start-up"], run.step
    assert startup is not None
    assert startup.high == pytest.approx(20.0 * (step.high or 0.0) / step.value)


def test_saved_time_speedup_cost_and_energy() -> None:
    plan = EstimatePlan(epochs=10, batches_per_epoch=100, gpus=2, price_per_hour=3.0, watts=500.0)
    baseline, variant = projection_view(estimate_record(plan=plan)).runs
    assert variant.speedup is not None
    assert variant.saved is not None
    assert variant.cost is not None
    assert variant.energy is not None
    assert variant.speedup.value == pytest.approx(2.5)
    assert variant.saved.value == pytest.approx(0.6 * baseline.total.value)
    assert variant.saved.low == pytest.approx((baseline.total.low or 0.0) - (variant.total.high or 0.0))
    assert variant.saved.high == pytest.approx((baseline.total.high or 0.0) - (variant.total.low or 0.0))
    assert variant.cost.value == pytest.approx(variant.total.value / 3600 * 2 * 3.0)
    assert variant.energy.watt_hours.value == pytest.approx(variant.total.value / 3600 * 2 * 500.0)
    assert variant.energy.source == "given"
    assert (baseline.saved, baseline.speedup) == (None, None)


def test_power_that_was_read_is_used_where_none_is_given() -> None:
    run = projected(full_pilot(watts=(180.0, 220.0)))
    assert run.energy is not None
    assert (run.energy.watts, run.energy.source) == (200.0, "measured")
    assert run.energy.watt_hours.value == pytest.approx(run.total.value / 3600 * 200.0)


def test_without_price_and_power_there_is_neither() -> None:
    run = projected(full_pilot())
    assert (run.cost, run.energy) == (None, None)
    free = projected(full_pilot(), price_per_hour=0.0)
    assert free.cost is not None
    assert free.cost.value == 0.0


@given(st.floats(1e-3, 1e3))
def test_scaling_all_times_scales_every_total(factor: float) -> None:
    plan = EstimatePlan(epochs=10, dataset_size=1438, eval_size=359)
    one, other = (
        projection_view(estimate_record(full_pilot(scale=f), exact_pilot(0.4 * f), plan=plan)).runs
        for f in (1.0, factor)
    )
    for mine, theirs in zip(one, other, strict=True):
        assert theirs.total.value == pytest.approx(mine.total.value * factor)
        assert theirs.total.high == pytest.approx((mine.total.high or 0.0) * factor)
    assert other[1].speedup is not None
    assert one[1].speedup is not None
    assert other[1].speedup.value == pytest.approx(one[1].speedup.value)


@given(st.floats(0.05, 20.0))
def test_swapping_variants_inverts_the_speedup(scale: float) -> None:
    there = projection_view(estimate_record(full_pilot(), exact_pilot(scale))).variants[0]
    back = projection_view(estimate_record(exact_pilot(scale), full_pilot())).variants[0]
    assert there.speedup is not None
    assert back.speedup is not None
    assert there.speedup.value * back.speedup.value == pytest.approx(1.0)
    assert (there.speedup.low or 0.0) * (back.speedup.high or 0.0) == pytest.approx(1.0)
    assert there.saved is not None
    assert back.saved is not None
    assert there.saved.value == pytest.approx(-back.saved.value)


@pytest.mark.parametrize("name", RECORDS)
def test_terms_add_up_to_the_total_and_epochs_too(name: str) -> None:
    view = projection_view(RECORDS[name]())
    for run in view.runs:
        values = [span.value for span in run.terms.values() if span is not None]
        assert run.total.value == pytest.approx(sum(values))
        startup = run.terms["start-up"]
        assert run.epoch.value * run.epochs + (startup.value if startup else 0.0) == pytest.approx(run.total.value)

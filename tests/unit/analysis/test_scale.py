"""What a measurement of growth says: medians, fits, bottlenecks, and what is kept out of them."""

from __future__ import annotations

import pytest

from builders import CPU, cpu_record
from paco_prof.analysis.pilots_together import pilots_together
from paco_prof.analysis.scale import scale_view
from paco_prof.analysis.scale_bottleneck import crossovers
from paco_prof.analysis.scale_facts import (
    FarBeyond,
    LargestBatch,
    LargestHeldOut,
    NoInterval,
    OneLaunch,
    PowerAlone,
    ScaleEndedEarly,
    SizeFailed,
    SizesMissing,
)
from paco_prof.analysis.scale_findings import find_in_scale
from paco_prof.analysis.scale_machines import survey_by_machine
from paco_prof.analysis.scale_rows import BACKWARD, FORWARD, STEP
from paco_prof.errors import UsageError
from surveys import (
    baseline,
    exact,
    grid_record,
    point,
    reference,
    search_record,
    survey_record,
    swept,
    two_machines_record,
    usual,
)


def test_rows_are_the_step_its_passes_and_the_stages_that_matter() -> None:
    variant = usual().variants[0]
    assert [row.path for row in variant.rows[:3]] == [STEP, FORWARD, BACKWARD]
    assert [row.path for row in variant.top_stages] == ["loss", "backbone", "optimizer"]
    assert [row.path for row in variant.small] == ["part_sampling"]
    assert variant.row("loss/pac") is not None
    assert all(row.share >= 0.01 for row in variant.rows)


def test_a_size_is_the_median_over_its_launches() -> None:
    step = usual().variants[0].step
    assert step is not None
    one, other = step.launches[(8,)]
    assert step.at((8,)) == pytest.approx((one + other) / 2)
    assert step.at((9,)) is None


def test_the_loss_grows_with_the_cube_and_the_backbone_with_the_batch() -> None:
    variant = usual().variants[0]
    for path, exponent in (("loss", 3.0), ("backbone", 1.0), ("optimizer", 0.0)):
        row = variant.row(path)
        assert row is not None
        assert row.growth is not None
        low, high = row.growth.exponent.low, row.growth.exponent.high
        assert low is not None
        assert high is not None
        assert low <= exponent <= high
        assert row.growth.exponent.value == pytest.approx(exponent, abs=0.1)


def test_launches_that_did_not_end_are_in_no_figure() -> None:
    record = survey_record()
    broken = point(0, (8,), 5, lambda sizes: {"backbone": 100.0})
    training = broken.training.model_copy(update={"stop_reason": "interrupted"})
    with_it = survey_record(points=(*record.points, broken.model_copy(update={"training": training})))
    assert scale_view(with_it) == scale_view(record)


def test_few_sizes_are_told_to_know_the_power_alone() -> None:
    for sizes, number in (((2, 4, 8), 1), ((2, 4, 8, 16), 0)):
        record = swept(reference, sizes)
        found = [f for f in find_in_scale(record, scale_view(record)) if isinstance(f, PowerAlone)]
        assert found == [PowerAlone(3, 1)] * number
    both = survey_record(plan=swept(reference, (2, 4, 8)).plan)
    both = both.model_copy(update={"points": tuple(p for p in both.points if p.sizes[0] in (2, 4, 8))})
    assert [type(f) for f in find_in_scale(both, scale_view(both))].count(PowerAlone) == 1


def test_the_ratio_of_two_variants_grows_and_is_predicted() -> None:
    (ratio,) = usual().ratios
    assert ratio.first.name == "baseline"
    first, second = ratio.ratios[(2,)], ratio.ratios[(32,)]
    assert 1.0 < first < second
    assert ratio.target is not None
    assert ratio.target.low is not None
    assert ratio.target.high is not None
    true = [
        sum(time * (1 if path == "optimizer" else 3) for path, time in law((64,)).items()) for law in (reference, exact)
    ]
    assert ratio.target.low < true[0] / true[1] < ratio.target.high


def test_two_factors_have_an_exponent_each() -> None:
    variant = baseline(grid_record())
    loss = variant.row("loss")
    assert loss is not None
    assert loss.growth is not None
    assert loss.growth.lower_of == 0, "every pair of others: B - 1 of them, beside K^2"
    for exponent, true in zip(loss.growth.exponents, (3.0, 2.0), strict=True):
        assert exponent.low is not None
        assert exponent.high is not None
        assert exponent.low <= true <= exponent.high
        assert exponent.high - exponent.low < 0.3
    assert crossovers(variant) == ()


def test_points_of_unlike_machines_share_no_fit() -> None:
    record = two_machines_record()
    machines = survey_by_machine(record)
    assert [len(one.points) for one in machines] == [12, 12]
    assert [one.environment.processor for one in machines if one.environment] == ["AMD EPYC 7B13", "Intel Xeon 8481C"]
    assert {p.round for p in machines[0].points} == {0}
    assert survey_by_machine(survey_record()) == (survey_record(),)


def test_a_switch_that_a_variant_sets_is_no_other_machine() -> None:
    record = survey_record()
    flags = {"cudnn_benchmark": True}
    points = tuple(
        p.model_copy(
            update={"environment": p.environment.model_copy(update={"flags": {**p.environment.flags, **flags}})}
        )
        if p.contestant and p.environment is not None
        else p
        for p in record.points
    )
    assert len(survey_by_machine(record.model_copy(update={"points": points}))) == 1


def test_threads_that_a_variant_sets_are_no_other_machine() -> None:
    """In what an estimate puts together they are: between numbers of devices they would pass for what these make."""
    alone = CPU.model_copy(update={"threads": 1})
    record = survey_record()
    points = tuple(p if p.contestant == 0 else p.model_copy(update={"environment": alone}) for p in record.points)
    assert len(survey_by_machine(record.model_copy(update={"points": points}))) == 1
    one, other = cpu_record(environment=CPU), cpu_record(environment=alone)
    with pytest.raises(UsageError, match="differ in threads"):
        pilots_together({"one.json": one, "other.json": other})


def test_failures_and_searches_stand_at_their_own_machine() -> None:
    record = search_record()
    other = CPU.model_copy(update={"cores": 64})
    (failure,), (first, second) = record.failures, record.largest
    record = record.model_copy(
        update={
            "failures": (failure, failure.model_copy(update={"environment": other})),
            "largest": (first, second.model_copy(update={"environment": other})),
        }
    )
    machines = survey_by_machine(record)
    assert [(len(one.points), len(one.failures)) for one in machines] == [(2, 1), (0, 1)]
    assert [[each.contestant for each in one.largest] for one in machines] == [[0], [1]]
    assert [one.environment for one in machines] == [CPU, other]


def test_what_is_missing_and_what_failed_is_told() -> None:
    record = search_record()
    found = [type(finding) for finding in find_in_scale(record, scale_view(record))]
    for kind in (ScaleEndedEarly, SizesMissing, SizeFailed, NoInterval, OneLaunch, LargestBatch):
        assert kind in found
    assert LargestHeldOut not in found


def test_a_target_far_away_is_warned_of() -> None:
    near, far = survey_record(), survey_record()
    far = far.model_copy(update={"plan": far.plan.model_copy(update={"target": (512,)})})
    found = [[type(f) for f in find_in_scale(record, scale_view(record))] for record in (near, far)]
    assert FarBeyond not in found[0]
    assert len(scale_view(far).variants) == 2
    assert found[1].count(FarBeyond) == 1, "once, and not for each variant"


def test_a_record_without_a_point_has_a_view() -> None:
    record = survey_record(points=(), status="running")
    view = scale_view(record)
    assert [variant.rows for variant in view.variants] == [(), ()]
    assert view.ratios == ()
    assert [type(finding) for finding in find_in_scale(record, view)] == [ScaleEndedEarly]

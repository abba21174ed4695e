"""What a measurement of growth says: medians, fits, bottlenecks, and what is kept out of them."""

from __future__ import annotations

from functools import cache

import pytest

from builders import CPU, cpu_record
from paco_prof.analysis.pilots_together import pilots_together
from paco_prof.analysis.scale import ScaledVariant, ScaleView, scale_view
from paco_prof.analysis.scale_bottleneck import bottleneck_at, bottleneck_at_target, crossovers
from paco_prof.analysis.scale_facts import (
    BottleneckMoves,
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
from paco_prof.records import Factor, ScalePlan, ScaleRecord
from surveys import (
    BASELINE,
    Law,
    exact,
    grid_record,
    point,
    reference,
    search_record,
    survey_record,
    two_machines_record,
)


def baseline(record: ScaleRecord) -> ScaledVariant:
    return scale_view(record).variants[0]


@cache
def usual() -> ScaleView:
    """The view of the usual record, which is not built again and again."""
    return scale_view(survey_record())


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


def test_the_step_is_predicted_as_the_sum_of_its_stages() -> None:
    """A power of the step alone would miss it by a quarter: half of it is linear, half of it cubic."""
    variant = usual().variants[0]
    step = variant.step
    assert step is not None
    assert step.target is not None
    true = sum(time * (1 if path == "optimizer" else 3) for path, time in reference((64,)).items())
    assert step.target.value == pytest.approx(true, rel=0.05)
    assert step.target.low is not None
    assert step.target.high is not None
    assert step.target.low < true < step.target.high
    assert step.target.value == pytest.approx(sum(part.target.value for part in variant.parts if part.target))


def test_the_largest_size_is_predicted_from_the_others() -> None:
    cast = usual().variants[0].hindcast
    assert cast is not None
    assert cast.sizes == (32,)
    assert abs(cast.error) < 0.15
    assert cast.is_inside


def test_the_hindcast_does_not_know_the_largest_size() -> None:
    record = survey_record()
    last = [each.model_copy() for each in record.points if each.sizes == (32,)]
    slower = [point(p.contestant, (32,), p.round, lambda s: {k: 2 * v for k, v in reference(s).items()}) for p in last]
    others = tuple(each for each in record.points if each.sizes != (32,))
    one, other = baseline(record).hindcast, baseline(survey_record(points=(*others, *slower))).hindcast
    assert one is not None
    assert other is not None
    assert other.predicted == one.predicted
    assert not other.is_inside


def test_launches_that_did_not_end_are_in_no_figure() -> None:
    record = survey_record()
    broken = point(0, (8,), 5, lambda sizes: {"backbone": 100.0})
    training = broken.training.model_copy(update={"stop_reason": "interrupted"})
    with_it = survey_record(points=(*record.points, broken.model_copy(update={"training": training})))
    assert scale_view(with_it) == scale_view(record)


def test_the_bottleneck_moves_where_it_was_measured() -> None:
    variant = usual().variants[0]
    found = [bottleneck_at(variant, sizes) for sizes in variant.sizes]
    assert [each.path for each in found if each is not None] == ["backbone"] * 2 + ["loss"] * 4
    (crossover,) = crossovers(variant)
    assert crossover.is_measured
    assert (crossover.before, crossover.path) == ("backbone", "loss")
    assert (crossover.low, crossover.size) == (4, 8)
    there = bottleneck_at_target(variant)
    assert there is not None
    assert there.path == "loss"


def test_a_crossover_beyond_the_sizes_is_predicted_with_an_interval() -> None:
    """0.09 B meets 0.00003 B^3 at the root of 3000, 54.8."""

    def law(sizes: tuple[int, ...]) -> dict[str, float]:
        return {"backbone": 0.09 * sizes[0], "loss": 0.00003 * sizes[0] ** 3, "optimizer": 0.01}

    plan = ScalePlan(factors=(Factor(name="batch_size", sizes=(2, 4, 8, 16, 24)),))
    points = tuple(point(0, sizes, n, law) for n in range(2) for sizes in plan.combinations)
    record = survey_record(plan=plan, points=points, contestants=(BASELINE,))
    (crossover,) = crossovers(baseline(record))
    assert not crossover.is_measured
    assert crossover.path == "loss"
    assert crossover.low is not None
    assert crossover.low < crossover.size
    assert crossover.size == pytest.approx(54.8, rel=0.1)
    assert crossover.low < 54.8
    assert crossover.high is None or crossover.high > 54.8
    assert any(isinstance(finding, BottleneckMoves) for finding in find_in_scale(record, scale_view(record)))


def swept(law: Law, sizes: tuple[int, ...], target: int | None = None, noise: float = 0.01) -> ScaleRecord:
    """The baseline following a law."""
    plan = ScalePlan(
        factors=(Factor(name="batch_size", sizes=sizes),), launches=2, target=None if target is None else (target,)
    )
    points = tuple(point(0, some, n, law, noise) for n in range(2) for some in plan.combinations)
    return survey_record(plan=plan, points=points, contestants=(BASELINE,))


@pytest.mark.parametrize("first", [0.00002, 0.000002], ids=["two per cent", "less than one per cent"])
def test_a_stage_that_is_small_as_yet_is_predicted_to_take_over(first: float) -> None:
    """First B^4 beside 0.09 B: at the largest size it is in no table of parts, and at the target it is most of all."""

    def law(sizes: tuple[int, ...]) -> dict[str, float]:
        return {"backbone": 0.09 * sizes[0], "loss": first * sizes[0] ** 4, "part_sampling": 0.0005}

    variant = baseline(swept(law, (1, 2, 3, 4, 6), 80))
    loss = variant.row("loss")
    assert loss is not None
    assert loss.share < 0.05
    assert loss not in variant.small
    assert {part.path for part in variant.large_stages} == {"backbone", "loss"}
    there = bottleneck_at_target(variant)
    assert there is not None
    assert there.path == "loss"
    assert variant.step is not None
    assert variant.step.target is not None
    assert variant.step.target.value == pytest.approx(3 * sum(law((80,)).values()), rel=0.25)
    (crossover,) = [each for each in crossovers(variant) if not each.is_measured]
    assert crossover.path == "loss"
    assert crossover.size == pytest.approx((0.09 / first) ** (1 / 3), rel=0.15)


def test_stages_that_are_as_good_as_equal_overtake_nobody() -> None:
    """Two that differ by nothing but noise change places at every size."""

    def law(sizes: tuple[int, ...]) -> dict[str, float]:
        return {"backbone": 0.09 * sizes[0], "loss": 0.09 * sizes[0], "optimizer": 0.01}

    variant = baseline(swept(law, (2, 4, 8, 16, 32), noise=0.03))
    assert len({found.path for sizes in variant.sizes if (found := bottleneck_at(variant, sizes)) is not None}) == 2
    assert [each for each in crossovers(variant) if each.is_measured] == []


def test_one_that_falls_back_has_overtaken_nobody() -> None:
    def law(sizes: tuple[int, ...]) -> dict[str, float]:
        return {"backbone": 0.09 * sizes[0], "loss": 0.09 * sizes[0] * (2.0 if sizes[0] == 4 else 0.5)}

    variant = baseline(swept(law, (2, 4, 8, 16)))
    assert [(each.before, each.path, each.size) for each in crossovers(variant) if each.is_measured] == [
        ("loss", "backbone", 8)
    ]


def test_few_sizes_are_told_to_know_the_power_alone() -> None:
    for sizes, number in (((2, 4, 8), 1), ((2, 4, 8, 16), 0)):
        record = swept(reference, sizes)
        found = [f for f in find_in_scale(record, scale_view(record)) if isinstance(f, PowerAlone)]
        assert found == [PowerAlone(3, 1)] * number
    both = survey_record(plan=swept(reference, (2, 4, 8)).plan)
    both = both.model_copy(update={"points": tuple(p for p in both.points if p.sizes[0] in (2, 4, 8))})
    assert [type(f) for f in find_in_scale(both, scale_view(both))].count(PowerAlone) == 1


def test_a_stage_that_never_catches_up_is_no_crossover() -> None:
    assert crossovers(usual().variants[1]) == ()


def test_memory_has_a_fixed_part_and_what_stages_keep_has_none() -> None:
    variant = usual().variants[0]
    assert variant.peak is not None
    assert variant.peak_of == "process"
    growth = variant.peak.growth
    assert growth is not None
    assert growth.fixed_cost is not None
    assert growth.fixed_cost.value == pytest.approx(0.9e9, rel=0.05)
    assert [row.path for row in variant.saved] == ["backbone", "loss"]
    kept = variant.saved[1].growth
    assert kept is not None
    assert kept.exponent.value == pytest.approx(3.0, abs=0.01)


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
    assert [each.value for each in loss.growth.exponents] == pytest.approx([3.0, 2.0], abs=0.05)
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
    assert FarBeyond in found[1]


def test_a_record_without_a_point_has_a_view() -> None:
    record = survey_record(points=(), status="running")
    view = scale_view(record)
    assert [variant.rows for variant in view.variants] == [(), ()]
    assert view.ratios == ()
    assert [type(finding) for finding in find_in_scale(record, view)] == [ScaleEndedEarly]

"""A comparison's rows, computed by hand: what is judged, what is shown, and what takes no part in either."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import ON_CPU, RESNET50, Times, training_of
from comparisons import FIELD, RECORDS, aa_record, comparison_record, record_of, unmeasured_record
from paco_prof.analysis.comparison import ComparedVariant, ComparisonView, comparison_view, launch_effects
from paco_prof.analysis.expectation import Outcome
from paco_prof.records import ComparisonRecord, Contestant, Failure, Launch, Memory, Side, StageSamples
from paco_prof.variants.contestants import Field, compared
from paco_prof.variants.variant import Variant

STEP = (Times("backbone", 0.2, 0.4), Times("loss", 0.1, 0.2), Times("optimizer", other=0.1))
HALF = tuple(Times(s.path, *(None if t is None else t / 2 for t in (s.forward, s.backward, s.other))) for s in STEP)
NUM = 3


def side(stages: Sequence[Times] = STEP, factors: Sequence[float] = (1.0,) * NUM, **changes: object) -> Side:
    memory = changes.pop("memory", None)
    return Side.model_validate({"training": training_of(stages, factors, **changes), "memory": memory})


def launch(number: int, before: Side, after: Side, place: int = 1, **changes: object) -> Launch:
    first = (True,) * len(before.training.steps)
    settings = {
        "contestant": place,
        "round": number,
        "baseline": before,
        "variant": after,
        "baseline_first": first,
        **changes,
    }
    return Launch.model_validate(settings)


def record(*launches: Launch, names: Sequence[str] = ("baseline", "exact"), **changes: object) -> ComparisonRecord:
    contestants = changes.pop("contestants", None) or compared(FIELD, names)
    empty = record_of("compare", contestants, [None] * len(contestants), 3, **changes)
    return empty.model_copy(update={"launches": launches})


def only(found: ComparisonRecord) -> ComparedVariant:
    (variant,) = comparison_view(found).variants
    return variant


def batches(before: int, after: int) -> tuple[Contestant, ...]:
    own = Variant("other-batch", "", "different", {"batch_size": after})
    base = RESNET50.model_copy(update={"batch_size": before})
    return compared(Field(base, (own,)), ["baseline", "other-batch"])


def test_a_launchs_effect_is_the_median_of_the_log_ratios_of_its_pairs() -> None:
    pairs = launch(4, side(factors=(1.0, 2.0, 3.0)), side(factors=(0.5, 2.0, 1.0)))
    # Ratios 2, 1 and 3.
    assert launch_effects(record(pairs), 1) == {4: pytest.approx(math.log(2))}


def test_a_sequential_launch_has_no_pairs() -> None:
    before, after = side(factors=(1.0, 2.0, 3.0)), side(factors=(0.5, 4.0, 1.0, 0.25, 0.5))
    found = record(launch(0, before, after, sequential=True, baseline_first=(True,)))
    # The medians are 2 and 0.5.
    assert launch_effects(found, 1) == {0: pytest.approx(math.log(4))}
    assert only(found).speedup is not None


def test_the_speedup_of_another_batch_is_per_sample() -> None:
    found = record(launch(0, side(STEP), side(HALF)), contestants=batches(8, 2))
    variant = only(found)
    assert variant.speedup is not None
    # Half the time for a quarter of the images.
    assert variant.speedup.ratio == pytest.approx(0.5)
    assert variant.samples_per_second == pytest.approx(2 / 0.5)
    assert comparison_view(found).baseline.samples_per_second == pytest.approx(8 / 1.0)


def test_stages_of_another_batch_are_per_sample_as_the_step_is() -> None:
    found = record(launch(0, side(STEP), side(HALF)), contestants=batches(8, 4))
    variant = only(found)
    assert variant.speedup is not None
    assert variant.speedup.ratio == pytest.approx(1.0)
    for stage in variant.stages:
        assert stage.speedup is not None
        assert stage.speedup.ratio == pytest.approx(1.0)


def test_only_launches_at_the_smallest_batch_are_judged() -> None:
    found = record(
        launch(0, side(STEP), side(STEP)),
        launch(0, side(HALF), side(HALF), halvings=1),
        launch(1, side(STEP), side(HALF), halvings=1),
    )
    variant = only(found)
    assert (variant.num_launches, variant.batch_size) == (2, 4)
    assert launch_effects(found, 1) == {0: pytest.approx(0), 1: pytest.approx(math.log(2))}
    # The baseline of the table is the one beside what is judged.
    baseline = comparison_view(found).baseline
    assert (baseline.batch_size, baseline.num_launches) == (4, 2)
    assert baseline.step is not None
    assert baseline.step.value == pytest.approx(0.75)


def test_odd_batches_are_rounded_down_and_still_per_sample() -> None:
    found = record(launch(0, side(STEP), side(STEP), halvings=1), contestants=batches(7, 5))
    variant = only(found)
    assert variant.batch_size == 2
    assert variant.speedup is not None
    assert variant.speedup.ratio == pytest.approx(2 / 3)


def test_where_all_are_halved_the_baseline_has_their_batch() -> None:
    found = record(launch(0, side(HALF), side(HALF), halvings=1))
    baseline = comparison_view(found).baseline
    assert (baseline.batch_size, baseline.samples_per_second) == (4, pytest.approx(8))


def test_steps_of_two_batches_are_never_one_baseline() -> None:
    quarter = side(STEP, (0.25,) * NUM)
    found = record(
        launch(0, side(HALF), side(HALF), halvings=1),
        launch(0, quarter, quarter, place=2, halvings=2),
        names=("baseline", "exact", "d32"),
    )
    assert comparison_view(found).baseline.samples_per_second == pytest.approx(8)


@pytest.mark.parametrize("stop_reason", ["interrupted", "failed"])
def test_an_incomplete_launch_is_kept_and_not_judged(stop_reason: str) -> None:
    cut = launch(1, side(STEP), side(HALF, stop_reason=stop_reason))
    found = record(launch(0, side(STEP), side(STEP)), cut)
    variant = only(found)
    assert variant.num_launches == 1
    assert variant.step is not None
    assert variant.step.value == pytest.approx(1.0)
    assert launch_effects(found, 1).keys() == {0}
    assert only(record(cut)).speedup is None


def test_one_launch_establishes_nothing() -> None:
    variant = only(record(launch(0, side(STEP), side(HALF))))
    assert variant.speedup is not None
    assert variant.speedup.ratio == pytest.approx(2.0)
    assert (variant.speedup.low, variant.speedup.high, variant.speedup.established) == (None, None, False)
    assert variant.needed is None
    assert comparison_view(record(launch(0, side(STEP), side(HALF)))).fastest is None
    assert all(not stage.established for stage in variant.stages)


def test_established_differences_need_no_more_launches() -> None:
    for variant in comparison_view(comparison_record()).variants:
        assert variant.speedup is not None
        assert variant.speedup.established
        assert variant.needed is None


def test_a_variant_without_a_launch_has_its_failures_and_its_claim() -> None:
    failure = Failure(contestant=2, round=0, kind="out of memory", during="warm-up", detail="x", peak_bytes=7)
    found = record(launch(0, side(STEP), side(HALF)), names=("baseline", "exact", "optimized"), failures=(failure,))
    exact, optimized = comparison_view(found).variants
    assert (exact.failures, optimized.failures) == ((), (failure,))
    assert (optimized.num_launches, optimized.step, optimized.speedup, optimized.stages) == (0, None, None, ())
    assert optimized.samples_per_second is None
    assert optimized.expectation is not None
    assert (optimized.expectation.measured, optimized.expectation.outcome) == (None, None)
    assert comparison_view(found).measured == (exact,)


def test_a_record_without_a_launch_is_a_view_all_the_same() -> None:
    view = comparison_view(unmeasured_record())
    assert view.measured == ()
    assert view.fastest is None
    assert (view.baseline.step, view.baseline.num_launches, view.baseline.batch_size) == (None, 0, 8)


def test_a_stage_on_one_side_only_has_no_speedup() -> None:
    clipping = (*HALF, Times("clipping", other=0.05))
    variant = only(record(launch(0, side(STEP), side(clipping)), launch(1, side(STEP), side(clipping))))
    stage = next(stage for stage in variant.stages if stage.path == "clipping")
    assert stage.before is None
    assert stage.after is not None
    assert (stage.speedup, stage.established, stage.change) == (None, False, pytest.approx(0.05))
    gone = only(record(launch(0, side(clipping), side(STEP))))
    assert next(s for s in gone.stages if s.path == "clipping").change == pytest.approx(-0.05)


def test_a_stage_that_one_launch_never_entered_is_not_judged() -> None:
    without = tuple(stage for stage in STEP if stage.path != "optimizer")
    variant = only(record(launch(0, side(STEP), side(HALF)), launch(1, side(STEP), side(without))))
    stage = next(stage for stage in variant.stages if stage.path == "optimizer")
    assert stage.speedup is None
    assert stage.after is not None


def test_a_parents_time_holds_its_childrens() -> None:
    nested = (Times("loss", 0.1), Times("loss/pac", 0.3, 0.5))
    slower = (Times("loss", 0.1), Times("loss/pac", 0.1, 0.2))
    variant = only(record(launch(0, side(nested), side(slower))))
    loss, pac = variant.stages
    assert [(s.path, s.depth) for s in variant.stages] == [("loss", 0), ("loss/pac", 1)]
    assert loss.before is not None
    assert loss.after is not None
    assert (loss.before.value, loss.after.value) == (pytest.approx(0.9), pytest.approx(0.4))
    assert loss.speedup is not None
    assert loss.speedup.ratio == pytest.approx(2.25)
    assert pac.speedup is not None
    assert pac.speedup.ratio == pytest.approx(0.8 / 0.3)
    assert variant.top_stages == (loss,)


def test_backward_that_is_whole_on_one_side_is_whole_on_both() -> None:
    whole = (Times("backbone", 0.1), Times("loss", 0.05), Times("optimizer", other=0.05), Times("backward", None, 0.3))
    before, after = side(STEP), side(whole, backward_whole="the graph was compiled")
    for first, second in ((before, after), (after, before)):
        variant = only(record(launch(0, first, second), launch(1, first, second)))
        assert variant.whole_backward == "the graph was compiled"
        rows = {stage.path: stage for stage in variant.stages}
        backward, backbone = rows["backward"], rows["backbone"]
        assert backward.before is not None
        assert backward.after is not None
        assert {round(backward.before.value, 9), round(backward.after.value, 9)} == {0.6, 0.3}
        # Forward only: backbone's backward is in the other row.
        assert backbone.before is not None
        assert backbone.after is not None
        assert {round(backbone.before.value, 9), round(backbone.after.value, 9)} == {0.2, 0.1}
        assert backward.speedup is not None
        assert_adds_up(variant)


def lost_events(found: Side) -> Side:
    lost = StageSamples(path="augment", phase="forward", calls=1, host=(0.01,) * NUM, device=(None,) * NUM)
    return Side(training=found.training.model_copy(update={"stages": (*found.training.stages, lost)}))


def test_lost_events_are_no_time_and_leave_the_rest_as_it_is() -> None:
    first, second = side(STEP, on_device=True), side(HALF, on_device=True)
    variant = only(record(launch(0, lost_events(first), lost_events(second))))
    stage = next(stage for stage in variant.stages if stage.path == "augment")
    assert (stage.before, stage.after, stage.speedup, stage.change) == (None, None, None, 0.0)
    assert_adds_up(variant)


def assert_adds_up(variant: ComparedVariant) -> None:
    """Rows plus unattributed are the step, on either side."""
    assert variant.before is not None
    assert variant.step is not None
    for place, step in enumerate((variant.before, variant.step)):
        rows = [(stage.before, stage.after)[place] for stage in variant.top_stages]
        held = sum(row.value for row in rows if row is not None)
        assert held + variant.unattributed[place] == pytest.approx(step.value, rel=1e-9)


@pytest.mark.parametrize("name", RECORDS)
def test_rows_plus_unattributed_are_the_step_on_both_sides(name: str) -> None:
    for variant in comparison_view(RECORDS[name]()).measured:
        assert_adds_up(variant)


def test_time_between_stages_is_unattributed_with_its_sign() -> None:
    variant = only(record(launch(0, side(STEP, glue={"forward": 0.03}), side(HALF, glue={"other": -0.01}))))
    assert variant.unattributed == (pytest.approx(0.03), pytest.approx(-0.01))


def test_the_peak_is_the_highest_of_all_launches_and_the_devices_where_there_is_one() -> None:
    def of(process: int, device: int | None) -> Side:
        return side(memory=Memory(process_peak_bytes=process, device_peak_bytes=device))

    on_cpu = only(record(launch(0, of(9, None), of(3, None)), launch(1, of(1, None), of(5, None))))
    assert (on_cpu.peak_bytes, on_cpu.peak_of) == (5, "process")
    on_gpu = record(launch(0, of(9, 2), of(3, 4)), launch(1, of(1, 7), of(5, 1)))
    assert (only(on_gpu).peak_bytes, only(on_gpu).peak_of) == (4, "device")
    assert comparison_view(on_gpu).baseline.peak_bytes == 7
    nobody = only(record(launch(0, side(), side())))
    assert (nobody.peak_bytes, nobody.peak_of) == (None, "")


def test_a_claim_of_the_backbone_is_held_against_the_backbone() -> None:
    faster = (Times("backbone", 0.05, 0.1), *STEP[1:])
    rounds = [launch(n, side(STEP), side(faster, (f, f, f))) for n, f in enumerate((1.0, 1.001, 0.999))]
    found = only(record(*rounds, names=("baseline", "efficientnet-b0"))).expectation
    assert found is not None
    assert found.measured is not None
    assert found.measured.ratio == pytest.approx(4.0, rel=1e-3)
    assert found.outcome == Outcome.EXCEEDS


def test_launches_and_not_steps_are_judged() -> None:
    """Thousands of steps do not make up for two launches that disagree."""
    steps = (1.0,) * 40
    apart = [launch(n, side(STEP, steps), side(STEP, tuple(f * s for s in steps))) for n, f in enumerate((0.8, 1.2))]
    variant = only(record(*apart))
    assert variant.speedup is not None
    assert variant.speedup.num_launches == 2
    assert not variant.speedup.established


def test_a_comparison_with_itself_is_one_and_establishes_nothing() -> None:
    view = comparison_view(aa_record())
    assert view.is_self
    assert view.fastest is None
    assert not comparison_view(comparison_record(launches=1)).is_self


def test_the_fastest_has_the_largest_established_speedup() -> None:
    fastest = comparison_view(comparison_record()).fastest
    assert fastest is not None
    assert fastest.name == "optimized"
    assert comparison_view(comparison_record(launches=1)).fastest is None


EFFECTS = st.lists(st.floats(-0.7, 0.7).map(lambda x: round(x, 4)), min_size=1, max_size=9)


def judged(effects: Sequence[float], scale: float = 1.0, *, swapped: bool = False) -> ComparisonView:
    """Launches of such effects, all their times in another unit."""
    launches = []
    for number, effect in enumerate(effects):
        sides = [side(STEP, (scale,) * NUM), side(STEP, (scale * math.exp(-effect),) * NUM)]
        launches.append(launch(number, *(reversed(sides) if swapped else sides)))
    return comparison_view(record(*launches))


@given(EFFECTS, st.floats(1e-3, 1e3))
@settings(max_examples=12)
def test_another_unit_leaves_all_ratios_as_they_are(effects: list[float], scale: float) -> None:
    (one,), (other,) = judged(effects).variants, judged(effects, scale).variants
    assert one.speedup is not None
    assert other.speedup is not None
    assert other.speedup.log_ratio == pytest.approx(one.speedup.log_ratio, abs=1e-9)
    assert other.speedup.established == one.speedup.established
    assert [s.established for s in other.stages] == [s.established for s in one.stages]
    assert one.step is not None
    assert other.step is not None
    assert other.step.value == pytest.approx(scale * one.step.value)


@given(EFFECTS)
@settings(max_examples=12)
def test_swapping_both_sides_inverts_every_ratio(effects: list[float]) -> None:
    (one,), (other,) = judged(effects).variants, judged(effects, swapped=True).variants
    assert one.speedup is not None
    assert other.speedup is not None
    assert other.speedup.log_ratio == pytest.approx(-one.speedup.log_ratio, abs=1e-9)
    assert other.speedup.established == one.speedup.established
    for mine, theirs in zip(one.stages, other.stages, strict=True):
        assert mine.change == pytest.approx(-theirs.change)


@given(st.permutations(range(5)))
@settings(max_examples=4)
def test_the_order_of_launches_in_the_record_does_not_matter(order: list[int]) -> None:
    launches = comparison_record(launches=5).launches
    mixed = [launch for number in order for launch in launches if launch.round == number]
    one, other = comparison_view(comparison_record(launches=5)), comparison_view(record_like(mixed))
    assert [v.speedup for v in other.variants] == [v.speedup for v in one.variants]


def record_like(launches: Sequence[Launch]) -> ComparisonRecord:
    return comparison_record(launches=5).model_copy(update={"launches": tuple(launches)})


def test_fixed_times_are_those_of_the_builders() -> None:
    """The baseline's typical step in the built record: all stages, and 9 ms between them."""
    whole = sum(t for s in ON_CPU for t in (s.forward, s.backward, s.other) if t is not None) + 0.009
    baseline = comparison_view(comparison_record()).baseline
    assert baseline.step is not None
    assert baseline.step.value == pytest.approx(whole, rel=0.01)

"""A folder of records as a history: what makes a point, a series and a machine, and in which order they stand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from builders import CPU, GPU, RESNET50, analysis_record, cpu_record
from comparisons import ablation_record, comparison_record
from histories import (
    YARDSTICK_SECONDS,
    beside_yardstick,
    breakdowns,
    commit,
    contestant,
    day,
    gate_record,
    launch,
    named,
    noisy,
    step_record,
    training,
    whole,
)
from paco_prof.analysis.history import HistorySeries, HistoryView, history_view
from paco_prof.records import ComparisonRecord, Environment, VariantUsed
from paco_prof.store import Record
from training_runs import healthy_run


def at(code: str | None, environment: Environment = CPU) -> Environment:
    return environment.model_copy(update={"commit": code})


def view_of(*records: Record, commits: Sequence[str] = ()) -> HistoryView:
    return history_view(named(records), commits)


def only(view: HistoryView) -> HistorySeries:
    (series,) = view.series
    return series


def codes(series: HistorySeries) -> list[str | None]:
    return [point.commit for point in series.points]


def test_a_breakdown_a_commit_is_a_point_a_commit() -> None:
    view = history_view(breakdowns([0.1, 0.11, 0.12]))
    series = only(view)
    assert codes(series) == [commit(0), commit(1), commit(2)]
    assert [point.step.value for point in series.points] == pytest.approx([0.1, 0.11, 0.12], rel=0.01)
    assert [point.num_launches for point in series.points] == [1, 1, 1]
    assert series.from_previous == (None, pytest.approx(0.1), pytest.approx(1 / 11))
    assert (view.num_records, view.num_commits, view.order) == (3, 3, "dates")
    assert not series.by_ratio
    assert not series.can_tell


def test_records_of_one_commit_are_pooled() -> None:
    late = step_record(0, 0.12, created=day(5))
    series = only(view_of(late, step_record(0, 0.1)))
    (point,) = series.points
    assert point.step.num_samples == 14
    assert (point.num_launches, point.files, point.created) == (2, ("000.json", "001.json"), day(0))


def test_a_change_is_between_levels() -> None:
    series = only(history_view(breakdowns(noisy([0.1] * 12 + [0.115] * 12, 0.005))))
    (change,) = series.changes
    assert (change.place, change.direction) == (12, "slower")
    assert change.relative == pytest.approx(0.15, abs=0.01)
    assert (change.seconds_before, change.seconds_after) == (change.before, change.after)


def test_every_contestant_is_a_series_of_its_own() -> None:
    view = view_of(comparison_record())
    by_variant = {series.variant: series for series in view.series}
    assert by_variant.keys() == {"baseline", "exact", "optimized"}
    # Two variants beside the baseline in three rounds, seven pairs each.
    (baseline,), (exact,) = by_variant["baseline"].points, by_variant["exact"].points
    assert (baseline.num_launches, baseline.step.num_samples) == (3, 42)
    assert (exact.num_launches, exact.step.num_samples) == (3, 21)
    assert exact.step.value < baseline.step.value


def test_a_breakdown_and_a_comparison_of_the_same_step_are_one_series() -> None:
    alone = cpu_record(workload=RESNET50, environment=at("a" * 12), created=day(0))
    view = view_of(alone, comparison_record(environment=at("b" * 12), created=day(1)))
    assert codes(next(s for s in view.series if s.variant == "baseline")) == ["a" * 12, "b" * 12]


def test_what_only_building_tells_makes_no_other_series() -> None:
    unbuilt = RESNET50.model_copy(update={"feature_map": None, "num_parameters": None})
    built = RESNET50.model_copy(update={"matching_cost": "fro"})
    assert len(only(view_of(step_record(0, 0.1, workload=unbuilt), step_record(1, 0.1, workload=built))).points) == 2


@pytest.mark.parametrize("update", [{"batch_size": 4}, {"threads": 1}, {"seed": 3}])
def test_another_workload_is_another_series(update: dict[str, int]) -> None:
    other = RESNET50.model_copy(update=update)
    assert len(view_of(step_record(0, 0.1), step_record(1, 0.1, workload=other)).series) == 2


def test_another_variant_is_another_series() -> None:
    other = step_record(1, 0.1, variant=VariantUsed(name="mine"))
    assert {series.variant for series in view_of(step_record(0, 0.1), other).series} == {"baseline", "mine"}


def test_the_longest_series_comes_first() -> None:
    records = [step_record(0, 0.1, variant=VariantUsed(name="mine")), step_record(1, 0.1), step_record(2, 0.1)]
    assert [series.variant for series in view_of(*records).series] == ["baseline", "mine"]


def test_steps_at_half_the_batch_are_another_workload() -> None:
    halved = [launch(number, 0.1, 0.1, halvings=1) for number in range(3)]
    record = two_sides().model_copy(update={"launches": tuple(halved)})
    assert {series.workload.batch_size for series in view_of(record).series} == {4}


def two_sides(**changes: str) -> ComparisonRecord:
    """The step of this tree (0.12 s) and that of another revision (0.1 s)."""
    return ComparisonRecord(
        tool_version="0.1.0",
        created=day(1),
        contestants=(contestant(**changes), contestant()),
        environment=at("b" * 12 + "+"),
        launches=tuple(launch(number, 0.1, 0.12) for number in range(3)),
        status="complete",
    )


def test_each_tree_has_its_own_commit() -> None:
    series = only(view_of(two_sides(revision="a" * 12)))
    assert {point.commit: round(point.step.value, 2) for point in series.points} == {
        "a" * 12: 0.1,
        "b" * 12 + "+": 0.12,
    }


def test_a_whole_hash_and_its_beginning_are_one_commit() -> None:
    record = two_sides(revision=whole(7))
    assert len(only(view_of(record, step_record(7, 0.1))).points) == 2


def test_a_gate_is_read_comparison_by_comparison() -> None:
    series = only(view_of(gate_record(3, [two_sides(revision="a" * 12), two_sides(revision="c" * 12)])))
    launches = {point.commit: point.num_launches for point in series.points}
    assert launches == {"a" * 12: 3, "b" * 12 + "+": 6, "c" * 12: 3}


def test_a_launch_that_did_not_end_as_planned_is_left_out() -> None:
    broken = launch(2, 9.0, 9.0)
    cut_off = training(9.0).model_copy(update={"stop_reason": "interrupted"})
    broken = broken.model_copy(update={"variant": broken.variant.model_copy(update={"training": cut_off})})
    record = two_sides().model_copy(update={"launches": (launch(0, 0.1, 0.1), broken)})
    assert only(view_of(record)).points[0].step.value < 1


class TestYardstick:
    """The step beside a fixed reference step."""

    PACES = (1.0, 1.3, 0.8, 1.1, 0.9, 1.2, 1.0, 1.4, 0.7, 1.0, 1.1, 0.9)

    def test_the_ratio_does_not_drift_with_the_machine(self) -> None:
        levels = [0.1] * 6 + [0.11] * 6
        records = [beside_yardstick(n, s, p) for n, (s, p) in enumerate(zip(levels, self.PACES, strict=True))]
        series = only(view_of(*records))
        assert series.by_ratio
        assert series.judged == pytest.approx([level / YARDSTICK_SECONDS for level in levels])
        (change,) = series.changes
        assert (change.place, change.relative) == (6, pytest.approx(0.1))
        assert change.seconds_before == pytest.approx(0.1 * 1.05, rel=0.01)

    def test_it_is_no_series(self) -> None:
        assert [series.variant for series in view_of(beside_yardstick(0, 0.1)).series] == ["baseline"]

    def test_a_gate_holds_one_too(self) -> None:
        assert only(view_of(gate_record(0, [beside_yardstick(0, 0.1)]))).by_ratio

    def test_the_ratio_goes_through_the_baseline(self) -> None:
        """A variant beside the baseline, and the yardstick beside the baseline, in the same rounds."""
        launches = [launch(0, 0.1, 0.05, place=1), launch(0, 0.2, 0.05, place=2), launch(1, 0.1, 0.05, place=1)]
        record = two_sides().model_copy(
            update={
                "contestants": (contestant(), contestant("mine"), contestant("yardstick")),
                "launches": tuple(launches),
            }
        )
        series = {series.variant: series for series in view_of(record).series}
        assert series["mine"].judged == (pytest.approx(0.5 / 0.25),)
        assert series["baseline"].judged == (pytest.approx(4.0),)

    def test_without_one_at_every_commit_wall_time_decides(self) -> None:
        series = only(view_of(beside_yardstick(0, 0.1), step_record(1, 0.1)))
        assert not series.by_ratio
        assert [point.ratio for point in series.points] == [None, None]

    def test_one_record_with_it_is_enough_for_a_commit(self) -> None:
        assert only(view_of(beside_yardstick(0, 0.1), step_record(0, 0.1))).by_ratio

    def test_two_yardsticks_are_not_mixed(self) -> None:
        other = beside_yardstick(1, 0.1)
        resized = contestant("yardstick", workload=RESNET50.model_copy(update={"image_size": 64}))
        other = other.model_copy(update={"contestants": (other.baseline, resized)})
        assert not only(view_of(beside_yardstick(0, 0.1), other)).by_ratio


class TestOrder:
    """Which point comes after which."""

    def test_commits_go_before_dates(self) -> None:
        view = view_of(*(step_record(n, 0.1) for n in range(3)), commits=[whole(n) for n in (2, 0, 9, 1)])
        assert codes(only(view)) == [commit(2), commit(0), commit(1)]
        assert (view.order, view.unplaced) == ("commits", ())

    def test_changes_come_right_after_their_commit(self) -> None:
        edited = step_record(9, 0.1, environment=at(f"{commit(0)}+"))
        records = [edited, step_record(0, 0.1), step_record(1, 0.1)]
        wanted = [commit(0), f"{commit(0)}+", commit(1)]
        assert codes(only(view_of(*records))) == wanted
        assert codes(only(view_of(*records, commits=[whole(0), whole(1)]))) == wanted

    def test_what_the_repository_does_not_know_stands_by_its_date(self) -> None:
        view = view_of(*(step_record(n, 0.1) for n in range(4)), commits=[whole(2), whole(1)])
        assert codes(only(view)) == [commit(0), commit(2), commit(3), commit(1)]
        assert (view.order, view.unplaced) == ("both", (commit(0), commit(3)))

    def test_without_a_commit_a_point_has_its_date(self) -> None:
        records = [step_record(n, 0.1, environment=at(None)) for n in (1, 0)]
        view = view_of(*records)
        assert [(point.commit, point.created) for point in only(view).points] == [(None, day(0)), (None, day(1))]
        assert view.num_commits == 0

    def test_without_commit_and_date_a_file_is_a_point(self) -> None:
        records = [step_record(n, 0.1, environment=at(None), created="") for n in range(2)]
        assert len(only(view_of(*records)).points) == 2


class TestLeftOut:
    """What is not shown is counted."""

    def test_the_machine_with_the_most_commits_is_shown(self) -> None:
        others = [step_record(n, 0.01, environment=at(commit(n), GPU)) for n in range(2)]
        view = view_of(*others, *(step_record(n, 0.1) for n in range(3)))
        assert view.environment is not None
        assert view.environment.accelerator is None
        assert len(only(view).points) == 3
        (machine,) = view.left_out.machines
        assert (machine.num_records, machine.num_commits) == (2, 2)
        assert {name for name, _, _ in machine.differences} >= {"cores", "accelerator", "torch"}
        assert ("cores", 16, 2) in machine.differences

    def test_of_equal_machines_the_one_that_was_used_last_is_shown(self) -> None:
        view = view_of(step_record(0, 0.1), step_record(1, 0.1, environment=at(commit(1), GPU)))
        assert view.environment is not None
        assert view.environment.accelerator == "NVIDIA H200"

    def test_load_is_no_machine(self) -> None:
        busy = at(commit(1)).model_copy(update={"load_average": 9.0})
        assert len(only(view_of(step_record(0, 0.1), step_record(1, 0.1, environment=busy))).points) == 2

    def test_a_record_that_tells_no_machine_stands_beside_none(self) -> None:
        view = view_of(step_record(0, 0.1), step_record(1, 0.1), step_record(2, 0.1, environment=None))
        (machine,) = view.left_out.machines
        assert (machine.num_records, machine.differences) == (1, ())

    def test_records_that_measured_no_step_here(self) -> None:
        records = [
            step_record(0, 0.1),
            analysis_record(),
            step_record(1, 0.1, training=None),
            comparison_record(launches=0),
            healthy_run(),
        ]
        left = history_view(named(records), unread=["other.json"]).left_out
        assert (left.quoted, left.without_step) == (("001.json",), ("002.json", "003.json", "004.json"))
        assert (left.unread, left.machines) == (("other.json",), ())

    def test_without_a_step_there_is_no_series(self) -> None:
        view = history_view([])
        assert (view.series, view.environment, view.num_commits) == ((), None, 0)


def test_ablations_are_read() -> None:
    assert len(view_of(ablation_record("cumulative")).series) > 3


def test_any_two_orders_of_files_give_the_same_points() -> None:
    records = breakdowns(noisy([0.1] * 8, 0.02))
    one, other = history_view(records), history_view(records[::-1])
    assert only(one).points == only(other).points

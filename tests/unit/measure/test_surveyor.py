"""The surveyor with processes that are played: which launches are taken when, what is given up, what is kept."""

from __future__ import annotations

from typing import Any

import pytest

from builders import CPU, RESNET50
from paco_prof.errors import OtherMachineError, UsageError
from paco_prof.measure.scaling.beginning import resumed_survey
from paco_prof.measure.scaling.work import Unit, left
from paco_prof.records import Environment, FailureKind, ScaleRecord
from surveyed import Lab, PlayedSize, survey


def points_of(record: ScaleRecord) -> list[tuple[int, tuple[int, ...], int]]:
    return [(point.contestant, point.sizes, point.round) for point in record.points if point.is_complete]


def failing(kind: FailureKind, during: str = "step", **where: Any) -> Lab:
    """A lab in which processes of a variant and a batch fail."""

    def trouble(process: PlayedSize, what: str) -> None:
        found = {"name": process.contestant.name, "batch": process.batch, "nth": len(process.lab.started)}
        if what == during and all(found[key] == value for key, value in where.items()):
            raise process.failure(kind, during)

    return Lab(trouble=trouble)


def test_every_size_of_every_variant_has_a_process_of_its_own_small_ones_first() -> None:
    lab = Lab()
    outcome = lab.run(survey(launches=2))
    of_a_round = [(name, batch) for batch in (2, 4, 8) for name in ("baseline", "exact")]
    assert lab.taken() == of_a_round * 2
    assert outcome.error is None
    assert outcome.record.status == "complete"
    assert len(points_of(outcome.record)) == 12
    assert left(outcome.record) == []


def test_a_grid_has_every_combination_the_smallest_product_first() -> None:
    record = Lab().run(survey("batch-size=2,8", "d=16,32", variants=["exact"])).record
    assert [point.sizes for point in record.points] == [(2, 16), (2, 32), (8, 16), (8, 32)]


def test_a_size_changes_the_variant_and_its_baseline() -> None:
    lab = Lab()
    lab.run(survey("d=16,32", variants=["exact"]))
    workloads = [(p.contestant.workload.dim, p.contestant.base.dim) for p in lab.started]
    assert workloads == [(16, 16), (32, 32)]
    assert {p.contestant.workload.batch_size for p in lab.started} == {RESNET50.batch_size}


def test_a_launch_keeps_steps_memory_and_machine() -> None:
    point = Lab().run(survey(variants=["exact"])).record.points[1]
    assert point.training.steps == (0.04,) * 3
    assert len(point.training.warmup) == 3
    assert point.training.stop_reason == "as asked"
    assert point.memory is not None
    assert [(saved.path, saved.num_bytes) for saved in point.memory.saved] == [("backbone", 4)]
    assert point.environment == CPU
    assert point.machine is not None


def test_settled_steps_of_the_warm_up_count_where_nobody_asked_for_a_number() -> None:
    point = Lab().run(survey(variants=["exact"], steps=None)).record.points[0]
    assert len(point.training.warmup) == 1
    # As many as an interval of 95 % takes.
    assert len(point.training.steps) == 6
    assert point.training.stop_reason == "settled"


def test_of_steps_that_take_minutes_one_is_enough() -> None:
    lab = Lab(seconds=lambda contestant: 100.0 * contestant.workload.batch_size)
    record = lab.run(survey(variants=["exact"], steps=None, max_seconds=2500.0)).record
    assert [len(point.training.steps) for point in record.points] == [3, 1]
    assert [point.training.stop_reason for point in record.points] == ["time is up"] * 2
    assert [(note.code, note.number) for note in record.notes] == [("time_is_up", 1)]


def test_what_is_not_likely_to_end_in_time_is_left_away_and_the_rest_is_taken() -> None:
    record = Lab().run(survey("batch-size=2,4,8,16,32,64", steps=1, max_seconds=60.0)).record
    assert points_of(record) == [
        *((place, (batch,), 0) for batch in (2, 4, 8) for place in (0, 1)),
        *((place, (16,), 0) for place in (0, 1)),
        (1, (32,), 0),
        (1, (64,), 0),
    ]
    assert [(note.code, note.number) for note in record.notes] == [("time_is_up", 2)]
    assert record.status == "complete"


def test_the_first_launch_is_taken_whatever_the_time() -> None:
    record = Lab().run(survey(max_seconds=0.01)).record
    assert points_of(record) == [(0, (2,), 0)]


@pytest.mark.parametrize("kind", ["out of memory", "raised", "not applicable"])
def test_what_fails_for_good_leaves_larger_sizes_of_its_variant_away(kind: FailureKind) -> None:
    lab = failing(kind, name="baseline", batch=4)
    record = lab.run(survey(launches=2)).record
    assert lab.taken().count(("baseline", 4)) == 1
    assert ("baseline", 8) not in lab.taken()
    assert [point for point in points_of(record) if point[0] == 1] == [
        (1, (batch,), number) for number in (0, 1) for batch in (2, 4, 8)
    ]
    (failure,) = record.failures
    assert (failure.contestant, failure.sizes, failure.kind) == (0, (4,), kind)
    assert (failure.detail, failure.hint, failure.peak_bytes) == (f"it is {kind}", "Do something.", 99)


def test_who_died_is_not_waited_for_and_all_others_go_on() -> None:
    lab = failing("died", nth=3)
    record = lab.run(survey(launches=2)).record
    assert len(points_of(record)) == 11
    assert (0, (4,), 0) not in points_of(record)
    assert (0, (4,), 1) in points_of(record)


def test_who_hung_would_hang_at_larger_sizes_and_may_do_better_in_the_next_round() -> None:
    lab = failing("hung", nth=3)
    record = lab.run(survey(launches=2)).record
    assert [point for point in points_of(record) if point[0] == 0] == [
        (0, (2,), 0),
        *((0, (batch,), 1) for batch in (2, 4, 8)),
    ]


def test_small_images_without_room_say_nothing_of_larger_ones() -> None:
    def trouble(process: PlayedSize, what: str) -> None:
        workload = process.contestant.workload
        if what == "start" and workload.num_parts * 40 > (workload.image_size or 0):
            raise process.failure("not applicable", "start")

    record = Lab(trouble=trouble).run(survey("K=2,4", "image-size=100,200", variants=["exact"])).record
    assert [point.sizes for point in record.points] == [(2, 100), (2, 200), (4, 200)]


def test_steps_that_were_taken_count_whatever_happens_to_their_memory() -> None:
    lab = failing("out of memory", "memory by stage", batch=4)
    record = lab.run(survey(variants=["exact"])).record
    assert [point.sizes for point in record.points] == [(2,), (4,), (8,)]
    assert record.points[1].memory is None
    assert [failure.during for failure in record.failures] == ["memory by stage"]


def test_a_launch_that_failed_after_some_steps_is_kept_and_no_size_of_it_counts() -> None:
    def trouble(process: PlayedSize, what: str) -> None:
        if process.batch == 4 and process.steps == 5:
            raise process.failure("died", what)

    record = Lab(trouble=trouble).run(survey(variants=["exact"])).record
    assert [point.is_complete for point in record.points] == [True, False, True]
    assert record.points[1].training.stop_reason == "failed"
    assert len(record.points[1].training.steps) == 1


def test_an_interruption_keeps_everything_and_it_goes_on_from_there() -> None:
    def interrupt(process: PlayedSize, what: str) -> None:
        if what == "step" and len(process.lab.started) == 3 and process.steps == 5:
            raise KeyboardInterrupt

    stopped = Lab(trouble=interrupt)
    outcome = stopped.run(survey())
    assert isinstance(outcome.error, KeyboardInterrupt)
    assert outcome.record.status == "interrupted"
    assert points_of(outcome.record) == [(0, (2,), 0), (1, (2,), 0)]
    assert outcome.record.points[2].training.stop_reason == "interrupted"
    assert stopped.saved[-1] == outcome.record

    lab = Lab()
    record = lab.run(resumed_survey(outcome.record)).record
    assert lab.taken() == [("baseline", 4), ("exact", 4), ("baseline", 8), ("exact", 8)]
    assert record.status == "complete"
    assert len(points_of(record)) == 6


def test_what_failed_is_tried_again_when_it_goes_on() -> None:
    record = failing("died", nth=3).run(survey()).record
    again = Lab()
    record = again.run(resumed_survey(record)).record
    assert again.taken() == [("baseline", 4)]
    assert record.failures == ()


def test_what_there_was_no_time_for_is_taken_when_it_goes_on_with_more() -> None:
    record = Lab().run(survey("batch-size=2,4,64", variants=["baseline"], max_seconds=30.0)).record
    assert points_of(record) == [(0, (2,), 0), (0, (4,), 0)]
    resumed = resumed_survey(record, max_seconds=10_000.0)
    assert resumed.notes == ()
    assert len(points_of(Lab().run(resumed).record)) == 3


def test_what_is_complete_does_not_go_on() -> None:
    record = Lab().run(survey()).record
    with pytest.raises(UsageError, match="All that was planned has been measured"):
        resumed_survey(record)
    predicting = resumed_survey(record, target=(64,))
    assert (predicting.points, predicting.plan.target, left(predicting)) == (record.points, (64,), [])
    with pytest.raises(UsageError, match="All that was planned has been measured"):
        resumed_survey(predicting, target=(64,))
    assert len(left(resumed_survey(record, launches=2))) == 6
    with pytest.raises(UsageError, match="are fewer"):
        resumed_survey(resumed_survey(record, launches=2), launches=1)


def test_a_record_of_another_version_does_not_go_on() -> None:
    with pytest.raises(UsageError, match=r"of paco-prof 0\.0\.1"):
        resumed_survey(survey().model_copy(update={"tool_version": "0.0.1"}))


def test_launches_of_another_machine_are_not_joined() -> None:
    record = Lab().run(survey(), only=[Unit(0, (2,), 0), Unit(1, (2,), 0)]).record
    elsewhere = CPU.model_copy(update={"processor": "another core"})
    before = len(record.points)
    lab = Lab(environment_of=lambda process: elsewhere)
    with pytest.raises(OtherMachineError, match="another core"):
        lab.run(resumed_survey(record))
    assert len(lab.saved) == 0
    assert len(record.points) == before


def test_what_a_variant_sets_for_itself_is_no_other_machine() -> None:
    def environment_of(process: PlayedSize) -> Environment:
        is_exact = process.contestant.name == "exact"
        return CPU.model_copy(update={"flags": {"cudnn_benchmark": is_exact}, "threads": 2 if is_exact else 1})

    record = Lab(environment_of=environment_of).run(survey()).record
    assert len(points_of(record)) == 6
    assert record.environment == record.points[0].environment


def test_what_no_variant_sets_is_another_machine_whichever_variant_sees_it() -> None:
    def environment_of(process: PlayedSize) -> Environment:
        is_exact = process.contestant.name == "exact"
        return CPU.model_copy(update={"flags": {"OMP_NUM_THREADS": "8" if is_exact else "2"}})

    with pytest.raises(OtherMachineError, match="OMP_NUM_THREADS 8 here and 2 there"):
        Lab(environment_of=environment_of).run(survey())


def test_one_launch_can_be_taken_by_itself() -> None:
    lab = Lab()
    record = lab.run(survey(launches=2, find_largest=True), only=[Unit(1, (4,), 1)]).record
    assert points_of(record) == [(1, (4,), 1)]
    assert record.largest == ()
    assert len(left(record)) == 11 + 2


def test_what_a_variant_was_built_to_holds_at_every_size() -> None:
    (batch,) = Lab().run(survey(variants=["exact"])).record.contestants
    assert (batch.workload.batch_size, batch.workload.num_parameters) == (RESNET50.batch_size, 12_345)
    assert batch.workload.device == "cpu"
    (other,) = Lab().run(survey("d=16,32", variants=["exact"])).record.contestants
    assert (other.workload.dim, other.workload.num_parameters, other.workload.feature_map) == (64, None, None)


def test_parts_without_room_are_found_by_the_first_process() -> None:
    lab = Lab()
    with pytest.raises(UsageError, match="K=50 parts do not fit on the feature map of resnet50 at 224 px: 7 x 7 = 49"):
        lab.run(survey("K=2,4,50"))
    assert lab.taken() == [("baseline", 8)]
    assert lab.saved == []


def test_a_limit_of_memory_holds_for_every_launch() -> None:
    lab = Lab()
    record = lab.run(survey(variants=["exact"], memory_limit_bytes=50)).record
    assert [process.limit for process in lab.started] == [50] * 3
    assert [point.sizes for point in record.points] == [(2,), (4,)]
    assert [failure.kind for failure in record.failures] == ["out of memory"]


@pytest.mark.parametrize(
    ("limit", "code", "kind"), [(50, -6, "out of memory"), (None, -6, "died"), (50, -9, "died"), (10**6, 1, "died")]
)
def test_who_is_found_dead_at_a_limit_ran_out_of_memory(limit: int | None, code: int, kind: FailureKind) -> None:
    def trouble(process: PlayedSize, what: str) -> None:
        if process.batch == 4 and what == "step":
            raise process.failure("died", what, 40, code)

    record = Lab(trouble=trouble).run(survey(variants=["exact"], memory_limit_bytes=limit)).record
    (failure, *_) = record.failures
    assert (failure.sizes, failure.kind, failure.detail, failure.environment) == ((4,), kind, "it is died", CPU)


def test_a_failure_before_a_process_could_tell_where_it_is_does_not_tell_either() -> None:
    record = failing("raised", "start", batch=4).run(survey(variants=["exact"])).record
    assert [failure.environment for failure in record.failures] == [None]


@pytest.mark.parametrize(
    ("change", "is_alike"),
    [
        ({}, True),
        ({"threads": 2 * CPU.threads}, True),
        ({"memory_bytes": CPU.memory_bytes - 4096}, True),
        ({"memory_bytes": 2 * CPU.memory_bytes}, False),
        ({"processor": "another core"}, False),
    ],
)
def test_memory_that_ran_out_says_nothing_of_another_machine(change: dict[str, Any], is_alike: bool) -> None:
    record = failing("out of memory", batch=4).run(survey(variants=["exact"], launches=2)).record
    assert left(record) == []
    first, *others = record.points
    elsewhere = first.model_copy(update={"environment": CPU.model_copy(update=change)})
    mixed = record.model_copy(update={"points": (elsewhere, *others)})
    assert left(mixed) == ([] if is_alike else [Unit(0, (8,), 0), Unit(0, (4,), 1), Unit(0, (8,), 1)])


def test_a_full_disk_costs_nothing_but_the_file() -> None:
    def full(record: ScaleRecord) -> None:
        raise UsageError("run.json cannot be written: No space left on device.")

    outcome = Lab(save=full).run(survey())
    assert isinstance(outcome.error, UsageError)
    assert len(points_of(outcome.record)) == 6

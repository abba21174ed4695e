"""A measurement of growth whose launches a played cluster takes: the record that one machine makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from builders import CPU
from clusters import PlayedPool, doubled
from paco_prof.measure.engines.scale_pieces import ScalePieces
from paco_prof.measure.engines.sweep import Ended, Sweep
from paco_prof.measure.scaling.work import Search
from paco_prof.records import Largest, ScaleRecord, Trial
from played import Silent
from surveyed import Lab, PlayedSize, survey


def swept(
    record: ScaleRecord,
    lab: Callable[[int], Lab] = lambda number: Lab(),
    *,
    room: int = 3,
    seed: int = 0,
    loses: Callable[[int], Ended | None] = lambda number: None,
) -> tuple[ScaleRecord, PlayedPool]:
    """What comes of it, and who did it."""
    pool = PlayedPool(room, lambda number: lab(number).launch, seed=seed, loses=loses)
    pieces = ScalePieces(record, lambda _: None)
    assert Sweep(pieces, pool, Silent()).run() is None
    return pieces.record, pool


def rows(record: ScaleRecord) -> list[Any]:
    """What is fitted to."""
    return sorted((point.round, point.sizes, point.contestant, point.training.steps) for point in record.points)


@pytest.mark.parametrize("seed", range(5))
def test_in_whatever_order_launches_come_back_the_rows_are_those_of_one_machine(seed: int) -> None:
    record = survey(launches=2)
    local, (whole, pool) = Lab().run(record).record, swept(record, seed=seed)
    assert rows(whole) == rows(local)
    assert whole.contestants == local.contestants
    assert (whole.environment, whole.status, whole.failures) == (CPU, "complete", ())
    assert len(pool.all_given) == 12


def test_what_a_lost_node_had_is_taken_by_another_one() -> None:
    record = survey()
    whole, pool = swept(record, loses=lambda number: Ended(number, detail="gone") if number in (1, 4) else None)
    assert rows(whole) == rows(Lab().run(record).record)
    assert len(pool.all_given) == 8


def test_a_launch_that_costs_every_node_is_a_failure_in_the_end() -> None:
    whole, _ = swept(survey(), loses=lambda number: Ended(number, detail="the node is gone") if number != 1 else None)
    assert {failure.detail for failure in whole.failures} == {"the node is gone, 3 times"}
    assert len(whole.points) == 1


def test_what_fails_for_good_leaves_larger_sizes_away() -> None:
    def trouble(process: PlayedSize, what: str) -> None:
        if process.batch >= 4 and what == "step":
            raise process.failure("out of memory", what)

    whole, pool = swept(survey(), lambda number: Lab(trouble=trouble), room=1)
    assert [(each.contestant, each.sizes) for each in whole.failures] == [(0, (4,)), (1, (4,))]
    assert len(pool.all_given) == 4


def test_each_search_is_somebodys() -> None:
    record = survey(find_largest=True, memory_limit_bytes=500)
    local, (whole, pool) = Lab().run(record).record, swept(record)
    assert [(each.contestant, each.size) for each in whole.largest] == [
        (each.contestant, each.size) for each in local.largest
    ]
    assert sum(1 for piece in pool.all_given if "sizes" not in piece["only"]) == 2


@pytest.mark.parametrize("seed", range(3))
def test_a_search_begins_with_what_was_measured_and_tried_of_its_variant(seed: int) -> None:
    done = Lab().run(survey(find_largest=True, memory_limit_bytes=500)).record
    begun = done.model_copy(
        update={
            "status": "interrupted",
            "largest": tuple(
                each.model_copy(update={"reason": "interrupted", "trials": each.trials[:2]}) for each in done.largest
            ),
        }
    )
    lab = Lab()
    whole, pool = swept(begun, lambda number: lab, seed=seed)
    assert whole.largest == done.largest
    assert whole.points == done.points
    assert len(lab.started) == sum(len(each.trials) - 2 for each in done.largest)
    for piece in pool.all_given:
        told = [each["contestant"] for name in ("points", "largest") for each in piece["record"][name]]
        assert set(told) == {piece["only"]["contestant"]}


def test_a_search_that_costs_every_node_keeps_what_was_tried_before() -> None:
    done = Lab().run(survey(find_largest=True, memory_limit_bytes=500)).record
    begun = done.model_copy(
        update={"largest": tuple(each.model_copy(update={"reason": "interrupted"}) for each in done.largest)}
    )
    whole, _ = swept(begun, loses=lambda number: Ended(number, detail="the node is gone"))
    assert [each.reason for each in whole.largest] == ["failed", "failed"]
    assert [each.trials for each in whole.largest] == [each.trials for each in done.largest]


def test_every_point_tells_where_it_was_taken() -> None:
    def lab(number: int) -> Lab:
        return Lab(environment_of=lambda process: doubled(CPU) if number == 2 else CPU)

    whole, _ = swept(survey(), lab)
    assert sum(1 for point in whole.points if point.environment == doubled(CPU)) == 1
    assert whole.status == "complete"


def searched() -> Largest:
    """A search that was interrupted in the middle."""
    trials = (Trial(size=16, steps=3, fits=True, peak_bytes=160),)
    return Largest(
        contestant=0, size=16, reason="interrupted", limit_bytes=1000, peak_bytes=160, trials=trials, environment=CPU
    )


def test_a_search_that_is_given_up_keeps_what_it_has_found() -> None:
    record = survey(variants=["exact"], find_largest=True).model_copy(update={"largest": (searched(),)})
    pieces = ScalePieces(record, lambda _: None)
    pieces.give_out(Search(0), None)
    pieces.give_up(Search(0), "died", "the node is gone, 3 times")
    given_up = searched().model_copy(update={"reason": "failed", "detail": "the node is gone, 3 times"})
    assert pieces.record.largest == (given_up,)


def test_a_search_that_nobody_had_time_for_keeps_what_was_found_before() -> None:
    record = survey(find_largest=True).model_copy(update={"largest": (searched(),)})
    pieces = ScalePieces(record, lambda _: None)
    pieces.finish("complete")
    assert pieces.record.largest == (
        searched().model_copy(update={"reason": "time is up"}),
        Largest(contestant=1, reason="time is up"),
    )

"""A measurement of growth whose launches a played cluster takes: the record that one machine makes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builders import CPU
from clusters import PlayedPool, doubled
from paco_prof.measure.engines.remote import done, told
from paco_prof.measure.engines.scale_pieces import ScalePieces
from paco_prof.measure.engines.sweep import Ended, Sweep
from paco_prof.measure.scaling.beginning import resumed_survey
from paco_prof.measure.scaling.work import Search, Work
from paco_prof.records import Largest, ScaleRecord, Trial
from paco_prof.settings import Workload
from played import Silent
from surveyed import Lab, PlayedSize, survey


def swept(
    record: ScaleRecord,
    lab: Callable[[int], Lab] = lambda number: Lab(),
    *,
    room: int = 3,
    seed: int = 0,
    loses: Callable[[int], Ended | None] = lambda number: None,
    saved: list[ScaleRecord] | None = None,
) -> tuple[ScaleRecord, PlayedPool]:
    """What comes of it, and who did it."""
    pool = PlayedPool(room, lambda number: lab(number).launch, seed=seed, loses=loses)
    pieces = ScalePieces(record, [].append if saved is None else saved.append)
    assert Sweep(pieces, pool, Silent(), max_seconds=record.plan.max_seconds).run() is None
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
    searched = [piece["only"]["contestant"] for piece in pool.all_given if "sizes" not in piece["only"]]
    assert [searched.count(place) for place in (0, 1)] == [len(each.trials) for each in whole.largest]


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


def test_what_was_cancelled_in_the_middle_is_left() -> None:
    pieces = ScalePieces(survey(find_largest=True), lambda _: None)
    everything = pieces.left()
    for piece in everything:
        told = pieces.give_out(piece, None)
        pieces.take_back(piece, {**told["record"], "status": "interrupted"}, 1.0)
    assert pieces.left() == everything


def test_only_a_search_has_to_be_alone() -> None:
    pieces = ScalePieces(survey(find_largest=True), lambda _: None)
    for piece in pieces.left():
        assert pieces.is_alone(piece) == isinstance(piece, Search) == pieces.give_out(piece, None)["alone"]


class ByHand:
    """Pieces that are given and taken back one by one, as a test wants it."""

    def __init__(self, record: ScaleRecord) -> None:
        self.pieces = ScalePieces(record, lambda _: None)
        self.told: dict[Work, dict[str, Any]] = {}

    def give(self, *pieces: Work) -> None:
        for piece in pieces:
            self.told[piece] = self.pieces.give_out(piece, None)

    def back(self, piece: Work, lab: Lab | None = None) -> None:
        answer = json.loads(done(told(self.told[piece], Path.cwd(), [], 1), (lab or Lab()).launch))
        self.pieces.take_back(piece, answer["part"], answer["seconds"])


def plain(workload: Workload) -> Workload:
    """What a node builds that cannot keep channels last."""
    return workload.model_copy(update={"channels_last": False})


def raising(process: PlayedSize, what: str) -> None:
    if what == "start":
        raise process.failure("raised", what)


def test_a_launch_of_another_build_is_taken_by_somebody_else() -> None:
    record = survey()
    whole, pool = swept(record, lambda number: Lab(build=plain) if number == 5 else Lab(), room=2)
    local = Lab().run(record).record
    assert rows(whole) == rows(local)
    assert (whole.contestants, whole.failures) == (local.contestants, ())
    assert len(pool.all_given) == 7


def test_a_launch_that_is_built_otherwise_everywhere_fails_and_no_larger_one_with_it() -> None:
    hand = ByHand(survey(variants=["exact"]))
    small, middle, large = hand.pieces.left()
    hand.give(small, middle)
    hand.back(small)
    for number in range(3):
        if number:
            assert hand.pieces.left() == [middle, large]
            hand.give(middle)
        assert hand.pieces.record.failures == ()
        hand.back(middle, Lab(build=plain))
    (failure,) = hand.pieces.record.failures
    assert (failure.kind, failure.during, failure.sizes) == ("raised", "launch", (4,))
    assert "exact has another channels_last there" in failure.detail
    assert hand.pieces.left() == [large]
    assert hand.pieces.record.contestants[0].workload.channels_last


def test_what_fails_on_one_node_is_tried_by_another_before_larger_sizes() -> None:
    hand = ByHand(survey(variants=["exact"]))
    small, middle, large = hand.pieces.left()
    hand.give(small, middle)
    hand.back(middle, Lab(trouble=raising))
    # Who has failed would be the only one that is free.
    assert hand.pieces.left() == []
    hand.back(small)
    assert hand.pieces.left() == [middle]
    hand.give(middle)
    hand.back(middle)
    assert (hand.pieces.left(), hand.pieces.record.failures) == ([large], ())


def test_what_fails_wherever_it_is_tried_is_a_failure_and_leaves_larger_sizes_away() -> None:
    whole, pool = swept(survey(variants=["exact"]), lambda number: Lab(trouble=raising), room=2)
    assert {(each.sizes, each.kind) for each in whole.failures} >= {((2,), "raised")}
    assert len(pool.all_given) <= 2 * 3
    assert (whole.points, whole.status) == ((), "complete")


def test_a_failure_that_nobody_had_time_to_try_again_is_told() -> None:
    hand = ByHand(survey(variants=["exact"]))
    small, middle, _ = hand.pieces.left()
    hand.give(small, middle)
    hand.back(middle, Lab(trouble=raising))
    hand.pieces.lose(small)
    hand.pieces.finish("interrupted")
    assert [(each.sizes, each.kind) for each in hand.pieces.record.failures] == [((4,), "raised")]


def test_what_is_not_likely_to_end_in_time_is_left_away() -> None:
    record = survey("batch-size=2,4,64", variants=["baseline"], max_seconds=60.0)
    whole, _ = swept(record, room=1)
    local = Lab().run(record).record
    assert [point.sizes for point in whole.points] == [(2,), (4,)]
    assert [(note.code, note.number) for note in whole.notes] == [("time_is_up", 1)]
    assert (rows(whole), whole.notes) == (rows(local), local.notes)


def test_each_trial_of_a_search_is_stored_and_a_lost_node_costs_one() -> None:
    record = Lab().run(survey(variants=["exact"])).record
    record = resumed_survey(record, find_largest=True)
    local = Lab().run(record).record
    saved: list[ScaleRecord] = []
    lose = lambda number: Ended(number, detail="gone") if number in (2, 5) else None  # noqa: E731
    whole, pool = swept(record, room=1, loses=lose, saved=saved)
    assert whole.largest == local.largest
    num_trials = len(local.largest[0].trials)
    assert len(pool.all_given) == num_trials + 2
    assert all(piece["alone"] for piece in pool.all_given)
    assert [len(each.largest[0].trials) for each in saved if each.status == "running"] == list(range(1, num_trials + 1))


def test_a_search_that_costs_a_node_now_and_then_goes_on() -> None:
    record = resumed_survey(Lab().run(survey(variants=["exact"])).record, find_largest=True)
    lost = (1, 3, 5, 7)
    whole, _ = swept(record, room=1, loses=lambda number: Ended(number, detail="gone") if number in lost else None)
    assert whole.largest == Lab().run(record).record.largest


def test_a_search_that_fails_on_a_node_now_and_then_goes_on() -> None:
    hand = ByHand(resumed_survey(Lab().run(survey()).record, find_largest=True))
    hand.give(Search(0), Search(1))
    hand.back(Search(1))
    hand.back(Search(0))
    for number in range(3):
        hand.give(Search(0))
        assert not hand.told[Search(0)]["again"]
        hand.back(Search(0), Lab(trouble=raising))
        hand.give(Search(0))
        assert hand.told[Search(0)]["again"]
        hand.back(Search(0))
        assert len(hand.pieces.record.largest[0].trials) == 2 + number
    assert Search(0) in hand.pieces.left()


def test_a_search_trial_by_trial_is_confirmed_while_there_is_time_for_that() -> None:
    hand = ByHand(resumed_survey(Lab().run(survey(variants=["exact"])).record, find_largest=True))

    def take(seconds: float) -> Largest:
        """A trial that takes 20 seconds, of so many that there are."""
        asked = told(hand.pieces.give_out(Search(0), seconds), Path.cwd(), [], 1)
        hand.pieces.take_back(Search(0), json.loads(done(asked, Lab().launch))["part"], 20.0)
        return hand.pieces.record.largest[0]

    while take(1000.0).next_size is None:
        pass
    # There is time for one more, and what is known to fit comes first.
    largest = take(50.0)
    assert (largest.size, largest.next_size, largest.confirmed_steps, largest.reason) == (64, 128, 20, "interrupted")
    largest = take(50.0)
    assert (largest.size, largest.confirmed_steps, largest.reason) == (64, 20, "time is up")


def test_an_interruption_keeps_what_a_search_has_tried() -> None:
    pieces = ScalePieces(Lab().run(survey(variants=["exact"])).record, lambda _: None)
    hand = ByHand(resumed_survey(pieces.record, find_largest=True))
    for _ in range(2):
        hand.give(Search(0))
        hand.back(Search(0))
    hand.give(Search(0))
    hand.pieces.finish("interrupted")
    (largest,) = hand.pieces.record.largest
    assert ([trial.size for trial in largest.trials], largest.reason) == ([16, 32], "interrupted")


def test_searches_take_turns() -> None:
    hand = ByHand(resumed_survey(Lab().run(survey()).record, find_largest=True))
    for asked in (Search(0), Search(1), Search(0)):
        assert hand.pieces.left()[0] == asked
        hand.give(asked)
        hand.back(asked)


def test_a_search_on_another_machine_begins_anew_and_is_made_at_once() -> None:
    elsewhere = Lab(environment_of=lambda process: CPU.model_copy(update={"memory_bytes": CPU.memory_bytes // 2}))
    hand = ByHand(resumed_survey(Lab().run(survey(variants=["exact"])).record, find_largest=True))
    for _ in range(2):
        hand.give(Search(0))
        hand.back(Search(0))
    before = hand.pieces.record.largest
    hand.give(Search(0))
    assert hand.told[Search(0)]["only"]["trials"] == 1
    # It has begun with what fits on a machine that has more.
    hand.back(Search(0), elsewhere)
    assert (hand.pieces.record.largest, hand.pieces.left()) == (before, [Search(0)])
    hand.give(Search(0))
    assert hand.told[Search(0)]["only"]["trials"] is None
    assert hand.told[Search(0)]["record"]["points"] == []
    num_before = len(elsewhere.started)
    hand.back(Search(0), elsewhere)
    # Neither what was tried on the other machine nor what was available there says anything of this one.
    first = elsewhere.started[num_before]
    assert (first.limit, first.batch) == ("available", hand.pieces.record.contestants[0].workload.batch_size)
    (largest,) = hand.pieces.record.largest
    assert (largest.size, largest.confirmed_steps, largest.environment) == (100, 20, elsewhere.environment_of(None))  # type: ignore[arg-type]
    assert hand.pieces.left() == []


def test_a_search_of_another_build_is_none_of_the_variant() -> None:
    hand = ByHand(resumed_survey(Lab().run(survey(variants=["exact"])).record, find_largest=True))
    hand.give(Search(0))
    hand.back(Search(0), Lab(build=plain))
    (largest,) = hand.pieces.record.largest
    assert (largest.reason, largest.size) == ("failed", None)
    assert "another channels_last" in largest.detail

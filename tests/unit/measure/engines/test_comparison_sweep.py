"""A comparison whose launches a played cluster takes: the record that one machine makes, whatever gets lost."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import CPU, RESNET50
from clusters import PlayedPool, doubled, launcher_of
from paco_prof.errors import MeasurementError, UsageError
from paco_prof.measure.comparing import new_comparison, resumed
from paco_prof.measure.engines.comparison_pieces import ComparisonPieces
from paco_prof.measure.engines.ray_nodes import Needs, Node, Tenancy
from paco_prof.measure.engines.remote import done, told
from paco_prof.measure.engines.sweep import Ended, Sweep
from paco_prof.measure.referee import Referee
from paco_prof.measure.worker_handle import Ready
from paco_prof.records import ComparisonPlan, ComparisonRecord, Environment, Launch
from paco_prof.variants.contestants import Field, compared
from played import Players, Silent, _Worker

SECONDS = {"baseline": 0.25, "exact": 0.1, "optimized": 0.08}


def seconds_of(tree: str, name: str, is_first: bool) -> dict[str, float]:
    return {"backbone": 0.7 * SECONDS[name], "loss": 0.3 * SECONDS[name]}


def record_of(*names: str, **plan: Any) -> ComparisonRecord:
    chosen = compared(Field(RESNET50), names or ("baseline", "exact", "optimized"))
    return new_comparison(chosen, ComparisonPlan.model_validate({"launches": 3, "pairs": 4, **plan}))


class Run:
    """A sweep of a comparison over a played cluster, and what was stored on the way.

    Args:
        bad: the pieces, by number, that meet with the players' trouble; None for all.
    """

    def __init__(
        self,
        record: ComparisonRecord,
        *,
        room: int = 2,
        seed: int = 0,
        players: Players | None = None,
        environment_of: Callable[[int], Environment] = lambda number: CPU,
        loses: Callable[[int], Ended | None] = lambda number: None,
        bad: tuple[int, ...] | None = None,
    ) -> None:
        trouble, calm = (players or Players(seconds_of)).trouble, Players(seconds_of).trouble
        self.pool = PlayedPool(
            room,
            lambda number: launcher_of(
                Players(seconds_of, environment_of(number), trouble if bad is None or number in bad else calm)
            ),
            seed=seed,
            loses=loses,
        )
        self.saved: list[ComparisonRecord] = []
        self.pieces = ComparisonPieces(record, self.saved.append)
        self.sweep = Sweep(self.pieces, self.pool, Silent(), max_seconds=record.plan.max_seconds)

    def __call__(self) -> ComparisonRecord:
        assert self.sweep.run() is None
        assert self.saved[-1] == self.pieces.record
        return self.pieces.record


def on_one_machine(record: ComparisonRecord) -> ComparisonRecord:
    return Referee(record, launcher_of(Players(seconds_of)), Silent(), lambda _: None).run().record


def rows(record: ComparisonRecord) -> list[Any]:
    """What a launch is judged by."""
    return [
        (
            *(launch.contestant, launch.round, launch.halvings, launch.baseline_first),
            *(side.training.steps for side in (launch.baseline, launch.variant)),
        )
        for launch in record.launches
    ]


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000), room=st.integers(1, 7), sequential=st.booleans())
def test_in_whatever_order_launches_come_back_the_rows_are_those_of_one_machine(
    seed: int, room: int, sequential: bool
) -> None:
    record = record_of(sequential=sequential)
    local, swept = on_one_machine(record), Run(record, room=room, seed=seed)()
    assert rows(swept) == rows(local)
    assert swept.contestants == local.contestants
    assert (swept.status, swept.failures, swept.notes) == ("complete", (), ())


def test_every_launch_tells_where_it_was_taken() -> None:
    record = Run(record_of())()
    assert record.environment == CPU
    assert [launch.environment for launch in record.launches] == [CPU] * 6


def test_as_many_launches_are_under_way_as_there_is_room_for() -> None:
    run = Run(record_of(), room=4)
    run()
    assert run.pool.most_at_once == 4
    assert len(run.pool.all_given) == 6


def unbuilt(record: ComparisonRecord) -> ComparisonRecord:
    """The same, before anybody has built anything: what only that tells is not known."""
    nothing = {"num_parameters": None, "feature_map": None}
    contestants = [
        contestant.model_copy(update={"workload": contestant.workload.model_copy(update=nothing)})
        for contestant in record.contestants
    ]
    return record.model_copy(update={"contestants": tuple(contestants)})


@pytest.mark.parametrize("seed", range(4))
def test_each_contestant_is_held_against_float64_once(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(unbuilt(record_of()), room=6, seed=seed)
    ready = _Worker.ready

    def built(worker: _Worker, timeout: float) -> Ready:
        answer = ready(worker, timeout)
        workload = answer.contestant.workload.model_copy(update={"num_parameters": 10, "feature_map": (8, 3, 3)})
        answer.contestant = answer.contestant.model_copy(update={"workload": workload})
        return answer

    monkeypatch.setattr(_Worker, "ready", built)
    record = run()
    assert all(contestant.workload.num_parameters == 10 for contestant in record.contestants)
    asked = [place for piece in run.pool.all_given for place in piece["only"]["fidelity_of"]]
    assert sorted(asked) == [0, 1, 2]
    assert all(contestant.fidelity is not None for contestant in record.contestants)


@pytest.mark.parametrize("room", [1, 2])
def test_a_fidelity_whose_launch_has_failed_is_asked_for_again_or_said_to_be_missing(room: int) -> None:
    players = trouble_of("baseline", "died", "step")
    run = Run(record_of("baseline", "exact", launches=2), room=room, players=players, bad=(0,))
    record = run()
    asked = [place for piece in run.pool.all_given for place in piece["only"]["fidelity_of"]]
    is_known = [contestant.fidelity is not None for contestant in record.contestants]
    if room == 2:
        # Both were under way at once, and only one was asked.
        assert (asked, is_known) == ([0, 1], [False, False])
        assert [(note.code, note.number, note.detail.split(":")[0]) for note in record.notes] == [
            ("no_fidelity", None, "baseline"),
            ("no_fidelity", None, "exact"),
        ]
        assert record.notes[1].detail == "exact: no launch that was to tell has ended"
        assert ComparisonPieces(resumed(record), lambda _: None).left()[0].fidelity_of == {0, 1}
        told_later = Run(resumed(record), room=1)()
        assert all(contestant.fidelity is not None for contestant in told_later.contestants)
        assert told_later.notes == ()
    else:
        assert (asked, is_known, record.notes) == ([0, 1] * 2, [True, True], ())


def test_nobody_is_held_against_float64_where_nobody_asked() -> None:
    run = Run(record_of(fidelity=False))
    run()
    assert all(piece["only"]["fidelity_of"] == [] for piece in run.pool.all_given)


@settings(max_examples=6, deadline=None)
@given(lost=st.sets(st.integers(0, 8), max_size=4), seed=st.integers(0, 1000))
def test_what_a_lost_node_had_is_taken_by_another_one_and_nothing_twice(lost: set[int], seed: int) -> None:
    run = Run(
        record_of(),
        room=3,
        seed=seed,
        loses=lambda number: Ended(number, kind="died", detail="gone") if number in lost else None,
    )
    record = run()
    pieces = [(piece["only"]["place"], piece["only"]["round"]) for piece in run.pool.all_given]
    # What has cost three nodes counts as what costs nodes.
    if max(pieces.count(piece) for piece in set(pieces)) < 3:
        assert rows(record) == rows(on_one_machine(record_of()))
        assert record.failures == ()


def test_a_launch_that_costs_every_node_that_takes_it_is_not_tried_for_ever() -> None:
    run = Run(
        record_of("baseline", "exact", launches=1), loses=lambda n: Ended(n, kind="died", detail="the node is gone")
    )
    record = run()
    assert len(run.pool.all_given) == 3
    assert [(f.kind, f.during, f.detail) for f in record.failures] == [
        ("died", "launch", "the node is gone, 3 times"),
    ]
    assert record.launches == ()


def trouble_of(name: str, kind: Any, what: str = "start") -> Players:
    return Players(seconds_of, trouble=lambda tree, who, asked, steps: kind if (who, asked) == (name, what) else None)


@pytest.mark.parametrize("kind", ["raised", "out of memory", "not applicable"])
def test_what_fails_for_good_is_not_given_out_again(kind: Any) -> None:
    run = Run(record_of(), room=1, players=trouble_of("exact", kind))
    record = run()
    assert [(f.contestant, f.kind, f.environment) for f in record.failures] == [(1, kind, CPU)]
    assert {launch.contestant for launch in record.launches} == {2}
    assert len(run.pool.all_given) == 4


def test_a_baseline_that_fails_for_good_ends_the_sweep_where_nobody_else_can_try() -> None:
    run = Run(record_of(), room=1, players=trouble_of("baseline", "raised"))
    record = run()
    assert len(run.pool.all_given) == 1
    assert record.failures[0].of_baseline


@pytest.mark.parametrize("name", ["baseline", "exact"])
@pytest.mark.parametrize("kind", ["raised", "not applicable"])
@pytest.mark.parametrize("seed", range(3))
def test_what_fails_on_one_node_alone_is_done_by_the_others(name: str, kind: Any, seed: int) -> None:
    run = Run(record_of(), room=3, players=trouble_of(name, kind), bad=(0, 1, 4), seed=seed)
    record = run()
    assert rows(record) == rows(on_one_machine(record_of()))
    assert record.failures == ()


def test_a_baseline_that_fails_on_every_node_ends_the_sweep_once_two_have_tried_the_same_launch() -> None:
    run = Run(record_of(), room=2, players=trouble_of("baseline", "raised"))
    record = run()
    assert len(run.pool.all_given) == 4
    assert [(failure.kind, failure.of_baseline) for failure in record.failures] == [("raised", True)] * 2


def test_a_variant_that_fails_on_every_node_leaves_the_others_to_be_measured() -> None:
    run = Run(record_of(), room=3, players=trouble_of("exact", "raised"))
    record = run()
    assert [launch.round for launch in record.launches_of(2)] == [0, 1, 2]
    assert {(failure.contestant, failure.kind) for failure in record.failures} == {(1, "raised")}
    # Each of its launches twice at most.
    assert len(run.pool.all_given) <= 2 * 3 + 3


class OnNodes(PlayedPool):
    """Nodes that take a launch each; one of them fails with what it is given, at once.

    Args:
        names: of the nodes, in the order in which the cluster tells them.
        bad: the one that fails.
        trouble: that it has.
    """

    def __init__(self, names: str, bad: str, trouble: Players) -> None:
        self.tenancy = Tenancy(Needs(None, None, "cpu"))
        self.nodes = [Node(name, 4.0, 0.0) for name in names]
        self.tenancy.see(self.nodes)
        self.where: dict[int, str] = {}
        self._bad = bad
        super().__init__(
            len(names), lambda number: launcher_of(trouble if self.where[number] == bad else Players(seconds_of))
        )

    def has_room(self, *, alone: bool) -> bool:
        return self.tenancy.has_room(alone=alone)

    def give(self, number: int, told_piece: dict[str, Any]) -> None:
        super().give(number, told_piece)
        self.where[number] = self.tenancy.take(number, alone=False, before=told_piece["before"]).node

    def next_to_end(self) -> int:
        return min(self.given, key=lambda number: (self.where[number] != self._bad, number))

    def look(self, seconds: float) -> Any:
        ended = super().look(seconds)
        for each in ended:
            self.tenancy.leave(each.number, is_lost=False)
        return ended


@pytest.mark.parametrize("names", ["bc", "cb", "bcd", "cdb"])
@pytest.mark.parametrize("launches", [1, 3])
@pytest.mark.parametrize("who", ["baseline", "exact"])
def test_what_has_failed_on_a_node_is_tried_on_another_one(names: str, launches: int, who: str) -> None:
    pool = OnNodes(names, "b", trouble_of(who, "raised"))
    pieces = ComparisonPieces(record_of(launches=launches), lambda _: None)
    assert Sweep(pieces, pool, Silent()).run() is None
    assert rows(pieces.record) == rows(on_one_machine(record_of(launches=launches)))
    assert pieces.record.failures == ()
    given_out = [(each["only"]["place"], each["only"]["round"]) for each in pool.all_given]
    on_bad = [piece for number, piece in enumerate(given_out) if pool.where[number] == "b"]
    assert len(on_bad) == len(set(on_bad)), "what has failed on a node goes there once more"


def test_two_launches_that_have_failed_once_each_may_have_been_on_the_same_node() -> None:
    pieces = ComparisonPieces(record_of("baseline", "exact"), lambda _: None)
    failing = launcher_of(trouble_of("exact", "raised"))
    first, second, third = pieces.left()
    given_out = {piece: pieces.give_out(piece, None) for piece in (first, second, third)}
    pieces.lose(third)
    for piece in (first, second):
        answer = json.loads(done(told(given_out[piece], Path.cwd(), [], 1), failing))
        pieces.take_back(piece, answer["part"], 1.0)
    assert (pieces.left(), pieces.record.failures) == ([first, second, third], ())


def test_who_fails_at_once_does_not_get_one_launch_after_the_other() -> None:
    pieces = ComparisonPieces(record_of(), lambda _: None)
    first, second, *_ = pieces.left()
    told_first, _ = pieces.give_out(first, None), pieces.give_out(second, None)
    failing = launcher_of(trouble_of("baseline", "raised"))
    answer = json.loads(done(told(told_first, Path.cwd(), [], 1), failing))
    pieces.take_back(first, answer["part"], 1.0)
    assert pieces.left() == []
    pieces.lose(second)
    # Who has ended the other one is free for it.
    assert (len(pieces.left()), pieces.left()[0]) == (6, first)
    assert pieces.record.failures == ()


def test_one_failure_is_not_enough_where_somebody_else_can_try() -> None:
    pieces = ComparisonPieces(record_of(), lambda _: None)
    first, second, *_ = pieces.left()
    told_first, _ = pieces.give_out(first, None), pieces.give_out(second, None)
    pieces.lose(second)
    failing = launcher_of(trouble_of("baseline", "raised"))
    answer = json.loads(done(told(told_first, Path.cwd(), [], 1), failing))
    pieces.take_back(first, answer["part"], 1.0)
    assert len(pieces.left()) == 6
    pieces.give_out(first, None)
    pieces.take_back(first, answer["part"], 1.0)
    assert pieces.left() == []


def test_an_accident_costs_the_launch_and_no_other() -> None:
    record = Run(record_of(), room=3, players=trouble_of("exact", "died", "memory"))()
    assert sorted(failure.round for failure in record.failures) == [0, 1, 2]
    assert [launch.round for launch in record.launches_of(2)] == [0, 1, 2]


def test_a_batch_that_is_halved_on_one_node_is_halved_on_all() -> None:
    full = RESNET50.batch_size

    players = Players(seconds_of)
    pool = PlayedPool(2, lambda number: launcher_of(players))
    record = record_of("baseline", "exact", retry_smaller=True, fidelity=False)
    draw = random.Random(3)

    def trouble(tree: str, name: str, what: str, steps: int) -> Any:
        # One node in three has too little memory for the whole batch.
        worker = players.workers[-1]
        is_whole = worker.contestant.workload.batch_size == full
        return "out of memory" if what == "start" and name == "exact" and is_whole and draw.random() < 0.4 else None

    players.trouble = trouble
    pieces = ComparisonPieces(record, lambda _: None)
    assert Sweep(pieces, pool, Silent()).run() is None
    judged = pieces.record.launches_of(1)
    assert {launch.halvings for launch in judged} == {1}
    assert sorted(launch.round for launch in judged) == [0, 1, 2]


def test_a_resumed_comparison_takes_what_is_missing_whoever_began_it() -> None:
    whole = on_one_machine(record_of())
    begun = whole.model_copy(update={"launches": whole.launches[:2], "status": "interrupted"})
    run = Run(resumed(begun))
    assert rows(run()) == rows(whole)
    assert len(run.pool.all_given) == 4
    swept = Run(record_of())()
    again = swept.model_copy(update={"launches": swept.launches[:5], "status": "interrupted"})
    assert rows(on_one_machine(resumed(again))) == rows(swept)


def test_a_complete_one_has_nothing_left_to_resume() -> None:
    mixed = Run(record_of(), environment_of=lambda number: CPU if number % 2 else doubled(CPU))()
    with pytest.raises(UsageError, match="has been measured"):
        resumed(mixed)


def test_launches_of_unlike_machines_are_not_judged_together() -> None:
    record = Run(record_of(), room=1, environment_of=lambda number: CPU if number != 2 else doubled(CPU))()
    assert len(record.launches) == 6
    judged: list[Launch] = [launch for place in (1, 2) for launch in record.launches_of(place)]
    assert len(judged) == 5
    assert all(launch.environment == CPU for launch in judged)


@pytest.mark.parametrize("is_lasting", [False, True])
def test_a_machine_that_builds_something_else_takes_no_part(is_lasting: bool) -> None:
    begun = unbuilt(record_of("baseline", "exact"))
    run = Run(begun, room=2)
    size = begun.contestants[1].workload.model_copy(update={"num_parameters": 10, "feature_map": (8, 3, 3)})
    smaller = size.model_copy(update={"channels_last": not size.channels_last})
    workloads = iter([size, smaller, *([smaller] * 5 if is_lasting else [size, size])])

    class Building(PlayedPool):
        def look(self, seconds: float) -> Any:
            ended = super().look(seconds)
            for each in ended:
                each.part["contestants"][1]["workload"] = next(workloads).model_dump(mode="json")
            return ended

    run.pool.__class__ = Building
    record = run()
    assert record.contestants[1].workload == size
    if not is_lasting:
        assert ([launch.round for launch in record.launches], record.failures) == ([0, 1, 2], ())
        return
    assert (len(record.launches), len(run.pool.all_given)) == (1, 7)
    # Launches are missing, which is no success.
    assert [(failure.kind, failure.during) for failure in record.failures] == [("raised", "launch")] * 2
    assert all("another channels_last" in failure.detail for failure in record.failures)


def test_an_interruption_keeps_what_came_back_and_cancels_the_rest() -> None:
    run = Run(record_of(), room=2)
    look, looks = run.pool.look, iter(range(100))

    def interrupted(seconds: float) -> Any:
        if next(looks) == 3:
            raise KeyboardInterrupt
        return look(seconds)

    run.pool.look = interrupted  # type: ignore[method-assign]
    assert isinstance(run.sweep.run(), KeyboardInterrupt)
    record = run.pieces.record
    assert (len(record.launches), record.status, run.pool.num_cancelled) == (3, "interrupted", 2)
    assert run.saved[-1] == record


def test_a_pool_that_ends_keeps_what_came_back() -> None:
    run = Run(record_of(), room=1)
    look, looks = run.pool.look, iter(range(100))

    def gone(seconds: float) -> Any:
        if next(looks) == 2:
            raise MeasurementError("Ray fails: it is gone.")
        return look(seconds)

    run.pool.look = gone  # type: ignore[method-assign]
    assert isinstance(run.sweep.run(), MeasurementError)
    assert (len(run.pieces.record.launches), run.pieces.record.status) == (2, "failed")


def test_what_a_node_cannot_do_at_all_ends_the_sweep_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(record_of())
    monkeypatch.setattr("clusters.told", lambda *it: '{"version": "0.0.1", "kind": "comparison", "cpus": 1}')
    error = run.sweep.run()
    assert isinstance(error, UsageError)
    assert "and this is 0.0.1" in error.message


def test_a_launch_that_was_cancelled_in_the_middle_is_left_and_counted() -> None:
    pieces = ComparisonPieces(record_of("baseline", "exact", launches=1), lambda _: None)
    (piece,) = pieces.left()
    given_out = pieces.give_out(piece, None)
    pieces.take_back(piece, {**given_out["record"], "status": "interrupted"}, 1.0)
    assert pieces.left() == [piece]
    pieces.finish("complete")
    assert [(note.code, note.number) for note in pieces.record.notes] == [("time_is_up", 1)]

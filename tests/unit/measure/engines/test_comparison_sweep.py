"""A comparison whose launches a played cluster takes: the record that one machine makes, whatever gets lost."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import CPU, RESNET50
from clusters import PlayedPool, doubled, launcher_of
from comparison_runs import Run, on_one_machine, record_of, rows, seconds_of, trouble_of
from paco_prof.errors import MeasurementError, UsageError
from paco_prof.measure.comparing import resumed
from paco_prof.measure.engines.comparison_pieces import ComparisonPieces
from paco_prof.measure.engines.sweep import Ended, Sweep
from paco_prof.measure.worker_handle import Ready
from paco_prof.records import ComparisonRecord, Launch
from played import Players, Silent, _Worker


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

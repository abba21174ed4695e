"""Launches that fail on one node of a cluster: others try them, and a contestant is given up once that is all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from builders import CPU
from clusters import PlayedPool, launcher_of
from comparison_runs import Run, on_one_machine, record_of, rows, seconds_of, trouble_of
from paco_prof.measure.engines.comparison_pieces import ComparisonPieces
from paco_prof.measure.engines.ray_nodes import Needs, Node, Tenancy
from paco_prof.measure.engines.remote import done, told
from paco_prof.measure.engines.sweep import Sweep
from played import Players, Silent


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

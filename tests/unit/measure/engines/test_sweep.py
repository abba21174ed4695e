"""How a sweep shares out time and room, and when it stops waiting; whatever its pieces are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from clusters import Numbers
from paco_prof.errors import MeasurementError, UsageError
from paco_prof.measure.engines.ray_nodes import Needs, Node, Tenancy
from paco_prof.measure.engines.sweep import Ended, Sweep
from played import Silent


class Nodes:
    """Nodes on a clock: each takes so long for a piece, and for ever where that is None."""

    def __init__(self, slots: int, seconds: float | None) -> None:
        self.slots = slots
        self.capacity = slots
        self.clock = 0.0
        self.under_way: dict[int, float] = {}
        self.cancelled: list[int] = []
        self._seconds = seconds

    def now(self) -> float:
        return self.clock

    def room(self, *, alone: bool) -> int:
        return self.slots

    def has_room(self, *, alone: bool) -> bool:
        return len(self.under_way) < self.slots

    def give(self, number: int, told: dict[str, Any]) -> None:
        self.under_way[number] = self.clock

    def look(self, seconds: float) -> Sequence[Ended]:
        self.clock += seconds
        over = [n for n, begun in self.under_way.items() if self._seconds and self.clock - begun >= self._seconds]
        for number in over:
            del self.under_way[number]
        return [Ended(number, {}) for number in over]

    def cancel(self) -> Sequence[Ended]:
        self.cancelled += self.under_way
        self.under_way.clear()
        return []


def swept(pieces: Numbers, nodes: Nodes, **options: Any) -> BaseException | None:
    return Sweep(pieces, nodes, Silent(), now=nodes.now, **options).run()


def test_time_is_shared_by_the_rounds_that_are_left() -> None:
    pieces = Numbers(6)
    assert swept(pieces, Nodes(2, seconds=10.0), max_seconds=90.0) is None
    # Three rounds of two: a third of what is left, then a half, then all.
    assert pieces.shares == pytest.approx([30.0, 30.0, 40.0, 40.0, 70.0, 70.0])
    assert sorted(pieces.back) == list(range(6))
    assert pieces.status == "complete"


def test_without_a_limit_there_is_nothing_to_share() -> None:
    pieces = Numbers(3)
    swept(pieces, Nodes(2, seconds=5.0))
    assert pieces.shares == [None] * 3


def test_what_would_not_end_in_time_is_left() -> None:
    pieces = Numbers(6, least=25.0)
    swept(pieces, Nodes(1, seconds=20.0), max_seconds=50.0)
    assert (len(pieces.back), len(pieces.waiting), pieces.status) == (2, 4, "complete")


def test_a_cluster_without_room_is_waited_for_and_not_for_ever() -> None:
    pieces, nodes = Numbers(2), Nodes(0, seconds=5.0)
    error = swept(pieces, nodes)
    assert isinstance(error, MeasurementError)
    assert "No node of the cluster is left that could take the 2 launches" in error.message
    assert "--resume" in error.hint
    assert 60 < nodes.clock < 70
    assert pieces.status == "failed"


def test_a_node_that_comes_in_time_goes_on() -> None:
    class Growing(Nodes):
        def look(self, seconds: float) -> Sequence[Ended]:
            self.slots = self.capacity = 1 if self.clock > 30 else 0
            return super().look(seconds)

    pieces = Numbers(2)
    assert swept(pieces, Growing(0, seconds=5.0)) is None
    assert sorted(pieces.back) == [0, 1]


def test_nodes_that_others_keep_busy_are_waited_for_as_long_as_it_takes() -> None:
    class Shared(Nodes):
        def look(self, seconds: float) -> Sequence[Ended]:
            self.slots = 1 if self.clock > 1000 else 0
            return super().look(seconds)

    pieces, nodes = Numbers(2), Shared(0, seconds=5.0)
    nodes.capacity = 1
    assert swept(pieces, nodes) is None
    assert sorted(pieces.back) == [0, 1]


def test_nodes_that_others_keep_busy_are_not_waited_for_after_the_time_for_everything() -> None:
    pieces, nodes = Numbers(2), Nodes(0, seconds=5.0)
    nodes.capacity = 1
    assert swept(pieces, nodes, max_seconds=100.0) is None
    assert (pieces.waiting, pieces.status) == ([0, 1], "complete")


def test_what_waits_for_room_on_a_cluster_of_others_is_given_up_after_the_time_for_everything() -> None:
    pieces, nodes = Numbers(2), Nodes(2, seconds=None)
    assert swept(pieces, nodes, max_seconds=20.0, timeout=100.0) is None
    assert sorted(nodes.cancelled) == [0, 1]
    assert 120 < nodes.clock < 125
    assert (sorted(pieces.waiting), pieces.status) == ([0, 1], "complete")


def test_an_answer_to_what_was_given_up_changes_nothing() -> None:
    class Echo(Nodes):
        def look(self, seconds: float) -> Sequence[Ended]:
            return [*super().look(seconds), Ended(99, {})]

    pieces = Numbers(1)
    assert swept(pieces, Echo(1, seconds=2.0)) is None
    assert pieces.back == [0]


class Batch(Nodes):
    """All that is under way comes back at the same time, as it is said."""

    def __init__(self, *how: Ended) -> None:
        super().__init__(len(how), seconds=None)
        self._how = how

    def look(self, seconds: float) -> Sequence[Ended]:
        self.clock += seconds
        self.under_way.clear()
        return self._how


@pytest.mark.parametrize("place", range(3))
def test_a_refusal_ends_the_sweep_and_costs_nothing_that_came_back_with_it(place: int) -> None:
    pieces = Numbers(3)
    refused = Ended(place, refused={"message": "No such folder.", "hint": "Copy it."})
    error = swept(pieces, Batch(*(refused if number == place else Ended(number, {}) for number in range(3))))
    assert isinstance(error, UsageError)
    assert (error.message, error.hint) == ("No such folder.", "Copy it.")
    assert pieces.back == [number for number in range(3) if number != place]
    assert (pieces.waiting, pieces.status) == ([place], "failed")


def test_what_waited_for_its_turn_is_not_said_to_have_taken_that_long() -> None:
    pieces = Numbers(1)
    nodes = Batch(Ended(0, {}, seconds=0.25))
    assert swept(pieces, nodes) is None
    assert nodes.clock == 1.0
    assert pieces.seconds == [0.25]


def test_what_is_late_because_it_is_under_way_is_kept() -> None:
    class Late(Nodes):
        def cancel(self) -> Sequence[Ended]:
            super().cancel()
            # Of two, one had come to its end, and only something after it was still going on.
            return [Ended(0, {})]

    pieces, nodes = Numbers(2), Late(2, seconds=None)
    assert swept(pieces, nodes, max_seconds=20.0, timeout=100.0) is None
    assert (pieces.back, pieces.waiting, pieces.status) == ([0], [1], "complete")


class InAHurry(Nodes):
    """Ctrl-C while pieces are under way, and once more while they are being cancelled."""

    def look(self, seconds: float) -> Sequence[Ended]:
        raise KeyboardInterrupt

    def cancel(self) -> Sequence[Ended]:
        raise KeyboardInterrupt


def test_who_interrupts_the_cancelling_too_leaves_a_record_that_says_so() -> None:
    pieces = Numbers(2)
    assert isinstance(swept(pieces, InAHurry(2, seconds=None)), KeyboardInterrupt)
    assert pieces.status == "interrupted"


class Cluster:
    """Nodes that are shared; what those do that are good is done by the next look.

    Args:
        nodes: that are there.
        bad: the nodes that lose whatever they are given.
        cpus: of a launch.
    """

    def __init__(self, nodes: Sequence[Node], bad: Sequence[str] = (), cpus: int | None = 1) -> None:
        self.tenancy = Tenancy(Needs(cpus, None, "cpu"))
        self.tenancy.see(nodes)
        self.looks = 0
        # Of each look, who had which node.
        self.beside: list[dict[str, list[int]]] = []
        self._bad = bad
        self._nodes = nodes
        self._under_way: dict[int, str] = {}

    @property
    def capacity(self) -> int:
        return self.tenancy.capacity

    def now(self) -> float:
        return float(self.looks)

    def room(self, *, alone: bool) -> int:
        return self.tenancy.room(alone=alone)

    def has_room(self, *, alone: bool) -> bool:
        return self.tenancy.has_room(alone=alone)

    def give(self, number: int, told: dict[str, Any]) -> None:
        self._under_way[number] = self.tenancy.take(number, alone=told["alone"]).node

    def look(self, seconds: float) -> Sequence[Ended]:
        self.looks += 1
        self.beside.append({})
        for number, name in self._under_way.items():
            self.beside[-1].setdefault(name, []).append(number)
        ended = [
            Ended(number, kind="raised", detail="no space") if name in self._bad else Ended(number, {})
            for number, name in self._under_way.items()
        ]
        for each in ended:
            self.tenancy.leave(each.number, is_lost=each.part is None)
        self._under_way.clear()
        self.tenancy.see(self._nodes)
        return ended

    def cancel(self) -> Sequence[Ended]:
        return []


@pytest.mark.parametrize("cpus", [None, 1, 2])
def test_a_node_that_fails_at_once_does_not_eat_what_another_one_could_do(cpus: int | None) -> None:
    pieces = Numbers(20)
    cluster = Cluster([Node("bad", 4.0, 0.0), Node("good", 4.0, 0.0)], bad=["bad"], cpus=cpus)
    assert Sweep(pieces, cluster, Silent(), now=cluster.now).run() is None
    assert (pieces.given_up, sorted(pieces.back)) == ([], list(range(20)))


def test_what_has_to_be_alone_has_a_node_and_its_share_of_time() -> None:
    pieces = Numbers(6, alone=[3, 4, 5])
    cluster = Cluster([Node("a", 4.0, 0.0), Node("b", 4.0, 0.0)])
    assert Sweep(pieces, cluster, Silent(), now=cluster.now, max_seconds=90.0).run() is None
    assert sorted(pieces.back) == list(range(6))
    # Numbers are given in the order of the pieces, and only the first three may be beside each other.
    assert all(len(numbers) == 1 for each in cluster.beside for numbers in each.values() if max(numbers) > 2)
    # All that need not be alone at once, then two of the others, then the last one.
    assert cluster.looks == 3
    assert pieces.shares[3:] == pytest.approx([(90 - 1) / 2, (90 - 1) / 1, 90 - 2])

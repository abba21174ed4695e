"""What a launch needs of a node, and which nodes have room for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from paco_prof.errors import UsageError
from paco_prof.measure.engines.ray_nodes import Needs, Node, Share, Tenancy

NODES = [Node("a", 0.0, 0.0), Node("b", 4.0, 0.0), Node("c", 16.0, 2.0)]


def needs_of(cpus: int | None, gpus: int | None, device: str, nodes: Sequence[Node] = NODES) -> Needs:
    needs = Needs(cpus, gpus, device)
    needs.see(nodes)
    return needs


def room(needs: Needs) -> list[int]:
    return [needs.on(node) for node in NODES]


class TestNeeds:
    """What a launch has for itself."""

    def test_by_default_a_node_is_a_launchs_own_however_large_it_is(self) -> None:
        needs = needs_of(None, None, "cpu")
        assert (needs.cpus, needs.gpus) == (None, 0)
        assert room(needs) == [0, 1, 1]

    def test_with_a_number_of_cores_a_node_is_shared(self) -> None:
        assert room(needs_of(4, None, "cpu")) == [0, 1, 4]

    @pytest.mark.parametrize("device", ["auto", "cuda", "cuda:0"])
    def test_where_it_runs_on_a_gpu_it_has_one(self, device: str) -> None:
        assert needs_of(None, None, device).gpus == 1
        assert room(needs_of(None, None, device)) == [0, 0, 1]
        assert room(needs_of(8, None, device)) == [0, 0, 2]

    def test_gpus_that_are_asked_for_choose_the_nodes(self) -> None:
        assert room(needs_of(5, 2, "cpu")) == [0, 0, 1]

    def test_without_a_gpu_auto_is_the_cpu(self) -> None:
        assert needs_of(2, None, "auto", NODES[:2]).gpus == 0

    def test_a_gpu_that_joins_is_taken_as_long_as_nothing_is_measured_without(self) -> None:
        early, late = (needs_of(None, None, "auto", NODES[:2]) for _ in range(2))
        early.see(NODES)
        assert early.gpus == 1
        late.settle()
        late.see(NODES)
        assert late.gpus == 0

    @pytest.mark.parametrize(
        ("gpus", "device", "words"),
        [
            (0, "cuda", "--gpus-per-launch 0 leaves a launch no GPU of its own for --device cuda"),
            (0, "cuda:0", "no GPU of its own for --device cuda:0"),
            (None, "cuda:1", "--device cuda:1 is not there: Ray shows a launch no GPUs but its own"),
            (1, "cuda:1", "--device cuda:1 is not there"),
        ],
    )
    def test_a_device_that_a_launch_would_not_have_is_refused(self, gpus: int | None, device: str, words: str) -> None:
        with pytest.raises(UsageError, match=words):
            Needs(None, gpus, device)

    @pytest.mark.parametrize(
        ("cpus", "gpus", "device", "words"),
        [
            (999, None, "cpu", "--cpus-per-launch 999 is more than any node of the cluster has: 16 at most"),
            (None, 3, "cpu", "A launch needs 3 GPUs, and no node of the cluster has more than 2"),
        ],
    )
    def test_more_than_any_node_has_is_refused(
        self, cpus: int | None, gpus: int | None, device: str, words: str
    ) -> None:
        refusal = needs_of(cpus, gpus, device).refusal(NODES)
        assert refusal is not None
        assert words in refusal.message

    def test_a_gpu_that_nobody_has_is_refused(self) -> None:
        assert "needs 1 GPU, and no node" in str(needs_of(None, None, "cuda").refusal(NODES[:2]))

    def test_nodes_without_a_cpu_take_nothing(self) -> None:
        needs = needs_of(None, None, "cpu")
        assert "No node of the cluster has a CPU" in str(needs.refusal(NODES[:1]))
        assert needs.refusal(NODES) is None


def tenancy_of(nodes: Sequence[Node], cpus: int | None = None, gpus: int | None = None) -> Tenancy:
    tenancy = Tenancy(Needs(cpus, gpus, "cpu"))
    tenancy.see(nodes)
    return tenancy


def taken(tenancy: Tenancy, alone: bool = False) -> list[str]:
    """Where launches go, as long as there is room."""
    names: list[str] = []
    while tenancy.has_room(alone=alone):
        names.append(tenancy.take(100 + len(names), alone=alone).node)
    return names


class TestTenancy:
    """Who has what of which node."""

    def test_a_node_has_one_launch_and_all_of_its_cores_until_that_is_over(self) -> None:
        tenancy = tenancy_of(NODES)
        assert [tenancy.take(number, alone=False) for number in (0, 1)] == [Share("b", 4, 0), Share("c", 16, 0)]
        assert not tenancy.has_room(alone=False)
        assert tenancy.room(alone=True) == 2
        tenancy.leave(0, is_lost=False)
        assert taken(tenancy) == ["b"]

    def test_with_a_number_of_cores_a_node_has_as_many_as_find_theirs(self) -> None:
        tenancy = tenancy_of(NODES, cpus=4)
        assert (tenancy.room(alone=False), tenancy.room(alone=True)) == (5, 2)
        assert sorted(taken(tenancy)) == ["b", "c", "c", "c", "c"]
        assert tenancy.room(alone=False) == 5

    def test_what_has_to_be_alone_has_a_whole_node(self) -> None:
        tenancy = tenancy_of(NODES, cpus=4)
        tenancy.take(0, alone=False)
        assert tenancy.take(1, alone=True) == Share("c", 16, 0)
        assert not tenancy.has_room(alone=True)
        assert not tenancy.has_room(alone=False)
        tenancy.leave(1, is_lost=False)
        assert taken(tenancy) == ["c"] * 4

    @pytest.mark.parametrize("used", [{"used_cpus": 1.0}, {"used_gpus": 0.5}])
    def test_what_others_have_a_part_of_is_not_free(self, used: dict[str, float]) -> None:
        assert taken(tenancy_of([NODES[1], replace(NODES[2], **used)])) == ["b"]
        assert taken(tenancy_of([NODES[1], replace(NODES[2], **used)], cpus=2), alone=True) == ["b"]

    def test_where_others_are_there_is_room_beside_them(self) -> None:
        assert taken(tenancy_of([replace(NODES[2], used_cpus=9.0)], cpus=2)) == ["c"] * 3

    def test_what_is_given_away_to_us_is_not_others(self) -> None:
        tenancy = tenancy_of(NODES[2:], cpus=4)
        tenancy.take(0, alone=False)
        tenancy.take(1, alone=False)
        # It may have been told before the second one has begun.
        for used in (4.0, 8.0):
            tenancy.see([replace(NODES[2], used_cpus=used)])
            assert tenancy.room(alone=False) == 4

    def test_what_is_lost_on_a_node_is_tried_on_another_one_first(self) -> None:
        tenancy = tenancy_of(NODES)
        tenancy.take(0, alone=False)
        tenancy.leave(0, is_lost=True)
        assert taken(tenancy) == ["c", "b"]

    @pytest.mark.parametrize("cpus", [None, 4])
    def test_a_node_that_fails_at_once_does_not_get_one_launch_after_the_other(self, cpus: int | None) -> None:
        tenancy = tenancy_of(NODES[1:], cpus=cpus)
        for number in (1, 2):
            tenancy.see(NODES[1:2])
            tenancy.take(number, alone=False)
            tenancy.leave(number, is_lost=True)
        tenancy.see(NODES[1:])
        assert set(taken(tenancy)) == {"c"}
        # Alone, it is all that there is.
        tenancy.see(NODES[1:2])
        assert taken(tenancy) == ["b"]

    def test_a_launch_that_is_lost_everywhere_sets_no_node_aside(self) -> None:
        tenancy = tenancy_of(NODES)
        for number, node in enumerate((1, 1, 2)):
            tenancy.see(NODES[node : node + 1])
            tenancy.take(number, alone=False)
            tenancy.leave(number, is_lost=True)
        tenancy.see(NODES)
        assert taken(tenancy) == ["c", "b"]

    def test_what_was_given_to_no_node_changes_nothing(self) -> None:
        tenancy = tenancy_of(NODES)
        tenancy.leave(5, is_lost=True)
        assert taken(tenancy) == ["b", "c"]


def test_what_has_come_to_nothing_goes_where_it_was_least_often() -> None:
    tenancy = Tenancy(needs_of(None, None, "cpu"))
    tenancy.see(NODES)
    assert [tenancy.take(number, alone=False).node for number in (0, 1)] == ["b", "c"]
    for number in (0, 1):
        # That somebody else has ended on the other node is no reason to go back.
        tenancy.leave(number, is_lost=False)
    assert tenancy.take(2, alone=False, before=[0]).node == "c"
    tenancy.leave(2, is_lost=False)
    assert tenancy.take(3, alone=False, before=[0, 2]).node == "b"
    tenancy.leave(3, is_lost=False)
    assert tenancy.take(4, alone=False, before=[0, 2, 3]).node == "c"


def test_what_has_come_to_nothing_goes_to_another_node_even_where_more_is_under_way() -> None:
    tenancy = tenancy_of(NODES, cpus=4)
    assert [tenancy.take(number, alone=False).node for number in range(3)] == ["b", "c", "c"]
    tenancy.leave(0, is_lost=False)
    assert tenancy.take(3, alone=False, before=[0]).node == "c"

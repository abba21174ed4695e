"""What a launch needs of a node, and which nodes are free to be its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paco_prof.errors import UsageError
from paco_prof.measure.engines.ray_nodes import Needs, Node, Tenancy

NODES = [Node("a", 0.0, 0.0), Node("b", 4.0, 0.0), Node("c", 16.0, 2.0)]


def room(needs: Needs) -> list[int]:
    return [needs.on(node) for node in NODES]


class TestNeeds:
    """What a launch has for itself."""

    def test_by_default_a_node_is_a_launchs_own_however_large_it_is(self) -> None:
        needs = Needs(None, None, "cpu", NODES)
        assert (needs.cpus, needs.gpus) == (None, 0)
        assert room(needs) == [0, 1, 1]

    def test_with_a_number_of_cores_a_node_is_shared(self) -> None:
        assert room(Needs(4, None, "cpu", NODES)) == [0, 1, 4]

    @pytest.mark.parametrize("device", ["auto", "cuda", "cuda:0"])
    def test_where_it_runs_on_a_gpu_it_has_one(self, device: str) -> None:
        assert Needs(None, None, device, NODES).gpus == 1
        assert room(Needs(None, None, device, NODES)) == [0, 0, 1]
        assert room(Needs(8, None, device, NODES)) == [0, 0, 2]

    def test_gpus_that_are_asked_for_choose_the_nodes(self) -> None:
        assert room(Needs(5, 2, "cpu", NODES)) == [0, 0, 1]

    def test_without_a_gpu_auto_is_the_cpu(self) -> None:
        assert Needs(2, None, "auto", NODES[:2]).gpus == 0

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
        with pytest.raises(UsageError, match=words):
            Needs(cpus, gpus, device, NODES)

    def test_a_gpu_that_nobody_has_is_refused(self) -> None:
        with pytest.raises(UsageError, match="needs 1 GPU, and no node"):
            Needs(None, None, "cuda", NODES[:2])

    def test_nodes_without_a_cpu_take_nothing(self) -> None:
        with pytest.raises(UsageError, match="No node of the cluster has a CPU"):
            Needs(None, None, "cpu", NODES[:1])


class TestTenancy:
    """Who has which node."""

    def test_a_node_has_one_launch_until_that_is_over(self) -> None:
        tenancy = Tenancy()
        tenancy.take(0, NODES[1])
        assert tenancy.free(NODES[1:]) == [NODES[2]]
        tenancy.leave(0, is_lost=False)
        assert tenancy.free(NODES[1:]) == NODES[1:]

    def test_what_others_have_a_part_of_is_not_free(self) -> None:
        assert Tenancy().free([NODES[1], replace(NODES[2], is_busy=True)]) == [NODES[1]]

    def test_what_is_lost_on_a_node_is_tried_on_another_one_first(self) -> None:
        tenancy = Tenancy()
        tenancy.take(0, NODES[1])
        tenancy.leave(0, is_lost=True)
        assert tenancy.free(NODES[1:]) == [NODES[2], NODES[1]]

    def test_a_node_that_fails_at_once_does_not_get_one_launch_after_the_other(self) -> None:
        tenancy = Tenancy()
        tenancy.take(0, NODES[2])
        for number in (1, 2):
            tenancy.take(number, NODES[1])
            tenancy.leave(number, is_lost=True)
        assert tenancy.free(NODES[1:]) == []
        # Alone, it is all that there is.
        assert tenancy.free(NODES[1:2]) == [NODES[1]]

    def test_a_launch_that_is_lost_everywhere_sets_no_node_aside(self) -> None:
        tenancy = Tenancy()
        for number, node in enumerate((1, 1, 2)):
            tenancy.take(number, NODES[node])
            tenancy.leave(number, is_lost=True)
        assert len(tenancy.free(NODES[1:])) == 2

    def test_what_was_given_to_no_node_changes_nothing(self) -> None:
        tenancy = Tenancy()
        tenancy.leave(5, is_lost=True)
        assert len(tenancy) == 0

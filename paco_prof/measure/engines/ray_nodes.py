"""The nodes of a Ray cluster: what a launch needs of one, and which of them have room for one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from paco_prof.errors import UsageError

__all__ = ["Needs", "Node", "Share", "Tenancy"]

# By how many losses more than others a node has to be set aside: a launch survives one less than end it.
MOST_LOSSES_MORE = 2


@dataclass(frozen=True)
class Node:
    """A machine of the cluster that is alive.

    Attributes:
        id: what Ray calls it.
        cpus, gpus: that Ray has there to give away.
        used_cpus, used_gpus: of them are given away, to whomever.
    """

    id: str
    cpus: float
    gpus: float
    used_cpus: float = 0.0
    used_gpus: float = 0.0


@dataclass(frozen=True)
class Share:
    """What a launch has of the node that it is sent to."""

    node: str
    cpus: int
    gpus: int


class Needs:
    """What a launch has of a node for itself.

    Args:
        cpus: cores; None for all that its node has, so that nothing else runs there under Ray.
        gpus: None for one where the device that is asked for is one.
        device: as `--device` has it.

    Attributes:
        cpus: as it was asked for.
        gpus: by what is known of the cluster so far.

    Raises:
        UsageError: the device is not among as many GPUs.
    """

    def __init__(self, cpus: int | None, gpus: int | None, device: str) -> None:
        kind, _, index = device.partition(":")
        is_cuda = kind == "cuda"
        if is_cuda and gpus == 0:
            raise UsageError(
                f"--gpus-per-launch 0 leaves a launch no GPU of its own for --device {device}.",
                "Leave one of them away.",
            )
        self.cpus = cpus
        self.gpus = int(is_cuda) if gpus is None else gpus
        self._is_open = device == "auto" and gpus is None
        if is_cuda and index.isdecimal() and int(index) >= self.gpus:
            raise UsageError(
                f"--device {device} is not there: Ray shows a launch no GPUs but its own, which are counted from 0.",
                "Use --device cuda.",
            )

    def see(self, nodes: Iterable[Node]) -> None:
        """Learn what the cluster has: where a node has a GPU, `auto` is one."""
        if self._is_open and any(node.gpus >= 1 for node in nodes):
            self.gpus = 1

    def settle(self) -> None:
        """What the first launch has, all have: whatever joins the cluster later is no reason to measure otherwise."""
        self._is_open = False

    def refusal(self, nodes: Sequence[Node]) -> UsageError | None:
        """Why no launch could run on any of some nodes; None where one could."""
        most_gpus = int(max((node.gpus for node in nodes), default=0))
        if self.gpus > most_gpus:
            return UsageError(
                f"A launch needs {self.gpus} GPU{'s' if self.gpus != 1 else ''}, and no node of the cluster has more "
                f"than {most_gpus}.",
                "--gpus-per-launch or --device chooses otherwise.",
            )
        able = [int(node.cpus) for node in nodes if node.gpus >= self.gpus and node.cpus >= 1]
        if not able:
            return UsageError(
                "No node of the cluster has a CPU for a launch.", "ray start --num-cpus says how many it has."
            )
        if self.cpus is not None and self.cpus > max(able):
            most = f"{max(able)} at most"
            return UsageError(f"--cpus-per-launch {self.cpus} is more than any node of the cluster has: {most}.")
        return None

    def on(self, node: Node) -> int:
        """How many launches find what they need on a node at the same time."""
        by_cpus = min(1, int(node.cpus)) if self.cpus is None else int(node.cpus // self.cpus)
        return min(by_cpus, int(node.gpus // self.gpus)) if self.gpus else by_cpus


class Tenancy:
    """Who has what of which node.

    A node where more is lost than on others is set aside as long as there are others: it would have room again at once,
    and have one launch after the other.

    Args:
        needs: of each launch.
    """

    def __init__(self, needs: Needs) -> None:
        self._needs = needs
        # What they have given away is without what is ours.
        self._nodes: list[Node] = []
        self._shares: dict[int, Share] = {}
        self._losses: dict[str, int] = {}
        # Where each launch went, those that are over among them.
        self._went: dict[int, str] = {}

    @property
    def capacity(self) -> int:
        """How many launches could run at the same time if nobody had anything of any node."""
        return sum(self._needs.on(node) for node in self._nodes)

    def see(self, nodes: Iterable[Node]) -> None:
        """Learn which nodes are alive, and what they have given away; what of it is not ours is others'."""
        self._nodes = []
        for node in nodes:
            cpus, gpus = self._ours_on(node)
            of_others = max(0.0, node.used_cpus - cpus), max(0.0, node.used_gpus - gpus)
            self._nodes.append(replace(node, used_cpus=of_others[0], used_gpus=of_others[1]))
        self._needs.see(self._nodes)

    def room(self, *, alone: bool) -> int:
        """How many launches can be under way at once, those that are among them.

        Args:
            alone: each on a node that nobody else has anything of.
        """
        if alone:
            free = {node.id for node in self._reliable() if self._room_on(node, alone=True)}
            return len(free | {share.node for share in self._shares.values()})
        return len(self._shares) + sum(self._room_on(node, alone=False) for node in self._reliable())

    def has_room(self, *, alone: bool) -> bool:
        """Whether one more can be under way now."""
        return any(self._room_on(node, alone=alone) for node in self._reliable())

    def take(self, number: int, *, alone: bool, before: Sequence[int] = ()) -> Share:
        """Find room for one more launch: where the fewest were lost, and the fewest are. There has to be room.

        Args:
            before: under which numbers it has come to nothing; rather not where it was then, however much is elsewhere.
        """
        able = [node for node in self._reliable() if self._room_on(node, alone=alone)]
        was_on = [self._went.get(each) for each in before]
        node = min(able, key=lambda each: (was_on.count(each.id), self._lost_on(each), len(self._shares_on(each))))
        cpus = self._needs.cpus if self._needs.cpus is not None and not alone else int(node.cpus)
        self._needs.settle()
        self._shares[number] = Share(node.id, cpus, self._needs.gpus)
        self._went[number] = node.id
        return self._shares[number]

    def leave(self, number: int, *, is_lost: bool) -> None:
        """A launch is over, or was lost."""
        share = self._shares.pop(number, None)
        if share is not None:
            self._losses[share.node] = self._losses.get(share.node, 0) + 1 if is_lost else 0

    def clear(self) -> None:
        """Nobody has anything any more."""
        self._shares.clear()

    def _room_on(self, node: Node, *, alone: bool) -> int:
        """How many more launches a node can take now."""
        if alone or self._needs.cpus is None:
            is_free = not self._shares_on(node) and not node.used_cpus and not node.used_gpus
            return min(1, self._needs.on(node)) if is_free else 0
        cpus, gpus = self._ours_on(node)
        left = replace(node, cpus=node.cpus - node.used_cpus - cpus, gpus=node.gpus - node.used_gpus - gpus)
        return max(0, self._needs.on(left))

    def _reliable(self) -> list[Node]:
        able = [node for node in self._nodes if self._needs.on(node)]
        fewest = min(map(self._lost_on, able), default=0)
        return [node for node in able if self._lost_on(node) < fewest + MOST_LOSSES_MORE]

    def _shares_on(self, node: Node) -> list[Share]:
        return [share for share in self._shares.values() if share.node == node.id]

    def _ours_on(self, node: Node) -> tuple[int, int]:
        shares = self._shares_on(node)
        return sum(share.cpus for share in shares), sum(share.gpus for share in shares)

    def _lost_on(self, node: Node) -> int:
        return self._losses.get(node.id, 0)

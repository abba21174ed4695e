"""The nodes of a Ray cluster: what a launch needs of one, and which are free to be a launch's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from paco_prof.errors import UsageError

__all__ = ["Needs", "Node", "Tenancy"]

# By how many losses more than others a node has to be set aside: a launch survives one less than end it.
MOST_LOSSES_MORE = 2


@dataclass(frozen=True)
class Node:
    """A machine of the cluster that is alive.

    Attributes:
        id: what Ray calls it.
        cpus, gpus: that Ray has there to give away.
        is_busy: some of them are given away, to whomever.
    """

    id: str
    cpus: float
    gpus: float
    is_busy: bool = False


class Needs:
    """What a launch has of a node for itself.

    Args:
        cpus: cores; None for all that its node has, so that nothing else runs there under Ray.
        gpus: None for one where the device that is asked for is one.
        device: as `--device` has it.
        nodes: of the cluster.

    Raises:
        UsageError: no node has as many.
    """

    def __init__(self, cpus: int | None, gpus: int | None, device: str, nodes: Sequence[Node]) -> None:
        most_gpus = int(max((node.gpus for node in nodes), default=0))
        wants_one = device.startswith("cuda") or (device == "auto" and most_gpus > 0)
        self.gpus = int(wants_one) if gpus is None else gpus
        if self.gpus > most_gpus:
            raise UsageError(
                f"A launch needs {self.gpus} GPU{'s' if self.gpus != 1 else ''}, and no node of the cluster has more "
                f"than {most_gpus}.",
                "--gpus-per-launch or --device chooses otherwise.",
            )
        able = [int(node.cpus) for node in nodes if node.gpus >= self.gpus and node.cpus >= 1]
        if not able:
            raise UsageError(
                "No node of the cluster has a CPU for a launch.", "ray start --num-cpus says how many it has."
            )
        self.cpus = cpus
        if cpus is not None and cpus > max(able):
            raise UsageError(f"--cpus-per-launch {cpus} is more than any node of the cluster has: {max(able)} at most.")

    def on(self, node: Node) -> int:
        """How many launches find what they need on a node at the same time."""
        by_cpus = min(1, int(node.cpus)) if self.cpus is None else int(node.cpus // self.cpus)
        return min(by_cpus, int(node.gpus // self.gpus)) if self.gpus else by_cpus


class Tenancy:
    """Who has which node, where each launch has one of its own.

    A node where more is lost than on others is set aside as long as there are others: it would be free again at once,
    and have one launch after the other.
    """

    def __init__(self) -> None:
        self._tenants: dict[int, str] = {}
        self._losses: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._tenants)

    def free(self, nodes: Iterable[Node]) -> list[Node]:
        """Those of some nodes that nobody has, the most reliable first."""
        nodes = list(nodes)
        fewest = min((self._lost_on(node) for node in nodes), default=0)
        taken = set(self._tenants.values())
        free = [
            node
            for node in nodes
            if node.id not in taken and not node.is_busy and self._lost_on(node) < fewest + MOST_LOSSES_MORE
        ]
        return sorted(free, key=self._lost_on)

    def take(self, number: int, node: Node) -> None:
        """A node is a launch's own from now on."""
        self._tenants[number] = node.id

    def leave(self, number: int, *, is_lost: bool) -> None:
        """A launch is over, or was lost."""
        node = self._tenants.pop(number, None)
        if node is not None:
            self._losses[node] = self._losses.get(node, 0) + 1 if is_lost else 0

    def clear(self) -> None:
        """Nobody has a node any more."""
        self._tenants.clear()

    def _lost_on(self, node: Node) -> int:
        return self._losses.get(node.id, 0)

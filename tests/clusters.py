"""A cluster that is played: pieces are done here, in an order drawn by lot, and nodes are lost as a test wants it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from paco_prof.gate.trees import Tree
from paco_prof.measure.engines.remote import done, told
from paco_prof.measure.engines.sweep import Ended
from paco_prof.measure.worker_process import MemoryLimit, WorkerHandle
from paco_prof.records import Contestant, Environment
from played import Players

__all__ = ["PlayedPool", "doubled", "launcher_of"]

Loss = Callable[[int], Ended | None]


class PlayedPool:
    """A pool whose nodes are played.

    Args:
        room: pieces that are under way at once.
        launcher: starts the processes of the node that takes a piece, by the piece's number.
        seed: of the order in which pieces end.
        loses: how the node that has a piece of this number is lost; None where it is not.
    """

    def __init__(
        self,
        room: int,
        launcher: Callable[[int], Any],
        seed: int = 0,
        loses: Loss = lambda number: None,
    ) -> None:
        self.room = self.capacity = room
        self.given: dict[int, dict[str, Any]] = {}
        self.all_given: list[dict[str, Any]] = []
        self.most_at_once = 0
        self.num_cancelled = 0
        self._launcher = launcher
        self._draw = random.Random(seed)
        self._loses = loses

    def give(self, number: int, told_piece: dict[str, Any]) -> None:
        self.given[number] = told_piece
        self.all_given.append(told_piece)
        self.most_at_once = max(self.most_at_once, len(self.given))

    def look(self, seconds: float) -> Sequence[Ended]:
        if not self.given:
            return []
        number = self._draw.choice(sorted(self.given))
        piece = self.given.pop(number)
        lost = self._loses(number)
        if lost is not None:
            return [lost]
        answer = json.loads(done(told(piece, Path.cwd(), [], 1), self._launcher(number)))
        return [Ended(number, **answer)]

    def cancel(self) -> None:
        self.num_cancelled += len(self.given)
        self.given.clear()


def launcher_of(players: Players) -> Any:
    """Starts the processes of a node."""
    launch = players.launcher(Tree("working tree", Path.cwd(), Path.cwd(), "", ()))

    def start(contestant: Contestant, *, keep_initial: bool, memory_limit: MemoryLimit = None) -> WorkerHandle:
        return launch(contestant, keep_initial=keep_initial)

    return start


def doubled(environment: Environment) -> Environment:
    """A machine like this one with twice its threads."""
    return environment.model_copy(update={"threads": 2 * environment.threads})

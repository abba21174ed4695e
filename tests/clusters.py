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
from paco_prof.measure.worker_handle import MemoryLimit, WorkerHandle
from paco_prof.records import Contestant, Environment, FailureKind, Status
from played import Players

__all__ = ["Numbers", "PlayedPool", "doubled", "launcher_of"]

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
        self.capacity = room
        self.given: dict[int, dict[str, Any]] = {}
        self.all_given: list[dict[str, Any]] = []
        self.most_at_once = 0
        self.num_cancelled = 0
        self._launcher = launcher
        self._draw = random.Random(seed)
        self._loses = loses

    def room(self, *, alone: bool) -> int:
        return self.capacity

    def has_room(self, *, alone: bool) -> bool:
        return len(self.given) < self.capacity

    def give(self, number: int, told_piece: dict[str, Any]) -> None:
        self.given[number] = told_piece
        self.all_given.append(told_piece)
        self.most_at_once = max(self.most_at_once, len(self.given))

    def look(self, seconds: float) -> Sequence[Ended]:
        if not self.given:
            return []
        number = self.next_to_end()
        piece = self.given.pop(number)
        lost = self._loses(number)
        if lost is not None:
            return [lost]
        answer = json.loads(done(told(piece, Path.cwd(), [], 1), self._launcher(number)))
        return [Ended(number, **answer)]

    def next_to_end(self) -> int:
        """The number of a piece that is under way."""
        return self._draw.choice(sorted(self.given))

    def cancel(self) -> Sequence[Ended]:
        self.num_cancelled += len(self.given)
        self.given.clear()
        return []


def launcher_of(players: Players) -> Any:
    """Starts the processes of a node."""
    launch = players.launcher(Tree("working tree", Path.cwd(), Path.cwd(), "", ()))

    def start(contestant: Contestant, *, keep_initial: bool, memory_limit: MemoryLimit = None) -> WorkerHandle:
        return launch(contestant, keep_initial=keep_initial)

    return start


def doubled(environment: Environment) -> Environment:
    """A machine like this one with twice its threads."""
    return environment.model_copy(update={"threads": 2 * environment.threads})


class Numbers:
    """Pieces that are numbers."""

    def __init__(self, number: int, least: float = 0.0, alone: Sequence[int] = ()) -> None:
        self.waiting = list(range(number))
        self.alone = alone
        self.least = least
        self.shares: list[float | None] = []
        self.back: list[int] = []
        self.seconds: list[float] = []
        self.given_up: list[int] = []
        self.status: Status | None = None

    def left(self) -> list[int]:
        return list(self.waiting)

    def least_seconds(self, piece: int) -> float:
        return self.least if self.back else 0.0

    def is_alone(self, piece: int) -> bool:
        return piece in self.alone

    def give_out(self, piece: int, max_seconds: float | None) -> dict[str, Any]:
        self.waiting.remove(piece)
        self.shares.append(max_seconds)
        return {"piece": piece, "alone": self.is_alone(piece)}

    def take_back(self, piece: int, part: dict[str, Any], seconds: float) -> None:
        self.back.append(piece)
        self.seconds.append(seconds)

    def lose(self, piece: int) -> None:
        self.waiting.append(piece)

    def give_up(self, piece: int, kind: FailureKind, detail: str) -> None:
        self.given_up.append(piece)

    def finish(self, status: Status) -> None:
        self.status = status

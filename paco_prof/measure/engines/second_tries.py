"""Pieces that came to nothing where they were taken, which need not be their own fault. Free of torch.

A machine of a cluster may lack what the others have: a compiler, a file, the same settings. What has failed there for
good is tried again, and is a failure once it has come to nothing so often.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

__all__ = ["MOST_TRIES", "SecondTries"]

P = TypeVar("P", bound=Hashable)
R = TypeVar("R")

# As often as a piece may be lost.
MOST_TRIES = 3


class SecondTries(Generic[P, R]):
    """What has come of the pieces that are to be tried again; none of it is in the record until they are settled.

    After a piece has come to nothing no other is given out until somebody else is done: whoever fails at once is free
    at once, and would have one piece after the other.

    Attributes:
        is_waiting: for somebody else to be done.
    """

    def __init__(self) -> None:
        self.is_waiting = False
        self._tries: dict[P, int] = {}
        self._parts: dict[P, R] = {}

    @property
    def parts(self) -> dict[P, R]:
        """What has come of each piece that is to be tried again, the last time."""
        return dict(self._parts)

    def put(self, piece: P, part: R, most: int, num_out: int) -> bool:
        """A piece has come to nothing; whether it is to be tried again.

        Args:
            most: tries that it has in all.
            num_out: pieces that others have now.
        """
        self._tries[piece] = self._tries.get(piece, 0) + 1
        if self._tries[piece] >= most:
            return False
        self._parts[piece] = part
        self.is_waiting = num_out > 0
        return True

    def settle(self, piece: P) -> None:
        """What has come of a piece this time counts; whoever goes on with it begins with all of its tries."""
        self._parts.pop(piece, None)
        self._tries.pop(piece, None)

    def num_tries(self, piece: P) -> int:
        """How often a piece has come to nothing, since something has come of it."""
        return self._tries.get(piece, 0)

    def in_order(self, pieces: Sequence[P]) -> list[P]:
        """Those that have come to nothing first: whoever has just ended another piece is free for them, and after that
        who has failed may be the only one that is.
        """
        return sorted(pieces, key=self.num_tries, reverse=True)

"""What is left of a record in pieces, each of which can be done by somebody else, somewhere else. Free of torch."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol, TypeVar

from paco_prof.records import FailureKind, Status

__all__ = ["Pieces"]

P = TypeVar("P", bound=Hashable)


class Pieces(Protocol[P]):
    """A record that is filled piece by piece, by many at the same time.

    A piece is left, given out, and taken back with what has come of it; what was lost on the way is left once more.
    """

    def left(self) -> list[P]:
        """The pieces that could be given out now, the next one first; none where others have to be done before."""
        ...

    def least_seconds(self, piece: P) -> float:
        """What a piece is known to take at least; 0 where nobody knows."""
        ...

    def is_alone(self, piece: P) -> bool:
        """Whether nothing else may run on the machine meanwhile."""
        ...

    def give_out(self, piece: P, max_seconds: float | None) -> dict[str, Any]:
        """What whoever does a piece is told, as JSON has it; a true `alone` among it where it is, and a true `again`
        where it has come to nothing somewhere.

        Args:
            max_seconds: that it may take; None for as long as it takes.
        """
        ...

    def take_back(self, piece: P, part: dict[str, Any], seconds: float) -> None:
        """A piece is done.

        Args:
            part: the record that has come of it.
            seconds: that it took to whoever did it.
        """
        ...

    def lose(self, piece: P) -> None:
        """Whoever had a piece is gone; it is left once more."""
        ...

    def give_up(self, piece: P, kind: FailureKind, detail: str) -> None:
        """A piece has been lost so often that nobody is to try it again."""
        ...

    def finish(self, status: Status) -> None:
        """There will be no more; what is still left has not been done for want of time, or as the status says."""
        ...

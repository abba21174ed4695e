"""Who is told how far a run is."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress"]


class Progress(Protocol):
    """Whoever shows a run's progress."""

    def begin(self, what: str) -> None:
        """Another part of the run begins."""

    def update(self, elapsed: float, left: float) -> None:
        """Something was finished, so many seconds after the timing began and so many before it is likely to end."""

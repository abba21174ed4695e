"""A step as a timeline that is cut wherever another stage takes over.

Between two cuts exactly one stage, in one phase, is at work. Forward stages cut it as they begin and end, the
backward pass cuts it where the engine reaches what a stage produced: both are cuts, and so the pieces add up to the
whole by construction. What a cut reads is a *probe*'s business: a clock, a memory counter, a profiler's range.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from paco_prof.stages import Phase

__all__ = ["ROOT", "Owner", "Probe", "Span", "Timeline"]

Mark = TypeVar("Mark")
Reading = TypeVar("Reading", covariant=True)
Value = TypeVar("Value")

ROOT = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who is at work between two cuts: a stage's path (`ROOT` is none of them) and the phase."""

    path: str
    phase: Phase


@dataclass(frozen=True, slots=True)
class Span:
    """Time between two cuts, in seconds.

    Attributes:
        host: on the host's clock.
        device: on the device's clock; None where an event could not be read.
    """

    host: float
    device: float | None


class Probe(Protocol[Reading]):
    """What a cut reads."""

    def read(self, owner: Owner) -> Reading:
        """Take a reading; from here on `owner` is at work."""
        ...


class Timeline(Generic[Mark]):
    """The cuts of one step, in order."""

    def __init__(self, probe: Probe[Mark]) -> None:
        self._probe = probe
        self._cuts: list[tuple[Owner, Mark]] = []

    def cut(self, owner: Owner) -> bool:
        """From here on `owner` is at work; False, and nothing is read, where it already is."""
        if self._cuts and self._cuts[-1][0] == owner:
            return False
        self._cuts.append((owner, self._probe.read(owner)))
        return True

    def close(self) -> None:
        """The step is over: read once more, so that the last piece has an end."""
        end = Owner(ROOT, "other")
        self._cuts.append((end, self._probe.read(end)))

    def pieces(self, between: Callable[[Mark, Mark], Value]) -> list[tuple[Owner, Value]]:
        """Each stretch's owner and what its two readings make of it."""
        return [
            (owner, between(mark, after)) for (owner, mark), (_, after) in zip(self._cuts, self._cuts[1:], strict=False)
        ]

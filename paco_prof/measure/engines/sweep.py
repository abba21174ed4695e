"""Has the pieces of a record done by others, as many at once as there is room for. Free of torch, and of Ray.

Who does them may be lost on the way: what they had is given to others. What comes back is put into the record, and
stored, at once, so that whatever ends a sweep costs no more than what was under way.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from paco_prof.errors import MeasurementError, PacoProfError, UsageError
from paco_prof.measure.engines.pieces import Pieces
from paco_prof.measure.interrupts import held_interrupts
from paco_prof.measure.progress import Progress
from paco_prof.records import FailureKind, Status

__all__ = ["PATIENCE", "SECONDS_BETWEEN_LOOKS", "Ended", "Pool", "Sweep"]

P = TypeVar("P", bound=Hashable)

SECONDS_BETWEEN_LOOKS = 1.0
# A cluster without anybody who could do a piece may get somebody: one is restarted, or the cluster grows.
PATIENCE = 60.0
# A piece that has cost so many of those that had it is not tried again.
MOST_LOSSES = 3


@dataclass(frozen=True)
class Ended:
    """A piece that is over, one way or the other.

    Attributes:
        number: that it was given under.
        part: the record that came of it; None where nothing did.
        seconds: that it took to whoever did it, without what it had waited before.
        refused: message and hint of why it cannot be done; None where it was not refused.
        kind, detail: how whoever had it was lost, if it was neither done nor refused.
    """

    number: int
    part: dict[str, Any] | None = None
    seconds: float = 0.0
    refused: dict[str, str] | None = None
    kind: FailureKind = "died"
    detail: str = ""


class Pool(Protocol):
    """Those who do pieces somewhere else."""

    def room(self, *, alone: bool) -> int:
        """How many pieces can be under way at once; such as need a machine that nothing else runs on, or others."""
        ...

    def has_room(self, *, alone: bool) -> bool:
        """Whether one more can be given now."""
        ...

    @property
    def capacity(self) -> int:
        """How many could be, if none of those who do them had something else to do."""
        ...

    def give(self, number: int, told: dict[str, Any]) -> None:
        """Have a piece done; there has to be room for it.

        Args:
            told: what whoever does it is told; `before` among it has the numbers under which it has come to nothing.
        """
        ...

    def look(self, seconds: float) -> Sequence[Ended]:
        """Wait so long at most for pieces to end.

        Raises:
            PacoProfError: there is nobody left to ask.
        """
        ...

    def cancel(self) -> Sequence[Ended]:
        """End whatever is under way; returns those of it that something has come of all the same."""
        ...


@dataclass
class _Given(Generic[P]):
    piece: P
    begun: float
    max_seconds: float


class Sweep(Generic[P]):
    """Does what is left of a record.

    Args:
        pieces: of the record.
        pool: who does them.
        progress: told what is going on.
        what: a piece is called, in the plural.
        max_seconds: for everything; None for no limit.
        timeout: seconds after its time that a piece is given up, if the time for everything is over as well.
        now: seconds on the host's clock.
    """

    def __init__(
        self,
        pieces: Pieces[P],
        pool: Pool,
        progress: Progress,
        what: str = "launches",
        max_seconds: float | None = None,
        timeout: float = 600.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pieces = pieces
        self._pool = pool
        self._progress = progress
        self._what = what
        self._timeout = timeout
        self._now = now
        self._start = now()
        self._deadline = math.inf if max_seconds is None else self._start + max_seconds
        self._given: dict[int, _Given[P]] = {}
        self._num_given = 0
        self._num_done = 0
        self._losses: dict[P, int] = {}
        # The numbers of each piece since something has come of it.
        self._numbers: dict[P, list[int]] = {}
        self._last_capacity = self._start

    def run(self) -> BaseException | None:
        """Have everything done; returns what ended it early, None where nothing did."""
        error: BaseException | None = None
        status: Status = "complete"
        try:
            try:
                while self._give() or self._given:
                    self._look()
            finally:
                # Who is in a hurry interrupts that as well.
                self._cancel()
        except KeyboardInterrupt as interrupt:
            error, status = interrupt, "interrupted"
        except PacoProfError as failed:
            error, status = failed, "failed"
        self._pieces.finish(status)
        return error

    def _give(self) -> bool:
        """Give out what there is room and time for; whether there will be more to give."""
        while True:
            ready = [piece for piece in self._pieces.left() if self._is_time_for(piece)]
            if self._pool.capacity:
                self._last_capacity = self._now()
            piece = next((each for each in ready if self._pool.has_room(alone=self._pieces.is_alone(each))), None)
            if piece is None:
                return bool(ready)
            self._give_one(piece, max(1.0, (self._deadline - self._now()) / self._num_rounds(ready)))

    def _num_rounds(self, ready: Sequence[P]) -> int:
        """How often there will have to be room for all that are left: those who are done first take more of it."""
        needs_alone = [self._pieces.is_alone(piece) for piece in ready]
        return sum(
            math.ceil(needs_alone.count(alone) / max(1, self._pool.room(alone=alone))) for alone in (False, True)
        )

    def _give_one(self, piece: P, max_seconds: float) -> None:
        # What is interrupted in the middle leaves an answer that nobody has read, and a piece that nobody has.
        with held_interrupts():
            told = self._pieces.give_out(piece, None if math.isinf(max_seconds) else max_seconds)
            before = self._numbers.get(piece, []) if told.get("again") else []
            self._numbers[piece] = [*before, self._num_given]
            self._given[self._num_given] = _Given(piece, self._now(), max_seconds)
            self._pool.give(self._num_given, {**told, "before": before})
            self._num_given += 1

    def _is_time_for(self, piece: P) -> bool:
        return self._now() + self._pieces.least_seconds(piece) <= self._deadline

    def _look(self) -> None:
        self._show()
        # In the middle of it the record would be half of two, and what else has come back would be lost.
        with held_interrupts():
            over = self._pool.look(SECONDS_BETWEEN_LOOKS)
            for ended in over:
                self._end(ended)
        for ended in over:
            if ended.refused is not None:
                raise UsageError(ended.refused["message"], ended.refused["hint"])
        self._refuse_to_wait_forever()

    def _cancel(self) -> None:
        with held_interrupts():
            for ended in self._pool.cancel():
                self._end(ended)

    def _end(self, ended: Ended) -> None:
        given = self._given.pop(ended.number, None)
        if given is None:
            return
        if ended.part is not None:
            self._num_done += 1
            # A search is the same piece once more, trial by trial.
            self._losses.pop(given.piece, None)
            self._pieces.take_back(given.piece, ended.part, ended.seconds)
            return
        if ended.refused is not None:
            self._pieces.lose(given.piece)
            return
        self._losses[given.piece] = self._losses.get(given.piece, 0) + 1
        if self._losses[given.piece] < MOST_LOSSES:
            self._pieces.lose(given.piece)
        else:
            self._pieces.give_up(given.piece, ended.kind, f"{ended.detail}, {MOST_LOSSES} times")

    def _refuse_to_wait_forever(self) -> None:
        now = self._now()
        if not self._pool.capacity and now - self._last_capacity > PATIENCE:
            left = len(self._given) + len(self._pieces.left())
            raise MeasurementError(
                f"No node of the cluster is left that could take the {left} {self._what} that are left.",
                "What was measured is kept, and --resume takes the rest.",
            )
        late = [
            number
            for number, given in self._given.items()
            if now > max(self._deadline, given.begun + given.max_seconds) + self._timeout
        ]
        if late and len(late) == len(self._given):
            # Most likely they have not begun: a launch that has ends by itself, or fails, long before. What one that is
            # late has come to so far is kept.
            self._cancel()
            for number in list(self._given):
                self._pieces.lose(self._given.pop(number).piece)

    def _show(self) -> None:
        left = len(self._given) + len(self._pieces.left())
        self._progress.begin(f"{self._num_done} of {self._num_done + left} {self._what}, {len(self._given)} under way")
        elapsed = self._now() - self._start
        each = elapsed / self._num_done if self._num_done else math.inf
        expected = min(left * each, self._deadline - self._now())
        if math.isfinite(expected):
            self._progress.update(elapsed, max(0.0, expected))

"""A measurement of growth in pieces: a launch at one size, or the search for one variant. Free of torch."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from paco_prof.measure.scaling.ledger import ScaleLedger
from paco_prof.measure.scaling.work import Search, Unit, Work, left
from paco_prof.records import FailureKind, Note, ScaleFailure, ScalePoint, ScaleRecord, Status

__all__ = ["ScalePieces", "merged_growth"]

# What a piece adds to, of a record.
GROWING = ("environment", "contestants", "points", "failures", "largest", "notes")


class ScalePieces:
    """What a measurement of growth lacks; see `Pieces`.

    Args:
        record: what to measure, and what has been measured already.
        save: given the record whenever a piece has come back.
        now: seconds on the host's clock.
    """

    def __init__(
        self, record: ScaleRecord, save: Callable[[ScaleRecord], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self.ledger = ScaleLedger(record, save, now)
        self._sent: dict[Work, ScaleRecord] = {}
        # Each is tried once in a run.
        self._tried: set[Work] = set()

    @property
    def record(self) -> ScaleRecord:
        """As it is now."""
        return self.ledger.record

    def left(self) -> list[Work]:
        return [piece for piece in left(self.record) if piece not in self._sent and piece not in self._tried]

    def least_seconds(self, piece: Work) -> float:
        return 0.0

    def give_out(self, piece: Work, max_seconds: float | None) -> dict[str, Any]:
        plan = self.record.plan.model_copy(update={"max_seconds": max_seconds})
        known = {"points": (), "largest": ()} if isinstance(piece, Unit) else self._known_of(piece)
        nothing = {"failures": (), "environment": None, "measuring_seconds": None}
        sent = self.record.model_copy(update={**known, **nothing, "status": "running", "plan": plan})
        self._sent[piece] = sent
        only: dict[str, Any] = {"contestant": piece.contestant}
        if isinstance(piece, Unit):
            only |= {"sizes": list(piece.sizes), "round": piece.round}
        return {"kind": "scale", "record": sent.model_dump(mode="json"), "only": only}

    def take_back(self, piece: Work, part: dict[str, Any], seconds: float) -> None:
        whole = merged_growth(self.record, self._sent.pop(piece), ScaleRecord.model_validate(part))
        self._tried.add(piece)
        self.ledger.update(**{name: getattr(whole, name) for name in GROWING})

    def lose(self, piece: Work) -> None:
        del self._sent[piece]

    def give_up(self, piece: Work, kind: FailureKind, detail: str) -> None:
        del self._sent[piece]
        self._tried.add(piece)
        if isinstance(piece, Search):
            self.ledger.end_search(piece.contestant, "failed", detail)
            return
        failure = ScaleFailure(
            contestant=piece.contestant,
            sizes=piece.sizes,
            round=piece.round,
            # What ended the node's own process says nothing of larger sizes.
            kind="died",
            during="launch",
            detail=detail,
        )
        self.ledger.update(failures=(*self.record.failures, failure))

    def finish(self, status: Status) -> None:
        if status == "complete":
            missing = self.left()
            launches = [piece for piece in missing if isinstance(piece, Unit)]
            if launches:
                self.ledger.add_note(Note(code="time_is_up", number=len(launches)))
            for piece in missing:
                if isinstance(piece, Search):
                    self.ledger.end_search(piece.contestant, "time is up")
        self.ledger.update(status=status)

    def _known_of(self, piece: Search) -> dict[str, Any]:
        """What a search begins with: the batches that were measured, and what has been tried.

        A batch need not have been measured where the search will be, and so does not tell where it was: what fits
        elsewhere is only where the search begins, and confirmed before it ends.
        """
        own = [point for point in self.record.points if point.contestant == piece.contestant]
        return {
            "points": tuple(point.model_copy(update={"environment": None}) for point in own),
            "largest": tuple(each for each in self.record.largest if each.contestant == piece.contestant),
        }


def merged_growth(record: ScaleRecord, sent: ScaleRecord, part: ScaleRecord) -> ScaleRecord:
    """A record with what has come of a piece of it; in which order pieces come back makes no difference.

    Args:
        sent: the record as whoever did the piece was given it: what is not otherwise in the part is no news.
    """
    contestants = tuple(
        before if there == given else before.as_built(there)
        for before, given, there in zip(record.contestants, sent.contestants, part.contestants, strict=True)
    )
    known = {(note.code, note.detail, note.number) for note in (*record.notes, *sent.notes)}
    notes = [note for note in part.notes if (note.code, note.detail, note.number) not in known]
    points = [point for point in part.points if point not in sent.points]
    searched = {largest.contestant for largest in part.largest}
    return record.model_copy(
        update={
            # Where nothing has been measured yet, it is whatever machine is the first to tell.
            "environment": record.environment if record.points else part.environment or record.environment,
            "contestants": contestants,
            "points": tuple(sorted((*record.points, *points), key=_order)),
            "failures": (*record.failures, *part.failures),
            "largest": tuple(
                sorted(
                    (*(each for each in record.largest if each.contestant not in searched), *part.largest),
                    key=lambda each: each.contestant,
                )
            ),
            "notes": (*record.notes, *(note for note in notes if note.code != "time_is_up")),
        }
    )


def _order(point: ScalePoint) -> tuple[int, tuple[int, ...], int]:
    return point.round, point.sizes, point.contestant

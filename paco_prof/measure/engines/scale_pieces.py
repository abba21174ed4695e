"""A measurement of growth in pieces: a launch at one size, or trials of the search for one variant. Free of torch."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from paco_prof.measure.engines.alike import NOT_ALIKE, NOT_ALIKE_HINT, built_otherwise
from paco_prof.measure.engines.second_tries import MOST_TRIES, SecondTries
from paco_prof.measure.scaling.expectation import Expectation
from paco_prof.measure.scaling.ledger import ScaleLedger
from paco_prof.measure.scaling.timetable import least_steps
from paco_prof.measure.scaling.work import NOT_TAKEN, Search, Unit, Work, left, machines_are_alike
from paco_prof.records import Environment, FailureKind, Note, ScaleFailure, ScalePoint, ScaleRecord, Status

__all__ = ["ScalePieces", "merged_growth"]

# What a piece adds to, of a record.
GROWING = ("environment", "contestants", "points", "failures", "largest", "notes")
# What only building tells of a workload; it may follow from the size that is varied.
TOLD_BY_BUILDING = ("feature_map", "num_parameters", "matching_cost", "told")
# A search takes some dozens.
MOST_TRIALS = 100


class ScalePieces:
    """What a measurement of growth lacks; see `Pieces`.

    A search is a piece over and over, with one trial each time, so that whoever is lost has cost no more. Trials of
    unlike machines cannot follow each other: where there are any, a piece is the whole search.

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
        # Launches that are over, and searches of which there will be no more.
        self._tried: set[Work] = set()
        self._again = SecondTries[Work, tuple[ScaleRecord, ScaleRecord]]()
        self._num_trials = Counter[Work]()
        # What the longest trial of a search has taken.
        self._trial_seconds: dict[Work, float] = {}
        # There is somebody else to try what has failed.
        self._is_shared = False
        # A search went on at another machine.
        self._has_moved = False
        self._expected = [Expectation() for _ in record.contestants]
        self._start_seconds: float | None = None
        self._learn_steps(record.points)

    @property
    def record(self) -> ScaleRecord:
        """As it is now."""
        return self.ledger.record

    def left(self) -> list[Work]:
        if self._again.is_waiting:
            return []
        pieces = left(self.record)
        again = [piece for piece in self._again.parts if piece in pieces]
        # What has failed somewhere leaves away what it would if it had failed everywhere, until that is known.
        doubted = [failure for _, done in self._again.parts.values() for failure in done.failures]
        if doubted:
            pieces = left(self.record.model_copy(update={"failures": (*self.record.failures, *doubted)}))
        idle = [each for each in dict.fromkeys((*pieces, *again)) if each not in self._sent]
        # Searches take turns: what time there is, is for all of them.
        return self._again.in_order(
            sorted((each for each in idle if each not in self._tried), key=lambda each: self._num_trials[each])
        )

    def least_seconds(self, piece: Work) -> float:
        step = self._expected[piece.contestant].seconds(piece.sizes) if isinstance(piece, Unit) else None
        return 0.0 if step is None else (self._start_seconds or 0.0) + least_steps(self.record.plan) * step

    def is_alone(self, piece: Work) -> bool:
        # Two searches beside each other would each take what is available for its own.
        return isinstance(piece, Search)

    def give_out(self, piece: Work, max_seconds: float | None) -> dict[str, Any]:
        plan = self.record.plan.model_copy(update={"max_seconds": max_seconds})
        known = {"points": (), "largest": ()} if isinstance(piece, Unit) else self._known_of(piece)
        nothing = {"failures": (), "environment": None, "measuring_seconds": None}
        sent = self.record.model_copy(update={**known, **nothing, "status": "running", "plan": plan})
        self._sent[piece] = sent
        self._is_shared |= len(self._sent) > 1
        only: dict[str, Any] = {"contestant": piece.contestant}
        if isinstance(piece, Unit):
            only |= {"sizes": list(piece.sizes), "round": piece.round}
        else:
            one = {"trials": 1, "trial_seconds": self._trial_seconds.get(piece, 0.0)}
            only |= {"trials": None} if self._is_mixed else one
        told = {"kind": "scale", "record": sent.model_dump(mode="json"), "only": only}
        return {**told, "alone": self.is_alone(piece), "again": self._again.num_tries(piece) > 0}

    def take_back(self, piece: Work, part: dict[str, Any], seconds: float) -> None:
        done = ScaleRecord.model_validate(part)
        sent = self._end(piece)
        if isinstance(piece, Search) and self._moves_with(done):
            return
        most = self._tries_after(piece, done)
        if most > 1 and self._again.put(piece, (sent, done), most, len(self._sent)):
            return
        self._again.settle(piece)
        # What was cancelled in the middle of it may be tried once more.
        if done.status != "interrupted" and not self._goes_on(piece, done):
            self._tried.add(piece)
        self._learn_start(done, seconds)
        self._trial_seconds[piece] = max(seconds, self._trial_seconds.get(piece, 0.0))
        self._add(piece, sent, done)

    def lose(self, piece: Work) -> None:
        self._end(piece)

    def give_up(self, piece: Work, kind: FailureKind, detail: str) -> None:
        self._end(piece)
        self._tried.add(piece)
        # Whatever ended the node's own process: that memory ran out for it would be no result.
        self._fail(piece, "died", detail)

    def finish(self, status: Status) -> None:
        missing = self.left() if status == "complete" else []
        for piece, (sent, done) in self._again.parts.items():
            self._add(piece, sent, done)
        launches = [piece for piece in missing if isinstance(piece, Unit)]
        if launches:
            self.ledger.add_note(Note(code="time_is_up", number=len(launches)))
        for piece in missing:
            if isinstance(piece, Search):
                self.ledger.end_search(piece.contestant, "time is up")
        self.ledger.update(status=status)

    @property
    def _is_mixed(self) -> bool:
        """Whether machines are known to be unlike each other."""
        return self._has_moved or not machines_are_alike(self.record)

    def _moves_with(self, done: ScaleRecord) -> bool:
        """Whether a trial shows for the first time that machines are unlike: it began with what fits on another one."""
        if self._is_mixed or machines_are_alike(
            self.record.model_copy(update={"largest": (*self.record.largest, *done.largest)})
        ):
            return False
        self._has_moved = True
        return True

    def _goes_on(self, piece: Work, done: ScaleRecord) -> bool:
        """Whether a search has more trials to make."""
        if isinstance(piece, Unit) or all(largest.reason != "interrupted" for largest in done.largest):
            return False
        self._num_trials[piece] += 1
        return self._num_trials[piece] < MOST_TRIALS

    def _end(self, piece: Work) -> ScaleRecord:
        """Nobody has a piece any more; what whoever had it was given."""
        self._again.is_waiting = False
        return self._sent.pop(piece)

    def _add(self, piece: Work, sent: ScaleRecord, done: ScaleRecord) -> None:
        unlike = self._unlike(piece, done)
        if unlike:
            self._fail(piece, "raised", f"{NOT_ALIKE}: {unlike}", NOT_ALIKE_HINT, done.environment)
            return
        self._learn_steps(done.points)
        whole = merged_growth(self.record, sent, done)
        self.ledger.update(**{name: getattr(whole, name) for name in GROWING})

    def _fail(
        self, piece: Work, kind: FailureKind, detail: str, hint: str = "", environment: Environment | None = None
    ) -> None:
        """Nothing has come of a piece; that says nothing of any other."""
        if isinstance(piece, Search):
            self.ledger.end_search(piece.contestant, "failed", detail)
            return
        failure = ScaleFailure(
            contestant=piece.contestant,
            sizes=piece.sizes,
            round=piece.round,
            kind=kind,
            during=NOT_TAKEN,
            detail=detail,
            hint=hint,
            environment=environment,
        )
        self.ledger.update(failures=(*self.record.failures, failure))

    def _tries_after(self, piece: Work, done: ScaleRecord) -> int:
        """How many tries a piece has, by what has come of one of them: more than one where that may be the fault of
        whoever took it, and there is somebody else.
        """
        if isinstance(piece, Search):
            has_failed = not self._is_mixed and any(largest.reason == "failed" for largest in done.largest)
        else:
            has_failed = any(failure.kind in ("raised", "not applicable") for failure in done.failures)
            has_failed &= not any(point.is_complete for point in done.points)
        return MOST_TRIES if self._is_shared and (has_failed or self._unlike(piece, done)) else 1

    def _unlike(self, piece: Work, done: ScaleRecord) -> str:
        """What was built otherwise than what the record has measured, in words; empty where nothing was."""
        place = piece.contestant
        if place not in _measured(self.record) or place not in _measured(done):
            return ""
        return built_otherwise(self.record.contestants[place], done.contestants[place], TOLD_BY_BUILDING)

    def _learn_steps(self, points: Iterable[ScalePoint]) -> None:
        for point in points:
            self._expected[point.contestant].learn(point.sizes, median(point.training.steps))

    def _learn_start(self, done: ScaleRecord, seconds: float) -> None:
        """What the quickest launch has taken beside its steps."""
        for point in done.points:
            if point.is_complete:
                other = max(0.0, seconds - sum(point.training.steps) - sum(point.training.warmup))
                self._start_seconds = other if self._start_seconds is None else min(self._start_seconds, other)

    def _known_of(self, piece: Search) -> dict[str, Any]:
        """What a search begins with: the batches that were measured, and what has been tried, and under which limit;
        nothing where machines are unlike.

        A batch was not measured where the search will be, and so does not tell where it was: among machines that are
        alike it fits all the same.
        """
        if self._is_mixed:
            return {"points": (), "largest": ()}
        points = [each for each in self.record.points if each.contestant == piece.contestant]
        return {
            "points": tuple(point.model_copy(update={"environment": None}) for point in points),
            "largest": tuple(each for each in self.record.largest if each.contestant == piece.contestant),
        }


def merged_growth(record: ScaleRecord, sent: ScaleRecord, part: ScaleRecord) -> ScaleRecord:
    """A record with what has come of a piece of it; in which order pieces come back makes no difference.

    Args:
        sent: the record as whoever did the piece was given it: what is not otherwise in the part is no news.
    """
    measured = _measured(part)
    built = zip(record.contestants, sent.contestants, part.contestants, strict=True)
    contestants = tuple(
        before.as_built(there) if place in measured and there != given else before
        for place, (before, given, there) in enumerate(built)
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


def _measured(record: ScaleRecord) -> set[int]:
    """Places of those of which a record tells what they were built to, because they have run."""
    searched = {largest.contestant for largest in record.largest if largest.environment is not None}
    return searched | {point.contestant for point in record.points}


def _order(point: ScalePoint) -> tuple[int, tuple[int, ...], int]:
    return point.round, point.sizes, point.contestant

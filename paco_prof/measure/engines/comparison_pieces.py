"""A comparison in pieces: one launch of one variant each, always beside its baseline. Free of torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from paco_prof.measure.engines.alike import NOT_ALIKE, NOT_ALIKE_HINT, built_otherwise
from paco_prof.measure.engines.second_tries import MOST_TRIES, SecondTries
from paco_prof.measure.launch import MIN_PAIRS
from paco_prof.measure.ledger import Assignment, Ledger
from paco_prof.measure.referee import LASTING
from paco_prof.records import ComparisonRecord, Contestant, Failure, FailureKind, Launch, Note, Status

__all__ = ["ComparisonPieces", "merged"]

# What a piece adds to, of a record.
GROWING = ("environment", "contestants", "launches", "failures", "notes")
# Of a contestant that nobody has run: after one of its launches has failed so often, each time somewhere else where
# there is room, nobody will.
ENOUGH_TRIES = 2


class ComparisonPieces:
    """The launches that a comparison lacks; see `Pieces`.

    A launch that somebody else takes has the place, the round and the seed that it has in the whole, so that the order
    of its pairs is the one that it would have had here.

    Args:
        record: what to measure, and what has been measured already.
        save: given the record whenever a piece has come back.
        now: seconds on the host's clock.
    """

    def __init__(
        self,
        record: ComparisonRecord,
        save: Callable[[ComparisonRecord], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ledger = Ledger(record, save, now)
        self._sent: dict[Assignment, ComparisonRecord] = {}
        # (place, round, halvings): each is tried once in a run, as it is by a referee.
        self._tried: set[tuple[int, int, int]] = set()
        self._least: dict[int, float] = {}
        self._again = SecondTries[Assignment, tuple[ComparisonRecord, ComparisonRecord]]()
        # There is somebody else to try what has failed.
        self._is_shared = False

    @property
    def record(self) -> ComparisonRecord:
        """As it is now."""
        return self.ledger.record

    def left(self) -> list[Assignment]:
        out = {(piece.place, piece.round) for piece in self._sent}
        halvings = self.ledger.halvings
        left = [
            Assignment(place, number, halvings[place], self._fidelity_beside(place))
            for place, number in self.ledger.left()
            if (place, number) not in out and (place, number, halvings[place]) not in self._tried
        ]
        return [] if self._again.is_waiting else self._again.in_order(left)

    def least_seconds(self, piece: Assignment) -> float:
        return self._least.get(piece.place, max(self._least.values(), default=0.0))

    def is_alone(self, piece: Assignment) -> bool:
        return False

    def give_out(self, piece: Assignment, max_seconds: float | None) -> dict[str, Any]:
        record = self.record
        plan = record.plan.model_copy(update={"max_seconds": max_seconds})
        nothing = {"launches": (), "failures": (), "environment": None, "measuring_seconds": None, "status": "running"}
        self._sent[piece] = record.model_copy(update={**nothing, "plan": plan})
        self._is_shared |= len(self._sent) > 1
        return {
            "kind": "comparison",
            "record": self._sent[piece].model_dump(mode="json"),
            "only": {
                "place": piece.place,
                "round": piece.round,
                "halvings": piece.halvings,
                "fidelity_of": sorted(piece.fidelity_of),
            },
            "again": self._again.num_tries(piece) > 0,
        }

    def take_back(self, piece: Assignment, part: dict[str, Any], seconds: float) -> None:
        done = ComparisonRecord.model_validate(part)
        sent = self._end(piece)
        who = _failed_for_good(piece, done)
        most = self._tries_after(piece, who, sent, done)
        if most > 1 and self._again.put(piece, (sent, done), most, len(self._sent)):
            return
        reached = {launch.halvings for launch in done.launches} | {failure.halvings for failure in done.failures}
        reached.add(piece.halvings)
        # What was cancelled in the middle of it may be tried once more.
        if done.status != "interrupted":
            self._tried |= {(piece.place, piece.round, halvings) for halvings in reached}
        self.ledger.halvings[piece.place] = max(self.ledger.halvings[piece.place], *reached)
        self._learn(piece, done, seconds)
        if who is not None and most == 1:
            self.ledger.give_up(*([who] if who else self.ledger.places))
        self._again.settle(piece)
        self._add(piece, sent, done)

    def lose(self, piece: Assignment) -> None:
        self._end(piece)

    def give_up(self, piece: Assignment, kind: FailureKind, detail: str) -> None:
        self._end(piece)
        self._tried.add((piece.place, piece.round, piece.halvings))
        failure = Failure(
            contestant=piece.place,
            round=piece.round,
            halvings=piece.halvings,
            kind=kind,
            during="launch",
            detail=detail,
        )
        self.ledger.add_failure(failure)

    def finish(self, status: Status) -> None:
        missing = len(self.left()) if status == "complete" else 0
        for piece, (sent, done) in self._again.parts.items():
            self._add(piece, sent, done)
        if missing:
            self.ledger.add_note(Note(code="time_is_up", number=missing))
        if status == "complete":
            self._note_missing_fidelity()
        self.ledger.update(status=status)

    def _end(self, piece: Assignment) -> ComparisonRecord:
        """Nobody has a piece any more; what whoever had it was given."""
        self._again.is_waiting = False
        return self._sent.pop(piece)

    def _add(self, piece: Assignment, sent: ComparisonRecord, done: ComparisonRecord) -> None:
        if done.failures or any(launch.is_complete for launch in done.launches):
            self.ledger.forget_earlier_failures(piece.place)
        whole = merged(self.record, sent, done)
        self.ledger.update(**{name: getattr(whole, name) for name in GROWING})

    def _tries_after(self, piece: Assignment, who: int | None, sent: ComparisonRecord, done: ComparisonRecord) -> int:
        """How many tries a launch has, by what has come of one of them: more than one where that may be the fault of
        whoever took it, and there is somebody else.

        Args:
            who: has failed in it for good; None for nobody.
        """
        if not self._is_shared:
            return 1
        known = self.record.contestants
        if _unlike(known, _with_news(known, sent.contestants, done.contestants)):
            return MOST_TRIES
        if who is None:
            return 1
        is_shown = any(launch.is_complete and who in (0, launch.contestant) for launch in self.record.launches)
        is_under_way = any(who in (0, other.place) for other in self._sent)
        is_first = self._again.num_tries(piece) + 1 < ENOUGH_TRIES
        return MOST_TRIES if is_shown or is_under_way or is_first else 1

    def _note_missing_fidelity(self) -> None:
        """Tell who is not held against float64 because no launch that was asked for it has ended, whatever kept it."""
        measured = {launch.contestant for launch in self.record.launches if launch.is_complete}
        for place in sorted(measured | {0} if measured else measured):
            if self.ledger.lacks_fidelity(place):
                name = self.record.contestants[place].name
                # Without the place, so that whoever goes on asks once more.
                self.ledger.add_note(Note(code="no_fidelity", detail=f"{name}: no launch that was to tell has ended"))

    def _fidelity_beside(self, place: int) -> frozenset[int]:
        """Whose fidelity somebody is to measure in a launch of a variant: its own and the baseline's, but each once."""
        asked = frozenset[int]().union(*(piece.fidelity_of for piece in self._sent))
        return frozenset(each for each in (0, place) if self.ledger.lacks_fidelity(each)) - asked

    def _learn(self, piece: Assignment, done: ComparisonRecord, seconds: float) -> None:
        """What a launch of a variant takes with the fewest pairs."""
        for launch in done.launches:
            if launch.is_complete:
                sides = (launch.baseline.training.steps, launch.variant.training.steps)
                pair = sum(median(steps) for steps in sides)
                more = max(0, min(map(len, sides)) - MIN_PAIRS)
                self._least[piece.place] = max(0.0, seconds - more * pair)


def merged(record: ComparisonRecord, sent: ComparisonRecord, part: ComparisonRecord) -> ComparisonRecord:
    """A record with what has come of a piece of it.

    A launch of something else than the launches before it, because it could not be built there as it was elsewhere, is
    none of the comparison; that is noted as a failure.

    Args:
        sent: the record as whoever did the piece was given it: what is not otherwise in the part is no news.
    """
    placed = {"environment": part.environment}
    launches = [launch.model_copy(update=placed) for launch in part.launches]
    failures = [failure.model_copy(update=placed) for failure in part.failures]
    contestants = _with_news(record.contestants, sent.contestants, part.contestants)
    unlike = _unlike(record.contestants, contestants)
    if unlike:
        contestants = record.contestants
        failures += [_not_taken(launch, unlike) for launch in launches]
        launches = []
    known = {(note.code, note.number) for note in (*record.notes, *sent.notes)}
    notes = [note for note in part.notes if (note.code, note.number) not in known and note.code != "time_is_up"]
    # Where nothing has been measured yet, it is whatever machine is the first to tell.
    environment = record.environment if record.launches else part.environment or record.environment
    return record.model_copy(
        update={
            "environment": environment,
            "contestants": contestants,
            "launches": tuple(sorted((*record.launches, *launches), key=_order)),
            "failures": (*record.failures, *failures),
            "notes": (*record.notes, *notes),
        }
    )


def _order(launch: Launch) -> tuple[int, int, int]:
    """Round by round, as one machine takes them: in which order pieces come back makes no difference."""
    return launch.round, launch.contestant, launch.halvings


def _with_news(
    known: Sequence[Contestant], sent: Sequence[Contestant], came: Sequence[Contestant]
) -> tuple[Contestant, ...]:
    # Who was not asked for a fidelity has none to tell, and somebody else may have told it meanwhile.
    return tuple(
        before
        if there == given
        else before.as_built(there).model_copy(update={"fidelity": there.fidelity or before.fidelity})
        for before, given, there in zip(known, sent, came, strict=True)
    )


def _failed_for_good(piece: Assignment, done: ComparisonRecord) -> int | None:
    """The place of who has failed so that it would again, without a complete launch; None where nobody has."""
    last = done.failures[-1] if done.failures else None
    if last is None or last.kind not in LASTING or any(launch.is_complete for launch in done.launches):
        return None
    return 0 if last.of_baseline and last.kind != "out of memory" else piece.place


def _unlike(known: Sequence[Contestant], built: Sequence[Contestant]) -> str:
    """What was built otherwise than before, in words; empty where nothing was."""
    told = (
        built_otherwise(before, now)
        for before, now in zip(known, built, strict=True)
        # Only what has been built once tells its size.
        if before.workload.num_parameters is not None
    )
    return next(filter(None, told), "")


def _not_taken(launch: Launch, unlike: str) -> Failure:
    return Failure(
        contestant=launch.contestant,
        round=launch.round,
        halvings=launch.halvings,
        kind="raised",
        during="launch",
        detail=f"{NOT_ALIKE}: {unlike}",
        hint=NOT_ALIKE_HINT,
        environment=launch.environment,
    )

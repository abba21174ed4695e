"""A comparison in pieces: one launch of one variant each, always beside its baseline. Free of torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from paco_prof.measure.launch import MIN_PAIRS
from paco_prof.measure.ledger import Assignment, Ledger
from paco_prof.measure.referee import LASTING
from paco_prof.records import ComparisonRecord, Contestant, Failure, FailureKind, Launch, Note, Status

__all__ = ["ComparisonPieces", "merged"]

# What a piece adds to, of a record.
GROWING = ("environment", "contestants", "launches", "failures", "notes")


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

    @property
    def record(self) -> ComparisonRecord:
        """As it is now."""
        return self.ledger.record

    def left(self) -> list[Assignment]:
        out = {(piece.place, piece.round) for piece in self._sent}
        halvings = self.ledger.halvings
        return [
            Assignment(place, number, halvings[place], self._fidelity_beside(place))
            for place, number in self.ledger.left()
            if (place, number) not in out and (place, number, halvings[place]) not in self._tried
        ]

    def least_seconds(self, piece: Assignment) -> float:
        return self._least.get(piece.place, max(self._least.values(), default=0.0))

    def give_out(self, piece: Assignment, max_seconds: float | None) -> dict[str, Any]:
        record = self.record
        plan = record.plan.model_copy(update={"max_seconds": max_seconds})
        nothing = {"launches": (), "failures": (), "environment": None, "measuring_seconds": None, "status": "running"}
        self._sent[piece] = record.model_copy(update={**nothing, "plan": plan})
        return {
            "kind": "comparison",
            "record": self._sent[piece].model_dump(mode="json"),
            "only": {
                "place": piece.place,
                "round": piece.round,
                "halvings": piece.halvings,
                "fidelity_of": sorted(piece.fidelity_of),
            },
        }

    def take_back(self, piece: Assignment, part: dict[str, Any], seconds: float) -> None:
        done = ComparisonRecord.model_validate(part)
        sent = self._sent.pop(piece)
        reached = {launch.halvings for launch in done.launches} | {failure.halvings for failure in done.failures}
        reached.add(piece.halvings)
        self._tried |= {(piece.place, piece.round, halvings) for halvings in reached}
        self.ledger.halvings[piece.place] = max(self.ledger.halvings[piece.place], *reached)
        self._learn(piece, done, seconds)
        last = done.failures[-1] if done.failures else None
        if last is not None and last.kind in LASTING and not any(launch.is_complete for launch in done.launches):
            everyone = last.of_baseline and last.kind != "out of memory"
            self.ledger.give_up(*(self.ledger.places if everyone else [piece.place]))
        if done.failures or any(launch.is_complete for launch in done.launches):
            self.ledger.forget_earlier_failures(piece.place)
        whole = merged(self.record, sent, done)
        self.ledger.update(**{name: getattr(whole, name) for name in GROWING})

    def lose(self, piece: Assignment) -> None:
        del self._sent[piece]

    def give_up(self, piece: Assignment, kind: FailureKind, detail: str) -> None:
        del self._sent[piece]
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
        if missing:
            self.ledger.add_note(Note(code="time_is_up", number=missing))
        self.ledger.update(status=status)

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


def _unlike(known: Sequence[Contestant], built: Sequence[Contestant]) -> str:
    """What was built otherwise than before, in words; empty where nothing was."""
    for before, now in zip(known, built, strict=True):
        # Only what has been built once tells its size.
        if before.workload.num_parameters is not None and before.workload != now.workload:
            names = type(before.workload).model_fields
            others = [name for name in names if getattr(before.workload, name) != getattr(now.workload, name)]
            left_out = [
                f"{name} is left out: {now.variant.left_out[name]}" for name in others if name in now.variant.left_out
            ]
            return f"{before.name} has another {', another '.join(others)} there" + "".join(
                f"; {each}" for each in left_out
            )
    return ""


def _not_taken(launch: Launch, unlike: str) -> Failure:
    return Failure(
        contestant=launch.contestant,
        round=launch.round,
        halvings=launch.halvings,
        kind="not applicable",
        during="start",
        detail=f"a machine of the cluster builds something else than the one before it: {unlike}",
        hint="Compare on machines that can do the same.",
        environment=launch.environment,
    )

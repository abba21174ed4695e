"""The record of a measurement of growth while it grows, saved whenever something has been added. Free of torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paco_prof.errors import PacoProfError
from paco_prof.measure.scaling.work import Unit
from paco_prof.measure.worker_handle import WorkerError
from paco_prof.records import (
    Contestant,
    Environment,
    FailureKind,
    Largest,
    LargestReason,
    Note,
    ScaleFailure,
    ScalePoint,
    ScaleRecord,
    resized,
)

__all__ = ["ScaleLedger"]


class ScaleLedger:
    """A record, and how it is added to.

    Args:
        record: what to measure, and what has been measured already.
        save: given the record whenever it has grown.
        now: seconds on the host's clock.

    Attributes:
        record: as it is now.
        unwritten: why what is there could not be saved; None where it was.
    """

    def __init__(self, record: ScaleRecord, save: Callable[[ScaleRecord], None], now: Callable[[], float]) -> None:
        self.record = record
        self.unwritten: PacoProfError | None = None
        self._save = save
        self._now = now
        self._start = now()
        self._seconds_before = record.measuring_seconds or 0.0

    def add_point(self, point: ScalePoint) -> None:
        """A launch is over, complete or not."""
        self.update(points=(*self.record.points, point))

    def add_failure(self, unit: Unit, failure: WorkerError, kind: FailureKind, environment: Environment | None) -> None:
        """A process has failed.

        Args:
            kind: how, for all that is known of it.
            environment: where, if it could tell.
        """
        failed = ScaleFailure(
            contestant=unit.contestant,
            sizes=unit.sizes,
            round=unit.round,
            kind=kind,
            during=failure.during,
            detail=failure.detail,
            hint=failure.hint,
            peak_bytes=failure.peak_bytes,
            environment=environment,
        )
        self.update(failures=(*self.record.failures, failed))

    def put_largest(self, largest: Largest) -> None:
        """A search has got so far; what was known of it before is part of that."""
        others = (each for each in self.record.largest if each.contestant != largest.contestant)
        self.update(largest=tuple(sorted((*others, largest), key=lambda each: each.contestant)))

    def end_search(self, place: int, reason: LargestReason, detail: str = "") -> None:
        """There will be no more of a search; what it has found until now stays.

        Args:
            detail: what ended it, where none of its trials tells.
        """
        found = next((each for each in self.record.largest if each.contestant == place), Largest(contestant=place))
        self.put_largest(found.model_copy(update={"reason": reason, "detail": detail}))

    def add_note(self, note: Note) -> None:
        """Something that a reader has to know."""
        self._change(notes=(*self.record.notes, note))

    def learn(self, place: int, built: Contestant, environment: Environment) -> None:
        """What a variant turned out to be once it was built at some sizes, as far as that holds at all of them, and
        where: the first one's machine is the record's.
        """
        planned = self.record.contestants[place]
        names = {factor.name for factor in self.record.plan.factors} | {"batch_size"}
        known = resized(planned.as_built(built), {name: getattr(planned.workload, name) for name in names})
        if names != {"batch_size"}:
            of_all = known.workload.model_copy(update={"feature_map": None, "num_parameters": None})
            known = known.model_copy(update={"workload": of_all})
        contestants = (*self.record.contestants[:place], known, *self.record.contestants[place + 1 :])
        self._change(contestants=contestants, environment=self.record.environment or environment)

    def update(self, **changes: Any) -> None:
        """Change the record, and save it. A disk that is full must not cost what has been measured: the run goes on."""
        self._change(**changes)
        try:
            self._save(self.record)
            self.unwritten = None
        except PacoProfError as error:
            self.unwritten = error

    def _change(self, **changes: Any) -> None:
        seconds = self._seconds_before + self._now() - self._start
        self.record = self.record.model_copy(update={**changes, "measuring_seconds": seconds})

"""The record of a comparison while it grows: what is there, what is still to be taken, saved after every launch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from paco_prof.errors import PacoProfError
from paco_prof.records import YARDSTICK, ComparisonRecord, Contestant, Failure, Launch, Note

__all__ = ["Assignment", "Ledger"]


@dataclass(frozen=True, slots=True)
class Assignment:
    """The one launch that is somebody's to take, of a comparison whose other launches others take.

    Attributes:
        place: the variant's, among the contestants.
        round: which of the planned launches it is.
        halvings: how often its batch is halved to begin with.
        fidelity_of: the places of those that are held against float64 on the way.
    """

    place: int
    round: int
    halvings: int = 0
    # Who does it is asked for that on the way; it is the same launch without.
    fidelity_of: frozenset[int] = field(default=frozenset(), compare=False)


class Ledger:
    """A comparison's record, and which of its launches are left.

    Args:
        record: what to measure, and what has been measured already.
        save: given the record whenever a launch, or a failure, has been added.
        now: seconds on the host's clock.
        only: the one launch that is to be taken; None for all.

    Attributes:
        record: as it is now.
        unwritten: why what is there could not be saved; None where it was.
        halvings: how often each contestant's batch is halved.
    """

    def __init__(
        self,
        record: ComparisonRecord,
        save: Callable[[ComparisonRecord], None],
        now: Callable[[], float],
        only: Assignment | None = None,
    ) -> None:
        self.record = record
        self.unwritten: PacoProfError | None = None
        self.halvings = [
            max((launch.halvings for launch in record.launches if launch.contestant == place), default=0)
            for place in range(len(record.contestants))
        ]
        if only is not None:
            self.halvings[only.place] = max(only.halvings, self.halvings[only.place])
        self._only = only
        self._save = save
        self._now = now
        self._start = now()
        self._seconds_before = record.measuring_seconds or 0.0
        self._given_up: set[int] = set()
        self._failed_before = {failure.contestant for failure in record.failures}

    @property
    def places(self) -> range:
        """The places of those that are held against the baseline."""
        return range(1, len(self.record.contestants))

    @property
    def num_complete(self) -> int:
        """Complete launches so far."""
        return sum(1 for launch in self.record.launches if launch.is_complete)

    def left(self) -> Iterator[tuple[int, int]]:
        """(place, round) of the launches that are still to be taken, in their order."""
        for number in range(self.record.plan.launches):
            for place in self.places:
                if self.is_left(place, number):
                    yield place, number

    def is_left(self, place: int, number: int) -> bool:
        """Whether a launch is still to be taken."""
        if place in self._given_up or self._is_of_others(place, number):
            return False
        wanted = (place, number, self.halvings[place])
        return not any(
            (launch.contestant, launch.round, launch.halvings) == wanted and launch.is_complete
            for launch in self.record.launches
        )

    def lacks_fidelity(self, place: int) -> bool:
        """Whether a contestant is still to be held against float64; what could not be once is not tried again."""
        contestant = self.record.contestants[place]
        has_failed = any(note.code == "no_fidelity" and note.number == place for note in self.record.notes)
        # What others are only measured by claims nothing.
        claims = contestant.name != YARDSTICK
        is_asked = self.record.plan.fidelity and (self._only is None or place in self._only.fidelity_of)
        return is_asked and claims and contestant.fidelity is None and not has_failed

    def give_up(self, *places: int) -> None:
        """Take no more launches of these."""
        self._given_up |= set(places)

    def add_launch(self, launch: Launch) -> None:
        """A launch is over, complete or not."""
        if launch.is_complete:
            self.forget_earlier_failures(launch.contestant)
        self.update(launches=(*self.record.launches, launch))

    def add_failure(self, failure: Failure) -> None:
        """A process has failed."""
        self.forget_earlier_failures(failure.contestant)
        self.update(failures=(*self.record.failures, failure))

    def add_note(self, note: Note) -> None:
        """Something that a reader has to know."""
        self._change(notes=(*self.record.notes, note))

    def replace(self, place: int, contestant: Contestant) -> None:
        """More is known of a contestant."""
        contestants = list(self.record.contestants)
        contestants[place] = contestant
        self._change(contestants=tuple(contestants))

    def update(self, **changes: Any) -> None:
        """Change the record, and save it. A disk that is full must not cost what has been measured: the run goes on."""
        self._change(**changes)
        try:
            self._save(self.record)
            self.unwritten = None
        except PacoProfError as error:
            self.unwritten = error

    def forget_earlier_failures(self, place: int) -> None:
        """What had failed before the comparison was resumed has been tried again."""
        if place in self._failed_before:
            self._failed_before.discard(place)
            self._change(failures=tuple(failure for failure in self.record.failures if failure.contestant != place))

    def _is_of_others(self, place: int, number: int) -> bool:
        return self._only is not None and (place, number) != (self._only.place, self._only.round)

    def _change(self, **changes: Any) -> None:
        seconds = self._seconds_before + self._now() - self._start
        self.record = self.record.model_copy(update={**changes, "measuring_seconds": seconds})

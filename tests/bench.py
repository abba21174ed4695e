"""A measurement that is not one, for commands that would measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from builders import cpu_record
from paco_prof.measure import session
from paco_prof.measure.job import Job
from paco_prof.ranks import Place
from paco_prof.records import BreakdownRecord

__all__ = ["Bench"]


@dataclass
class Bench:
    """Stands for the measurement: remembers what it was asked for, and comes back with what it was told to."""

    record: BreakdownRecord = field(default_factory=cpu_record)
    error: BaseException | None = None
    calls: list[tuple[Job, session.Plan, tuple[str, ...]]] = field(default_factory=list)

    def __call__(
        self,
        job: Job,
        plan: session.Plan,
        progress: Any,
        save: Callable[[BreakdownRecord], None],
        command: tuple[str, ...] = (),
        place: Place | None = None,
        stderr: int = 2,
    ) -> session.Outcome:
        self.calls.append((job, plan, command))
        save(self.record)
        return session.Outcome(self.record, self.error)

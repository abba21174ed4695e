"""The stage timer as a thing that can be examined, and be broken on purpose; and what is found of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from paco_prof.measure.clock import Clock
from paco_prof.measure.steps import TimedStep
from paco_prof.measure.training import RunStep, bare_step, timed_step
from paco_prof.records import CheckStatus, DoctorCheck, Figure

__all__ = ["Instrument", "judged", "skipped"]


@dataclass(frozen=True)
class Instrument:
    """A clock, and what takes steps by it: the same that every measurement uses.

    Attributes:
        timed: takes a step and divides it by stage.
        bare: takes a step that nobody listens to; its wall seconds.
    """

    clock: Clock
    timed: Callable[[RunStep, Clock], TimedStep] = timed_step
    bare: Callable[[Callable[[], object], Clock], float] = bare_step


def judged(name: str, reason: str, *figures: Figure, detail: str = "", if_wrong: CheckStatus = "failed") -> DoctorCheck:
    """A finding about the instrument: as it should be where there is no reason to say otherwise."""
    return DoctorCheck(
        group="instrument",
        name=name,
        status=if_wrong if reason else "ok",
        reason=reason,
        detail=detail,
        figures=figures,
    )


def skipped(name: str, reason: str) -> DoctorCheck:
    """What cannot be found out about the instrument here, and why."""
    return DoctorCheck(group="instrument", name=name, status="skipped", reason=reason)

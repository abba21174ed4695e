"""What `paco-prof doctor` found: the installation, the device, the machine, and the instrument tried on them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from paco_prof.records.base import Environment, Frozen, Note
from paco_prof.records.comparison import ComparisonRecord, Status
from paco_prof.records.training import Overhead, Training

__all__ = ["CheckGroup", "CheckStatus", "DoctorCheck", "DoctorRecord", "Figure", "FigureUnit"]

# failed: what is measured here would be wrong, or cannot be measured at all; warning: it can, and somebody should know
# this first; skipped: there is nothing of that kind here, or no way to tell.
CheckStatus = Literal["ok", "warning", "failed", "skipped"]
CheckGroup = Literal["installation", "device", "machine", "instrument"]
FigureUnit = Literal["seconds", "bytes", "share", "ratio", "count"]


class Figure(Frozen):
    """A number that was found, beside what it ought to be.

    Attributes:
        name: what it is a number of; a stage's path where it is a stage's.
        measured: None where it could not be measured.
        expected: what was planted, or what another clock says; None where nothing is expected.
        tolerance: how far the two may lie apart, or, where nothing is expected, the most that it may be; None where
            any number will do.
    """

    name: str
    unit: FigureUnit
    measured: float | None = None
    expected: float | None = None
    tolerance: float | None = None

    @property
    def is_off(self) -> bool:
        """Whether it is not what it ought to be; what could not be measured is not, where something was expected."""
        if self.tolerance is None:
            return False
        if self.measured is None:
            return self.expected is not None
        # Written so that a NaN is off.
        return not abs(self.measured - (self.expected or 0.0)) <= self.tolerance


class DoctorCheck(Frozen):
    """One thing that was looked at.

    Attributes:
        name: which; `paco_prof.render.doctor_text` has words for each.
        reason: which of the things that can be wrong is, or why it was skipped; empty where it is as it should be.
        detail: particulars in a few words: a version, a stage, the last line of an error.
        figures: the numbers that it rests on.
    """

    group: CheckGroup
    name: str
    status: CheckStatus
    reason: str = ""
    detail: str = ""
    figures: tuple[Figure, ...] = ()

    def figure(self, name: str) -> Figure | None:
        """A figure by its name; None where there is none."""
        return next((figure for figure in self.figures if figure.name == name), None)


class DoctorRecord(Frozen):
    """A machine and an installation, examined: the result of `paco-prof doctor`.

    Attributes:
        checks: in the order in which they were made.
        planted: the steps in which delays were planted, stage by stage.
        overhead: steps of many small stages, with the instrument and without it, pair by pair.
        num_stages: stages in each of them.
        noise: a small training step against itself, over launches of fresh processes.
        measuring_seconds: that the whole examination took.
    """

    schema_version: Literal[1] = 1
    kind: Literal["doctor"] = "doctor"
    tool_version: str
    command: tuple[str, ...] = ()
    created: str = ""
    environment: Environment | None = None
    checks: tuple[DoctorCheck, ...] = ()
    planted: Training | None = None
    overhead: Overhead | None = None
    num_stages: int = Field(default=0, ge=0)
    noise: ComparisonRecord | None = None
    status: Status = "running"
    measuring_seconds: float | None = None
    notes: tuple[Note, ...] = ()

    @model_validator(mode="after")
    def _each_check_once(self) -> DoctorRecord:
        names = [check.name for check in self.checks]
        if len(set(names)) < len(names):
            raise ValueError("every check is made once")
        return self

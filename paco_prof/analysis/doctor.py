"""The verdict of an examination: healthy, with warnings, or failed; and what the noise floor adds to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from paco_prof.analysis.noise_floor import NoiseFloor, noise_floor
from paco_prof.errors import ExitCode
from paco_prof.records import CheckGroup, DoctorCheck, DoctorRecord, Figure

__all__ = ["GROUPS", "DoctorView", "PlantedRow", "Verdict", "doctor_view"]

Verdict = Literal["healthy", "warnings", "failed", "incomplete"]
GROUPS: tuple[CheckGroup, ...] = ("installation", "device", "machine", "instrument")
# A machine that cannot tell a tenth apart with the fewest launches of a claim is good for large differences only.
NOISY = math.log(1.10)


@dataclass(frozen=True, slots=True)
class PlantedRow:
    """A stage's planted and measured time, forward (or in neither pass) and backward.

    Attributes:
        forward, backward: None where the stage is not in that pass.
    """

    path: str
    forward: Figure | None
    backward: Figure | None


@dataclass(frozen=True, slots=True)
class DoctorView:
    """An examination, judged.

    Attributes:
        checks: those of the record, and what the noise floor adds.
        planted: the stages that delays were planted in, in their order.
        noise: None where no launch was complete.
    """

    verdict: Verdict
    checks: tuple[DoctorCheck, ...]
    planted: tuple[PlantedRow, ...]
    noise: NoiseFloor | None

    def of_group(self, group: CheckGroup) -> tuple[DoctorCheck, ...]:
        """The checks of one group, in their order."""
        return tuple(check for check in self.checks if check.group == group)

    def of_status(self, *statuses: str) -> tuple[DoctorCheck, ...]:
        """The checks that ended so."""
        return tuple(check for check in self.checks if check.status in statuses)

    @property
    def exit_code(self) -> ExitCode:
        """What the shell sees: 1 where anything failed, whatever is wrong beside it."""
        # The code of a regression is that of every answer that is no.
        return ExitCode.REGRESSION if self.of_status("failed") else ExitCode.DONE


def doctor_view(record: DoctorRecord) -> DoctorView:
    """Judge an examination, complete or not."""
    noise = noise_floor(record.noise)
    checks = record.checks if noise is None else (*record.checks, _told_apart(noise))
    return DoctorView(_verdict(record, checks), checks, _planted(record), noise)


def _verdict(record: DoctorRecord, checks: tuple[DoctorCheck, ...]) -> Verdict:
    statuses = {check.status for check in checks}
    if "failed" in statuses:
        return "failed"
    if record.status != "complete":
        return "incomplete"
    return "warnings" if "warning" in statuses else "healthy"


def _told_apart(noise: NoiseFloor) -> DoctorCheck:
    """Whether equal sides were taken for different ones, and whether the machine is too noisy for small differences."""
    smallest = noise.smallest
    figures = (
        ()
        if smallest is None
        else (
            Figure(name="smallest", unit="share", measured=math.expm1(smallest.log_ratio), tolerance=math.expm1(NOISY)),
        )
    )
    if noise.judged.established:
        reason = "told apart"
    elif smallest is not None and smallest.log_ratio > NOISY:
        reason = "noisy"
    else:
        reason = ""
    status: Literal["ok", "warning", "skipped"] = "warning" if reason else "ok"
    if smallest is None:
        status, reason = "skipped", "few launches"
    return DoctorCheck(group="instrument", name="A against A", status=status, reason=reason, figures=figures)


def _planted(record: DoctorRecord) -> tuple[PlantedRow, ...]:
    """The stages of both passes, each pass's figure by the stage's path."""
    sides: dict[str, dict[str, Figure]] = {}
    for name in ("planted forward", "planted backward"):
        check = next((check for check in record.checks if check.name == name), None)
        for figure in () if check is None else check.figures:
            path, _, phase = figure.name.rpartition(" ")
            sides.setdefault(path, {})["backward" if phase == "backward" else "forward"] = figure
    return tuple(PlantedRow(path, rows.get("forward"), rows.get("backward")) for path, rows in sides.items())

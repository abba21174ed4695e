"""Every error that a user can meet: one line of what is wrong, one of what to do, and the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

__all__ = [
    "BadRecordError",
    "ExitCode",
    "InterruptedRunError",
    "MeasurementError",
    "OtherMachineError",
    "PacoProfError",
    "RankError",
    "UsageError",
]


class ExitCode(IntEnum):
    """What the shell sees."""

    DONE = 0
    REGRESSION = 1
    USAGE = 2
    INCONCLUSIVE = 3
    MEASUREMENT_FAILED = 4
    INTERRUPTED = 130


class PacoProfError(Exception):
    """An error that is told to the user in one line, without a traceback.

    Args:
        message: what is wrong, naming the value that is.
        hint: what to do about it; empty where the message says it already.

    Attributes:
        result: for those who call the library: what had been measured before, as the call would have returned it; None
            where no measurement had begun.
    """

    exit_code: ExitCode = ExitCode.MEASUREMENT_FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.result: Any = None

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UsageError(PacoProfError, ValueError):
    """A value that was handed in cannot be used (also a `ValueError`, for those who call the library)."""

    exit_code = ExitCode.USAGE


class BadRecordError(UsageError):
    """A file that was said to be a record is not one that this version can read."""


class OtherMachineError(UsageError):
    """Times of another machine were to stand beside those of this one.

    Attributes:
        differences: in what they differ, a few words each.
    """

    def __init__(self, differences: Sequence[str]) -> None:
        super().__init__(
            f"The record's launches are of another machine: {', '.join(differences)}.",
            "Times of two machines are never compared; begin a new record.",
        )
        self.differences = tuple(differences)


class MeasurementError(PacoProfError):
    """What was being measured failed; whatever had been measured before is kept."""

    exit_code = ExitCode.MEASUREMENT_FAILED


class InterruptedRunError(PacoProfError):
    """The user interrupted the run; what had been measured until then is kept."""

    exit_code = ExitCode.INTERRUPTED


class RankError(PacoProfError):
    """A run of several ranks ended, on this one because of another one, or not for this one to tell.

    Args:
        message: why.
        code: what the process is to end with.
        is_mine: whether this rank tells the user; of all ranks one does.
    """

    def __init__(self, message: str, code: int, *, is_mine: bool) -> None:
        super().__init__(message)
        self.exit_code = ExitCode(code)
        self.is_mine = is_mine

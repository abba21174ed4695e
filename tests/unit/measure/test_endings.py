"""What ended a measurement early, in one line and with an exit code."""

from __future__ import annotations

import sys

import pytest

from paco_prof.errors import ExitCode, InterruptedRunError, MeasurementError, UsageError
from paco_prof.measure.endings import ending
from paco_prof.records import Note


def raised(error: BaseException) -> BaseException:
    """The error, as somebody's code has raised it: this file is some."""
    with pytest.raises(BaseException) as told:  # noqa: PT012
        if isinstance(error, SystemExit):
            sys.exit(error.code)
        raise error
    return told.value


@pytest.mark.parametrize(
    ("error", "words"),
    [(SystemExit(0), "SystemExit: 0"), (SystemExit("bye"), "SystemExit: bye"), (KeyError("K"), "'K'")],
)
def test_what_measured_code_raises_is_its_failure_whatever_it_is(error: BaseException, words: str) -> None:
    """And the end of the process is: a process that ended with 0 would say that all is well."""
    told = ending(raised(error), (), 3, "step")
    assert isinstance(told, MeasurementError)
    assert told.exit_code == ExitCode.MEASUREMENT_FAILED
    assert words in str(told)
    assert "(test_endings.py, line " in str(told)
    assert "\n" not in str(told)


def test_a_note_tells_it_in_words_that_may_be_shared() -> None:
    told = ending(SystemExit(0), (Note(code="failed", detail="SystemExit: 0 (model.py, line 7)"),), 3, "step")
    assert str(told) == "The measured code failed: SystemExit: 0 (model.py, line 7)."


def test_other_endings() -> None:
    refused = UsageError("no")
    assert ending(refused, (), 0, "step") is refused
    assert ending(None, (), 0, "step") is None
    assert isinstance(ending(KeyboardInterrupt(), (), 2, "step"), InterruptedRunError)

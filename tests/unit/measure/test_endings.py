"""What ended a measurement early, in one line and with an exit code."""

from __future__ import annotations

import sys

import pytest

from paco_prof.errors import ExitCode, InterruptedRunError, MeasurementError, UsageError
from paco_prof.measure.endings import ending, scale_ending
from paco_prof.measure.surveyor import ScaleOutcome
from paco_prof.records import Largest, Note, Trial
from surveyed import Lab, survey


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


@pytest.mark.parametrize(
    ("largest", "words"),
    [
        (Largest(contestant=0, reason="failed", detail="the node is gone, 3 times"), "the node is gone, 3 times"),
        (
            Largest(
                contestant=0,
                reason="failed",
                detail="the node is gone, 3 times",
                trials=(Trial(size=4, steps=3, fits=True),),
            ),
            "the node is gone, 3 times",
        ),
        (
            Largest(
                contestant=0,
                reason="failed",
                trials=(Trial(size=4, fits=False, reason="failed", detail="it is raised"),),
            ),
            "it is raised",
        ),
        (Largest(contestant=0, reason="failed"), "it was given up"),
    ],
)
def test_a_search_that_failed_is_a_failure_whatever_is_known_of_it(largest: Largest, words: str) -> None:
    record = Lab().run(survey(variants=["exact"])).record
    assert scale_ending(ScaleOutcome(record)) is None
    told = scale_ending(ScaleOutcome(record.model_copy(update={"largest": (largest,)})))
    assert isinstance(told, MeasurementError)
    assert str(told) == f"exact: the search for the largest batch failed: {words}."

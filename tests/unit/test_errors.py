"""What a user meets: one line, what to do, and the exit code that is documented."""

from __future__ import annotations

import pytest

from paco_prof.errors import (
    BadRecordError,
    ExitCode,
    InterruptedRunError,
    MeasurementError,
    PacoProfError,
    UsageError,
)


def test_exit_codes_are_the_documented_ones() -> None:
    documented = {"DONE": 0, "REGRESSION": 1, "USAGE": 2, "INCONCLUSIVE": 3, "MEASUREMENT_FAILED": 4}
    assert {code.name: int(code) for code in ExitCode} == {**documented, "INTERRUPTED": 130}


@pytest.mark.parametrize(
    ("error", "code"),
    [(UsageError, 2), (BadRecordError, 2), (MeasurementError, 4), (InterruptedRunError, 130), (PacoProfError, 4)],
)
def test_each_error_knows_its_exit_code(error: type[PacoProfError], code: int) -> None:
    assert error("Something is wrong.").exit_code == code


def test_message_and_hint_make_one_line() -> None:
    assert str(UsageError("K=10 does not fit.", "Use a smaller -K.")) == "K=10 does not fit. Use a smaller -K."
    assert str(UsageError("K=10 does not fit.")) == "K=10 does not fit."


def test_message_and_hint_can_be_had_apart() -> None:
    error = UsageError("K=10 does not fit.", "Use a smaller -K.")
    assert (error.message, error.hint) == ("K=10 does not fit.", "Use a smaller -K.")


def test_bad_values_are_value_errors_for_those_who_call_the_library() -> None:
    assert issubclass(UsageError, ValueError)
    assert issubclass(BadRecordError, UsageError)
    assert not issubclass(MeasurementError, ValueError)

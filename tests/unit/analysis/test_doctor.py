"""The verdict of an examination, and what the shell sees of it."""

from __future__ import annotations

import pytest

from doctors import EFFECTS, broken_record, check, healthy_record, noise_record, warned_record
from paco_prof.analysis.doctor import doctor_view
from paco_prof.errors import ExitCode
from paco_prof.records import DoctorCheck, DoctorRecord


def status_of(record: DoctorRecord, name: str) -> tuple[str, str]:
    (found,) = [one for one in doctor_view(record).checks if one.name == name]
    return found.status, found.reason


def with_check(one: DoctorCheck) -> DoctorRecord:
    record = healthy_record()
    return healthy_record(checks=(*(other for other in record.checks if other.name != one.name), one))


def test_what_is_as_it_should_be_is_healthy() -> None:
    view = doctor_view(healthy_record())
    assert (view.verdict, view.exit_code) == ("healthy", ExitCode.DONE)


def test_warnings_are_no_failure() -> None:
    view = doctor_view(warned_record())
    assert (view.verdict, view.exit_code) == ("warnings", ExitCode.DONE)


def test_one_failure_is_a_failure_whatever_else_there_is() -> None:
    view = doctor_view(broken_record())
    assert (view.verdict, view.exit_code) == ("failed", 1)
    single = doctor_view(with_check(check("instrument", "order", "failed", "other order", "block forward")))
    assert (single.verdict, single.exit_code) == ("failed", 1)


def test_what_was_skipped_is_neither() -> None:
    assert doctor_view(with_check(check("device", "tf32", "skipped", "no gpu"))).verdict == "healthy"


@pytest.mark.parametrize("status", ["running", "interrupted"])
def test_what_ended_early_is_incomplete_unless_something_had_failed(status: str) -> None:
    assert doctor_view(healthy_record(status=status)).verdict == "incomplete"
    assert doctor_view(broken_record(status=status)).verdict == "failed"


def test_equal_sides_that_are_told_apart_are_a_warning() -> None:
    """All eight launches on one side: what happens to one examination in a hundred."""
    told_apart = healthy_record(noise=noise_record([abs(effect) + 0.02 for effect in EFFECTS]))
    assert status_of(told_apart, "A against A") == ("warning", "told apart")


def test_a_machine_that_is_too_noisy_is_a_warning() -> None:
    assert status_of(healthy_record(), "A against A") == ("ok", "")
    noisy = healthy_record(noise=noise_record([10 * effect for effect in EFFECTS]))
    assert status_of(noisy, "A against A") == ("warning", "noisy")


def test_few_launches_tell_nothing_about_the_noise() -> None:
    assert status_of(healthy_record(noise=noise_record(EFFECTS[:2])), "A against A") == ("skipped", "few launches")


def test_without_launches_there_is_nothing_to_say() -> None:
    assert "A against A" not in {one.name for one in doctor_view(healthy_record(noise=None)).checks}


def test_planted_delays_stand_side_by_side_by_stage() -> None:
    rows = doctor_view(healthy_record()).planted
    assert [row.path for row in rows] == ["stem", "block", "head", "head/inner", "update"]
    stem, update = rows[0], rows[-1]
    assert stem.forward is not None
    assert stem.backward is not None
    assert (stem.forward.expected, stem.backward.expected) == (0.008, 0.012)
    assert update.forward is not None
    assert update.backward is None


def test_a_record_whose_planted_steps_broke_down_has_no_rows() -> None:
    record = healthy_record(checks=(check("instrument", "planted delays", "failed", "raised", "RuntimeError"),))
    assert doctor_view(record).planted == ()

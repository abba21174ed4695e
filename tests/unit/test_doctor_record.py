"""Records of examinations: read as they were written, refused where they make no sense, and no pilots of anything."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from pydantic import ValidationError

from doctors import DOCTORS, check, figure, healthy_record
from paco_prof.analysis.history_steps import measured_steps
from paco_prof.analysis.pilots import pilots_of
from paco_prof.errors import BadRecordError, UsageError
from paco_prof.records import BreakdownRecord, DoctorRecord
from paco_prof.store import read_kind, read_record, write_record


@pytest.mark.parametrize("name", DOCTORS)
def test_what_is_written_is_what_is_read(name: str, tmp_path: Path) -> None:
    record = DOCTORS[name]()
    write_record(tmp_path / "run.json", record)
    assert repr(read_kind(tmp_path / "run.json", DoctorRecord)) == repr(record)


def test_it_is_no_record_of_another_kind(tmp_path: Path) -> None:
    write_record(tmp_path / "run.json", healthy_record())
    with pytest.raises(BadRecordError, match="is the record of an examination, and not of a breakdown"):
        read_kind(tmp_path / "run.json", BreakdownRecord)


def test_checks_that_were_made_twice_are_refused(tmp_path: Path) -> None:
    twice = (check("device", "tf32"), check("device", "tf32"))
    with pytest.raises(ValidationError, match="every check is made once"):
        healthy_record(checks=twice)
    data = json.loads(healthy_record().model_dump_json())
    data["checks"] = [one.model_dump(mode="json") for one in twice]
    (tmp_path / "run.json").write_text(json.dumps(data))
    with pytest.raises(BadRecordError, match=r"run\.json is not a valid record"):
        read_record(tmp_path / "run.json")


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(ValidationError):
        check("device", "tf32", "perhaps")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "is_off"),
    [
        (figure("a", "seconds", 1.04, 1.0, 0.05), False),
        (figure("a", "seconds", 0.94, 1.0, 0.05), True),
        (figure("a", "seconds", math.nan, 1.0, 0.05), True),
        (figure("a", "seconds", None, 1.0, 0.05), True),
        (figure("a", "seconds", None, 0.05), False),
        (figure("a", "seconds", 0.06, 0.05), True),
        (figure("a", "seconds", -0.06, 0.05), True),
        (figure("a", "seconds", 99.0), False),
    ],
)
def test_a_figure_is_off_where_it_is_farther_away_than_it_may_be(one: object, is_off: bool) -> None:
    assert one.is_off is is_off  # type: ignore[attr-defined]


def test_there_is_nothing_in_it_to_project_and_no_step_for_the_history() -> None:
    with pytest.raises(UsageError, match="nothing to project"):
        pilots_of(healthy_record())
    assert measured_steps("run.json", healthy_record()) == ()

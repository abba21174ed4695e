"""Record files: whole or not there at all, and one clear line about what is wrong with one."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from builders import EXAMPLES, analysis_record, cpu_record, exact_record, gpu_record, interrupted_record
from comparisons import aa_record, ablation_record, comparison_record, unmeasured_record
from paco_prof.errors import BadRecordError, ExitCode, UsageError
from paco_prof.records import BreakdownRecord, ComparisonRecord
from paco_prof.store import check_writable, read_kind, read_record, write_record, write_text

BUILT = [cpu_record(), gpu_record(), interrupted_record(), analysis_record(), exact_record()]


@pytest.mark.parametrize("record", BUILT, ids=["cpu", "gpu", "interrupted", "analysis", "exact"])
def test_what_is_written_is_what_is_read(record: BreakdownRecord, tmp_path: Path) -> None:
    write_record(tmp_path / "run.json", record)
    assert repr(read_record(tmp_path / "run.json")) == repr(record)


def test_files_read_the_same_in_every_locale(tmp_path: Path) -> None:
    write_text(tmp_path / "report.md", "±5 % – †\n")
    assert (tmp_path / "report.md").read_bytes() == "±5 % – †\n".encode()


def test_writing_replaces_the_file_and_leaves_nothing_else_behind(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("what was here before, and is much longer than what comes")
    write_text(path, "new\n")
    assert path.read_text() == "new\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "run.json", "{}")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "run.json").stat().st_mode) == 0o640


def test_a_write_that_fails_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full: the record of ten seconds ago is still there, and no half of a new one."""
    path = tmp_path / "run.json"
    write_record(path, cpu_record())
    before = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UsageError, match=r"run\.json cannot be written: No space left"):
        write_record(path, gpu_record())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    write_text(path, "old\n")

    def interrupt(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_text(path, "new\n")
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


def _message(path: Path) -> str:
    """The one line that reading `path` ends in."""
    with pytest.raises(BadRecordError) as caught:
        read_record(path)
    assert caught.value.exit_code == ExitCode.USAGE
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    assert "No such file" in _message(tmp_path / "none.json")
    assert "directory" in _message(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_truncated_record_says_where_it_ends(share: float, tmp_path: Path) -> None:
    whole = cpu_record().model_dump_json(indent=1)
    path = tmp_path / "cut.json"
    path.write_text(whole[: int(share * len(whole))])
    message = _message(path)
    assert "not complete JSON" in message
    assert "line" in message
    assert "cut off" in message


def test_binary_files_are_not_text(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(b"\x80\x04\x95\xff\xfe")
    assert "not UTF-8" in _message(tmp_path / "run.json")


@pytest.mark.parametrize("text", ["[]", "3", '"text"', "null", "{}", '{"schema_version": "1"}', '{"a": 1}'])
def test_other_json_is_no_record(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    assert "not a paco-prof record" in _message(tmp_path / "run.json")


def test_a_newer_schema_asks_for_a_newer_tool(tmp_path: Path) -> None:
    data = {**cpu_record().model_dump(mode="json"), "schema_version": 7, "something_new": 1}
    (tmp_path / "run.json").write_text(json.dumps(data))
    message = _message(tmp_path / "run.json")
    assert "schema 7" in message
    assert "Upgrade" in message


def test_an_invalid_field_is_named(tmp_path: Path) -> None:
    data = cpu_record().model_dump(mode="json")
    data["workload"]["batch_size"] = "eight"
    (tmp_path / "run.json").write_text(json.dumps(data))
    assert "workload.batch_size" in _message(tmp_path / "run.json")


@pytest.mark.parametrize("text", ["[" * 50_000, '{"schema_version": ' + "1" * 5000 + "}"], ids=["deep", "long number"])
def test_json_that_python_will_not_parse_is_one_line_too(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    _message(tmp_path / "run.json")


def test_the_example_is_a_record() -> None:
    record = read_record(EXAMPLES / "analysis_batch8.json")
    assert record.source.kind == "quoted"
    assert record.source.citation


def test_checking_leaves_no_trace(tmp_path: Path) -> None:
    check_writable(tmp_path / "new.json")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old.json").write_text("kept")
    check_writable(tmp_path / "old.json")
    assert (tmp_path / "old.json").read_text() == "kept"


def test_what_cannot_be_written_is_found_before(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"nowhere does not exist.*Create it"):
        check_writable(tmp_path / "nowhere" / "run.json")
    with pytest.raises(UsageError, match="it is a folder"):
        check_writable(tmp_path)
    with pytest.raises(UsageError, match="cannot be written"):
        check_writable(tmp_path / "file" / "run.json")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_locked_is_found_before(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="Permission denied"):
        check_writable(tmp_path / "run.json")
    tmp_path.chmod(0o700)


def test_writing_into_a_folder_that_has_gone_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        write_text(tmp_path / "gone" / "run.json", "{}")


COMPARED = [
    comparison_record(),
    aa_record(launches=1),
    unmeasured_record(),
    ablation_record("cumulative", launches=1),
    ablation_record("one-at-a-time", launches=1),
]


@pytest.mark.parametrize("number", range(len(COMPARED)), ids=["compare", "a-a", "unmeasured", "cumulative", "failures"])
def test_a_comparison_that_is_written_is_the_one_that_is_read(number: int, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_record(path, COMPARED[number])
    assert repr(read_record(path)) == repr(COMPARED[number])
    assert repr(read_kind(path, ComparisonRecord)) == repr(COMPARED[number])


def test_a_breakdown_is_no_comparison(tmp_path: Path) -> None:
    write_record(tmp_path / "run.json", cpu_record())
    with pytest.raises(BadRecordError, match=r"run\.json is the record of a breakdown.*compare and ablate write one"):
        read_kind(tmp_path / "run.json", ComparisonRecord)
    with pytest.raises(BadRecordError, match="No such file"):
        read_kind(tmp_path / "none.json", ComparisonRecord)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "breakdown"}, "not a valid record"),
        ({"kind": "gate"}, "not a paco-prof record"),
        ({"kind": None}, "not a paco-prof record"),
        ({"kind": ["comparison"]}, "not a paco-prof record"),
        ({"schema_version": 9}, "schema 9"),
        ({"contestants": []}, "contestants"),
        ({"design": "race"}, "design"),
        ({"status": "asleep"}, "status"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_comparison_that_is_none_is_one_line(changes: dict[str, object], words: str, tmp_path: Path) -> None:
    data = COMPARED[1].model_dump(mode="json") | changes
    (tmp_path / "run.json").write_text(json.dumps(data))
    assert words in _message(tmp_path / "run.json")


def test_a_comparison_that_was_cut_off_is_one_line(tmp_path: Path) -> None:
    whole = COMPARED[0].model_dump_json()
    (tmp_path / "run.json").write_text(whole[: len(whole) // 2])
    assert "not complete JSON" in _message(tmp_path / "run.json")

"""Records as JSON files: written atomically, read with one clear line about what is wrong."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from paco_prof.errors import BadRecordError, UsageError
from paco_prof.records import (
    SCHEMA_VERSION,
    AccuracyRecord,
    BreakdownRecord,
    CheckRecord,
    ComparisonRecord,
    DoctorRecord,
    EstimateRecord,
    ScaleRecord,
    TrainingRunRecord,
)

__all__ = ["Record", "check_writable", "read_kind", "read_record", "write_bytes", "write_record", "write_text"]

Record = (
    BreakdownRecord
    | ComparisonRecord
    | TrainingRunRecord
    | EstimateRecord
    | AccuracyRecord
    | CheckRecord
    | DoctorRecord
    | ScaleRecord
)
_KINDS: dict[str, type[Record]] = {
    "breakdown": BreakdownRecord,
    "comparison": ComparisonRecord,
    "training": TrainingRunRecord,
    "estimate": EstimateRecord,
    "accuracy": AccuracyRecord,
    "check": CheckRecord,
    "doctor": DoctorRecord,
    "scale": ScaleRecord,
}
# What a record of each kind is called, and which command writes it.
_WORDS = {
    "breakdown": ("a breakdown", "paco-prof breakdown writes one"),
    "comparison": ("a comparison", "paco-prof compare and ablate write one"),
    "training": ("a training run", "paco-prof train writes one"),
    "estimate": ("an estimate", "paco-prof estimate writes one"),
    "accuracy": ("a comparison of accuracy", "paco-prof compare --accuracy writes one"),
    "check": ("the record of a gate", "paco-prof check writes one"),
    "doctor": ("an examination", "paco-prof doctor writes one"),
    "scale": ("a measurement of growth", "paco-prof scale writes one"),
}
_Kind = TypeVar(
    "_Kind",
    BreakdownRecord,
    ComparisonRecord,
    TrainingRunRecord,
    EstimateRecord,
    AccuracyRecord,
    CheckRecord,
    DoctorRecord,
    ScaleRecord,
)


def read_kind(path: Path, kind: type[_Kind]) -> _Kind:
    """Read a record of one kind.

    Raises:
        BadRecordError: as for `read_record`, or a record of another kind.
    """
    record = read_record(path)
    if not isinstance(record, kind):
        wanted, writer = _WORDS[kind.model_fields["kind"].default]
        raise BadRecordError(f"{path} is the record of {_WORDS[record.kind][0]}, and not of {wanted}.", f"{writer}.")
    return record


def read_record(path: Path) -> Record:
    """Read a record of any kind.

    Raises:
        BadRecordError: no such file, not JSON, truncated, not a record, or of a newer schema.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not UTF-8 text"
        raise BadRecordError(f"{path} cannot be read: {reason}.") from error
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadRecordError(
            f"{path} is not complete JSON (line {error.lineno}, column {error.colno}).",
            "It may have been cut off; run the measurement again.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise BadRecordError(f"{path} is JSON, but nothing that a paco-prof record could hold.") from error
    kind = _checked_kind(path, data)
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise BadRecordError(f"{path} is not a valid record: {where}: {first['msg']}.") from error


def _checked_kind(path: Path, data: Any) -> type[Record]:
    version = data.get("schema_version") if isinstance(data, dict) else None
    name = data.get("kind") if isinstance(data, dict) else None
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if not isinstance(version, int) or kind is None:
        raise BadRecordError(
            f"{path} is JSON, but not a paco-prof record.", "Records are what --output of a command writes."
        )
    if version > SCHEMA_VERSION:
        raise BadRecordError(
            f"{path} has schema {version}; this paco-prof reads up to {SCHEMA_VERSION}.", "Upgrade paco-prof."
        )
    return kind


def write_record(path: Path, record: Record) -> None:
    """Write a record atomically: a reader sees the old file or the new one, never half of one."""
    write_text(path, record.model_dump_json(indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, as UTF-8.

    Raises:
        UsageError: the file cannot be written.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        if path.exists() and not path.is_file():
            # A pipe or a terminal (/dev/stdout) is written to, and not replaced.
            path.write_bytes(data)
            return
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            # mkstemp makes files private; a report is as readable as any other file.
            Path(temporary).chmod(0o666 & ~_umask())
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from error


def check_writable(path: Path) -> None:
    """Find out before measuring whether `path` can be written, leaving everything as it was.

    Raises:
        UsageError: it is a folder, its folder does not exist, or the folder (for a device or a pipe: it) is not ours to
            write to.
    """
    if path.is_dir():
        raise UsageError(f"{path} cannot be written: it is a folder.", "Name a file.")
    if path.exists() and not path.is_file():
        if not os.access(path, os.W_OK):
            raise UsageError(f"{path} cannot be written: permission denied.", "Name another file.")
        return
    if not path.parent.is_dir():
        raise UsageError(f"{path} cannot be written: the folder {path.parent} does not exist.", "Create it first.")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", "Name another file.") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

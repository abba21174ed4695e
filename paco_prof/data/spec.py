"""Which images: what `--data` says. Free of torch."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from paco_prof.errors import UsageError

__all__ = ["DIGITS", "SYNTHETIC", "data_name", "folder_of", "parse_data"]

SYNTHETIC = "synthetic"
DIGITS = "digits"
_FOLDER = "folder:"


def parse_data(text: str) -> str:
    """What `--data` was given, as a workload and so a record may hold it: without an absolute path.

    Raises:
        UsageError: neither `synthetic` nor `digits` nor a folder that is there.
    """
    if text in (SYNTHETIC, DIGITS):
        return text
    if not text.startswith(_FOLDER):
        near = difflib.get_close_matches(text, [SYNTHETIC, DIGITS], n=1)
        hint = f"Did you mean {near[0]}?" if near else "Use synthetic, digits or folder:PATH."
        raise UsageError(f"--data {text!r} is unknown.", hint)
    given = text.removeprefix(_FOLDER)
    path = Path(given).expanduser()
    if not given or not path.is_dir():
        what = f"{given} {'is not a folder' if path.exists() else 'does not exist'}" if given else "there is no path"
        raise UsageError(f"--data {text}: {what}.", "Name a folder with a folder of images for each class.")
    return _FOLDER + _without_root(path)


def folder_of(data: str) -> Path | None:
    """The folder that a workload's data are in; None where they are in none."""
    return Path(data.removeprefix(_FOLDER)).expanduser() if data.startswith(_FOLDER) else None


def data_name(data: str) -> str:
    """What tables call it: a folder without the folders that it is in."""
    folder = folder_of(data)
    return data if folder is None else f"{_FOLDER}{folder.resolve().name}"


def _without_root(path: Path) -> str:
    """The path from the home folder, which is not named, or else from the working folder."""
    if not path.is_absolute():
        return str(path)
    with_home = Path.home()
    if str(with_home) != "/" and path.is_relative_to(with_home):
        return str(Path("~") / path.relative_to(with_home))
    return os.path.relpath(path)

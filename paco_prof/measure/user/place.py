"""Where in the user's own code something happened: file and line, as a record may hold them. Free of torch."""

from __future__ import annotations

import functools
import inspect
import sysconfig
import traceback
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

import paco_prof
from paco_prof.errors import PacoProfError
from paco_prof.measure.shareable import last_line, scrub

__all__ = ["INSTALLED", "defined_at", "is_user_file", "place_in", "told", "user_place"]

# Folders of what pip installs.
INSTALLED = frozenset({"site-packages", "dist-packages"})
OURS = Path(paco_prof.__file__).resolve().parent


def told(error: BaseException) -> str:
    """An error as a record may hold it: type, last line, and where in the user's code it was raised, if there."""
    place = user_place(error)
    # What we say ourselves is a sentence, and names no type.
    text = scrub(error.message) if isinstance(error, PacoProfError) else last_line(error)
    # Of a syntax error Python tells the place itself.
    return text.rstrip(".") + (f" ({place})" if place and f"({place})" not in text else "")


def user_place(error: BaseException) -> str:
    """`model.py, line 7`: the innermost line of the user's code that an error was raised in or passed through; empty
    where it passed through none.
    """
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{Path(error.filename).name}, line {error.lineno}"
    return place_in(error.__traceback__)


def place_in(trace: TracebackType | None) -> str:
    """The same of a traceback."""
    frames = [frame for frame in traceback.extract_tb(trace) if is_user_file(frame.filename)]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""


def defined_at(thing: Any) -> str:
    """`model.py, line 7`: where a function, or a class's way of being called, was defined; empty where in none of the
    user's files.
    """
    function = inspect.unwrap(getattr(thing, "__func__", thing))
    if inspect.isclass(function):
        function = function.__init__
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType) or not is_user_file(code.co_filename):
        return ""
    return f"{Path(code.co_filename).name}, line {code.co_firstlineno}"


@functools.cache
def is_user_file(name: str) -> bool:
    """Whether a file is neither ours, nor the standard library's, nor installed, nor none at all."""
    if name.startswith("<"):
        return False
    path = Path(name).resolve()
    if INSTALLED & set(path.parts) or path.is_relative_to(OURS):
        return False
    return not any(path.is_relative_to(Path(folder).resolve()) for folder in _library_folders())


@functools.cache
def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple(dict.fromkeys((paths["stdlib"], paths["platstdlib"])))

"""The user's configuration: the nearest `paco-prof.toml`, or `pyproject.toml` with a `[tool.paco-prof]`.

Who reads a table of it says what may stand there (`paco_prof.variants.user_file`, `paco_prof.gate.table`,
`paco_prof.user_code`). Here the
file is found and read, and the line is found on which something stands.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paco_prof.errors import UsageError

__all__ = ["UserFile", "as_table"]

FILES = ("paco-prof.toml", "pyproject.toml")
KNOWN = ("variants", "check", "stages")

_HEADER = re.compile(r"\s*\[\[?([^\[\]]+)\]\]?\s*")
_NAME = r"""(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)"""
_ENTRY = re.compile(rf"\s*({_NAME}(?:\s*\.\s*{_NAME})*)\s*=")


@dataclass(frozen=True, slots=True)
class UserFile:
    """A UserFile is what one configuration file says to this tool.

    Attributes:
        name: of the file, without its folder: nobody's folders stand in a message or a record.
        root: the folder that it stands in; the paths that it holds are relative to that.
        text: all of it, for the lines.
        tables: what it says to this tool, by name.
    """

    name: str
    root: Path
    text: str
    tables: Mapping[str, Any]

    @staticmethod
    def find(folder: Path) -> UserFile | None:
        """The nearest file at or above `folder` that says something to this tool; None where there is no such file.

        Raises:
            UsageError: the file is not TOML, or holds a table that nobody reads.
        """
        for parent in (folder, *folder.parents):
            for name in FILES:
                path = parent / name
                if not path.is_file():
                    continue
                text = _text(path)
                tables = _tables(path, text)
                if tables is not None:
                    found = UserFile(name, parent, text, tables)
                    found._check_names()
                    return found
        return None

    def table(self, name: str) -> dict[str, Any]:
        """One of its tables; an empty one where it does not stand there.

        Raises:
            UsageError: it is not a table.
        """
        return as_table(self.tables.get(name, {}), f"{self.name}: {name}")

    def place(self, *names: str, value: str = "") -> str:
        """`paco-prof.toml, line 7`: where the last of nested names stands, or the last of them that can be found.

        Args:
            names: of the table, of an entry, and so on: `"check", "set", "d"`.
            value: some text of what stands there, for the one line of several that holds it.
        """
        path = ("tool", "paco-prof", *names) if self.name == "pyproject.toml" else names
        lines = [_code(line) for line in self.text.splitlines()]
        found = _line(lines, path)
        if found is None:
            return self.name
        if value:
            found = next((number for number in range(found, len(lines)) if value in lines[number]), found)
        return f"{self.name}, line {found + 1}"

    def _check_names(self) -> None:
        """A table with a misspelt name would be ignored in silence."""
        for name in self.tables:
            if name not in KNOWN:
                there = f"There is {', '.join(KNOWN)}."
                hint = "In paco-prof.toml tables begin without it." if name == "tool" else there
                raise UsageError(f"{self.place(name)}: {name!r} says nothing to paco-prof.", hint)


def as_table(value: Any, name: str) -> dict[str, Any]:
    """`value`, which is a table.

    Args:
        value: anything that TOML can hold.
        name: what the message calls it.

    Raises:
        UsageError: it is something else.
    """
    if not isinstance(value, dict):
        raise UsageError(f"{name} is not a table.", "Write its entries as name = value, one a line.")
    return value


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name} cannot be read: {error}.") from error


def _tables(path: Path, text: str) -> dict[str, Any] | None:
    """What the file says to this tool; None where it says nothing."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path.name} cannot be read: {error}.") from error
    if path.name == "pyproject.toml":
        tools = as_table(data.get("tool", {}), "pyproject.toml: tool")
        return as_table(tools["paco-prof"], "pyproject.toml: tool.paco-prof") if "paco-prof" in tools else None
    return data


def _line(lines: list[str], names: tuple[str, ...]) -> int | None:
    """The index of the line on which nested names stand, or as many of them, from the first, as can be found."""
    begun = list(_begun(lines))
    found, depth, end = None, 0, len(lines)
    for index, (number, path) in enumerate(begun):
        shared = min(len(path), len(names))
        if shared > depth and path[:shared] == names[:shared]:
            found, depth = number, shared
            end = begun[index + 1][0] if index + 1 < len(begun) else len(lines)
    if found is None:
        return None
    # What is left stands in braces: { d = 32, r = 3 }.
    for name in names[depth:]:
        is_name = re.compile(rf"""(^|[\s.{{,"']){re.escape(name)}["']?\s*[.=]""")
        found = next((number for number in range(found, end) if is_name.search(lines[number])), found)
    return found


def _begun(lines: list[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The lines that begin a table or an entry, with its name and those of the tables that it is in."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(lines):
        if header := _HEADER.fullmatch(line):
            table = _names(header[1])
            yield number, table
        elif entry := _ENTRY.match(line):
            yield number, (*table, *_names(entry[1]))


def _names(dotted: str) -> tuple[str, ...]:
    return tuple(name.strip("\"'") for name in re.findall(_NAME, dotted))


def _code(line: str) -> str:
    """A line without its comment; a hash inside of quotes is one all the same, which costs a line number at worst."""
    return line.partition("#")[0]

"""What a record may hold of a text: nothing that names a person, a computer or a folder. Free of torch."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["last_line", "scrub", "shareable_command"]

ADDRESS = "--address"
# What it can be that names no computer.
NO_HOSTS = ("auto", "local")


def last_line(error: BaseException) -> str:
    """An error's type and the last line of its message, as a record may hold it."""
    lines = str(error).strip().splitlines()
    return scrub(f"{type(error).__name__}: {lines[-1]}" if lines else type(error).__name__)


def scrub(text: str) -> str:
    """A message without the folders of absolute paths: `/home/x/run.json` becomes `run.json`, `/home/x` becomes `~`."""
    home = str(Path.home())
    if home != "/":
        text = text.replace(home, "~")
    text = re.sub(r"/(?:home|Users)/[^/\s:'\"]+", "~", text)
    return re.sub(r"(?:~|(?<![\w.])(?:[A-Za-z]:)?)[/\\](?:[^\s/\\:'\"]+[/\\])*([^\s/\\:'\"]+)", r"\1", text)


def shareable_command(arguments: list[str]) -> tuple[str, ...]:
    """A command line as a record keeps it: every path, relative ones too, reduced to its file name, and a cluster's
    address to its form.
    """
    before = ("", *arguments)
    return tuple(
        _without_host(option, _without_folders(argument)) for option, argument in zip(before, arguments, strict=False)
    )


def _without_host(before: str, argument: str) -> str:
    """An argument after another one; a name that is no computer's stays."""
    if before == ADDRESS:
        return argument if argument in NO_HOSTS else "HOST:PORT"
    if argument.startswith(f"{ADDRESS}="):
        return f"{ADDRESS}={_without_host(ADDRESS, argument.removeprefix(f'{ADDRESS}='))}"
    return argument


def _without_folders(argument: str) -> str:
    option, equals, value = argument.partition("=") if argument.startswith("-") else ("", "", argument)
    return option + equals + re.split(r"[/\\]", value)[-1]

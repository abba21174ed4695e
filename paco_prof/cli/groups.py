"""Options that go together, as one parameter of a command.

Typer takes a command's options from its signature, one parameter for each. So that those which many commands have need
not stand in the signature of each, a parameter of a command may be a group: a dataclass whose fields are options.
`spelled_out` makes of such a command the one that Typer reads, and gives the command itself its groups.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

__all__ = ["OptionGroup", "spelled_out"]


class OptionGroup:
    """A frozen dataclass whose fields are options, each with its default, or groups of their own."""


def spelled_out(command: Callable[..., int]) -> Callable[..., int]:
    """A command with all options of its groups in its own signature.

    Raises:
        TypeError: two of its options have one name.
    """
    hints = get_type_hints(command, include_extras=True)
    given = inspect.signature(command).parameters.values()
    spelled = [each for parameter in given for each in _spelled(parameter, hints[parameter.name])]
    names = [parameter.name for parameter in spelled]
    if len(set(names)) < len(names):
        raise TypeError(f"{command.__name__} has an option twice: {', '.join(sorted(names))}")

    @functools.wraps(command)
    def run(**values: Any) -> int:
        return command(**{name: _gathered(hints[name], name, values) for name in inspect.signature(command).parameters})

    run.__signature__ = inspect.Signature(spelled)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in spelled}
    return run


def _spelled(parameter: inspect.Parameter, kind: Any) -> Iterator[inspect.Parameter]:
    """The parameters that one of them stands for."""
    if not _is_group(kind):
        yield parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY)
        return
    hints = get_type_hints(kind, include_extras=True)
    for each in fields(kind):
        default = inspect.Parameter.empty if each.default is MISSING else each.default
        single = inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=default)
        yield from _spelled(single, hints[each.name])


def _gathered(kind: Any, name: str, values: Mapping[str, Any]) -> Any:
    """The value of a parameter: what was given for it, or its group of what was given for all in it."""
    if not _is_group(kind):
        return values[name]
    hints = get_type_hints(kind, include_extras=True)
    return kind(**{each.name: _gathered(hints[each.name], each.name, values) for each in fields(kind)})


def _is_group(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, OptionGroup)

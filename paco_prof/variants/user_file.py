"""The user's own variants, from `paco-prof.toml` or `[tool.paco-prof]` of a `pyproject.toml`.

[tool.paco-prof.variants.mine]        # [variants.mine] in paco-prof.toml
why = "What we train on the cluster."
use = ["exact", "bfloat16"]           # variants that it starts from, in their order
set = { d = 32, batch_size = 16 }     # settings on top of them
kind = "different"                    # worked out where it is left away
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from paco_prof.errors import UsageError
from paco_prof.records import VariantKind
from paco_prof.settings import Workload, canonical, with_settings
from paco_prof.variants.catalogue import CATALOGUE
from paco_prof.variants.resolve import find_variant, kind_of
from paco_prof.variants.variant import Variant, combined

__all__ = ["own_variants"]

FILES = ("paco-prof.toml", "pyproject.toml")
KNOWN = ("variants",)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    why: str = ""
    use: list[str] = []
    set: dict[str, Any] = {}
    kind: VariantKind | None = None


def own_variants(folder: Path) -> tuple[Variant, ...]:
    """The variants that the nearest configuration at or above `folder` defines; none where there is no such file.

    Raises:
        UsageError: the file is not TOML, or what it says of a variant cannot be.
    """
    for parent in (folder, *folder.parents):
        for name in FILES:
            path = parent / name
            if not path.is_file():
                continue
            text = _text(path)
            tables = _tables(path, text)
            if tables is not None:
                _check_names(path.name, text, tables)
                entries = _table(tables.get("variants", {}), f"{path.name}: variants")
                return _variants(path.name, text, entries)
    return ()


def _check_names(file: str, text: str, tables: dict[str, Any]) -> None:
    """A table with a misspelt name would be ignored in silence."""
    for name in tables:
        if name not in KNOWN:
            hint = "In paco-prof.toml tables begin without it." if name == "tool" else f"There is {', '.join(KNOWN)}."
            raise UsageError(f"{_place(file, text, name)}: {name!r} says nothing to paco-prof.", hint)


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
        tools = _table(data.get("tool", {}), "pyproject.toml: tool")
        return _table(tools["paco-prof"], "pyproject.toml: tool.paco-prof") if "paco-prof" in tools else None
    return data


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{name} is not a table.", "Write its entries as name = value, one a line.")
    return value


def _variants(file: str, text: str, entries: dict[str, Any]) -> tuple[Variant, ...]:
    taken = {variant.name for variant in CATALOGUE}
    variants: list[Variant] = []
    for name, entry in entries.items():
        place = _place(file, text, name)
        if name in taken or "+" in name:
            raise UsageError(f"{place}: variant {name!r} has a name that is taken.", "Choose another, without a plus.")
        table = _table(entry, f"{place}: variant {name!r}")
        try:
            variants.append(_variant(name, _Entry.model_validate(table), tuple(variants)))
        except ValidationError as error:
            first = error.errors()[0]
            keys = [str(part) for part in first["loc"][:2]]
            place = _place(file, text, name, *keys)
            raise UsageError(f"{place}: variant {name!r}: {'.'.join(keys)}: {first['msg']}.") from error
        except UsageError as error:
            # It quotes what is wrong: a setting, a value's name, or a variant that is not there.
            named = [key for key in table.get("set", {}) if re.search(rf"\b{re.escape(key)}\b", error.message)]
            keys = ["set", *named[:1]] if named else ["use"] if "use" in table else ["set"]
            place = _place(file, text, name, *keys)
            raise UsageError(f"{place}: variant {name!r}: {error.message}", error.hint) from error
    return tuple(variants)


def _place(file: str, text: str, *names: str) -> str:
    """`paco-prof.toml, line 7`: the last of nested names that can be found, each after the one before it."""
    lines, found = text.splitlines(), None
    for name in names:
        is_name = re.compile(rf"""(^|[\s\[.{{,"']){re.escape(name)}["']?\s*[\].=]""")
        start = 0 if found is None else found
        here = next((number for number in range(start, len(lines)) if is_name.search(_code(lines[number]))), None)
        if here is None:
            break
        found = here
    return file if found is None else f"{file}, line {found + 1}"


def _code(line: str) -> str:
    """A line without its comment; a hash inside of quotes is one all the same, which costs a line number at worst."""
    return line.partition("#")[0]


def _variant(name: str, entry: _Entry, before: tuple[Variant, ...]) -> Variant:
    parts = [find_variant(part, before) for part in entry.use]
    whole = combined(name, entry.why, parts)
    settings = {**whole.settings, **{canonical(name): value for name, value in entry.set.items()}}
    kind = entry.kind or kind_of(with_settings(Workload(), settings), Workload())
    return replace(whole, why=entry.why, kind=kind, settings=settings, optional=frozenset(settings))

"""The user's own variants, from `paco-prof.toml` or `[tool.paco-prof]` of a `pyproject.toml`.

[tool.paco-prof.variants.mine]        # [variants.mine] in paco-prof.toml
why = "What we train on the cluster."
use = ["exact", "bfloat16"]           # variants that it starts from, in their order
set = { d = 32, batch_size = 16 }     # settings on top of them
kind = "different"                    # worked out where it is left away
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from paco_prof.errors import UsageError
from paco_prof.records import YARDSTICK, VariantKind
from paco_prof.settings import Workload, canonical, with_settings
from paco_prof.user_file import UserFile, as_table
from paco_prof.variants.catalogue import CATALOGUE
from paco_prof.variants.resolve import find_variant, kind_of
from paco_prof.variants.variant import Variant, combined

__all__ = ["own_variants"]


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
    file = UserFile.find(folder)
    return () if file is None else _variants(file, file.table("variants"))


def _variants(file: UserFile, entries: dict[str, Any]) -> tuple[Variant, ...]:
    # What the gate calls the step that others are measured with is no variant.
    taken = {YARDSTICK, *(variant.name for variant in CATALOGUE)}
    variants: list[Variant] = []
    for name, entry in entries.items():
        place = file.place("variants", name)
        if name in taken or "+" in name:
            raise UsageError(f"{place}: variant {name!r} has a name that is taken.", "Choose another, without a plus.")
        table = as_table(entry, f"{place}: variant {name!r}")
        try:
            variants.append(_variant(name, _Entry.model_validate(table), tuple(variants)))
        except ValidationError as error:
            first = error.errors()[0]
            keys = [str(part) for part in first["loc"][:2]]
            place = file.place("variants", name, *keys)
            raise UsageError(f"{place}: variant {name!r}: {'.'.join(keys)}: {first['msg']}.") from error
        except UsageError as error:
            # It quotes what is wrong: a setting, a value's name, or a variant that is not there.
            named = [key for key in table.get("set", {}) if re.search(rf"\b{re.escape(key)}\b", error.message)]
            keys = ["set", *named[:1]] if named else ["use"] if "use" in table else ["set"]
            place = file.place("variants", name, *keys)
            raise UsageError(f"{place}: variant {name!r}: {error.message}", error.hint) from error
    return tuple(variants)


def _variant(name: str, entry: _Entry, before: tuple[Variant, ...]) -> Variant:
    parts = [find_variant(part, before) for part in entry.use]
    whole = combined(name, entry.why, parts)
    settings = {**whole.settings, **{canonical(name): value for name, value in entry.set.items()}}
    kind = entry.kind or kind_of(with_settings(Workload(), settings), Workload())
    return replace(whole, why=entry.why, kind=kind, settings=settings, optional=frozenset(settings))

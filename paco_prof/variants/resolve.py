"""From a variant's name to a workload: the catalogue, the user's own variants, and `--set`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paco_prof.errors import UsageError
from paco_prof.records import VariantKind, VariantUsed
from paco_prof.settings import Settings, Workload, changed_settings, with_settings
from paco_prof.variants.catalogue import CATALOGUE, TOGGLES
from paco_prof.variants.variant import Variant, combined, least_exact

__all__ = ["Planned", "find_variant", "kind_of", "parse_overrides", "plan_variant"]


@dataclass(frozen=True, slots=True)
class Planned:
    """A variant that is ready to be built.

    Attributes:
        workload: with the variant's settings and the overrides.
        base: without them: the baseline that it is a variant of.
        used: what the record keeps.
        optional: settings that are left out, and named, where a device cannot do them; any other that it cannot do
            ends the run.
    """

    workload: Workload
    base: Workload
    used: VariantUsed
    optional: frozenset[str]


def plan_variant(
    base: Workload, name: str, overrides: Mapping[str, str], own: Sequence[Variant] = (), explicit: Sequence[str] = ()
) -> Planned:
    """Apply a variant, then overrides, to a baseline.

    Args:
        base: the baseline.
        name: a variant, or several joined by `+`.
        overrides: setting -> text, as `--set` has them.
        own: the user's variants.
        explicit: settings that were chosen by options of their own: a variant that sets one of them to something else
            would silently undo the choice.

    Raises:
        UsageError: an unknown variant or setting, a value that cannot be, or an option that the variant undoes.
    """
    variant = find_variant(name, own)
    changed = with_settings(base, variant.settings)
    for setting in explicit:
        if setting in changed_settings(changed, base):
            value = changed_settings(changed, base)[setting]
            raise UsageError(
                f"Variant {name!r} sets {setting} to {value}, and an option sets it to {getattr(base, setting)}.",
                f"Use --set {setting}={getattr(base, setting)} to change the variant.",
            )
    workload = with_settings(changed, overrides)
    settings = changed_settings(workload, base)
    own_choice = changed_settings(workload, changed)
    return Planned(
        workload=workload,
        base=base,
        used=VariantUsed(name=name, kind=least_exact([variant.kind, kind_of(own_choice)]), settings=settings),
        optional=variant.optional - frozenset(own_choice),
    )


def find_variant(name: str, own: Sequence[Variant] = ()) -> Variant:
    """A variant by its name, or several joined by `+` as one.

    Raises:
        UsageError: there is none of that name.
    """
    known = {variant.name: variant for variant in (*CATALOGUE, *own)}
    parts = []
    for part in name.split("+"):
        if part not in known:
            near = difflib.get_close_matches(part, known, n=3)
            raise UsageError(
                f"There is no variant {part!r}.",
                f"Did you mean {', '.join(near)}?" if near else "paco-prof variants lists them.",
            )
        parts.append(known[part])
    return parts[0] if len(parts) == 1 else combined(name, "Several variants together.", parts)


def kind_of(settings: Settings) -> VariantKind:
    """What settings without a name are: what a toggle is that sets the same, `different` where there is none."""
    return least_exact(
        next((toggle.kind for toggle in TOGGLES if toggle.settings == {name: value}), "different")
        for name, value in settings.items()
    )


def parse_overrides(texts: Sequence[str]) -> dict[str, Any]:
    """`["d=32", "gamma=0"]` as a mapping.

    Raises:
        UsageError: one is not of the form name=value.
    """
    overrides = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise UsageError(f"--set {text!r} is not of the form name=value.", "For example --set d=32.")
        overrides[name] = value
    return overrides

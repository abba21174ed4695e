"""What a variant is, and how several become one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from paco_prof.records import SpeedupClaim, VariantKind

__all__ = ["Variant", "combined", "least_exact", "most_exact"]

KINDS: tuple[VariantKind, ...] = ("exact", "approximate", "different")


@dataclass(frozen=True, slots=True)
class Variant:
    """A small, named change of the reference.

    Attributes:
        name: as it is asked for.
        why: one sentence.
        kind: `exact`, the same objective and gradient up to rounding; `approximate`, an approximation of the same
            objective; `different`, another model, objective or data.
        settings: what it sets, by the names of `paco_prof.settings`.
        claim: what the analysis expects; None where it does not mention the change.
        error: of an approximation, its bound, or what was measured.
        parts: the variants that it was put together from, in their order.
        optional: settings that may be left out, and said to be, where a device cannot do them: most of a preset is left
            without one of them, and nothing of a toggle.
    """

    name: str
    why: str
    kind: VariantKind
    settings: dict[str, Any] = field(default_factory=dict)
    claim: SpeedupClaim | None = None
    parts: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()
    error: str = ""


def combined(name: str, why: str, parts: Sequence[Variant], claim: SpeedupClaim | None = None) -> Variant:
    """Several variants as one; what a later one sets counts, and the kind is the least exact of theirs."""
    settings: dict[str, Any] = {}
    for part in parts:
        # Drop-ins for one component and for another go together.
        both = {**settings.get("replace", {}), **part.settings.get("replace", {})}
        settings |= part.settings | ({"replace": both} if both else {})
    optional = frozenset[str]().union(*(part.optional for part in parts))
    kind = least_exact(part.kind for part in parts)
    return Variant(name, why, kind, settings, claim, tuple(part.name for part in parts), optional)


def least_exact(kinds: Iterable[VariantKind]) -> VariantKind:
    """What changes of these kinds are together; exact where there are none."""
    return KINDS[max((KINDS.index(kind) for kind in kinds), default=0)]


def most_exact(kinds: Iterable[VariantKind]) -> VariantKind:
    """The best of several names for one change; there is at least one."""
    return KINDS[min(KINDS.index(kind) for kind in kinds)]

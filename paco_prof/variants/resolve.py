"""From a variant's name to a workload: the catalogue, the user's own variants, and `--set`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paco_prof.errors import UsageError
from paco_prof.records import VariantKind, VariantUsed
from paco_prof.settings import OF_ANY_MODEL, Workload, changed_settings, with_settings
from paco_prof.variants.catalogue import CATALOGUE, DROP_IN, TOGGLES
from paco_prof.variants.variant import Variant, combined, least_exact, most_exact

__all__ = [
    "OF_ITS_OWN",
    "Planned",
    "find_variant",
    "kind_of",
    "parse_overrides",
    "plan_variant",
    "refuse_unused_drop_ins",
    "undone_choice",
]

# What a user's factory decides. A baseline may say it all the same: for the batch, or for the yardstick of a gate.
OF_ITS_OWN = frozenset({"backbone", "num_classes"})
# Approximations of the same objective whatever their size.
APPROXIMATIONS = {"max_negatives", "hard_negative_mining", "peaks_every"}


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
    workload = with_settings(changed, overrides)
    _refuse_what_the_model_has_not(name, workload, changed, base)
    undone = undone_choice(name, changed, base, explicit)
    if undone is not None:
        setting, message = undone
        raise UsageError(message, f"Use --set {setting}={getattr(base, setting)} to change the variant.")
    return Planned(
        workload=workload,
        base=base,
        used=VariantUsed(
            name=name,
            kind=_kind(variant, workload, changed, base),
            settings={setting: _written(value) for setting, value in changed_settings(workload, base).items()},
        ),
        optional=variant.optional - frozenset(changed_settings(workload, changed)),
    )


def _refuse_what_the_model_has_not(name: str, workload: Workload, changed: Workload, base: Workload) -> None:
    """A model of the user's own would ignore our settings in silence, and ours has no need of drop-ins.

    Args:
        workload: what is planned.
        changed: the same without what `--set` changes, which may say how many classes the batch has.

    Raises:
        UsageError: there are such settings.
    """
    if workload.model is None:
        if workload.replace:
            raise UsageError(
                f"{name}: drop-ins take the place of components of a model of your own.", "Name it: --model."
            )
        return
    ignored = OF_ITS_OWN & changed_settings(changed, base).keys()
    ignored |= {"backbone"} & changed_settings(workload, base).keys()
    unknown = sorted((changed_settings(workload, Workload()).keys() - OF_ANY_MODEL) | ignored)
    if unknown:
        raise UsageError(
            f"{name}: {unknown[0]} is a setting of PaCo-2 here, and {workload.model} knows nothing of it.",
            "What your factory takes is given to it: --model-arg NAME=VALUE, or model_args of the configuration.",
        )


def refuse_unused_drop_ins(own: Sequence[Variant], names: Iterable[str]) -> None:
    """Find out whether somebody has said what `drop-in` is, and measures it nowhere.

    Args:
        own: variants beside the catalogue's; `drop-in` is among them where somebody has said what it is.
        names: of all variants that are measured.

    Raises:
        UsageError: that is so.
    """
    is_named = any(variant.name == DROP_IN.name for variant in own)
    if is_named and not any(DROP_IN.name in name.split("+") for name in names):
        raise UsageError(
            "--replace says what the variant drop-in is, and drop-in is not among what is measured.",
            "Add drop-in, or leave --replace away.",
        )


def _written(value: Any) -> Any:
    """A setting's value as `--set` would have it."""
    return ",".join(f"{name}={by}" for name, by in value) if isinstance(value, tuple) else value


def undone_choice(name: str, changed: Workload, base: Workload, explicit: Sequence[str]) -> tuple[str, str] | None:
    """A setting that an option has chosen and a variant sets to something else, with what is to be said of it."""
    changes = changed_settings(changed, base)
    setting = next((setting for setting in explicit if setting in changes), None)
    if setting is None:
        return None
    chosen = getattr(base, setting) if hasattr(base, setting) else getattr(base.forms, setting)
    return setting, f"Variant {name!r} sets {setting} to {changes[setting]}, and an option sets it to {chosen}."


def _kind(variant: Variant, workload: Workload, changed: Workload, base: Workload) -> VariantKind:
    """The kind of a variant with overrides: of what is set then, unless its author has said otherwise of it."""
    if workload == changed:
        return variant.kind
    if kind_of(changed, base) == variant.kind:
        return kind_of(workload, base)
    return least_exact([variant.kind, kind_of(workload, changed)])


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


def kind_of(workload: Workload, base: Workload) -> VariantKind:
    """What a workload is beside its baseline, whatever it is called: each of its settings is of the kind of a toggle
    that sets it, and nothing that the workload does not. Without such a toggle it is `different`, or approximate where
    a size of an approximation is another one.
    """
    settings = changed_settings(workload, base)
    kinds: dict[str, list[VariantKind]] = {name: [] for name in settings}
    for toggle in TOGGLES:
        sets = changed_settings(with_settings(base, toggle.settings), base)
        if sets.items() <= settings.items():
            for name in sets:
                kinds[name].append(toggle.kind)
    for name in APPROXIMATIONS & kinds.keys():
        kinds[name].append("approximate")
    if "replace" in kinds:
        # A drop-in claims to change nothing but time.
        kinds["replace"].append("exact")
    return least_exact(most_exact(found) if found else "different" for found in kinds.values())


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

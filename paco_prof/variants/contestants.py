"""Who takes part in a comparison: variants chosen one by one, or by the rule of an ablation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from paco_prof.errors import UsageError
from paco_prof.records import Contestant, Design, SpeedupClaim
from paco_prof.settings import OF_ANY_MODEL, Workload, changed_settings
from paco_prof.variants.catalogue import DROP_IN, DROP_INS, PHASE_CLAIMS, PHASES, TOGGLES
from paco_prof.variants.resolve import OF_ITS_OWN, find_variant, plan_variant, refuse_unused_drop_ins, undone_choice
from paco_prof.variants.variant import Variant

__all__ = ["Field", "ablated", "compared"]

BASELINE = "baseline"
# In the place of toggles: whatever can be switched on.
ALL = "all"
# With one more there would be 31 variants to measure.
MAX_FACTORS = 4


@dataclass(frozen=True)
class Field:
    """Where variants come from.

    Attributes:
        base: the baseline's workload.
        own: the user's variants.
        explicit: settings that options of their own have chosen.
    """

    base: Workload
    own: tuple[Variant, ...] = ()
    explicit: tuple[str, ...] = ()

    def contestant(self, variants: Sequence[str], name: str = "", toggles: Sequence[str] = ()) -> Contestant:
        """The contestant that some variants together make.

        Args:
            variants: their names; none is the baseline.
            name: what tables call it; what it is made of where that is left away.
            toggles: those of them that an ablation is about.

        Raises:
            UsageError: an unknown variant, or one that undoes an explicit setting.
        """
        together = "+".join(variants) if variants else BASELINE
        planned = plan_variant(self.base, together, {}, self.own)
        undone = undone_choice(together, planned.workload, self.base, self.explicit)
        if undone is not None:
            raise UsageError(undone[1], "Leave the option away, or compare a variant of your own.")
        # Most of many toggles is left where a device cannot do one of them; without its only toggle there is nothing.
        optional = planned.optional if len(toggles) < 2 else planned.used.settings.keys()
        return Contestant(
            name=name or together,
            workload=planned.workload,
            base=planned.base,
            variant=planned.used,
            optional=tuple(sorted(optional)),
            toggles=tuple(toggles),
            claim=find_variant(together, self.own).claim,
        )


def compared(field: Field, names: Sequence[str]) -> tuple[Contestant, ...]:
    """The contestants of `paco-prof compare A B ...`; two equal names are an A/A comparison.

    Raises:
        UsageError: fewer than two, an unknown variant, one that stands there twice, or a drop-in that nobody measures.
    """
    if len(names) < 2:
        raise UsageError(
            "A comparison needs a baseline and at least one variant.", "For example paco-prof compare baseline exact."
        )
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None and len(names) > 2:
        raise UsageError(
            f"{twice!r} stands there twice.", f"Only paco-prof compare {twice} {twice}, A against A, says something."
        )
    contestants = tuple(field.contestant([name]) for name in names)
    refuse_unused_drop_ins(field.own, names)
    if names[0] == BASELINE and twice is None:
        return contestants
    # The analysis expects what it expects beside the reference.
    return tuple(contestant.model_copy(update={"claim": None}) for contestant in contestants)


def ablated(field: Field, design: Design, base: str, toggles: Sequence[str] | None) -> tuple[Contestant, ...]:
    """The contestants of an ablation, the one that all are held against first.

    one-at-a-time: the base with each toggle alone, and with all of them where they do not exclude each other.
    leave-one-out: all toggles together, and the same without each of them. Without toggles it takes the base apart, or
        `exact` where the base is none that has parts.
    cumulative: one toggle more each time; without toggles the phases of the analysis's checklist.
    factorial: every subset of the toggles.

    Args:
        base: the variant that toggles are added to.
        toggles: names of variants; None for the design's own, `all` alone for whatever can be switched on.

    Raises:
        UsageError: an unknown variant, one that stands there twice or changes nothing, too few or too many, two that
            exclude each other where they would have to go together, or a drop-in that nobody measures.
    """
    contestants = _ablated(field, design, base, toggles)
    refuse_unused_drop_ins(field.own, [contestant.variant.name for contestant in contestants])
    return contestants


def _ablated(field: Field, design: Design, base: str, toggles: Sequence[str] | None) -> tuple[Contestant, ...]:
    find_variant(base, field.own)
    start = [] if base == BASELINE else [base]
    are_named = toggles is not None and list(toggles) != [ALL]
    if toggles is not None and not are_named:
        # One at a time that is the default, in which two may exclude each other.
        toggles = None if design == "one-at-a-time" else _all_toggles(field)
    if toggles is None and design == "leave-one-out":
        parts = find_variant(base, field.own).parts
        ours = find_variant("exact").parts if field.base.model is None else None
        start, toggles = ([], parts) if parts else (start, ours)
    names = list(_default_toggles(field, design) if toggles is None else toggles)
    if design != "one-at-a-time":
        _check_together(field, design, names)
    chosen = _effective(field, start, design, names, are_named)
    if design == "one-at-a-time":
        return _one_at_a_time(field, start, chosen, together=are_named)
    if design == "leave-one-out":
        return _leave_one_out(field, start, chosen)
    return _cumulative(field, start, chosen) if design == "cumulative" else _factorial(field, start, chosen)


def _effective(field: Field, start: list[str], design: Design, names: list[str], are_named: bool) -> list[str]:
    """The toggles to ablate; of those that nobody has named, the ones that can be and that change something."""
    if not names:
        raise UsageError("The list of toggles is empty.", "Name some, or say --toggles all.")
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise UsageError(f"Toggle {twice!r} stands there twice.", "Name it once.")
    if not are_named:
        # An option that somebody has given counts more.
        names = [name for name in names if not _is_excluded(field, [*start, name])]
    idle = [name for name in names if _is_idle(field, start, design, names, name)]
    if are_named and idle:
        raise UsageError(f"{idle[0]} changes nothing of {'+'.join(start) or BASELINE}.", "Leave it away.")
    chosen = [name for name in names if name not in idle]
    least = {"leave-one-out": 2, "factorial": 2}.get(design, 1)
    if len(chosen) < least:
        raise UsageError(f"A {design} ablation needs {least} toggles or more.", "Name them with --toggles A,B.")
    if design == "factorial" and len(chosen) > MAX_FACTORS:
        raise UsageError(
            f"{len(chosen)} toggles have {2 ** len(chosen) - 1} combinations.", f"Name at most {MAX_FACTORS}."
        )
    return chosen


def _is_excluded(field: Field, variants: Sequence[str]) -> bool:
    together = "+".join(variants)
    changed = plan_variant(field.base, together, {}, field.own).workload
    return undone_choice(together, changed, field.base, field.explicit) is not None


def _is_idle(field: Field, start: list[str], design: Design, names: Sequence[str], name: str) -> bool:
    """Whether a toggle makes no difference: to the base, or, where it is to be left out, to all of them."""
    with_it, without = [*start, name], start
    if design == "leave-one-out":
        with_it, without = [*start, *names], [*start, *(other for other in names if other != name)]
    return not changed_settings(field.contestant(with_it).workload, field.contestant(without).workload)


def _default_toggles(field: Field, design: Design) -> Sequence[str]:
    if field.base.model is not None:
        if design == "one-at-a-time":
            return (*_drop_ins(field), *_of_any_model())
        return _drop_ins(field)[:MAX_FACTORS] if design == "factorial" else _drop_ins(field)
    if design == "cumulative":
        return PHASES
    if design == "factorial":
        return ("fused-loss", "max-negatives-16")
    return tuple(toggle.name for toggle in TOGGLES)


def _all_toggles(field: Field) -> Sequence[str]:
    """All of the catalogue; with a model of the user's own all that can go with it, and with each other."""
    if field.base.model is None:
        return tuple(toggle.name for toggle in TOGGLES)
    chosen: list[str] = []
    for name in (*_drop_ins(field), *_of_any_model()):
        if _clash(field, [*chosen, name]) is None:
            chosen.append(name)
    return chosen


def _drop_ins(field: Field) -> tuple[str, ...]:
    """What takes a component's place in a model of the user's own: what they have named, and ours for the others."""
    named = [variant for variant in field.own if variant.name == DROP_IN.name]
    taken = {component for variant in named for component in variant.settings["replace"]}
    ours = [toggle for toggle in DROP_INS if not taken & toggle.settings["replace"].keys()]
    return tuple(variant.name for variant in (*named, *ours))


def _of_any_model() -> tuple[str, ...]:
    """Of the rest a model of the user's own knows nothing."""
    return tuple(toggle.name for toggle in TOGGLES if toggle.settings.keys() <= OF_ANY_MODEL - OF_ITS_OWN)


def _check_together(field: Field, design: Design, names: Sequence[str]) -> None:
    """Phases are made to supersede each other; any other two must not set one thing to two values."""
    clash = _clash(field, names)
    if clash is not None:
        one, other, setting = clash
        raise UsageError(
            f"{one} and {other} both set {setting}, so a {design} ablation cannot have them together.",
            "Leave one of them away.",
        )


def _clash(field: Field, names: Sequence[str]) -> tuple[str, str, str] | None:
    """Two of the variants that set one setting to two values, and the setting."""
    for one, other in combinations(names, 2):
        if one in PHASES and other in PHASES:
            continue
        mine, theirs = (find_variant(name, field.own).settings for name in (one, other))
        for setting in sorted(mine.keys() & theirs.keys()):
            if setting != "replace" and mine[setting] != theirs[setting]:
                return one, other, setting
        both = mine.get("replace", {}), theirs.get("replace", {})
        for component in sorted(both[0].keys() & both[1].keys()):
            if both[0][component] != both[1][component]:
                return one, other, f"the drop-in for {component}"
    return None


def _one_at_a_time(field: Field, start: list[str], names: list[str], together: bool) -> tuple[Contestant, ...]:
    singles = [field.contestant([*start, name], name, [name]) for name in names]
    all_of_them = []
    if together and len(names) > 1 and _clash(field, names) is None:
        all_of_them = [field.contestant([*start, *names], f"all {len(names)} together", names)]
    return (field.contestant(start), *singles, *all_of_them)


def _leave_one_out(field: Field, start: list[str], names: list[str]) -> tuple[Contestant, ...]:
    whole = field.contestant([*start, *names], f"all {len(names)}", names)
    contestants = [whole]
    for name in names:
        others = [other for other in names if other != name]
        without = field.contestant([*start, *others], f"without {name}", others)
        # A claim is of what a toggle brings, and not of what its absence does.
        contestants.append(without.model_copy(update={"claim": None}))
    return tuple(contestants)


def _cumulative(field: Field, start: list[str], names: list[str]) -> tuple[Contestant, ...]:
    contestants = [field.contestant(start)]
    for count, name in enumerate(names, 1):
        # A phase holds those before it.
        latest = [phase for phase in names[:count] if phase in PHASES][-1:]
        added = [other for other in names[:count] if other not in PHASES or other in latest]
        claim = find_variant(name, field.own).claim
        contestant = field.contestant([*start, *added], name if name in PHASES else f"+ {name}", names[:count])
        # What is expected of a phase by itself stands beside what is expected of all up to it; the latter, like what is
        # expected of any single change, is meant beside the reference.
        is_first = count == 1 or tuple(names[:count]) == PHASES[:count]
        claims: dict[str, SpeedupClaim | None] = {
            "claim": claim if is_first and not start else None,
            "step_claim": PHASE_CLAIMS.get(name, claim),
        }
        contestants.append(contestant.model_copy(update=claims))
    return tuple(contestants)


def _factorial(field: Field, start: list[str], names: list[str]) -> tuple[Contestant, ...]:
    subsets = [subset for size in range(1, len(names) + 1) for subset in combinations(names, size)]
    return (field.contestant(start), *(field.contestant([*start, *some], " + ".join(some), some) for some in subsets))

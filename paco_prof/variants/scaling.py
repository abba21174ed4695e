"""What can be varied, the sizes that somebody asks for, and the variants that are measured at them. Free of torch."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from itertools import pairwise

from paco_prof.errors import UsageError
from paco_prof.records import Contestant, Factor, resized
from paco_prof.settings import ALIASES, canonical
from paco_prof.variants.contestants import Field
from paco_prof.variants.resolve import find_variant, refuse_unused_drop_ins

__all__ = ["CALLED", "parse_factors", "parse_target", "scaled"]

# What can be varied, and what its users call it.
CALLED = {
    "batch_size": "batch-size",
    "num_parts": "K",
    "window": "r",
    "dim": "d",
    "image_size": "image-size",
    "num_classes": "num-classes",
}
# Of these a model of the user's own decides by itself.
OF_PACO2 = ("num_parts", "window", "dim")
# As its option is called.
OTHER_NAMES = {**ALIASES, "parts": "num_parts"}
MAX_FACTORS = 2
EXAMPLE = "For example --vary batch-size=2,4,8,16."


def parse_factors(texts: Sequence[str]) -> tuple[Factor, ...]:
    """What `--vary NAME=SIZE,SIZE,...` says, once or twice.

    Raises:
        UsageError: an unknown factor, sizes that cannot be or do not ascend, a factor that stands there twice, or more
            than two of them.
    """
    if not texts:
        raise UsageError("Nothing is varied.", EXAMPLE)
    factors = tuple(map(_factor, texts))
    names = [factor.name for factor in factors]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise UsageError(f"--vary {CALLED[twice]} stands there twice.", "Give all of its sizes at once.")
    if len(factors) > MAX_FACTORS:
        raise UsageError(f"{len(factors)} factors are varied.", f"Vary at most {MAX_FACTORS} of them.")
    return factors


def _factor(text: str) -> Factor:
    called, equals, listed = text.partition("=")
    if not equals or not called.strip():
        raise UsageError(f"--vary {text!r} is not of the form NAME=SIZE,SIZE,...", EXAMPLE)
    name = _name(called.strip())
    sizes = [_size(name, part, f"--vary {CALLED[name]}") for part in listed.split(",")]
    if len(sizes) < 2:
        raise UsageError(
            f"--vary {CALLED[name]}={listed} is one size, and growth is seen between two or more.", EXAMPLE
        )
    falling = next(((one, other) for one, other in pairwise(sizes) if one >= other), None)
    if falling is not None:
        raise UsageError(
            f"--vary {CALLED[name]}={listed}: {falling[1]} comes after {falling[0]}.",
            "Give the sizes in ascending order, each of them once.",
        )
    return Factor(name=name, sizes=tuple(sizes))


def _name(called: str) -> str:
    """A factor's own name."""
    name = OTHER_NAMES.get(called, called.replace("-", "_"))
    if name in CALLED:
        return name
    known = {**CALLED, **{shown: shown for shown in CALLED.values()}}
    known |= {other: CALLED[own] for other, own in OTHER_NAMES.items() if own in CALLED}
    near = difflib.get_close_matches(called, known, n=1)
    guess = f"Did you mean {known[near[0]]}? " if near else ""
    raise UsageError(f"{called!r} is nothing that can be varied.", f"{guess}There are {', '.join(CALLED.values())}.")


def _size(name: str, text: str, said: str) -> int:
    """A size of a factor.

    Args:
        said: the option that it stands in.
    """
    digits = text.strip()
    if re.fullmatch(r"[0-9]{1,9}", digits) is None or int(digits) < 1:
        raise UsageError(f"{said}: {text!r} is no whole number from 1.", EXAMPLE if said.startswith("--vary") else "")
    if name == "window" and int(digits) % 2 == 0:
        raise UsageError(f"{said}: {digits} is even, and a window has a pixel in its middle.", "Use odd sizes.")
    return int(digits)


def parse_target(text: str, factors: Sequence[Factor]) -> tuple[int, ...]:
    """The sizes that `--target N` or, of a grid, `--target N,M` names: one of each factor, in their order.

    Raises:
        UsageError: it does not have one size for each, or one that cannot be.
    """
    parts = text.split(",")
    if len(parts) != len(factors):
        names = " and ".join(CALLED[factor.name] for factor in factors)
        raise UsageError(
            f"--target {text!r} has {len(parts)} {'size' if len(parts) == 1 else 'sizes'}, and {names} "
            f"{'is' if len(factors) == 1 else 'are'} varied.",
            "Give one size of each, in their order, with a comma between them.",
        )
    return tuple(_size(factor.name, part, "--target") for factor, part in zip(factors, parts, strict=True))


def scaled(field: Field, names: Sequence[str], factors: Sequence[Factor]) -> tuple[Contestant, ...]:
    """The variants that are measured, as the options have everything that is not varied.

    Args:
        field: where variants come from.
        names: of the variants.
        factors: what is varied.

    Raises:
        UsageError: an unknown variant, one that stands there twice, a drop-in that nobody measures, a factor that an
            option or a variant sets to one value, one that is nothing to a model of the user's own, or a size that the
            setting cannot have.
    """
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise UsageError(f"{twice!r} stands there twice.", "Name each variant once.")
    for factor in factors:
        _refuse_what_cannot_vary(field, names, factor)
    contestants = tuple(field.contestant([name]) for name in names)
    refuse_unused_drop_ins(field.own, names)
    for contestant in contestants:
        resized(contestant, {factor.name: factor.sizes[-1] for factor in factors})
    return contestants


def _refuse_what_cannot_vary(field: Field, names: Sequence[str], factor: Factor) -> None:
    called = CALLED[factor.name]
    if factor.name in field.explicit:
        raise UsageError(f"{called} is varied, and an option sets it to one value.", "Leave one of the two away.")
    if field.base.model is not None and factor.name in OF_PACO2:
        raise UsageError(
            f"{called} is of PaCo-2 itself; {field.base.model} decides by what makes it.",
            f"Vary {', '.join(shown for name, shown in CALLED.items() if name not in OF_PACO2)}.",
        )
    for name in names:
        settings = {canonical(setting): value for setting, value in find_variant(name, field.own).settings.items()}
        if factor.name in settings:
            raise UsageError(
                f"Variant {name!r} sets {called} to {settings[factor.name]}, and it is varied.",
                "Vary something else, or measure another variant.",
            )

"""In which order the points of a history stand: that of the commits, or of the dates where there is no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from paco_prof.analysis.history_steps import MeasuredSteps

__all__ = ["Order", "OrderedBy", "code_of", "order_of"]

# both: commits that the history does not know stand where their dates put them.
OrderedBy = Literal["commits", "dates", "both"]
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Order:
    """The codes that were measured, in order.

    Attributes:
        codes: see `code_of`.
        by: what decided.
        unplaced: codes among them that the history of commits does not know; all where it is by dates.
    """

    codes: tuple[str, ...]
    by: OrderedBy
    unplaced: tuple[str, ...]


def code_of(steps: MeasuredSteps) -> str:
    """What makes a point: the commit, or when it was measured where the record names none."""
    return steps.commit or steps.created or steps.file


def order_of(found: Sequence[MeasuredSteps], commits: Sequence[str]) -> Order:
    """The order of all that was measured; a checkout with changes comes right after its commit.

    Args:
        commits: whole hashes, oldest first. What is none of them comes after the known commit that was measured last
            before it.
    """
    created: dict[str, str] = {}
    for steps in found:
        code = code_of(steps)
        created[code] = min(created.get(code, steps.created), steps.created)
    ages = {commit[:_DIGITS]: age for age, commit in enumerate(commits)}
    bases = dict.fromkeys(_base(code) for code in created)
    dates = {base: created.get(base, created.get(f"{base}+", "")) for base in bases}
    known = sorted((base for base in bases if base[:_DIGITS] in ages), key=lambda base: ages[base[:_DIGITS]])
    unknown = sorted((base for base in bases if base[:_DIGITS] not in ages), key=lambda base: (dates[base], base))
    codes = [code for base in _mixed(known, unknown, dates) for code in (base, f"{base}+") if code in created]
    unplaced = tuple(code for code in codes if _base(code) in unknown)
    return Order(tuple(codes), "dates" if not known else "both" if unplaced else "commits", unplaced)


def _mixed(known: Sequence[str], unknown: Sequence[str], dates: dict[str, str]) -> list[str]:
    """Both: what is unknown after the known one that was measured last before it, or else at the beginning."""
    following: dict[str | None, list[str]] = {}
    for base in unknown:
        earlier = [other for other in known if dates[other] <= dates[base]]
        following.setdefault(max(earlier, key=dates.__getitem__, default=None), []).append(base)
    mixed = list(following.get(None, []))
    for base in known:
        mixed += [base, *following.get(base, [])]
    return mixed


def _base(code: str) -> str:
    """The commit without its mark of changes; a date such as `...+00:00` has none."""
    return code.removesuffix("+")

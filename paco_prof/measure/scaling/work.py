"""What is left to be done of a record of growth, in pieces that can each be done by itself. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from paco_prof.records import Largest, ScaleFailure, ScaleRecord

__all__ = ["LASTING", "Search", "Unit", "Work", "left", "searches_left", "units_left"]

# What fails so at a size fails so in every launch, and at larger sizes.
LASTING = ("out of memory", "raised", "not applicable")
# A search that ended so is not over.
UNFINISHED = ("time is up", "interrupted")


@dataclass(frozen=True, slots=True)
class Unit:
    """A Unit is one launch: a fresh process that takes steps of one variant at one size.

    Attributes:
        contestant: the variant's place.
        sizes: one of each factor.
        round: which of the planned launches, from 0.
    """

    contestant: int
    sizes: tuple[int, ...]
    round: int


@dataclass(frozen=True, slots=True)
class Search:
    """A Search is for the largest batch of one variant that fits, in as many processes as it takes."""

    contestant: int


Work = Unit | Search


def left(record: ScaleRecord) -> list[Work]:
    """What is still to be done, in its order; each piece is independent of the others but for what their failures rule
    out, and what a search can begin with.
    """
    return [*units_left(record), *searches_left(record)]


def units_left(record: ScaleRecord) -> list[Unit]:
    """The launches that are still to be taken: round by round, sizes ascending, the variants side by side."""
    done = {(point.contestant, point.sizes, point.round) for point in record.points if point.is_complete}
    units = [
        Unit(place, sizes, number)
        for number in range(record.plan.launches)
        for sizes in record.plan.combinations
        for place in range(len(record.contestants))
    ]
    # Where only what comes after the steps has failed, the steps are there, and count.
    failures = [each for each in record.failures if (each.contestant, each.sizes, each.round) not in done]
    names = tuple(factor.name for factor in record.plan.factors)
    return [
        unit
        for unit in units
        if (unit.contestant, unit.sizes, unit.round) not in done
        and not any(_rules_out(failure, unit, names) for failure in failures)
    ]


def searches_left(record: ScaleRecord) -> list[Search]:
    """The searches that have not come to their end."""
    if not record.plan.find_largest:
        return []
    over = {each.contestant for each in record.largest if _is_over(each)}
    return [Search(place) for place in range(len(record.contestants)) if place not in over]


def _is_over(largest: Largest) -> bool:
    return largest.reason not in UNFINISHED


def _rules_out(failure: ScaleFailure, unit: Unit, names: tuple[str, ...]) -> bool:
    """Whether a launch need not be taken after a failure: what failed once by itself would fail again, what runs out of
    something at a size does at larger ones, and what was waited for in vain would take longer still.
    """
    if failure.contestant != unit.contestant:
        return False
    if failure.sizes == unit.sizes and failure.round == unit.round:
        return True
    if failure.kind == "died":
        return False
    if failure.kind == "hung" and failure.round != unit.round:
        return False
    return all(
        # What small images have no room for, larger ones may have.
        size == failed if failure.kind == "not applicable" and name == "image_size" else size >= failed
        for name, failed, size in zip(names, failure.sizes, unit.sizes, strict=True)
    )

"""What is left to be done of a record of growth, in pieces that can each be done by itself. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from paco_prof.records import Environment, Largest, ScaleFailure, ScaleRecord

__all__ = [
    "NOT_TAKEN",
    "Search",
    "Unit",
    "Work",
    "is_unlike",
    "left",
    "machines_are_alike",
    "searches_left",
    "units_left",
]

# What says nothing of a machine that has more memory, or is faster.
OF_ITS_MACHINE = ("out of memory", "hung")
# What kept a launch from being taken at all says nothing of others: whoever had it was lost, or built something else.
NOT_TAKEN = "launch"
# Of memory: so much may be missing on one of two machines of the same make.
SAME_MEMORY = 0.02
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
    failures = [
        (each, _holds_everywhere(each, record))
        for each in record.failures
        if (each.contestant, each.sizes, each.round) not in done
    ]
    names = tuple(factor.name for factor in record.plan.factors)
    return [
        unit
        for unit in units
        if (unit.contestant, unit.sizes, unit.round) not in done
        and not any(_rules_out(failure, unit, names, is_everywhere) for failure, is_everywhere in failures)
    ]


def searches_left(record: ScaleRecord) -> list[Search]:
    """The searches that have not come to their end."""
    if not record.plan.find_largest:
        return []
    over = {each.contestant for each in record.largest if _is_over(each)}
    return [Search(place) for place in range(len(record.contestants)) if place not in over]


def _is_over(largest: Largest) -> bool:
    return largest.reason not in UNFINISHED


def _holds_everywhere(failure: ScaleFailure, record: ScaleRecord) -> bool:
    """Whether what failed would have failed on every machine that the record tells of: who takes a launch that is left
    is not known before.
    """
    here = failure.environment or record.environment
    if failure.kind not in OF_ITS_MACHINE or here is None:
        return True
    return not any(is_unlike(here, other) for other in _machines(record))


def machines_are_alike(record: ScaleRecord) -> bool:
    """Whether all that the record tells of was on machines of one kind."""
    machines = _machines(record)
    return not any(is_unlike(machines[0], other) for other in machines[1:])


def _machines(record: ScaleRecord) -> list[Environment]:
    told = [each.environment for of in (record.points, record.failures, record.largest) for each in of]
    return [environment for environment in (record.environment, *told) if environment is not None]


def is_unlike(one: Environment, other: Environment) -> bool:
    """Whether it is another machine, its memory included; what a variant sets for itself makes none."""
    if one.differences_of_machine(other):
        return True
    sizes = (
        (one.memory_bytes, other.memory_bytes),
        (one.accelerator_memory_bytes or 0, other.accelerator_memory_bytes or 0),
    )
    return any(abs(mine - theirs) > SAME_MEMORY * max(mine, theirs) for mine, theirs in sizes)


def _rules_out(failure: ScaleFailure, unit: Unit, names: tuple[str, ...], is_everywhere: bool) -> bool:
    """Whether a launch need not be taken after a failure: what failed once by itself would fail again, what runs out of
    something at a size does at larger ones, and what was waited for in vain would take longer still; on machines that
    are alike.
    """
    if failure.contestant != unit.contestant:
        return False
    if failure.sizes == unit.sizes and failure.round == unit.round:
        return True
    if failure.kind == "died" or failure.during == NOT_TAKEN or not is_everywhere:
        return False
    if failure.kind == "hung" and failure.round != unit.round:
        return False
    return all(
        # What small images have no room for, larger ones may have.
        size == failed if failure.kind == "not applicable" and name == "image_size" else size >= failed
        for name, failed, size in zip(names, failure.sizes, unit.sizes, strict=True)
    )

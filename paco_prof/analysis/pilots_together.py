"""Pilots of several records put together: of one machine, each with a name of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from paco_prof.analysis.pilots import Projectable, joined_series, pilots_of
from paco_prof.errors import UsageError
from paco_prof.records import Pilot
from paco_prof.settings import Workload

__all__ = ["pilots_together"]

# In what two workloads may differ and be the same variant: the epoch, and what is only known or drawn.
NO_DIFFERENCE = ("epoch", "matching_cost", "feature_map", "num_parameters", "seed")
# What torchrun sets for each of several ranks, where nobody else does.
SET_BY_TORCHRUN = {"threads", "OMP_NUM_THREADS"}

# Pilots of one variant, each on another number of devices, by the name that its records call it.
_Variant = list[Pilot]


def pilots_together(records: Mapping[str, Projectable]) -> tuple[Pilot, ...]:
    """The pilots of several records, in their order, each variant with a name of its own.

    Two that differ only in the epoch they were measured at become one: that is how the warm-up of matching and the
    epochs after it come together. Those that differ only in the number of devices have one name, and follow each other
    from the smallest number on.

    Args:
        records: by the names that errors call them.

    Raises:
        UsageError: as for `pilots_of`, or times of different machines.
    """
    found: list[_Variant] = []
    for name, record in records.items():
        _check_same_machine(records, name)
        try:
            pilots = pilots_of(record)
        except UsageError as error:
            raise UsageError(f"{name}: {error.message}", error.hint) from error
        for pilot in pilots:
            _add(found, pilot)
    named: list[Pilot] = []
    for variant in found:
        name = _own_name(variant[0], named)
        sizes = sorted((*variant, *_alone_elsewhere(variant, found)), key=lambda pilot: pilot.workload.world_size)
        named += [pilot.model_copy(update={"name": name}) for pilot in sizes]
    return tuple(named)


def _add(variants: list[_Variant], pilot: Pilot) -> None:
    """Put a pilot to those of its variant: into the one of its own size and origin, or beside those of other sizes,
    with those of its own origin before others.
    """
    of_variant = [variant for variant in variants if all(_is_variant(pilot, other) for other in variant)]
    for variant in of_variant:
        for place, other in enumerate(variant):
            if (_size(other), other.origin) == (_size(pilot), pilot.origin):
                variant[place] = _joined(other, pilot)
                return
    beside = [variant for variant in of_variant if _size(pilot) not in map(_size, variant)]
    if beside:
        max(beside, key=lambda variant: any(other.origin == pilot.origin for other in variant)).append(pilot)
    else:
        variants.append([pilot])


def _alone_elsewhere(variant: _Variant, variants: Sequence[_Variant]) -> list[Pilot]:
    """The pilot on one device of a variant that is another one only on several: gathering from one's own rank alone
    changes nothing.
    """
    if 1 in map(_size, variant):
        return []
    others = (pilot for other in variants for pilot in other if _size(pilot) == 1 and _is_variant(pilot, variant[0]))
    return list(others)[:1]


def _size(pilot: Pilot) -> int:
    return pilot.workload.world_size


def _is_variant(one: Pilot, other: Pilot) -> bool:
    """Whether two pilots are of one variant, on whatever number of devices."""
    if (one.name, one.source) != (other.name, other.source):
        return False
    differences = set(_differences(one.workload, other.workload))
    if _size(one) != _size(other):
        differences -= {"world_size"}
        # The number of a device among several of one machine.
        if one.workload.device.partition(":")[0] == other.workload.device.partition(":")[0]:
            differences -= {"device"}
    if 1 in (_size(one), _size(other)):
        differences -= {"gather_negatives"}
    return not differences


def _differences(one: Workload, other: Workload) -> dict[str, object]:
    """In what a workload is another one than a second, by name."""
    mine, theirs = one.model_dump(exclude=set(NO_DIFFERENCE)), other.model_dump(exclude=set(NO_DIFFERENCE))
    flat = {**mine, **mine.pop("forms")}, {**theirs, **theirs.pop("forms")}
    return {name: value for name, value in flat[0].items() if name != "forms" and value != flat[1][name]}


def _own_name(pilot: Pilot, others: Sequence[Pilot]) -> str:
    """A name that no other has: it says in what the pilot differs from the one that has its name already."""
    taken, rivals = {other.name for other in others}, [other for other in others if other.name == pilot.name]
    if not rivals:
        return pilot.name
    rival = next((other for other in rivals if _size(other) == _size(pilot)), rivals[0])
    settings = _differences(pilot.workload, rival.workload)
    words = ", ".join(f"{name}={value}" for name, value in settings.items()) or pilot.origin
    name, number = f"{pilot.name} ({words})", 2
    while name in taken:
        name, number = f"{pilot.name} ({words}, {number})", number + 1
    return name


def _joined(one: Pilot, other: Pilot) -> Pilot:
    """What two records measured of the same variant."""
    steps = {series.during_warmup: series for series in one.steps}
    for series in other.steps:
        mine = steps.get(series.during_warmup)
        steps[series.during_warmup] = series if mine is None else joined_series(mine, series)
    evaluation = one.evaluation or other.evaluation
    if (
        one.evaluation is not None
        and other.evaluation is not None
        and one.evaluation.batch_size == other.evaluation.batch_size
    ):
        blocks = (*one.evaluation.blocks, *other.evaluation.blocks)
        start = (*one.evaluation.start, *other.evaluation.start)
        evaluation = one.evaluation.model_copy(update={"blocks": blocks, "start": start})
    return one.model_copy(
        update={
            "steps": tuple(steps.values()),
            "evaluation": evaluation,
            "startup": other.startup if one.startup is None else one.startup,
            "epoch_start": (*one.epoch_start, *other.epoch_start),
            "checkpoint": (*one.checkpoint, *other.checkpoint),
            "watts": (*one.watts, *other.watts),
        }
    )


def _check_same_machine(records: Mapping[str, Projectable], name: str) -> None:
    """Times are put together only where one machine, with the same software, took them."""
    (first, reference), *_ = records.items()
    one, other = reference.environment, records[name].environment
    if first == name:
        return
    hint = "Measure both on one machine."
    if one is None or other is None:
        unnamed = first if one is None else name
        raise UsageError(f"{first} and {name} cannot be put together: {unnamed} names no machine.", hint)
    differences = one.differences_of_machine(other)
    if one.threads != other.threads:
        # Between numbers of devices it would pass for what these make of a step.
        differences = {"threads": (one.threads, other.threads), **differences}
    if differences:
        if set(differences) <= SET_BY_TORCHRUN:
            hint = "torchrun sets OMP_NUM_THREADS to 1 where nobody does; measure both with the same number of threads."
        raise UsageError(f"{first} and {name} are not of one machine: they differ in {', '.join(differences)}.", hint)

"""Pilots of several records put together: of one machine, each with a name of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from paco_prof.analysis.pilots import Projectable, joined_series, pilots_of
from paco_prof.errors import UsageError
from paco_prof.records import Environment, Pilot
from paco_prof.settings import Workload

__all__ = ["pilots_together"]

# What variants themselves set, so that it makes no other machine.
SET_BY_VARIANTS = ("tf32_matmul", "tf32_cudnn", "cudnn_benchmark")
# In what two workloads may differ and be the same variant: the epoch, and what is only known or drawn.
NO_DIFFERENCE = ("epoch", "matching_cost", "feature_map", "num_parameters", "seed")


def pilots_together(records: Mapping[str, Projectable]) -> tuple[Pilot, ...]:
    """The pilots of several records, in their order, each with a name of its own.

    Two that differ only in the epoch they were measured at become one: that is how the warm-up of matching and the
    epochs after it come together.

    Args:
        records: by the names that errors call them.

    Raises:
        UsageError: as for `pilots_of`, or times of different machines.
    """
    found: list[Pilot] = []
    for name, record in records.items():
        _check_same_machine(records, name)
        try:
            pilots = pilots_of(record)
        except UsageError as error:
            raise UsageError(f"{name}: {error.message}", error.hint) from error
        for pilot in pilots:
            place = next((place for place, other in enumerate(found) if _is_same(pilot, other)), None)
            if place is None:
                found.append(_with_own_name(pilot, found))
            else:
                found[place] = _joined(found[place], pilot)
    return tuple(found)


def _is_same(one: Pilot, other: Pilot) -> bool:
    return (one.name, one.origin, one.source) == (other.name, other.origin, other.source) and not _differences(
        one.workload, other.workload
    )


def _differences(one: Workload, other: Workload) -> dict[str, object]:
    """In what a workload is another one than a second, by name."""
    mine, theirs = one.model_dump(exclude=set(NO_DIFFERENCE)), other.model_dump(exclude=set(NO_DIFFERENCE))
    flat = {**mine, **mine.pop("forms")}, {**theirs, **theirs.pop("forms")}
    return {name: value for name, value in flat[0].items() if name != "forms" and value != flat[1][name]}


def _with_own_name(pilot: Pilot, others: Sequence[Pilot]) -> Pilot:
    """The pilot under a name that no other has: it says in what it differs from the one that has the name already."""
    taken = {other.name: other for other in others}
    if pilot.name not in taken:
        return pilot
    settings = _differences(pilot.workload, taken[pilot.name].workload)
    words = ", ".join(f"{name}={value}" for name, value in settings.items()) or pilot.origin
    name, number = f"{pilot.name} ({words})", 2
    while name in taken:
        name, number = f"{pilot.name} ({words}, {number})", number + 1
    return pilot.model_copy(update={"name": name})


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
    differences = _machine_differences(one, other)
    if differences:
        raise UsageError(f"{first} and {name} are not of one machine: they differ in {', '.join(differences)}.", hint)


def _machine_differences(one: Environment, other: Environment) -> dict[str, tuple[object, object]]:
    mine, theirs = (
        environment.model_copy(
            update={"flags": {k: v for k, v in environment.flags.items() if k not in SET_BY_VARIANTS}}
        )
        for environment in (one, other)
    )
    return mine.differences(theirs)

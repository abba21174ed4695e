"""A measurement of growth once for each machine that its launches are of: points of unlike machines share no fit."""

from __future__ import annotations

from paco_prof.records import Environment, ScaleRecord

__all__ = ["survey_by_machine"]


def survey_by_machine(record: ScaleRecord) -> tuple[ScaleRecord, ...]:
    """A record for each machine, in the order of their first points, then failures, then searches; itself where there
    is one machine, or none.

    What does not tell where it was stands with the record's own machine, and notes, which are of all, with the first.
    """
    machines: list[Environment] = []
    told = (each.environment for of in (record.points, record.failures, record.largest) for each in of)
    for environment in told:
        own = environment or record.environment
        if own is not None and not any(_is_same(own, other) for other in machines):
            machines.append(own)
    if len(machines) < 2:
        return (record,)
    return tuple(_of(record, machine, is_first=number == 0) for number, machine in enumerate(machines))


def _of(record: ScaleRecord, machine: Environment, *, is_first: bool) -> ScaleRecord:
    def is_mine(environment: Environment | None) -> bool:
        own = environment or record.environment
        return is_first if own is None else _is_same(own, machine)

    return record.model_copy(
        update={
            "environment": machine,
            "points": tuple(point for point in record.points if is_mine(point.environment)),
            "failures": tuple(failure for failure in record.failures if is_mine(failure.environment)),
            "largest": tuple(largest for largest in record.largest if is_mine(largest.environment)),
            "notes": record.notes if is_first else (),
            "measuring_seconds": None,
        }
    )


def _is_same(one: Environment, other: Environment) -> bool:
    return not one.differences_of_machine(other)

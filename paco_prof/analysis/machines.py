"""One comparison for each machine: launches of unlike machines are never judged together."""

from __future__ import annotations

from paco_prof.records import ComparisonRecord, Environment

__all__ = ["by_machine"]


def by_machine(record: ComparisonRecord) -> tuple[ComparisonRecord, ...]:
    """A comparison once for each machine that it has launches of, in the order of their first ones; itself where there
    is one machine, or none.

    Machines are told apart by their fingerprint: see `Environment.differences`. How long everything took is nothing
    that one of several machines could say; how much there was no time for stands in the first.
    """
    machines: list[Environment] = []
    for launch in record.launches:
        own = launch.environment or record.environment
        if own is not None and all(own.differences(other) for other in machines):
            machines.append(own)
    if len(machines) < 2:
        return (record,)
    return tuple(_of(record, machine, machines) for machine in machines)


def _of(record: ComparisonRecord, machine: Environment, machines: list[Environment]) -> ComparisonRecord:
    is_first = machine is machines[0]

    def is_mine(environment: Environment | None) -> bool:
        own = environment or record.environment
        is_anybodys = own is not None and any(not own.differences(other) for other in machines)
        return own is not None and not own.differences(machine) if is_anybodys else is_first

    return record.model_copy(
        update={
            "environment": machine,
            "launches": tuple(launch for launch in record.launches if is_mine(launch.environment)),
            "failures": tuple(failure for failure in record.failures if is_mine(failure.environment)),
            "notes": tuple(note for note in record.notes if is_first or note.code != "time_is_up"),
            "measuring_seconds": None,
        }
    )

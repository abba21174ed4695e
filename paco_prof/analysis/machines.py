"""One comparison for each machine: launches of unlike machines are never judged together."""

from __future__ import annotations

from paco_prof.records import ComparisonRecord, Environment

__all__ = ["by_machine"]


def by_machine(record: ComparisonRecord) -> tuple[ComparisonRecord, ...]:
    """A comparison once for each machine that it has launches of, in the order of their first ones, and then for each
    where something has only failed; itself where there is one machine, or none.

    Machines are told apart by their fingerprint: see `Environment.differences`. How long everything took is nothing
    that one of several machines could say; how much there was no time for stands in the first.
    """
    machines: list[Environment] = []
    places = [launch.environment for launch in record.launches] + [failure.environment for failure in record.failures]
    for place in places:
        own = place or record.environment
        if own is not None and all(own.differences(other) for other in machines):
            machines.append(own)
    if len(machines) < 2:
        return (record,)
    return tuple(_of(record, machine, is_first=number == 0) for number, machine in enumerate(machines))


def _of(record: ComparisonRecord, machine: Environment, *, is_first: bool) -> ComparisonRecord:
    def is_mine(environment: Environment | None) -> bool:
        own = environment or record.environment
        # Who knows of no machine at all has no other place.
        return is_first if own is None else not own.differences(machine)

    return record.model_copy(
        update={
            "environment": machine,
            "launches": tuple(launch for launch in record.launches if is_mine(launch.environment)),
            "failures": tuple(failure for failure in record.failures if is_mine(failure.environment)),
            "notes": tuple(note for note in record.notes if is_first or note.code != "time_is_up"),
            "measuring_seconds": None,
        }
    )

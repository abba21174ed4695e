"""The record of a comparison that is about to begin, or to go on. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from paco_prof import __version__
from paco_prof.errors import UsageError
from paco_prof.measure.ledger import Ledger
from paco_prof.records import ComparisonPlan, ComparisonRecord, Contestant, Design, Note

__all__ = ["new_comparison", "resumed"]


def new_comparison(
    contestants: Sequence[Contestant], plan: ComparisonPlan, design: Design = "compare", command: Sequence[str] = ()
) -> ComparisonRecord:
    """A record in which nothing has been measured yet."""
    return ComparisonRecord(
        tool_version=__version__,
        command=tuple(command),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        design=design,
        plan=plan,
        contestants=tuple(contestants),
    )


def resumed(record: ComparisonRecord, **changes: object) -> ComparisonRecord:
    """The record of a comparison that goes on where it stopped.

    Args:
        record: as it was left.
        changes: entries of the plan that are to be others; None leaves one as it was. More launches than were planned
            extend a comparison that has been looked at, which is noted where it had come to its end.

    Raises:
        UsageError: it is another version's, all that was planned has been measured, or launches would be taken away.
    """
    if record.tool_version != __version__:
        raise UsageError(
            f"The record is of paco-prof {record.tool_version}, and this is {__version__}.", "Begin a new one."
        )
    plan = record.plan.model_copy(update={name: value for name, value in changes.items() if value is not None})
    if plan.launches < record.plan.launches:
        raise UsageError(f"{record.plan.launches} launches were planned, and --launches {plan.launches} are fewer.")
    is_longer = plan.launches > record.plan.launches
    if record.status == "complete" and not is_longer and not _is_anything_left(record):
        raise UsageError("All that was planned has been measured.", "--launches N takes more.")
    # What the next run finds out anew is forgotten: whose fidelity no launch has told is asked for once more.
    notes = [
        note
        for note in record.notes
        if note.code != "time_is_up" and not (note.code == "no_fidelity" and note.number is None)
    ]
    if is_longer and record.status == "complete":
        notes.append(Note(code="extended", number=plan.launches))
    # Where nothing has been measured yet, any machine will do.
    environment = record.environment if record.launches else None
    return record.model_copy(
        update={"plan": plan, "status": "running", "notes": tuple(notes), "environment": environment}
    )


def _is_anything_left(record: ComparisonRecord) -> bool:
    return any(True for _ in Ledger(record, lambda _: None, lambda: 0.0).left())

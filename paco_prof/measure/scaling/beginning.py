"""The record of a measurement of growth that is about to begin, or to go on. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from paco_prof import __version__
from paco_prof.errors import UsageError
from paco_prof.measure.scaling.work import left
from paco_prof.records import Contestant, ScalePlan, ScaleRecord

__all__ = ["new_survey", "resumed_survey"]


def new_survey(contestants: Sequence[Contestant], plan: ScalePlan, command: Sequence[str] = ()) -> ScaleRecord:
    """A record in which nothing has been measured yet."""
    return ScaleRecord(
        tool_version=__version__,
        command=tuple(command),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        plan=plan,
        contestants=tuple(contestants),
    )


def resumed_survey(record: ScaleRecord, **changes: object) -> ScaleRecord:
    """The record of a measurement that goes on where it stopped. What has failed is tried again.

    Args:
        record: as it was left.
        changes: entries of the plan that are to be others; None leaves one as it was.

    Raises:
        UsageError: it is another version's, there is neither anything left nor another target, or launches would be
            taken away.
    """
    if record.tool_version != __version__:
        raise UsageError(
            f"The record is of paco-prof {record.tool_version}, and this is {__version__}.", "Begin a new one."
        )
    given = {name: value for name, value in changes.items() if value is not None}
    plan = ScalePlan.model_validate(record.plan.model_dump() | given)
    if plan.launches < record.plan.launches:
        raise UsageError(f"{record.plan.launches} launches were planned, and --launches {plan.launches} are fewer.")
    # A search that may go further than before is not over.
    largest = tuple(
        each.model_copy(update={"reason": "interrupted", "detail": ""})
        if each.reason == "failed" or (each.reason == "as asked" and plan.largest_up_to > record.plan.largest_up_to)
        else each
        for each in record.largest
    )
    # What the next run finds out anew is forgotten. Where nothing has been measured yet, any machine will do.
    notes = tuple(note for note in record.notes if note.code != "time_is_up")
    environment = record.environment if record.points else None
    again = record.model_copy(
        update={
            "plan": plan,
            "status": "running",
            "notes": notes,
            "environment": environment,
            "failures": (),
            "largest": largest,
        }
    )
    # A prediction needs no measuring.
    if not left(again) and plan.target == record.plan.target:
        raise UsageError(
            "All that was planned has been measured.", "--launches N takes more, and --target N predicts another size."
        )
    return again

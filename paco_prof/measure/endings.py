"""What ended a measurement early, as whoever asked for it is told. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence

from paco_prof.errors import InterruptedRunError, MeasurementError, PacoProfError, UsageError
from paco_prof.measure.referee import ComparisonOutcome
from paco_prof.measure.surveyor import ScaleOutcome
from paco_prof.measure.user.place import told
from paco_prof.records import ComparisonRecord, Largest, Note, ScaleRecord

__all__ = ["comparison_ending", "ending", "refusal", "scale_ending", "scale_refusal"]


def ending(
    error: BaseException | None, notes: Sequence[Note], number: int, what: str, plural: str = "s"
) -> PacoProfError | None:
    """The error that a run ended with; None where nothing went wrong.

    Args:
        error: what was raised, by `sys.exit` too.
        notes: of the record, which hold what measured code raised in words that may be shared.
        number: how much was measured before,
        what: of what, in the singular; `plural` is appended where there is another number of it.
    """
    if isinstance(error, KeyboardInterrupt):
        return InterruptedRunError(f"Interrupted after {number} {what}{plural if number != 1 else ''}.")
    if error is None or isinstance(error, PacoProfError):
        return error
    detail = next((note.detail for note in notes if note.code == "failed"), told(error))
    return MeasurementError(f"The measured code failed: {detail}.")


def comparison_ending(outcome: ComparisonOutcome) -> PacoProfError | None:
    """The same of a comparison, which goes on where a process fails: the last failure that cost a launch."""
    record = outcome.record
    error = ending(outcome.error, record.notes, len(record.launches), "launch", "es")
    if error is not None:
        return error
    if (error := refusal(record)) is not None:
        return error
    failed = [failure for failure in record.failures if failure.kind != "not applicable"]
    lost = [f for f in failed if f.kind != "out of memory" or not _was_retried(record, f.contestant)]
    if not lost:
        return None
    name = record.contestants[0 if lost[-1].of_baseline else lost[-1].contestant].name
    others = f" ({len(lost)} failures in all)" if len(lost) > 1 else ""
    return MeasurementError(f"{name}: {lost[-1].kind}: {lost[-1].detail.rstrip('.')}{others}.")


def refusal(record: ComparisonRecord) -> UsageError | None:
    """Where nothing was measured because nothing of it can be, the input was bad; None elsewhere."""
    if record.launches or not record.failures or any(f.kind != "not applicable" for f in record.failures):
        return None
    return UsageError(record.failures[0].detail, record.failures[0].hint)


def scale_ending(outcome: ScaleOutcome) -> PacoProfError | None:
    """The same of a measurement of growth. Where smaller sizes have run, that memory runs out at some is a result."""
    record = outcome.record
    error = ending(outcome.error, record.notes, len(record.points), "launch", "es")
    if error is not None:
        return error
    if (error := scale_refusal(record)) is not None:
        return error
    measured = {point.contestant for point in record.points if point.is_complete}
    lost = [
        (failure.contestant, f"{failure.kind}: {failure.detail}")
        for failure in record.failures
        if failure.contestant not in measured or failure.kind not in ("out of memory", "not applicable")
    ]
    lost += [
        (each.contestant, f"the search for the largest batch failed: {_end_of_search(each)}")
        for each in record.largest
        if each.reason == "failed"
    ]
    if not lost:
        return None
    place, what = lost[-1]
    others = f" ({len(lost)} failures in all)" if len(lost) > 1 else ""
    return MeasurementError(f"{record.contestants[place].name}: {what.rstrip('.')}{others}.")


def scale_refusal(record: ScaleRecord) -> UsageError | None:
    """Where nothing was measured because nothing of it can be, the input was bad; None elsewhere."""
    if record.points or not record.failures or any(f.kind != "not applicable" for f in record.failures):
        return None
    return UsageError(record.failures[0].detail, record.failures[0].hint)


def _end_of_search(largest: Largest) -> str:
    """What ended a search that failed: it was given up, or a trial was its last."""
    told = (largest.detail, *(trial.detail for trial in reversed(largest.trials) if trial.reason == "failed"))
    return next(filter(None, told), "it was given up")


def _was_retried(record: ComparisonRecord, place: int) -> bool:
    return any(launch.halvings for launch in record.launches_of(place))

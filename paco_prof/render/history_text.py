"""A history in words: what its series are called, what was found, what is not shown and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from paco_prof import units
from paco_prof.analysis.history import (
    HistoryChange,
    HistoryPoint,
    HistorySeries,
    HistoryView,
    LeftOut,
    OtherMachine,
)
from paco_prof.render.preamble import workload_subject
from paco_prof.settings import Workload
from paco_prof.stats.changes import LEAST_COMMITS, SMALLEST_CHANGE

__all__ = [
    "change_words",
    "code_words",
    "date_of",
    "findings",
    "left_out_sentences",
    "method_sentences",
    "order_sentence",
    "plural",
    "titles",
]

# Names of files that a sentence lists; of more it says how many.
MOST_NAMES = 3


def titles(view: HistoryView) -> tuple[str, ...]:
    """What each series is called, in the view's order: with the settings that tell it from others of the same name."""
    plain = [_plain_title(series) for series in view.series]
    found = []
    for series, title in zip(view.series, plain, strict=True):
        alike = [other for other, name in zip(view.series, plain, strict=True) if name == title]
        settings = _told_apart(series.workload, [other.workload for other in alike])
        found.append(f"{title} ({settings})" if settings else title)
    return tuple(found)


def _plain_title(series: HistorySeries) -> str:
    variant = "" if series.variant == "baseline" else f", {series.variant}"
    return workload_subject(series.workload) + variant


def _told_apart(workload: Workload, alike: Sequence[Workload]) -> str:
    """`seed=1, contrast=fused`: what differs among workloads that would have the same title."""
    flat = [_flat(other) for other in alike]
    names = [name for name in flat[0] if len({repr(settings[name]) for settings in flat}) > 1]
    own = _flat(workload)
    return ", ".join(f"{name}={own[name]}" for name in names)


def _flat(workload: Workload) -> dict[str, Any]:
    return {**{name: getattr(workload, name) for name in Workload.model_fields}, **asdict(workload.forms)} | {
        "forms": ""
    }


def code_words(point: HistoryPoint) -> str:
    """What a point is called: its commit, or where that is not known the date of its records."""
    return point.commit or date_of(point)


def date_of(point: HistoryPoint) -> str:
    """The day on which a point was measured."""
    return point.created[:10] or "undated"


def change_words(change: HistoryChange) -> str:
    """`slower by 11.8 %`."""
    return f"{change.direction} by {units.percent(abs(change.relative))}"


def findings(view: HistoryView) -> tuple[str, ...]:
    """What the series say: a sentence a change, one for a series without, one for all that are too short to tell."""
    found: list[str] = []
    for title, series in zip(titles(view), view.series, strict=True):
        if series.changes:
            found += [_change_sentence(title, series, change) for change in series.changes]
        elif series.can_tell:
            found.append(f"No change point in {plural(len(series.points), 'commit')} of {title}.")
    short = [series for series in view.series if not series.can_tell]
    if short:
        which = "The only series has" if len(view.series) == 1 else f"{len(short)} series have"
        which = "1 series has" if len(short) == 1 < len(view.series) else which
        found.append(f"{which} fewer than {LEAST_COMMITS} commits, in which no change is claimed.")
    return tuple(found)


def _change_sentence(title: str, series: HistorySeries, change: HistoryChange) -> str:
    point = series.points[change.place]
    seconds = units.milliseconds(change.seconds_before), units.milliseconds(change.seconds_after)
    share = units.percent(abs(change.relative))
    if not series.by_ratio:
        size = f"{share} {change.direction} ({seconds[0]} to {seconds[1]} ms)"
    else:
        levels = units.precise_ratio(change.before), units.precise_ratio(change.after)
        size = (
            f"{share} {change.direction} beside the yardstick ({levels[0]} to {levels[1]} its time; {seconds[0]} "
            f"to {seconds[1]} ms)"
        )
    since = f"Since commit {point.commit}" if point.commit else f"Since {date_of(point)}"
    return f"{since} the step of {title} is {size}."


def order_sentence(view: HistoryView) -> str:
    """What the points are in the order of."""
    if view.order == "dates":
        return "Points are in the order in which they were measured: no repository tells the order of their commits."
    if view.order == "commits":
        return "Points are in the order of the commits in the repository, the oldest first."
    return (
        "Points are in the order of the commits in the repository, the oldest first; what it does not know stands by "
        f"its date: {_names([_short(code) for code in view.unplaced])}."
    )


def _short(code: str) -> str:
    """A commit, or the day of a date."""
    return code[:10] if code[10:11] == "T" else code


def left_out_sentences(left: LeftOut) -> tuple[str, ...]:
    """What is not shown, and why; empty where all is."""
    found = []
    if left.machines:
        found += [_machine_sentence(machine) for machine in left.machines]
    if left.quoted:
        found.append(f"{_records(left.quoted)} quoted from elsewhere and not measured: {_names(left.quoted)}.")
    if left.without_step:
        found.append(f"{_records(left.without_step)} without a training step: {_names(left.without_step)}.")
    if left.unread:
        is_one = len(left.unread) == 1
        what = "1 other JSON file is no record" if is_one else f"{len(left.unread)} other JSON files are no records"
        found.append(f"{what} that this version reads: {_names(left.unread)}.")
    return tuple(found)


def _machine_sentence(machine: OtherMachine) -> str:
    what = f"{plural(machine.num_records, 'record')} of {plural(machine.num_commits, 'commit')}"
    verb = "is" if machine.num_records == 1 else "are"
    if not machine.differences:
        return f"{what} {verb} not shown: the records do not tell whether the machine is the same."
    found = [
        f"{name.replace('_', ' ')} {_value(theirs)}, not {_value(ours)}" for name, theirs, ours in machine.differences
    ]
    shown = "; ".join(found[:MOST_NAMES])
    more = "" if len(found) <= MOST_NAMES else f"; and {len(found) - MOST_NAMES} more"
    return f"{what} {verb} not shown: another machine or other software ({shown}{more})."


def _value(value: object) -> str:
    return "none" if value is None else str(value)


def method_sentences(view: HistoryView) -> tuple[str, ...]:
    """How change points are found, and what they are not."""
    found = [
        "A change point is where the level of the logarithms changes and stays for two commits or more: exact "
        "penalized least absolute deviations (PELT), so that a single commit that is off is none. A change of less "
        f"than {units.percent(SMALLEST_CHANGE)} is not claimed; percentages are of the time before.",
        "The interval is that of the median over all steps of a commit; what differs from one launch to the next is "
        "not in it. Dates are those of the first measurement, and + is a checkout with changes.",
    ]
    if any(series.by_ratio for series in view.series):
        found.append(
            "Where every commit was measured beside a yardstick, in the same launches, changes are those of the ratio "
            "of the step to it (the median over launches): it does not drift with the machine."
        )
    if not all(series.by_ratio for series in view.series):
        found.append(
            "Wall times drift with the machine: confirm a change by measuring the two commits side by side before you "
            "act on it."
        )
    return tuple(found)


def _records(names: Sequence[str]) -> str:
    return "1 record is" if len(names) == 1 else f"{len(names)} records are"


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else f"{shown} and {len(names) - MOST_NAMES} more"


def plural(number: int, noun: str) -> str:
    """`1 commit`, `30 commits`."""
    return f"{units.count(number)} {noun}{'' if number == 1 else 's'}"

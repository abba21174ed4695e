"""The records of many commits as series: the time of one step from commit to commit, and where its level changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Literal

from paco_prof.analysis.breakdown import typical_times
from paco_prof.analysis.history_order import Order, OrderedBy, code_of, order_of
from paco_prof.analysis.history_steps import MeasuredSteps, is_quoted, measured_steps
from paco_prof.analysis.pooling import pooled
from paco_prof.records import Environment
from paco_prof.settings import Workload
from paco_prof.stats.changes import LEAST_COMMITS, Segment, segments
from paco_prof.stats.summary import Estimate, median_estimate
from paco_prof.store import Record

__all__ = [
    "HistoryChange",
    "HistoryPoint",
    "HistorySeries",
    "HistoryView",
    "LeftOut",
    "OtherMachine",
    "history_view",
]


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """All steps of one commit.

    Attributes:
        commit: with `+` where the checkout had changes; None where the records do not tell.
        created: when the first of its records was made.
        files: the records that it rests on.
        num_launches: fresh processes; every breakdown is one.
        step: seconds of the typical step. The interval is of the median over steps; what differs from one launch to
            the next is not in it.
        ratio: step over yardstick in the same launches; None where a commit of the series has none.
    """

    commit: str | None
    created: str
    files: tuple[str, ...]
    num_launches: int
    step: Estimate
    ratio: Estimate | None = None


@dataclass(frozen=True, slots=True)
class HistoryChange:
    """A new level.

    Attributes:
        place: of the first point that has it.
        before, after: the levels: seconds, or step over yardstick where the series is judged by that.
        seconds_before, seconds_after: of the step at either level, beside a ratio the median of its points.
    """

    place: int
    before: float
    after: float
    seconds_before: float
    seconds_after: float

    @property
    def relative(self) -> float:
        """By how much the time has changed, over the time before; positive is slower."""
        return self.after / self.before - 1

    @property
    def direction(self) -> Literal["slower", "faster"]:
        return "slower" if self.after > self.before else "faster"


@dataclass(frozen=True, slots=True)
class HistorySeries:
    """One workload and variant, from commit to commit.

    Attributes:
        points: oldest first.
        by_ratio: levels are of step over yardstick, which does not drift with the machine, and not of seconds.
        levels: what the points have in common between two changes; one where there is no change.
    """

    workload: Workload
    variant: str
    points: tuple[HistoryPoint, ...]
    by_ratio: bool
    levels: tuple[Segment, ...]

    @property
    def judged(self) -> tuple[float, ...]:
        """The figures whose levels are shown, a point each."""
        return _judged(self.points, self.by_ratio)

    @property
    def can_tell(self) -> bool:
        """Whether there are commits enough for a change to be claimed."""
        return len(self.points) >= LEAST_COMMITS

    @property
    def from_previous(self) -> tuple[float | None, ...]:
        """By how much each judged figure differs from that of the point before, relatively; None for the first."""
        return (None, *(after / before - 1 for before, after in pairwise(self.judged)))

    @property
    def changes(self) -> tuple[HistoryChange, ...]:
        """Where one level ends and another begins."""
        return tuple(
            HistoryChange(after.first, before.level, after.level, self._seconds(before), self._seconds(after))
            for before, after in pairwise(self.levels)
        )

    def _seconds(self, level: Segment) -> float:
        if not self.by_ratio:
            return level.level
        return median_estimate([point.step.value for point in self.points[level.first : level.end]]).median


@dataclass(frozen=True, slots=True)
class OtherMachine:
    """Records that are of another machine, or other software, than what is shown.

    Attributes:
        num_records: how many.
        num_commits: that they measured.
        differences: what about it is another: name, its value, and that of the machine that is shown; empty where one
            of the two is not known.
    """

    num_records: int
    num_commits: int
    differences: tuple[tuple[str, object, object], ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What was given and is not shown.

    Attributes:
        unread: names of files that are no records, or none that this version reads.
        without_step: names of records that measured no training step.
        quoted: names of records of what somebody else measured.
        machines: others than the one that is shown, by the number of their commits.
    """

    unread: tuple[str, ...] = ()
    without_step: tuple[str, ...] = ()
    quoted: tuple[str, ...] = ()
    machines: tuple[OtherMachine, ...] = ()


@dataclass(frozen=True, slots=True)
class HistoryView:
    """What a folder of records says of one machine.

    Attributes:
        environment: the machine that is shown; None where its records do not tell.
        series: the longest first.
        num_records: that are shown.
        order: what the points are in the order of.
        codes: commits, or dates where there is none, in that order, over all series.
        unplaced: the codes among them that the history does not know; they stand where their dates put them.
        left_out: what is not shown.
    """

    environment: Environment | None
    series: tuple[HistorySeries, ...]
    num_records: int
    order: OrderedBy
    codes: tuple[str, ...]
    unplaced: tuple[str, ...]
    left_out: LeftOut

    @property
    def num_commits(self) -> int:
        """How many commits there are points of; one with changes is the same."""
        codes = [point.commit for series in self.series for point in series.points if point.commit is not None]
        return len({code.removesuffix("+") for code in codes})


def history_view(
    records: Iterable[tuple[str, Record]], commits: Sequence[str] = (), unread: Sequence[str] = ()
) -> HistoryView:
    """The view of records, of one machine.

    Args:
        records: file name and record.
        commits: whole hashes, oldest first; without any, points are in the order of their dates.
        unread: names of files that are no records.
    """
    found: list[MeasuredSteps] = []
    quoted: list[str] = []
    without_step: list[str] = []
    for file, record in records:
        steps = measured_steps(file, record)
        found += steps
        if not steps:
            (quoted if is_quoted(record) else without_step).append(file)
    machines = _machines(found)
    shown = machines[0] if machines else []
    order = order_of(shown, commits)
    return HistoryView(
        environment=shown[0].environment if shown else None,
        series=_all_series(shown, order),
        num_records=len({steps.file for steps in shown}),
        order=order.by,
        codes=order.codes,
        unplaced=order.unplaced,
        left_out=LeftOut(
            tuple(unread), tuple(without_step), tuple(quoted), tuple(_other(shown, other) for other in machines[1:])
        ),
    )


def _machines(found: Sequence[MeasuredSteps]) -> list[list[MeasuredSteps]]:
    """What was measured, by machine; the one with the most commits first, of equal ones the one that was used last."""
    machines: list[list[MeasuredSteps]] = []
    for steps in found:
        mine = next((group for group in machines if _is_same(group[0].environment, steps.environment)), None)
        if mine is None:
            machines.append([steps])
        else:
            mine.append(steps)
    return sorted(machines, key=lambda group: (_num_codes(group), max(s.created for s in group)), reverse=True)


def _num_codes(group: Sequence[MeasuredSteps]) -> int:
    return len({code_of(steps) for steps in group})


def _is_same(one: Environment | None, other: Environment | None) -> bool:
    if one is None or other is None:
        return one is other
    return not one.differences(other)


def _other(shown: Sequence[MeasuredSteps], other: Sequence[MeasuredSteps]) -> OtherMachine:
    ours, theirs = shown[0].environment, other[0].environment
    found = {} if ours is None or theirs is None else theirs.differences(ours)
    differences = tuple((name, *values) for name, values in found.items())
    return OtherMachine(len({steps.file for steps in other}), _num_codes(other), differences)


def _all_series(shown: Sequence[MeasuredSteps], order: Order) -> tuple[HistorySeries, ...]:
    """The longest first; of equal ones the first that was given."""
    groups: list[list[MeasuredSteps]] = []
    for steps in shown:
        of = (steps.workload, steps.variant)
        mine = next((group for group in groups if (group[0].workload, group[0].variant) == of), None)
        if mine is None:
            groups.append([steps])
        else:
            mine.append(steps)
    return tuple(sorted((_series(group, order) for group in groups), key=lambda series: -len(series.points)))


def _series(group: Sequence[MeasuredSteps], order: Order) -> HistorySeries:
    by_code = [mine for code in order.codes if (mine := [steps for steps in group if code_of(steps) == code])]
    yardsticks = [steps.yardstick for steps in group if steps.yardstick is not None]
    # A ratio to another yardstick is another quantity.
    by_ratio = all(any(steps.ratios for steps in mine) for mine in by_code) and all(
        yardstick == yardsticks[0] for yardstick in yardsticks
    )
    points = tuple(_point(mine, by_ratio) for mine in by_code)
    return HistorySeries(group[0].workload, group[0].variant, points, by_ratio, segments(_judged(points, by_ratio)))


def _point(mine: Sequence[MeasuredSteps], by_ratio: bool) -> HistoryPoint:
    ratios = list(chain.from_iterable(steps.ratios for steps in mine))
    return HistoryPoint(
        commit=mine[0].commit,
        created=min(steps.created for steps in mine),
        files=tuple(dict.fromkeys(steps.file for steps in mine)),
        num_launches=sum(steps.num_launches for steps in mine),
        step=typical_times(pooled([training for steps in mine for training in steps.trainings]))[0],
        ratio=median_estimate(ratios) if by_ratio else None,
    )


def _judged(points: Sequence[HistoryPoint], by_ratio: bool) -> tuple[float, ...]:
    if by_ratio:
        return tuple(point.ratio.median for point in points if point.ratio is not None)
    return tuple(point.step.value for point in points)

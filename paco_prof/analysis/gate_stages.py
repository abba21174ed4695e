"""The stages of a step before and after, beside another revision or a saved baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from paco_prof.analysis.breakdown import stage_paths, stage_rows, typical_times
from paco_prof.analysis.comparison import ComparedVariant, StageChange, comparison_view
from paco_prof.analysis.gate import CheckResult
from paco_prof.analysis.pooling import pooled, undivided
from paco_prof.records import CheckRecord, ComparisonRecord, Training
from paco_prof.stats.summary import Estimate

__all__ = ["changed_stages"]


def changed_stages(record: CheckRecord, result: CheckResult) -> ComparedVariant | None:
    """What is judged beside what it was before, stage by stage; None of a budget, and where either has no launch."""
    check = result.check
    if check.kind == "budget" or check.comparison is None:
        return None
    comparison = record.comparisons[check.comparison]
    if check.kind == "revision":
        after = comparison_view(comparison).variants[0]
        return after if after.stages else None
    return None if check.saved is None else _beside_saved(check.saved, comparison, result.after)


def _beside_saved(saved: ComparisonRecord, now: ComparisonRecord, seconds: float | None) -> ComparedVariant | None:
    """Both sides are the first contestant of their comparison, as the yardstick is the other one.

    Args:
        seconds: of the typical step now at the pace that the machine had then.
    """
    old, new = _first(saved), _first(now)
    if old is None or new is None:
        return None
    if old.backward_whole or new.backward_whole:
        old, new = undivided(old), undivided(new)
    before, after = typical_times(old)[0], typical_times(new)[0]
    factor = 1.0 if seconds is None else seconds / after.value
    changes = _changes(old, new, factor)
    contestant = now.baseline
    return ComparedVariant(
        place=0,
        contestant=contestant,
        batch_size=contestant.workload.batch_size,
        num_launches=len(now.launches_of(1)),
        step=_scaled(after, factor),
        before=before,
        stages=changes,
        unattributed=(
            before.value - _total([change.before for change in changes if change.depth == 0]),
            factor * after.value - _total([change.after for change in changes if change.depth == 0]),
        ),
    )


def _first(comparison: ComparisonRecord) -> Training | None:
    """All steps of the first contestant; None where it has no complete launch."""
    launches = comparison.launches_of(1)
    return pooled([launch.baseline.training for launch in launches]) if launches else None


def _changes(old: Training, new: Training, factor: float) -> tuple[StageChange, ...]:
    before, after = ({row.path: row.total for row in stage_rows(side)} for side in (old, new))
    return tuple(
        StageChange(
            path=path,
            depth=path.count("/"),
            before=before.get(path),
            after=_scaled(after.get(path), factor),
            speedup=None,
            established=False,
        )
        for path in stage_paths([old, new])
    )


def _scaled(time: Estimate | None, factor: float) -> Estimate | None:
    if time is None:
        return None
    ends = {name: factor * getattr(time, name) for name in ("value", "median", "low", "high")}
    return replace(time, **ends)


def _total(times: Sequence[Estimate | None]) -> float:
    return sum(time.value for time in times if time is not None)

"""Where in a step a change of its time happened."""

from __future__ import annotations

from dataclasses import dataclass

from paco_prof.analysis.breakdown import stage_paths, stage_rows, typical_times
from paco_prof.analysis.pooling import undivided
from paco_prof.records import Training

__all__ = ["Explanation", "explanation"]

# A stage explains a change that is this much of its doing; and a part of it does, that has this much of its change.
LEAST_SHARE = 0.5
LEAST_OF_PARENT = 0.8


@dataclass(frozen=True, slots=True)
class Explanation:
    """The stage in which a change of the step happened.

    Attributes:
        path: the stage and its parents; empty where the change is spread over several.
        seconds: by which it takes longer (shorter, where negative) in the typical step.
        share: of the step's change that is the stage's; 0 where it is spread.
        before, after: seconds of the stage in the typical step; 0 where it is spread, or does not occur.
    """

    path: str
    seconds: float
    share: float
    before: float = 0.0
    after: float = 0.0


def explanation(before: Training, after: Training, factor: float = 1.0) -> Explanation | None:
    """The innermost stage that has most of a step's change; None where the step has not changed.

    Args:
        before, after: all steps of either side.
        factor: by which times after are multiplied, for a machine whose pace has changed.
    """
    if before.backward_whole or after.backward_whole:
        before, after = undivided(before), undivided(after)
    change = factor * typical_times(after)[0].value - typical_times(before)[0].value
    if change == 0:
        return None
    old, new = ({row.path: row.seconds for row in stage_rows(side)} for side in (before, after))
    changes = {path: factor * new.get(path, 0.0) - old.get(path, 0.0) for path in stage_paths([before, after])}
    path = _largest(changes, "", change)
    if path is None or changes[path] / change < LEAST_SHARE:
        return Explanation("", 0.0, 0.0)
    while (inner := _largest(changes, path, change)) is not None and changes[inner] / changes[path] >= LEAST_OF_PARENT:
        path = inner
    return Explanation(path, changes[path], changes[path] / change, old.get(path, 0.0), factor * new.get(path, 0.0))


def _largest(changes: dict[str, float], parent: str, change: float) -> str | None:
    """The child of a stage (or, of none, the stage without a parent) that has the most of a change."""
    children = [path for path in changes if path.rpartition("/")[0] == parent]
    return max(children, key=lambda path: changes[path] / change, default=None)

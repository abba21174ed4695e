"""Where in a step a change of its time happened."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from paco_prof.analysis.breakdown import stage_paths, stage_rows, typical_times
from paco_prof.analysis.comparison import comparison_view
from paco_prof.analysis.pooling import pooled, undivided
from paco_prof.analysis.yardstick import sides_of, stage_over_yardstick, yardstick_logs
from paco_prof.records import Check, ComparisonRecord, Training
from paco_prof.stats.paired import holm
from paco_prof.stats.ranks import rank_sum_p_value

__all__ = ["Explanation", "StepChange", "explanation", "step_change"]

# A stage explains a change that is this much of its doing; and a part of it does, that has this much of its change ...
LEAST_SHARE = 0.5
LEAST_OF_PARENT = 0.8
# ... where the rest of the step has changed, relatively, by at most this much of what the stage has. What is nearly all
# of the change is so whatever the little rest does.
MOST_OF_OTHERS = 0.5
NEARLY_ALL = 0.9


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


@dataclass(frozen=True, slots=True)
class StepChange:
    """A step on either side of a check.

    Attributes:
        old, new: all steps of either side.
        factor: by which times of the new side are multiplied, for a machine whose pace has changed since.
        check, comparison: what it is of.
    """

    old: Training
    new: Training
    factor: float
    check: Check
    comparison: ComparisonRecord

    @property
    def before(self) -> float:
        """Seconds of the typical step."""
        return typical_times(self.old)[0].value

    @property
    def after(self) -> float:
        """Seconds of the typical step, at the pace of before."""
        return self.factor * typical_times(self.new)[0].value

    def explanation(self) -> Explanation:
        """The stage in which it changed."""
        differing = _differing_stages(self.check, self.comparison)
        return explanation(self.old, self.new, differing.__contains__, self.factor)


def step_change(check: Check, comparison: ComparisonRecord, place: int) -> StepChange:
    """The sides of a check of the step.

    Args:
        place: of the contestant that is not the first, in whose launches both are.
    """
    if check.saved is not None:
        old, new = ([side.training for side in sides_of(one, 0)] for one in (check.saved, comparison))
        # What the machine's pace has changed since is none of the code's.
        factor = math.exp(median(yardstick_logs(check.saved)) - median(yardstick_logs(comparison)))
        return StepChange(pooled(old), pooled(new), factor, check, comparison)
    launches = comparison.launches_of(place)
    is_first = comparison.contestants[0].name == check.subject
    old = [(launch.variant if is_first else launch.baseline).training for launch in launches]
    new = [(launch.baseline if is_first else launch.variant).training for launch in launches]
    return StepChange(pooled(old), pooled(new), 1.0, check, comparison)


def _differing_stages(check: Check, comparison: ComparisonRecord) -> set[str]:
    """The stages that launches establish to have changed, all of them judged together (Holm)."""
    if check.saved is None:
        (variant,) = comparison_view(comparison).variants
        return {stage.path for stage in variant.stages if stage.established}
    paths = stage_paths([side.training for one in (check.saved, comparison) for side in sides_of(one, 0)])
    p_values = []
    for path in paths:
        old, new = (stage_over_yardstick(one, path) for one in (check.saved, comparison))
        sides = None if old is None or new is None else (rank_sum_p_value(old, new), rank_sum_p_value(new, old))
        p_values.append(None if sides is None else min(1.0, 2 * min(sides)))
    return {path for path, is_established in zip(paths, holm(p_values), strict=True) if is_established}


def explanation(
    before: Training, after: Training, established: Callable[[str], bool], factor: float = 1.0
) -> Explanation:
    """The innermost stage that has most of a step's change, and more of it than its size would give it.

    A change that all stages share by their size is nobody's: a larger model, a slower clock.

    Args:
        before, after: all steps of either side, whose step differs.
        established: whether launches establish that a stage differs which both sides have.
        factor: by which times after are multiplied, for a machine whose pace has changed.
    """
    if before.backward_whole or after.backward_whole:
        before, after = undivided(before), undivided(after)
    whole = typical_times(before)[0].value
    change = factor * typical_times(after)[0].value - whole
    old, new = ({row.path: row.seconds for row in stage_rows(side)} for side in (before, after))
    changes = {path: factor * new.get(path, 0.0) - old.get(path, 0.0) for path in stage_paths([before, after])}

    def explains(path: str) -> bool:
        share = changes[path] / change
        if share < LEAST_SHARE or not (path not in old or path not in new or established(path)):
            return False
        own, others = old.get(path, 0.0), whole - old.get(path, 0.0)
        is_spread = own > 0 < others and (1 - share) / others > MOST_OF_OTHERS * share / own
        return share >= NEARLY_ALL or not is_spread

    path = _largest(changes, "", change)
    if path is None or not explains(path):
        return Explanation("", 0.0, 0.0)
    while (inner := _largest(changes, path, change)) is not None and changes[inner] / changes[path] >= LEAST_OF_PARENT:
        path = inner
    return Explanation(path, changes[path], changes[path] / change, old.get(path, 0.0), factor * new.get(path, 0.0))


def _largest(changes: dict[str, float], parent: str, change: float) -> str | None:
    """The child of a stage (or, of none, the stage without a parent) that has the most of a change."""
    children = [path for path in changes if path.rpartition("/")[0] == parent]
    return max(children, key=lambda path: changes[path] / change, default=None)

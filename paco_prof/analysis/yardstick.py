"""What launches say of a step beside the yardstick: a plain step of the same machine, in the same minutes."""

from __future__ import annotations

import math
from statistics import median

from paco_prof.analysis.breakdown import stage_seconds
from paco_prof.analysis.comparison import launch_effects
from paco_prof.records import YARDSTICK, ComparisonRecord, Side

__all__ = ["over_yardstick", "sides_of", "stage_over_yardstick", "yardstick_logs"]


def sides_of(comparison: ComparisonRecord, place: int) -> list[Side]:
    """One process a round: a contestant's own, or, of the first (0), that beside whom it has the most launches with."""
    if place:
        return [launch.variant for launch in comparison.launches_of(place)]
    of_all = [comparison.launches_of(other) for other in range(1, len(comparison.contestants))]
    return [launch.baseline for launch in max(of_all, key=len)]


def over_yardstick(comparison: ComparisonRecord) -> list[float]:
    """For each launch the logarithm of the first contestant's step over the yardstick's."""
    return list(launch_effects(comparison, _place(comparison)).values())


def stage_over_yardstick(comparison: ComparisonRecord, path: str) -> list[float] | None:
    """For each launch the logarithm of a stage's time over the yardstick's step; None where one never entered it."""
    sides = [launch.baseline for launch in comparison.launches_of(_place(comparison))]
    known = [[part for part in stage_seconds(side.training, path) if part is not None] for side in sides]
    if not all(parts and median(parts) > 0 for parts in known):
        return None
    return [math.log(median(parts)) - log for parts, log in zip(known, yardstick_logs(comparison), strict=True)]


def yardstick_logs(comparison: ComparisonRecord) -> list[float]:
    """For each launch the logarithm of the yardstick's time."""
    return [math.log(median(side.training.steps)) for side in sides_of(comparison, _place(comparison))]


def _place(comparison: ComparisonRecord) -> int:
    return [contestant.name for contestant in comparison.contestants].index(YARDSTICK)

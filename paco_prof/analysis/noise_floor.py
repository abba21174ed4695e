"""How well two equal steps can be told apart: the noise of a pair, that of a launch, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from paco_prof.records import ComparisonRecord, Launch
from paco_prof.stats.detectable import Detectable, smallest_detectable
from paco_prof.stats.paired import RatioEstimate, judge, launch_effect

__all__ = ["NoiseFloor", "noise_floor"]

# Of a normal distribution: its standard deviation over its median absolute deviation, and the standard error of a
# median over that of a mean.
_DEVIATIONS = 1.4826
_MEDIAN_ERROR = math.sqrt(math.pi / 2)


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """A step against itself. Noises are standard deviations of logarithms of ratios: 0.01 is about one per cent.

    Attributes:
        step: median seconds of a step.
        threads: CPU threads that it took; None where they are torch's choice.
        num_launches: complete ones.
        num_pairs: of steps in each, the fewest.
        effects: one number a launch; all of them would be zero if there were no noise.
        pair: noise of a single pair within a launch, from the median absolute deviation.
        from_pairs: the noise that launches would have if their pairs were all the noise there is.
        smallest: what launches like these can tell apart; None where there are too few of them.
        launch_seconds: that one took, the start of its two processes included.
        judged: what the test says of the two sides, which are the same.
    """

    step: float
    threads: int | None
    num_launches: int
    num_pairs: int
    effects: tuple[float, ...]
    pair: float
    from_pairs: float
    smallest: Detectable | None
    launch_seconds: float | None
    judged: RatioEstimate

    @property
    def claim_seconds(self) -> float | None:
        """What so many launches take as a claim needs; None where nobody knows."""
        if self.smallest is None or self.launch_seconds is None:
            return None
        return self.smallest.num_launches * self.launch_seconds


def noise_floor(record: ComparisonRecord | None) -> NoiseFloor | None:
    """The noise of a step that was held against itself; None where there is no complete launch."""
    launches = () if record is None else record.launches_of(1)
    if record is None or not launches:
        return None
    effects = tuple(_effect(launch) for launch in launches)
    residuals = np.concatenate([_residuals(launch) for launch in launches])
    pair = _DEVIATIONS * float(np.median(np.abs(residuals)))
    num_pairs = min(len(launch.baseline.training.steps) for launch in launches)
    seconds = record.measuring_seconds
    return NoiseFloor(
        step=median(step for launch in launches for step in launch.baseline.training.steps),
        threads=record.baseline.workload.threads,
        num_launches=len(launches),
        num_pairs=num_pairs,
        effects=effects,
        pair=pair,
        from_pairs=_MEDIAN_ERROR * pair / math.sqrt(num_pairs),
        smallest=smallest_detectable(effects),
        launch_seconds=None if seconds is None else seconds / max(1, len(record.launches)),
        judged=judge(effects),
    )


def _effect(launch: Launch) -> float:
    return launch_effect(
        launch.baseline.training.steps, launch.variant.training.steps, baseline_first=launch.baseline_first
    )


def _residuals(launch: Launch) -> Sequence[float]:
    """The pairs' log ratios around their median."""
    ratios = np.log(launch.baseline.training.steps) - np.log(launch.variant.training.steps)
    return np.asarray(ratios - np.median(ratios), dtype=float).tolist()

"""Live runs of the gate on known work, and gates that are played with their launches again and again.

`tests/benchmarks/gate_runs.py` took them.
"""

from __future__ import annotations

import gzip
import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from paco_prof.records import CheckPlan
from paco_prof.stats.bounds import BoundTest, beside_bound, level_of_look
from paco_prof.stats.paired import launch_effect

__all__ = ["GATE_LAUNCHES", "GateLaunch", "GateRun", "Played", "launches_of", "play", "read_runs"]

GATE_LAUNCHES = Path(__file__).parent / "data" / "gate_launches.json.gz"
PLAN = CheckPlan()
SMALLEST_EFFECT = math.log1p(0.03)
# pytest-benchmark's --benchmark-compare-fail=mean:5%; pyperf's t-test is at 5 %, two-sided; Mann-Whitney's is ours.
THRESHOLD = 0.05
PYPERF_ALPHA = 0.05
MANN_WHITNEY_ALPHA = 0.01


@dataclass(frozen=True)
class GateLaunch:
    """Wall seconds of the pairs of a launch, and which side of each went first."""

    before: tuple[float, ...]
    after: tuple[float, ...]
    before_first: tuple[bool, ...]

    @cached_property
    def slowdown(self) -> float:
        """Logarithm of the time after over the time before, as the gate reckons it."""
        return -launch_effect(self.before, self.after, True, self.before_first)

    @cached_property
    def swapped(self) -> GateLaunch:
        """The same with the sides exchanged, which for equal work is a launch like any other."""
        return GateLaunch(self.after, self.before, tuple(not first for first in self.before_first))


@dataclass(frozen=True)
class GateRun:
    """A live run: what the command said, and its launches.

    Attributes:
        kind: `equal`, `slower-5` or `slower-10`.
        busy: whether another process kept a core busy.
        code: the command's exit code.
        seconds: that it took.
    """

    kind: str
    busy: bool
    code: int
    seconds: float
    launches: tuple[GateLaunch, ...]


@dataclass
class Played:
    """What became of gates that were played.

    Attributes:
        outcomes: of ours, pass, fail and inconclusive.
        rivals: how often another rule fails the same launches, whose steps were taken in turns.
        apart: the same with the sides from different launches, as where one side is measured after the other.
    """

    num: int = 0
    outcomes: dict[str, int] = field(default_factory=lambda: {"pass": 0, "fail": 0, "inconclusive": 0})
    rivals: dict[str, int] = field(default_factory=dict)
    apart: dict[str, int] = field(default_factory=dict)


def read_runs(path: Path = GATE_LAUNCHES) -> tuple[GateRun, ...]:
    """The live runs, in their order."""
    data = json.loads(gzip.decompress(path.read_bytes()))
    return tuple(
        GateRun(run["kind"], run["busy"], run["code"], run["seconds"], tuple(map(_launch, run["launches"])))
        for run in data["runs"]
    )


def launches_of(runs: Sequence[GateRun], kind: str) -> list[GateLaunch]:
    """All launches of one kind of work."""
    return [launch for run in runs if run.kind == kind for launch in run.launches]


def play(launches: Sequence[GateLaunch], num: int, seed: int = 0, *, equal: bool, with_rivals: bool = False) -> Played:
    """Gates of launches that are drawn without replacement, looked at as the gate looks.

    Args:
        equal: the work is, so that the sides of a gate are exchanged by the toss of a coin.
        with_rivals: judge the same launches by other rules as well.
    """
    draw = random.Random(seed)
    played = Played()
    for _ in range(num):
        drawn = draw.sample(list(launches), PLAN.launches)
        # All launches of a gate or none: a bias of one side must not even out between them.
        is_swapped = equal and draw.random() < 0.5
        chosen = [one.swapped if is_swapped else one for one in drawn]
        played.num += 1
        played.outcomes[judged([launch.slowdown for launch in chosen]).outcome] += 1
        if with_rivals:
            half = len(chosen) // 2
            _count(played.rivals, chosen, chosen)
            _count(played.apart, chosen[:half], chosen[half:])
    return played


def judged(slowdowns: Sequence[float], plan: CheckPlan = PLAN) -> BoundTest:
    """The gate's two looks at launches in their order."""
    looks = [num for num in (plan.first_look, len(slowdowns)) if num is not None and num <= len(slowdowns)]
    for num in looks:
        level = level_of_look(plan.alpha, num, plan.first_look)
        test = beside_bound(slowdowns[:num], 0.0, SMALLEST_EFFECT, level)
        if test.outcome != "inconclusive":
            return test
    return test


def _count(counts: dict[str, int], of_before: Sequence[GateLaunch], of_after: Sequence[GateLaunch]) -> None:
    """Add up which rules fail a change, given all steps of both sides."""
    before = np.concatenate([launch.before for launch in of_before])
    after = np.concatenate([launch.after for launch in of_after])
    is_slower = bool(after.mean() > before.mean())
    fails = {
        "pytest-benchmark's mean:5%": bool(after.mean() / before.mean() - 1 > THRESHOLD),
        "pyperf's t-test": is_slower and bool(stats.ttest_ind(before, after).pvalue <= PYPERF_ALPHA),
        "Mann-Whitney on the steps": bool(
            stats.mannwhitneyu(after, before, alternative="greater").pvalue <= MANN_WHITNEY_ALPHA
        ),
    }
    for rule, fail in fails.items():
        counts[rule] = counts.get(rule, 0) + fail


def _launch(data: dict[str, Any]) -> GateLaunch:
    first = tuple(mark == "1" for mark in data["before_first"])
    return GateLaunch(tuple(data["before"]), tuple(data["after"]), first)

"""Launches that were recorded once, of equal work and of five per cent more, to be judged again and again."""

from __future__ import annotations

import gzip
import json
import math
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from paco_prof.stats.paired import RatioEstimate, judge, launch_effect

__all__ = ["LAUNCHES", "Rivals", "Series", "Verdicts", "read_series", "replay"]

LAUNCHES = Path(__file__).parent / "data" / "launches.json.gz"
RIVAL_ALPHA = 0.01
RIVAL_THRESHOLD = 0.05


@dataclass(frozen=True)
class Series:
    """Launches of two sides of known work.

    Attributes:
        pairs: for each launch, the wall seconds of both sides.
        ratio: the work of the baseline over that of the variant.
        machine: what they were measured on.
    """

    pairs: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]
    ratio: float
    machine: dict[str, object]


@dataclass(frozen=True)
class Rivals:
    """How often somebody else's rule claims a difference of the same launches."""

    mann_whitney: int
    welch: int
    threshold: int


@dataclass(frozen=True)
class Verdicts:
    """What became of many comparisons.

    Attributes:
        num: comparisons.
        claims: how many claimed a difference.
        covered: how many intervals held the true ratio.
        rivals: the same launches by other rules, where that was asked for.
    """

    num: int
    claims: int
    covered: int
    rivals: Rivals


def read_series(name: str, path: Path = LAUNCHES) -> Series:
    """The launches of `equal` work, or of `planted` work that is five per cent more."""
    data = json.loads(gzip.decompress(path.read_bytes()))
    pairs = tuple((tuple(launch["baseline"]), tuple(launch["variant"])) for launch in data[name])
    before, after = data["work"][name]
    return Series(pairs, before / after, data["environment"])


def replay(series: Series, launches: int, num: int, seed: int = 0, *, with_rivals: bool = False) -> Verdicts:
    """Judge `num` comparisons of so many launches each, drawn without replacement, sides swapped by the toss of a coin.

    Swapping leaves equal work equal, and turns planted work into work that was taken away.
    """
    draw = random.Random(seed)
    claims = covered = mann_whitney = welch = threshold = 0
    for _ in range(num):
        chosen = draw.sample(series.pairs, launches)
        swapped = draw.random() < 0.5 if series.ratio != 1 else None
        sides = [_swapped(pair, draw.random() < 0.5 if swapped is None else swapped) for pair in chosen]
        truth = -math.log(series.ratio) if swapped else math.log(series.ratio)
        estimate = judge([launch_effect(*pair) for pair in sides])
        claims += estimate.established
        covered += _holds(estimate, truth)
        if not with_rivals:
            continue
        before, after = ([seconds for pair in sides for seconds in pair[side]] for side in (0, 1))
        mann_whitney += bool(stats.mannwhitneyu(before, after).pvalue <= RIVAL_ALPHA)
        welch += bool(stats.ttest_ind(before, after, equal_var=False).pvalue <= RIVAL_ALPHA)
        threshold += bool(abs(np.median(after) / np.median(before) - 1) > RIVAL_THRESHOLD)
    return Verdicts(num, claims, covered, Rivals(mann_whitney, welch, threshold))


def _swapped(pair: tuple[tuple[float, ...], tuple[float, ...]], swap: bool) -> tuple[tuple[float, ...], ...]:
    return (pair[1], pair[0]) if swap else pair


def _holds(estimate: RatioEstimate, truth: float) -> bool:
    if estimate.log_low is None or estimate.log_high is None:
        return False
    return estimate.log_low <= truth <= estimate.log_high

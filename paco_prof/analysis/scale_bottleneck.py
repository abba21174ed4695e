"""Which stage a step is longest in, size by size, and from which size on it is another one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from paco_prof.analysis.scale import ScaledVariant
from paco_prof.analysis.scale_rows import GrowthRow, Sizes
from paco_prof.stats.growth import Growth

__all__ = ["Bottleneck", "Crossover", "bottleneck_at", "bottleneck_at_target", "crossovers"]

# How far beyond the largest measured size a crossover is looked for.
FARTHEST = 16.0
HALVINGS = 40
# How many times the scatter of both stages' launches one must lead by.
CLEARLY = 2.0


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """The stage that takes most at some sizes, and its share of the step."""

    path: str
    share: float


@dataclass(frozen=True, slots=True)
class Crossover:
    """A size from which another stage is the bottleneck.

    Attributes:
        path: of the stage that becomes it.
        before: of the stage that was.
        size: where their fitted times cross; of a measured one, the first size from which on it takes longer at all.
        low, high: where the crossing may be: the last measured size at which it still took less, and `size`; or,
            predicted, the interval that the two fits allow.
        is_measured: whether launches show it; else the fits do.
        is_within: whether it is predicted and still no larger than the largest size, where launches cannot tell yet
            which of both takes longer.
    """

    path: str
    before: str
    size: float
    low: float
    high: float
    is_measured: bool
    is_within: bool = False


def bottleneck_at(variant: ScaledVariant, sizes: Sizes) -> Bottleneck | None:
    """The stage without parents that takes most at measured sizes."""
    step = None if variant.step is None else variant.step.at(sizes)
    times = [(row.at(sizes) or 0.0, row.path) for row in variant.top_stages]
    if step is None or not times:
        return None
    seconds, path = max(times)
    return Bottleneck(path, seconds / step)


def bottleneck_at_target(variant: ScaledVariant) -> Bottleneck | None:
    """The stage that is predicted to take most at the target, and its share of the predicted step."""
    step = None if variant.step is None else variant.step.target
    times = [(row.target.value, row.path) for row in variant.large_stages if row.target is not None]
    if step is None or not times:
        return None
    seconds, path = max(times)
    return Bottleneck(path, seconds / step.value)


def crossovers(variant: ScaledVariant) -> tuple[Crossover, ...]:
    """Where the bottleneck changes with the one factor, within the sizes and beyond; none for two factors.

    Within the sizes, a stage has overtaken another one if it takes longer at every size from there on; where sizes have
    several launches, by clearly more than these scatter: medians that are as good as equal change places by chance. If
    they are so at the largest sizes, the fits say where it overtakes: the sizes cannot.
    """
    sizes = variant.sizes
    if not sizes or len(sizes[0]) != 1:
        return ()
    leaders = [top.path for some in sizes if (top := bottleneck_at(variant, some)) is not None]
    changes = dict.fromkeys((before, after) for before, after in pairwise(leaders) if before != after)
    found = [c for before, after in changes if (c := _overtaking(variant, before, after)) is not None]
    beyond = _beyond(variant)
    return (*found, beyond) if beyond is not None else tuple(found)


def _overtaking(variant: ScaledVariant, before: str, after: str) -> Crossover | None:
    """Where one stage overtakes another one for good."""
    one, other = variant.row(before), variant.row(after)
    assert one is not None
    assert other is not None
    order = [_order(one, other, sizes) for sizes in variant.sizes]
    ahead = max((place for place, sign in enumerate(order) if sign <= 0), default=-1) + 1
    behind = max((place for place, sign in enumerate(order[:ahead]) if sign < 0), default=None)
    if ahead == len(order) or behind is None:
        return None
    large, small = variant.sizes[ahead], variant.sizes[behind]
    return Crossover(after, before, large[0], small[0], large[0], is_measured=True)


def _order(one: GrowthRow, other: GrowthRow, sizes: Sizes) -> Literal[-1, 0, 1]:
    """1 where the other one takes clearly longer there, -1 where the first one does; 0 where launches cannot tell."""
    mine, theirs = one.at(sizes), other.at(sizes)
    if mine is None or theirs is None:
        return 0 if mine == theirs else 1 if mine is None else -1
    scatters = [row.growth.launch_scatter or 0.0 for row in (one, other) if row.growth is not None]
    lead = math.log(theirs / mine)
    return 0 if abs(lead) <= CLEARLY * math.hypot(*scatters) else 1 if lead > 0 else -1


def _beyond(variant: ScaledVariant) -> Crossover | None:
    """The next change that the fits predict: of whatever may lead at the largest size."""
    largest = variant.sizes[-1]
    now = bottleneck_at(variant, largest)
    top = None if now is None else variant.row(now.path)
    if top is None:
        return None
    leading = [row for row in variant.top_stages if row is top or _order(top, row, largest) == 0]
    met = [
        c
        for one in leading
        for other in (*variant.top_stages, *variant.small)
        if (c := _meeting(one, other, variant.sizes)) is not None
    ]
    return min(met, key=lambda crossover: crossover.size, default=None)


def _meeting(leading: GrowthRow, other: GrowthRow, sizes: Sequence[Sizes]) -> Crossover | None:
    """Where another stage, of which it is known that it grows, overtakes one that led at the last size that tells."""
    one, two = leading.growth, other.growth
    if other is leading or one is None or two is None or not leading.has_interval:
        return None
    if two.exponent.low is None or two.exponent.low <= 0:
        return None
    clear = [(some, order) for some in sizes if (order := _order(leading, other, some))]
    if not clear or clear[-1][1] > 0:
        return None
    start, largest = float(clear[-1][0][0]), float(sizes[-1][0])
    end = largest * FARTHEST

    def gap(size: float) -> float:
        return math.log(two.at((size,)) / one.at((size,)))

    def with_slack(sign: float) -> Callable[[float], float]:
        return lambda size: gap(size) + sign * _slack(one, two, size)

    low, size, high = (_zero(each, start, end) for each in (with_slack(1.0), gap, with_slack(-1.0)))
    # Without an end above, it may as well never happen.
    if low is None or size is None or high is None or gap(start) >= 0:
        return None
    return Crossover(other.path, leading.path, size, low, high, is_measured=False, is_within=size <= largest)


def _slack(one: Growth, two: Growth, size: float) -> float:
    """How far the logarithm of the quotient of two predictions reaches, at most; infinite without an interval."""
    reaches = []
    for growth in (one, two):
        predicted = growth.predict((size,))
        if predicted.low is None or predicted.high is None or predicted.low <= 0:
            return math.inf
        reaches.append(max(math.log(predicted.value / predicted.low), math.log(predicted.high / predicted.value)))
    return math.hypot(*reaches)


def _zero(gap: Callable[[float], float], low: float, high: float) -> float | None:
    """Where a gap that opens upwards is closed; its beginning where it is closed there, None where it never is."""
    if gap(low) >= 0:
        return low
    if not gap(high) > 0:
        return None
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if gap(middle) < 0 else (low, middle)
    return high

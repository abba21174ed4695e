"""Quantities at every size: what launches say of them, the fit, and the prediction at the target."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from paco_prof.records import ScalePoint
from paco_prof.stats.growth import Growth, Prediction, fit_growth

__all__ = [
    "BACKWARD",
    "FORWARD",
    "PEAK_REST",
    "REST",
    "STEP",
    "GrowthRow",
    "Sizes",
    "fit_launches",
    "growth_row",
    "quotient",
    "rest_row",
    "total",
]

Sizes = tuple[int, ...]
# What rows are called that are no stages; no stage has such a path.
STEP, FORWARD, BACKWARD, REST, PEAK_REST = "[step]", "[forward]", "[backward]", "[rest]", "[peak rest]"
# Less of the whole than this is no rest, but what medians, each taken by itself, do not add up to.
LEAST_REST = 1e-3


@dataclass(frozen=True, slots=True)
class GrowthRow:
    """One quantity at every size: seconds of a step, a phase or a stage with all inside it, or bytes.

    Attributes:
        path: of the stage, or `STEP`, `FORWARD`, `BACKWARD`, `REST`, `PEAK_REST`.
        launches: size -> the value of each launch; only what is positive.
        growth: None where sizes are too few, and of what is predicted as a sum of others and has no power of its own.
        target: its prediction at the plan's target; None without one, and where sizes are too few for an interval.
        share: of the step, at the size where it is largest.
    """

    path: str
    launches: Mapping[Sizes, tuple[float, ...]]
    growth: Growth | None
    target: Prediction | None
    share: float = 1.0

    @property
    def depth(self) -> int:
        return 1 if self.path in (FORWARD, BACKWARD) else self.path.count("/")

    @property
    def is_stage(self) -> bool:
        return self.path not in (STEP, FORWARD, BACKWARD, REST, PEAK_REST)

    @property
    def has_interval(self) -> bool:
        """Whether sizes are enough for an interval, and so for a prediction."""
        return self.growth is not None and self.growth.exponent.low is not None

    def at(self, sizes: Sizes) -> float | None:
        """The median over launches; None where it was not measured."""
        values = self.launches.get(sizes)
        return median(values) if values else None


def growth_row(
    path: str,
    points: Sequence[ScalePoint],
    measured: Sequence[Mapping[str, float]],
    target: Sizes | None,
    share: float = 1.0,
    *,
    is_fitted: bool = True,
    is_power: bool = False,
) -> GrowthRow:
    """The row of a quantity.

    Args:
        path: its name.
        points: launches.
        measured: for each of them, name -> value; what is not positive is not there.
        target: sizes that it is predicted for.
        share: of the step.
        is_fitted: whether anybody wants its growth.
        is_power: see `fit_growth`.
    """
    launches: dict[Sizes, tuple[float, ...]] = {}
    for point, values in zip(points, measured, strict=True):
        if values.get(path, 0.0) > 0:
            launches[point.sizes] = (*launches.get(point.sizes, ()), values[path])
    row = GrowthRow(path, launches, fit_launches(launches, is_power=is_power) if is_fitted else None, None, share)
    # Two sizes have an exponent, and noise enough to make anything of it far away.
    if row.growth is None or not row.has_interval or target is None:
        return row
    return replace(row, target=row.growth.predict(target))


def fit_launches(launches: Mapping[Sizes, tuple[float, ...]], *, is_power: bool = False) -> Growth | None:
    """The growth of what launches say of a row; None where there are too few sizes."""
    pairs = [(sizes, value) for sizes, values in launches.items() for value in values]
    if not pairs:
        return None
    return fit_growth([sizes for sizes, _ in pairs], [value for _, value in pairs], is_power=is_power)


def rest_row(
    path: str,
    whole: str,
    points: Sequence[ScalePoint],
    measured: Sequence[Mapping[str, float]],
    parts: Sequence[GrowthRow],
    target: Sizes | None,
    *,
    power_up_to: float = 0.0,
) -> GrowthRow | None:
    """What a whole is beside its parts; None where that is nothing at some size, or next to nothing at all of them.

    Args:
        path: its name.
        whole: what the whole is called in `measured`.
        points: launches.
        measured: for each of them, name -> value, of the whole and of its parts.
        parts: that are known by themselves.
        target: sizes that it is predicted for.
        power_up_to: a share of the whole; what is no more at any size is taken for a power alone, see `fit_growth`.
    """
    left = [{path: each[whole] - sum(each.get(part.path, 0.0) for part in parts)} for each in measured]
    shares: list[float] = []
    for sizes in {point.sizes for point in points}:
        here = [place for place, point in enumerate(points) if point.sizes == sizes]
        shares.append(median(left[place][path] for place in here) / median(measured[place][whole] for place in here))
    if not shares or min(shares) <= 0 or max(shares) < LEAST_REST:
        return None
    return growth_row(path, points, left, target, max(shares), is_power=max(shares) <= power_up_to)


def total(parts: Sequence[Prediction | None]) -> Prediction | None:
    """The sum of predictions, their ends added up as well: what disturbs one of them may disturb all."""
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    lows, highs = [part.low for part in known], [part.high for part in known]
    low = None if None in lows else sum(end for end in lows if end is not None)
    high = None if None in highs else sum(end for end in highs if end is not None)
    return Prediction(sum(part.value for part in known), low, high, max(part.beyond for part in known))


def quotient(one: Prediction, other: Prediction) -> Prediction:
    """One prediction over another that knows nothing of it: their errors add up as those of independent figures do."""
    value, beyond = one.value / other.value, max(one.beyond, other.beyond)
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return Prediction(value, None, None, beyond)
    down = math.hypot(_log_ratio(one.value, one.low), _log_ratio(other.high, other.value))
    up = math.hypot(_log_ratio(one.high, one.value), _log_ratio(other.value, other.low))
    return Prediction(value, value * math.exp(-down), value * math.exp(up), beyond)


def _log_ratio(larger: float, smaller: float) -> float:
    """The logarithm of a ratio, infinite where an interval has no end."""
    return math.inf if smaller == 0 or math.isinf(larger) else math.log(larger / smaller)

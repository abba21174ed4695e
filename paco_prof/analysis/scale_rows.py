"""Quantities at every size: what launches say of them, the fit, and the prediction at the target."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from paco_prof.records import ScalePoint
from paco_prof.stats.growth import Growth, Prediction, fit_growth

__all__ = [
    "BACKWARD",
    "FORWARD",
    "REST",
    "STEP",
    "GrowthRow",
    "Sizes",
    "fit_launches",
    "growth_row",
    "quotient",
    "total",
]

Sizes = tuple[int, ...]
# What rows are called that are no stages; no stage has such a path.
STEP, FORWARD, BACKWARD, REST = "[step]", "[forward]", "[backward]", "[rest]"


@dataclass(frozen=True, slots=True)
class GrowthRow:
    """One quantity at every size: seconds of a step, a phase or a stage with all inside it, or bytes.

    Attributes:
        path: of the stage, or `STEP`, `FORWARD`, `BACKWARD`, `REST`.
        launches: size -> the value of each launch; only what is positive.
        growth: None where sizes are too few.
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
        return self.path not in (STEP, FORWARD, BACKWARD, REST)

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
) -> GrowthRow:
    """The row of a quantity.

    Args:
        path: its name.
        points: launches.
        measured: for each of them, name -> value; what is not positive is not there.
        target: sizes that it is predicted for.
        share: of the step.
        is_fitted: whether anybody wants its growth.
    """
    launches: dict[Sizes, tuple[float, ...]] = {}
    for point, values in zip(points, measured, strict=True):
        if values.get(path, 0.0) > 0:
            launches[point.sizes] = (*launches.get(point.sizes, ()), values[path])
    growth = fit_launches(launches) if is_fitted else None
    # Two sizes have an exponent, and noise enough to make anything of it far away.
    is_known = growth is not None and growth.exponent.low is not None
    predicted = growth.predict(target) if growth is not None and is_known and target is not None else None
    return GrowthRow(path, launches, growth, predicted, share)


def fit_launches(launches: Mapping[Sizes, tuple[float, ...]]) -> Growth | None:
    """The growth of what launches say; None where there are too few sizes."""
    pairs = [(sizes, value) for sizes, values in launches.items() for value in values]
    return fit_growth([sizes for sizes, _ in pairs], [value for _, value in pairs]) if pairs else None


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
    down = math.hypot(math.log(one.value / one.low), math.log(other.high / other.value))
    up = math.hypot(math.log(one.high / one.value), math.log(other.value / other.low))
    return Prediction(value, value * math.exp(-down), value * math.exp(up), beyond)

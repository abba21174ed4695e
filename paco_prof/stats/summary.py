"""The median of repeated measurements and an interval for it that assumes no distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr

__all__ = ["CONFIDENCE", "PRECISION", "SMALLEST_SHARE", "Estimate", "median_estimate"]

CONFIDENCE = 0.95
# A median is precise where its interval reaches at most this far, relatively, to either side ...
PRECISION = 0.05
# ... which is asked of everything that takes more than this share of the whole.
SMALLEST_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Estimate:
    """The middle of repeated measurements, and an interval for the median.

    Attributes:
        value: the median, or what a caller prefers as the middle, in the unit of the samples.
        median: what the interval is of.
        low, high: ends of the interval, both samples; equal to the value where there is one sample only.
        confidence: probability that such an interval holds the true median, at least the one that was asked for
            where there are samples enough (six for 95 %), and the most that the samples allow where there are not.
        num_samples: how many measurements it rests on.
    """

    value: float
    median: float
    low: float
    high: float
    confidence: float
    num_samples: int

    @property
    def relative_half_width(self) -> float | None:
        """The farther end's distance from the median, over the median; None for one sample or a median of zero."""
        if self.num_samples < 2 or self.median == 0:
            return None
        return max(self.high - self.median, self.median - self.low) / abs(self.median)


def median_estimate(samples: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Median with the narrowest symmetric order-statistic interval that has the confidence.

    For n independent samples the k-th smallest and the k-th largest enclose the true median with probability
    `1 - 2 P(Binomial(n, 1/2) <= k - 1)`, whatever the distribution (Thompson, 1936; David and Nagaraja, Order
    Statistics, 7.1). Fewer than six samples never reach 95 %: their full range is returned with what it does reach.

    Raises:
        ValueError: no samples.
    """
    if len(samples) == 0:
        raise ValueError("a median needs at least one sample")
    ordered = np.sort(np.asarray(samples, dtype=float))
    num = len(ordered)
    depths = np.arange(1, num // 2 + 1)
    coverage = 1 - 2 * bdtr(depths - 1, num, 0.5)
    deep_enough = np.flatnonzero(coverage >= confidence)
    depth = int(depths[deep_enough[-1]]) if len(deep_enough) else 1
    return Estimate(
        value=float(np.median(ordered)),
        median=float(np.median(ordered)),
        low=float(ordered[depth - 1]),
        high=float(ordered[num - depth]),
        confidence=float(coverage[depth - 1]) if num > 1 else 0.0,
        num_samples=num,
    )

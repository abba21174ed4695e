"""The mean duration of something that is repeated, and what the mean of a later, longer run of it will be.

A projection multiplies by thousands, so it needs a *mean*: a total is a sum, and the mean is what sums are made of. The
median of the same samples would leave out the slow ones, which a long run has all the same. And its interval is not
that of the mean of these samples: thousands of samples would make that one arbitrarily narrow, while the machine's pace
(its clock, its temperature, its neighbours) is another one tomorrow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import fmean, stdev

import numpy as np
from scipy.special import ndtri, stdtrit

from paco_prof.stats.summary import CONFIDENCE

__all__ = ["LEAST_SPREAD", "Pace", "Span", "added", "pace", "quotient", "wait"]

# Relative standard deviation of a run's level about another's that no single pilot can see, since all of it sits in one
# launch: memory layout, placement, the hour of the day.
LEAST_SPREAD = 0.03
# A single block of that many samples or more is cut into so many.
LEAST_TO_CUT, PIECES = 8, 4


@dataclass(frozen=True, slots=True)
class Span:
    """A figure, and the ends that it lies between; these are None where nothing tells them."""

    value: float
    low: float | None = None
    high: float | None = None

    def __mul__(self, factor: float) -> Span:
        """So many times as much; the factor is not negative."""
        if factor == 0:
            return Span(0.0, 0.0, 0.0)
        return Span(self.value * factor, *(None if end is None else end * factor for end in (self.low, self.high)))

    def __sub__(self, other: Span) -> Span:
        """What it is more than another one: at least its low end less the other's high one, and so on."""
        value = self.value - other.value
        if self.low is None or self.high is None or other.low is None or other.high is None:
            return Span(value)
        return Span(value, self.low - other.high, self.high - other.low)

    def like(self, other: Span) -> Span:
        """The same figure, as uncertain as another one is, relatively; for what was measured only once."""
        if other.low is None or other.high is None or other.value <= 0:
            return Span(self.value)
        return Span(self.value, self.value * other.low / other.value, self.value * other.high / other.value)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long something takes that is repeated, in seconds.

    Attributes:
        mean: over all samples.
        low, high: between them lies the mean of a later, long run; None where the samples tell nothing of that.
        confidence: the probability that it does, under the assumption of the function that made it.
        num_samples, num_blocks: what it rests on, blocks as they were used.
    """

    mean: float
    low: float | None
    high: float | None
    confidence: float
    num_samples: int
    num_blocks: int

    @property
    def span(self) -> Span:
        """The figure alone."""
        return Span(self.mean, self.low, self.high)


def pace(blocks: Sequence[Sequence[float]], confidence: float = CONFIDENCE) -> Pace:
    """Mean of positive durations, with an interval for the mean of a later, long run.

    Assumption: a run has a *level*, to which its own samples add noise that a long run averages away. The levels of
    blocks (samples that followed each other, between which time went by or processes were started anew) are
    independent draws from one log-normal distribution, and so is the level of the later run. The interval is that of
    one more draw (the prediction interval of a normal sample; Hahn and Meeker, Statistical Intervals, 1991, 4.7) on
    the scale of logarithms: its centre is the logarithm of the overall mean, its half-width

        sqrt((t(b - 1) s sqrt(1 + 1 / b))^2 + (z LEAST_SPREAD)^2)

    with b blocks, s the standard deviation of the logarithms of their means, t and z the quantiles of Student's and of
    the normal distribution. The second term is what differs between launches and cannot be seen within one.

    A single block of eight samples or more is cut into four that follow each other. Fewer samples in a single block
    tell nothing of levels: there is no interval.

    Raises:
        ValueError: no samples, or one that is not positive and finite.
    """
    samples, used = _checked(blocks)
    if not all(value > 0 for value in samples):
        raise ValueError("a duration is positive")
    mean, num_blocks = fmean(samples), len(used)
    if num_blocks < 2:
        return Pace(mean, None, None, confidence, len(samples), num_blocks)
    spread = stdev([math.log(fmean(block)) for block in used])
    half = math.hypot(_reach(num_blocks, confidence) * spread, _normal(confidence) * LEAST_SPREAD)
    return Pace(mean, mean * math.exp(-half), mean * _exp(half), confidence, len(samples), num_blocks)


def wait(blocks: Sequence[Sequence[float]], confidence: float = CONFIDENCE) -> Pace:
    """The same for durations that may be zero, such as waiting for a batch that is there already.

    Assumption: as for `pace`, with levels that are normal themselves and not by their logarithm, of which zero has
    none, and which would make a thousandfold of a wait that varies between nothing and little. No end is below zero.

    Raises:
        ValueError: no samples, or one that is negative or not finite.
    """
    samples, used = _checked(blocks)
    if not all(value >= 0 for value in samples):
        raise ValueError("a wait is not negative")
    mean, num_blocks = fmean(samples), len(used)
    if num_blocks < 2:
        return Pace(mean, None, None, confidence, len(samples), num_blocks)
    spread = stdev([fmean(block) for block in used])
    half = math.hypot(_reach(num_blocks, confidence) * spread, _normal(confidence) * LEAST_SPREAD * mean)
    return Pace(mean, max(0.0, mean - half), mean + half, confidence, len(samples), num_blocks)


def added(spans: Iterable[Span]) -> Span:
    """The sum; its ends are the sums of the ends, and it has none where one of them has none.

    Terms of one run are taken to be fully correlated: a machine that is slow for the steps is slow for the evaluation
    too, so that what is too little here is not made up for there. Independent terms would have a narrower interval.
    """
    found = list(spans)
    lows, highs = [span.low for span in found], [span.high for span in found]
    value = sum(span.value for span in found)
    if None in lows or None in highs:
        return Span(value)
    return Span(value, sum(end for end in lows if end is not None), sum(end for end in highs if end is not None))


def quotient(over: Span, under: Span) -> Span:
    """The ratio of two figures above zero that were measured independently of each other.

    On the scale of logarithms the interval reaches as far up as the square root of the sum of two squares: how far the
    one above reaches up, and the one below down; and the other way round.

    Raises:
        ValueError: one of them is not above zero.
    """
    if over.value <= 0 or under.value <= 0:
        raise ValueError("a ratio is of what takes time")
    value = over.value / under.value
    if over.low is None or over.high is None or under.low is None or under.high is None:
        return Span(value)
    up = math.hypot(_log_ratio(over.high, over.value), _log_ratio(under.value, under.low))
    down = math.hypot(_log_ratio(over.value, over.low), _log_ratio(under.high, under.value))
    return Span(value, value * math.exp(-down), value * _exp(up))


def _checked(blocks: Sequence[Sequence[float]]) -> tuple[list[float], list[Sequence[float]]]:
    """All samples, and the blocks to use."""
    filled = [block for block in blocks if len(block)]
    samples = list(chain.from_iterable(filled))
    if not samples:
        raise ValueError("a pace needs at least one sample")
    if not all(math.isfinite(value) for value in samples):
        raise ValueError("a duration is finite")
    if len(filled) == 1 and len(samples) >= LEAST_TO_CUT:
        return samples, [piece.tolist() for piece in np.array_split(samples, PIECES)]
    return samples, filled


def _reach(num_blocks: int, confidence: float) -> float:
    """Standard deviations between a mean of blocks and the ends of an interval for one more."""
    return float(stdtrit(num_blocks - 1, (1 + confidence) / 2)) * math.sqrt(1 + 1 / num_blocks)


def _normal(confidence: float) -> float:
    return float(ndtri((1 + confidence) / 2))


def _log_ratio(larger: float, smaller: float) -> float:
    return math.inf if smaller <= 0 or math.isinf(larger) else math.log(larger / smaller)


def _exp(exponent: float) -> float:
    """The exponential, infinite where it overflows: two blocks apart have an interval that is practically all."""
    try:
        return math.exp(exponent)
    except OverflowError:
        return math.inf

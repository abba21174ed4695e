"""How sizes, exponents and predictions are written: in cells, in sentences and on axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from paco_prof import units
from paco_prof.analysis.scale_rows import BACKWARD, FORWARD, REST, STEP
from paco_prof.records import Largest
from paco_prof.render.labels import plain_title
from paco_prof.stats.growth import Exponent, Growth, Prediction

__all__ = [
    "APART",
    "LOWER_ORDER",
    "POWER_ALONE",
    "bytes_cell",
    "exponent_cell",
    "factor_words",
    "fits_nothing",
    "marked_exponent",
    "number",
    "ratio_cell",
    "row_title",
    "size_cell",
    "size_words",
    "size_words_of",
    "span_cell",
]

# What factors are called in a sentence; any other by its own name.
_FACTORS = {
    "batch_size": "batch size",
    "num_parts": "K",
    "window": "r",
    "dim": "d",
    "image_size": "image size",
    "num_classes": "number of classes",
}
_BESIDE_STAGES = {STEP: "Step", FORWARD: "Forward", BACKWARD: "Backward", REST: "The rest"}
# Marks of an exponent: a lower power stands beside it, its fit leaves out a size, it knows no shape but the power.
LOWER_ORDER, APART, POWER_ALONE = "†", "‡", "§"
# An interval this narrow or narrower takes as many digits as its figure.
_NARROW = 0.2


def factor_words(factor: str) -> str:
    """`batch size`: a factor in a sentence."""
    return _FACTORS.get(factor, factor)


def number(value: float) -> str:
    """`8`, `1,024`, `11.3`: a size; one that is computed is rounded to three digits or whole."""
    if float(value).is_integer() or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def size_cell(sizes: Sequence[float]) -> str:
    """`8`, or `8, 4` for two factors."""
    return ", ".join(number(size) for size in sizes)


def size_words(factors: Sequence[str], sizes: Sequence[float]) -> str:
    """`batch size 8 and K 4`."""
    return " and ".join(f"{factor_words(name)} {number(size)}" for name, size in zip(factors, sizes, strict=True))


def size_words_of(factors: Sequence[str], many: Sequence[Sequence[float]]) -> str:
    """`batch size 2 and 32`, `batch size 2 and K 4, batch size 4 and K 4`."""
    if len(factors) == 1:
        return f"{factor_words(factors[0])} {' and '.join(size_cell(sizes) for sizes in many)}"
    return ", ".join(size_words(factors, sizes) for sizes in many)


def row_title(path: str) -> str:
    """A row's name in a sentence."""
    return _BESIDE_STAGES.get(path) or plain_title(path)


def exponent_cell(exponent: Exponent) -> str:
    """`3.02 (2.9 to 3.1)`, `0.42 (0.2 or more)`, `0.42 (anything)`, `1.98` where there is no interval."""
    low, high = exponent.low, exponent.high
    value = _fixed(exponent.value, 2)
    if low is None or high is None:
        return value
    if math.isinf(low):
        return f"{value} (anything)" if math.isinf(high) else f"{value} ({_outwards(high, 1, math.ceil)} or less)"
    if math.isinf(high):
        return f"{value} ({_outwards(low, 1, math.floor)} or more)"
    digits = 2 if high - low <= _NARROW else 1
    return f"{value} ({_outwards(low, digits, math.floor)} to {_outwards(high, digits, math.ceil)})"


def marked_exponent(growth: Growth, place: int) -> str:
    """`3.02 (3.00 to 3.03) †`: the exponent of a factor, and the marks that notes explain."""
    marks = LOWER_ORDER if growth.lower_of == place else ""
    marks += (APART if growth.apart else "") + (POWER_ALONE if growth.is_taken_for_power else "")
    return f"{exponent_cell(growth.exponents[place])} {marks}".rstrip()


def span_cell(predicted: Prediction | None) -> str:
    """`29.4 min (17.2 to 50.7)`, `38.9 s (29.1 s or more)`: a time and the ends of its interval, where there is one."""
    if predicted is None:
        return units.MISSING
    return units.span_with_interval(predicted.value, *_ends(predicted))


def bytes_cell(predicted: Prediction | None) -> str:
    """`4.31 GB (4.29 to 4.33)`: a memory and the ends of its interval, where there is one."""
    if predicted is None:
        return units.MISSING
    return units.gigabytes_interval(predicted.value, *_ends(predicted))


def ratio_cell(predicted: Prediction | None) -> str:
    """`150x (28.7 to 589)`: a quotient and the ends of its interval, where there is one."""
    if predicted is None:
        return units.MISSING
    ends = units.ratio_interval(*_ends(predicted))
    return units.precise_ratio(predicted.value) + (f" ({ends})" if ends else "")


def fits_nothing(largest: Largest) -> bool:
    """Whether memory did not suffice for the smallest batch there is; else, without a size, nobody knows what fits."""
    return largest.size is None and largest.reason == "out of memory" and largest.next_size == 1


def _ends(predicted: Prediction) -> tuple[float | None, float | None]:
    """The ends of an interval of what is positive: one from nothing on has no lower end."""
    return -math.inf if predicted.low == 0 else predicted.low, predicted.high


def _outwards(end: float, digits: int, rounded: Callable[[float], int]) -> str:
    """An end with so many digits, never nearer than it is: its figure stays inside; what is nothing but noise of
    computing moves no end.
    """
    return _fixed(rounded(round(end * 10**digits, 6)) / 10**digits, digits)


def _fixed(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text

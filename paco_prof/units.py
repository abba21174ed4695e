"""Seconds and bytes inside, people's units outside: the only place that turns a number into text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal

__all__ = [
    "MISSING",
    "accuracy",
    "accuracy_interval",
    "cosine",
    "count",
    "duration",
    "energy",
    "energy_with_interval",
    "fixed",
    "gigabytes",
    "gigabytes_interval",
    "interval",
    "loss",
    "milliseconds",
    "money",
    "parse_bytes",
    "percent",
    "percent_ends",
    "percent_interval",
    "points",
    "points_interval",
    "precise_ratio",
    "rate",
    "ratio",
    "ratio_interval",
    "relative_error",
    "round_percent",
    "samples_per_second",
    "short_loss",
    "signed_milliseconds",
    "signed_percent",
    "signed_percent_ends",
    "signed_percent_interval",
    "span",
    "span_with_interval",
]

MISSING = "–"

# The units of a span of time: its seconds, its name, and from how many of them the next unit is used. Years are Julian.
_SPANS = (
    (1e-3, "ms", 1000.0),
    (1.0, "s", 300.0),
    (60.0, "min", 300.0),
    (3600.0, "h", 1000.0),
    (86_400.0, "days", 730.0),
    (31_557_600.0, "years", 10_000.0),
)
_WATT_HOURS = ((1.0, "Wh", 1000.0), (1e3, "kWh", 1000.0), (1e6, "MWh", math.inf))
_BYTES = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(MB|GB|MiB|GiB)", re.IGNORECASE)
_BYTE_UNITS = {"mb": 10**6, "gb": 10**9, "mib": 2**20, "gib": 2**30}
# How many times as far as its figure an interval may reach before its ends have units of their own.
_FAR = 20


def milliseconds(seconds: float | None) -> str:
    """`4,972`, `49.7`, `4.97`: a time in milliseconds, to about three digits, without the unit."""
    if seconds is None:
        return MISSING
    return _digits(seconds * 1e3)


def rate(value: float) -> str:
    """`354`, `18.2`, `0.60`: a rate to about three digits."""
    return _digits(value)


def samples_per_second(samples: int, seconds: float) -> str:
    """Throughput of a batch."""
    return rate(samples / seconds) if seconds > 0 else MISSING


def percent(share: float | None) -> str:
    """`94.1 %` of a whole; `<0.1 %` where something would look like nothing."""
    if share is None:
        return MISSING
    if 0 < abs(share) < 0.0005:
        return "<0.1 %" if share > 0 else ">-0.1 %"
    return f"{_sign(share * 100, 1)} %"


def round_percent(share: float) -> str:
    """`3 %`, `2.5 %`: a share that somebody chose, with the digits that they gave it."""
    return f"{share * 100:.6g} %"


def percent_interval(share: float, low: float | None, high: float | None) -> str:
    """`12.4 % (12.1 to 12.8)`, `0.52 % (0.48 to 0.57)`: a share and the ends of its interval, where it has one."""
    decimals = _percent_decimals(share)
    ends = "" if low is None or high is None else f" ({_hundred(low, decimals)} to {_hundred(high, decimals)})"
    return f"{_hundred(share, decimals)} %{ends}"


def percent_ends(share: float, low: float | None, high: float | None) -> str:
    """`12.1 % to 12.8 %`: the ends of a share's interval, with the share's digits; empty where there is none."""
    decimals = _percent_decimals(share)
    return "" if low is None or high is None else f"{_hundred(low, decimals)} % to {_hundred(high, decimals)} %"


def accuracy(share: float | None) -> str:
    """`97.2 %` of the images; what is not all of them never reads as all."""
    if share is None:
        return MISSING
    return f"{_hundredths(share)} %"


def accuracy_interval(share: float | None, low: float | None, high: float | None) -> str:
    """`97.2 % (95.4 to 98.3)`: an accuracy and the ends of its interval, where it has one."""
    ends = "" if low is None or high is None else f" ({_hundredths(low)} to {_hundredths(high)})"
    return f"{accuracy(share)}{ends}"


def points(difference: float | None) -> str:
    """`+0.40 pt`, `-1.25 pt`: a difference of two shares in percentage points."""
    return MISSING if difference is None else f"{_signed_points(difference)} pt"


def points_interval(difference: float | None, low: float | None, high: float | None) -> str:
    """`-0.37 pt (-1.62 to +0.81)`: a difference and the ends of its interval, where it has one."""
    ends = "" if low is None or high is None else f" ({_signed_points(low)} to {_signed_points(high)})"
    return f"{points(difference)}{ends}"


def _percent_decimals(share: float) -> int:
    """More of them below one percent, where one would leave a single digit."""
    return 1 if abs(share) >= 0.00995 else 2


def _hundred(share: float, decimals: int) -> str:
    return _sign(share * 100, decimals)


def _hundredths(share: float) -> str:
    text = _sign(share * 100, 1)
    return ">99.9" if text == "100.0" and share < 1 else text


def _signed_points(difference: float) -> str:
    text = _sign(difference * 100, 2)
    return text if text.startswith("-") or not text.strip("0.") else f"+{text}"


def relative_error(error: float | None) -> str:
    """`3.1e-08`, `31.5`: an error over what it is an error of."""
    if error is None:
        return MISSING
    return "0" if error == 0 else _digits(error) if 0.995 <= error < 999.5 else f"{error:.1e}"


def loss(value: float) -> str:
    """A loss to six digits, `5.37281`."""
    return f"{value:#.6g}" if value else "0"


def short_loss(value: float) -> str:
    """A loss to about four digits, for a column of many: `5.373`, `0.2000`, `1.2e-05`, `NaN`."""
    if math.isnan(value):
        return "NaN"
    size = abs(value)
    if size != 0 and not 0.00995 <= size < 9999.5:
        return f"{value:.1e}"
    return f"{value:.4f}" if size < 1 else f"{value:#.4g}"


def cosine(value: float) -> str:
    """`0.999985`; rounding makes no 1 of what is none."""
    text = f"{value:.6f}"
    return f"{value:.9f}" if text == "1.000000" and value < 1 - 5e-10 else text


def interval(relative_half_width: float | None) -> str:
    """`±2.1 %`: how far an interval reaches to its farther side."""
    return MISSING if relative_half_width is None else f"±{relative_half_width * 100:.1f} %"


def ratio(value: float) -> str:
    """`15.9x`, `587x`."""
    if math.isinf(value):
        return "infinitely"
    return f"{value:,.0f}x" if value >= 100 else f"{value:.1f}x" if value >= 2 else f"{value:.2f}x"


def ratio_interval(low: float | None, high: float | None) -> str:
    """`2.31 to 2.58`, `2.31 or more`: the ends of a ratio's interval, to three digits; empty where there is none."""
    return "" if low is None or high is None else _ends(low, high, _ratio_digits)


def precise_ratio(value: float) -> str:
    """`2.44x`: a ratio that stands beside its interval, to as many digits as that."""
    return f"{_ratio_digits(value)}x"


def signed_milliseconds(seconds: float) -> str:
    """`-4,058`, `+12.3`: a change of a time in milliseconds."""
    text = _digits(seconds * 1e3)
    return text if text.startswith("-") or not text.strip("0.") else f"+{text}"


def signed_percent(share: float) -> str:
    """`+7.1 %`, `-0.4 %`."""
    text = percent(share)
    return text if share <= 0 else f"+{text}"


def signed_percent_interval(share: float, low: float | None, high: float | None) -> str:
    """`+10.3 % (+9.1 to +11.4)`: a relative change and the ends of its interval, where it has one."""
    ends = "" if low is None or high is None else f" ({_signed_hundred(low)} to {_signed_hundred(high)})"
    return f"{_signed_hundred(share)} %{ends}"


def signed_percent_ends(low: float | None, high: float | None) -> str:
    """`-1.2 % to +4.9 %`: the ends of a relative change's interval; empty where there is none."""
    return "" if low is None or high is None else f"{_signed_hundred(low)} % to {_signed_hundred(high)} %"


def _signed_hundred(share: float) -> str:
    text = _hundred(share, 1)
    return text if text.startswith("-") or not text.strip("0.") else f"+{text}"


def _ratio_digits(value: float) -> str:
    if not value < 1e4:
        return ">9,999"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def count(number: int) -> str:
    """`14,368`."""
    return f"{number:,}"


def duration(seconds: float) -> str:
    """`0.4 s`, `77 s`, `12 min`, `3 h 05 min`: a time that somebody waits."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 180:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def span(seconds: float | None) -> str:
    """`97.3 ms`, `42.1 s`, `221.1 min`, `368.5 h`, `52.1 days`, `2.3 years`: a time at any scale; what is lost has a
    minus sign.
    """
    if seconds is None:
        return MISSING
    if seconds == 0:
        return "0 s"
    unit, name = _span_unit(seconds)
    return _in_span_unit(seconds, unit, name) if math.isinf(seconds) else f"{_in_span_unit(seconds, unit, name)} {name}"


def span_with_interval(seconds: float | None, low: float | None, high: float | None) -> str:
    """`104.3 min (98.1 to 110.2)`: a time and the ends of its interval, all of them in one unit; `38.9 s (29.1 s to
    22.1 h)` where an end is so far away that one unit would make nothing of the others, `38.9 s (29.1 s or more)` where
    there is none.
    """
    if seconds is None or low is None or high is None or low == high:
        return span(seconds)
    farthest = max(abs(low), abs(high))
    if math.isinf(farthest) or abs(seconds) * _FAR <= farthest:
        return f"{span(seconds)} ({_ends(low, high, span)})"
    unit, name = _span_unit(seconds)
    return f"{span(seconds)} ({_ends(low, high, lambda end: _in_span_unit(end, unit, name))})"


def money(amount: float) -> str:
    """`184.25`, `18,425`: an amount in whatever currency; `<0.01` where something would look like nothing."""
    if 0 < abs(amount) < 0.005:
        return "<0.01" if amount > 0 else ">-0.01"
    return _sign(amount, 2 if abs(amount) < 999.995 else 0)


def energy(watt_hours: float) -> str:
    """`350 Wh`, `12.3 kWh`, `1.24 MWh`."""
    unit, name = _energy_unit(watt_hours)
    return f"{_digits(watt_hours / unit)} {name}"


def energy_with_interval(watt_hours: float, low: float | None, high: float | None) -> str:
    """`12.3 kWh (11.9 to 12.8)`: an energy and the ends of its interval, all of them in one unit."""
    if low is None or high is None or low == high:
        return energy(watt_hours)
    unit, _ = _energy_unit(watt_hours)
    return f"{energy(watt_hours)} ({_digits(low / unit)} to {_digits(high / unit)})"


def _energy_unit(watt_hours: float) -> tuple[float, str]:
    size = abs(watt_hours)
    return next((unit, name) for unit, name, limit in _WATT_HOURS if _rounded(size / unit) < limit)


def _span_unit(seconds: float) -> tuple[float, str]:
    """The unit in which a time is shown; one that would be rounded up to the next unit's first is shown in that."""
    size = abs(seconds)
    for unit, name, limit in _SPANS:
        shown = _rounded(size / unit) if name == "ms" else round(size / unit, 1)
        if shown < limit:
            return unit, name
    return _SPANS[-1][:2]


def _in_span_unit(seconds: float, unit: float, name: str) -> str:
    value, (_, largest, most) = seconds / unit, _SPANS[-1]
    if math.isinf(value) or (name == largest and abs(value) >= most):
        beyond = f"{'<-' if value < 0 else '>'}{most - 1:,.0f}"
        return f"{beyond} {largest}" if math.isinf(value) else beyond
    if name == "ms" and 0 < abs(value) < 0.005:
        return "<0.01" if value > 0 else ">-0.01"
    return _digits(value) if name == "ms" else _sign(value, 1)


def _rounded(value: float) -> float:
    """What `_digits` makes of a number."""
    return float(_digits(value).replace(",", "")) if math.isfinite(value) else value


def gigabytes(number: int | None) -> str:
    """`2.86 GB` (10^9 bytes), megabytes below one tenth of that."""
    if number is None:
        return MISSING
    if number >= 1e11:
        return f"{number / 1e9:.0f} GB"
    return f"{number / 1e9:.2f} GB" if number >= 1e8 else f"{number / 1e6:.1f} MB"


def gigabytes_interval(number: float, low: float | None, high: float | None) -> str:
    """`4.31 GB (4.29 to 4.33)`: a memory and the ends of its interval, where it has one, all of them in one unit;
    `4.31 GB (4.29 GB or more)` where the interval has no end.
    """
    if low is None or high is None:
        return gigabytes(round(number))
    if math.isinf(low) or math.isinf(high):
        return f"{gigabytes(round(number))} ({_ends(low, high, lambda end: gigabytes(round(end)))})"
    unit, decimals = (1e9, 0) if number >= 1e11 else (1e9, 2) if number >= 1e8 else (1e6, 1)
    return f"{gigabytes(round(number))} ({_ends(low, high, lambda end: _sign(end / unit, decimals))})"


def _ends(low: float, high: float, shown: Callable[[float], str]) -> str:
    """`98.1 to 110.2`, `98.1 or more`, `110.2 or less`, `anything`: an interval, which may have no end."""
    if low == -math.inf:
        return "anything" if high == math.inf else f"{shown(high)} or less"
    return f"{shown(low)} or more" if high == math.inf else f"{shown(low)} to {shown(high)}"


def parse_bytes(text: str) -> float | None:
    """The bytes that `3 GB`, `512MB` or `4GiB` are; None where it is no such text."""
    found = _BYTES.fullmatch(text)
    return None if found is None else float(Decimal(found[1]) * _BYTE_UNITS[found[2].lower()])


def fixed(value: float, decimals: int) -> str:
    """A number with that many digits after the point, `221.1`."""
    return f"{value:,.{decimals}f}"


def _digits(value: float) -> str:
    # The bounds are where rounding makes another digit: 99.96 is 100, and not 100.0.
    size = abs(value)
    return _sign(value, 0 if size >= 99.95 else 1 if size >= 9.995 else 2)


def _sign(value: float, decimals: int) -> str:
    """Fixed digits; a rounded-away minus sign does not stay behind."""
    text = f"{value:,.{decimals}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.,") else text

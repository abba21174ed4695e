"""Seconds and bytes inside, people's units outside: the only place that turns a number into text."""

from __future__ import annotations

import math

__all__ = [
    "MISSING",
    "cosine",
    "count",
    "duration",
    "fixed",
    "gigabytes",
    "interval",
    "loss",
    "milliseconds",
    "percent",
    "precise_ratio",
    "rate",
    "ratio",
    "ratio_interval",
    "relative_error",
    "samples_per_second",
    "signed_milliseconds",
    "signed_percent",
]

MISSING = "–"


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


def relative_error(error: float | None) -> str:
    """`3.1e-08`, `31.5`: an error over what it is an error of."""
    if error is None:
        return MISSING
    return "0" if error == 0 else _digits(error) if 0.995 <= error < 999.5 else f"{error:.1e}"


def loss(value: float) -> str:
    """A loss to six digits, `5.37281`."""
    return f"{value:#.6g}" if value else "0"


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
    """`2.31 to 2.58`: the ends of a ratio's interval, to three digits; empty where there is none."""
    return "" if low is None or high is None else f"{_ratio_digits(low)} to {_ratio_digits(high)}"


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


def gigabytes(number: int | None) -> str:
    """`2.86 GB` (10^9 bytes), megabytes below one tenth of that."""
    if number is None:
        return MISSING
    if number >= 1e11:
        return f"{number / 1e9:.0f} GB"
    return f"{number / 1e9:.2f} GB" if number >= 1e8 else f"{number / 1e6:.1f} MB"


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

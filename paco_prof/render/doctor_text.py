"""The words for what an examination found: a few for a table's cell, and sentences for what is wrong."""

from __future__ import annotations

from paco_prof import units
from paco_prof.records import DoctorCheck, Figure
from paco_prof.render.doctor_words import ADVICE, FINDINGS, TITLES

__all__ = ["advice", "finding", "one_line", "title"]


def title(check: DoctorCheck) -> str:
    """What was looked at."""
    return TITLES.get(check.name, check.name)


def finding(check: DoctorCheck) -> str:
    """What was found, in a few words; words of another version's check are its detail and its figures."""
    template = FINDINGS.get((check.name, check.reason), FINDINGS.get(("", check.reason), "{detail}"))
    return template.format_map(_Cells(check)) or _figures(check.figures)


def advice(check: DoctorCheck) -> str:
    """What a finding means and what to do about it: a sentence or two; empty where nothing has to be done."""
    known = ADVICE.get((check.name, check.reason), ADVICE.get(("", check.reason), ""))
    return f"{title(check)}: {finding(check).rstrip('.')}.{f' {known}' if known else ''}"


def one_line(check: DoctorCheck) -> str:
    """A check that failed, as standard error tells it."""
    return f"{title(check)} failed: {finding(check).rstrip('.')}."


class _Cells(dict[str, str]):
    """What a template may ask for: the detail, a figure by its name, and all figures that are off."""

    def __init__(self, check: DoctorCheck) -> None:
        super().__init__()
        self._check = check

    def __missing__(self, name: str) -> str:
        if name == "detail":
            return self._check.detail
        if name == "off":
            return _figures(tuple(figure for figure in self._check.figures if figure.is_off))
        name, _, end = name.partition("__")
        figure = self._check.figure(name)
        if figure is None:
            return units.MISSING
        return quantity(figure, {"": figure.measured, "expected": figure.expected, "most": figure.tolerance}[end])


def quantity(figure: Figure, value: float | None) -> str:
    """A number in its figure's unit."""
    if value is None:
        return units.MISSING
    match figure.unit:
        case "seconds":
            return _time(value)
        case "bytes":
            return units.gigabytes(round(value))
        case "share":
            return units.percent(value)
        case "ratio":
            return _near_one(value) if figure.expected == 1 else units.precise_ratio(value)
        case "count":
            return units.count(round(value)) if value == round(value) else units.rate(value)


def _figures(figures: tuple[Figure, ...]) -> str:
    """`stem forward 4.00 ms and not 8.00 ms`, for each."""
    return ", ".join(map(_figure, figures))


def _figure(figure: Figure) -> str:
    measured = quantity(figure, figure.measured)
    if figure.expected is None:
        return f"{figure.name} {measured}"
    found = "not measured" if figure.measured is None else measured
    return f"{figure.name} {found} and not {quantity(figure, figure.expected)}"


def _time(seconds: float) -> str:
    """Down to nanoseconds, which clocks are about."""
    size = abs(seconds)
    if size >= 0.9995e-3 or size == 0:
        return units.span(seconds)
    return f"{units.rate(seconds * 1e6)} µs" if size >= 0.9995e-6 else f"{units.rate(seconds * 1e9)} ns"


def _near_one(ratio: float) -> str:
    """How far a ratio that should be 1 is from it: `0.42 ppm`, `-10.0 %`."""
    share = ratio - 1
    if abs(share) >= 0.0005:
        return units.signed_percent(share)
    return f"{units.rate(share * 1e6)} ppm"

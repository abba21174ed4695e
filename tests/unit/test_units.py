"""Numbers as people read them: enough digits, no sign on a zero, nothing that looks like nothing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paco_prof import units

SECONDS = st.floats(1e-3, 1e5)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.972, "4,972"), (0.0497, "49.7"), (0.00497, "4.97"), (0.0, "0.00"), (-0.301, "-301"), (None, units.MISSING)],
)
def test_milliseconds(seconds: float | None, text: str) -> None:
    assert units.milliseconds(seconds) == text


@given(SECONDS)
def test_milliseconds_are_right_to_half_a_percent(seconds: float) -> None:
    shown = float(units.milliseconds(seconds).replace(",", ""))
    assert shown == pytest.approx(seconds * 1e3, rel=0.0051)


@given(SECONDS, SECONDS)
def test_a_longer_time_never_reads_as_a_shorter_one(one: float, other: float) -> None:
    shorter, longer = (float(units.milliseconds(s).replace(",", "")) for s in sorted((one, other)))
    assert shorter <= longer


@given(st.floats(-1e-9, 1e-9))
def test_what_rounds_to_zero_has_no_sign(value: float) -> None:
    assert units.milliseconds(value) == "0.00"
    assert units.rate(value) == "0.00"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.94112, "94.1 %"),
        (1.0, "100.0 %"),
        (0.0, "0.0 %"),
        (-0.0, "0.0 %"),
        (-0.06, "-6.0 %"),
        (1e-5, "<0.1 %"),
        (-1e-5, ">-0.1 %"),
        (None, units.MISSING),
    ],
)
def test_percent(share: float | None, text: str) -> None:
    assert units.percent(share) == text


@given(st.floats(-10, 10).filter(bool))
def test_no_share_that_is_something_reads_as_nothing(share: float) -> None:
    assert units.percent(share) not in ("0.0 %", "-0.0 %")


@pytest.mark.parametrize(
    ("value", "text"),
    [(587.25, "587x"), (13266.0, "13,266x"), (15.94, "15.9x"), (1.734, "1.73x"), (0.54, "0.54x")],
)
def test_ratio(value: float, text: str) -> None:
    assert units.ratio(value) == text


def test_an_infinite_ratio_is_a_word() -> None:
    assert units.ratio(math.inf) == "infinitely"


@pytest.mark.parametrize(
    ("width", "text"), [(0.0211, "±2.1 %"), (0.0, "±0.0 %"), (2.831, "±283.1 %"), (None, units.MISSING)]
)
def test_interval(width: float | None, text: str) -> None:
    assert units.interval(width) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.4 s"),
        (77.3, "77 s"),
        (179.0, "179 s"),
        (180.0, "3 min"),
        (720.0, "12 min"),
        (11100.0, "3 h 05 min"),
        (7199.0, "2 h 00 min"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert units.duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(2_863_311_530, "2.86 GB"), (100_000_000, "0.10 GB"), (90_000_000, "90.0 MB"), (0, "0.0 MB"), (None, "–")],
)
def test_gigabytes(number: int | None, text: str) -> None:
    assert units.gigabytes(number) == text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (3.04e-8, "3.0e-08"),
        (0.0, "0"),
        (1.0, "1.00"),
        (297.3, "297"),
        (31_000.0, "3.1e+04"),
        (5e-324, "4.9e-324"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (None, units.MISSING),
    ],
)
def test_relative_error(error: float | None, text: str) -> None:
    assert units.relative_error(error) == text


@given(st.floats(0, 1e300))
def test_no_error_that_is_something_reads_as_none(error: float) -> None:
    shown = units.relative_error(error)
    assert (shown == "0") is (error == 0)
    assert float(shown) == pytest.approx(error, rel=0.051, abs=1e-320)


@pytest.mark.parametrize(
    ("value", "text"),
    [(5.3728131, "5.37281"), (0.0978046, "0.0978046"), (0.0, "0"), (13.123456, "13.1235"), (math.nan, "nan")],
)
def test_loss(value: float, text: str) -> None:
    assert units.loss(value) == text


@given(st.floats(1e-6, 1e6))
def test_a_loss_is_right_to_six_digits(value: float) -> None:
    assert float(units.loss(value)) == pytest.approx(value, rel=5e-6)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9999851, "0.999985"),
        (1.0, "1.000000"),
        (1.0000000000000022, "1.000000"),
        (0.99999999, "0.999999990"),
        (0.9999999999, "1.000000"),
        (-0.00797, "-0.007970"),
        (-1.0, "-1.000000"),
        (math.nan, "nan"),
    ],
)
def test_cosine(value: float, text: str) -> None:
    assert units.cosine(value) == text


@given(st.floats(-1, 1 - 1e-9))
def test_rounding_makes_no_one_of_what_is_none(value: float) -> None:
    assert float(units.cosine(value)) < 1


def test_throughput() -> None:
    assert units.samples_per_second(8, 0.02259) == "354"
    assert units.samples_per_second(8, 13.266) == "0.60"
    assert units.samples_per_second(8, 0.0) == units.MISSING


def test_counts_and_fixed_digits() -> None:
    assert units.count(14_368) == "14,368"
    assert units.fixed(221.1, 1) == "221.1"
    assert units.fixed(13266, 0) == "13,266"

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
        (5.3728131, "5.373"),
        (32.842606, "32.84"),
        (179.42, "179.4"),
        (1.0, "1.000"),
        (0.2, "0.2000"),
        (0.0978046, "0.0978"),
        (0.00996, "0.0100"),
        (4.1e-6, "4.1e-06"),
        (0.0, "0.0000"),
        (-0.5, "-0.5000"),
        (31_000.0, "3.1e+04"),
        (math.nan, "NaN"),
        (math.inf, "inf"),
    ],
)
def test_short_loss(value: float, text: str) -> None:
    assert units.short_loss(value) == text


@given(st.floats(1e-12, 1e12))
def test_a_short_loss_is_short_and_near(value: float) -> None:
    text = units.short_loss(value)
    assert len(text) <= 7
    assert float(text) == pytest.approx(value, rel=0.051)


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


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.9721, "97.2 %"), (1.0, "100.0 %"), (0.9999, ">99.9 %"), (0.0, "0.0 %"), (0.1, "10.0 %"), (None, units.MISSING)],
)
def test_accuracy(share: float | None, text: str) -> None:
    assert units.accuracy(share) == text


def test_accuracies_and_points_stand_with_their_intervals_where_they_have_one() -> None:
    assert units.accuracy_interval(0.9721, 0.954, 0.9999) == "97.2 % (95.4 to >99.9)"
    assert units.accuracy_interval(0.9721, None, None) == "97.2 %"
    assert units.accuracy_interval(None, None, None) == units.MISSING
    assert units.points_interval(-0.0037, -0.0162, 0.0081) == "-0.37 pt (-1.62 to +0.81)"
    assert units.points_interval(0.0028, None, None) == "+0.28 pt"


@pytest.mark.parametrize(
    ("difference", "text"),
    [(0.004, "+0.40 pt"), (-0.0125, "-1.25 pt"), (0.0, "0.00 pt"), (-1e-9, "0.00 pt"), (None, units.MISSING)],
)
def test_points(difference: float | None, text: str) -> None:
    assert units.points(difference) == text


@given(st.floats(0, 1, exclude_max=True))
def test_what_is_not_all_never_reads_as_all(share: float) -> None:
    assert units.accuracy(share) != "100.0 %"


def test_throughput() -> None:
    assert units.samples_per_second(8, 0.02259) == "354"
    assert units.samples_per_second(8, 13.266) == "0.60"
    assert units.samples_per_second(8, 0.0) == units.MISSING


def test_counts_and_fixed_digits() -> None:
    assert units.count(14_368) == "14,368"
    assert units.fixed(221.1, 1) == "221.1"
    assert units.fixed(13266, 0) == "13,266"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, units.MISSING),
        (0.0, "0 s"),
        (-0.0, "0 s"),
        (1e-7, "<0.01 ms"),
        (-1e-7, ">-0.01 ms"),
        (0.00497, "4.97 ms"),
        (0.0973, "97.3 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (42.14, "42.1 s"),
        (299.94, "299.9 s"),
        (299.96, "5.0 min"),
        (13266.0, "221.1 min"),
        (17996.0, "299.9 min"),
        (17998.0, "5.0 h"),
        (1_326_600.0, "368.5 h"),
        (3_599_700.0, "999.9 h"),
        (3_599_900.0, "41.7 days"),
        (4_500_000.0, "52.1 days"),
        (63_060_000.0, "729.9 days"),
        (63_070_000.0, "2.0 years"),
        (7.26e7, "2.3 years"),
        (3.1e11, "9,823.3 years"),
        (3.2e11, ">9,999 years"),
        (math.inf, ">9,999 years"),
        (-13266.0, "-221.1 min"),
        (-math.inf, "<-9,999 years"),
    ],
)
def test_span(seconds: float | None, text: str) -> None:
    assert units.span(seconds) == text


@given(st.floats(1e-4, 3e11))
def test_a_span_is_right_to_two_percent_at_every_scale(seconds: float) -> None:
    value, unit = units.span(seconds).replace(",", "").split()
    scale = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "days": 86_400.0, "years": 31_557_600.0}[unit]
    assert float(value) * scale == pytest.approx(seconds, rel=0.051)
    assert units.span(-seconds) == f"-{units.span(seconds)}"


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ((6260.0, 5900.0, 6610.0), "104.3 min (98.3 to 110.2)"),
        ((6260.0, None, None), "104.3 min"),
        ((0.0, 0.0, 0.0), "0 s"),
        ((38.9, 29.1, math.inf), "38.9 s (29.1 s or more)"),
        ((6260.0, 5900.0, math.inf), "104.3 min (98.3 min or more)"),
        ((6260.0, -math.inf, 6610.0), "104.3 min (110.2 min or less)"),
        ((6260.0, -math.inf, math.inf), "104.3 min (anything)"),
        ((math.inf, 6260.0, math.inf), ">9,999 years (104.3 min or more)"),
        ((-1.0, -36_000.0, 39_600.0), "-1.0 s (-10.0 h to 11.0 h)"),
        ((0.0, -36_000.0, 39_600.0), "0 s (-10.0 h to 11.0 h)"),
        ((38.9, 29.1, 79_450.0), "38.9 s (29.1 s to 22.1 h)"),
        ((None, None, None), units.MISSING),
    ],
)
def test_span_with_interval(figures: tuple[float | None, float | None, float | None], text: str) -> None:
    assert units.span_with_interval(*figures) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0.0, "0.00"),
        (0.001, "<0.01"),
        (-0.001, ">-0.01"),
        (1.239, "1.24"),
        (999.994, "999.99"),
        (999.996, "1,000"),
        (18_425.3, "18,425"),
        (-3.2, "-3.20"),
    ],
)
def test_money(amount: float, text: str) -> None:
    assert units.money(amount) == text


@pytest.mark.parametrize(
    ("watt_hours", "text"),
    [
        (0.0, "0.00 Wh"),
        (350.0, "350 Wh"),
        (999.4, "999 Wh"),
        (999.6, "1.00 kWh"),
        (12_300.0, "12.3 kWh"),
        (1.24e6, "1.24 MWh"),
        (1e10, "10,000 MWh"),
    ],
)
def test_energy(watt_hours: float, text: str) -> None:
    assert units.energy(watt_hours) == text


def test_an_energy_and_its_ends_have_one_unit() -> None:
    assert units.energy_with_interval(1020.0, 990.0, 1051.0) == "1.02 kWh (0.99 to 1.05)"
    assert units.energy_with_interval(1020.0, None, None) == "1.02 kWh"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.03, "3 %"), (0.025, "2.5 %"), (0.1, "10 %"), (0.0, "0 %"), (0.1845, "18.45 %"), (1.0, "100 %")],
)
def test_a_share_that_somebody_chose_keeps_its_digits(share: float, text: str) -> None:
    assert units.round_percent(share) == text


@pytest.mark.parametrize(
    ("figures", "text", "ends"),
    [
        ((0.124, 0.121, 0.128), "12.4 % (12.1 to 12.8)", "12.1 % to 12.8 %"),
        ((0.0052, 0.0048, 0.0057), "0.52 % (0.48 to 0.57)", "0.48 % to 0.57 %"),
        ((0.00994, 0.0099, 0.0103), "0.99 % (0.99 to 1.03)", "0.99 % to 1.03 %"),
        ((0.00996, 0.0099, 0.0103), "1.0 % (1.0 to 1.0)", "1.0 % to 1.0 %"),
        ((0.0, -0.00001, 0.00001), "0.00 % (0.00 to 0.00)", "0.00 % to 0.00 %"),
        ((0.124, None, None), "12.4 %", ""),
    ],
)
def test_percent_interval(figures: tuple[float, float | None, float | None], text: str, ends: str) -> None:
    assert units.percent_interval(*figures) == text
    assert units.percent_ends(*figures) == ends


@pytest.mark.parametrize(
    ("figures", "text", "ends"),
    [
        ((0.103, 0.091, 0.114), "+10.3 % (+9.1 to +11.4)", "+9.1 % to +11.4 %"),
        ((0.004, -0.006, 0.013), "+0.4 % (-0.6 to +1.3)", "-0.6 % to +1.3 %"),
        ((-0.0001, -0.0002, 0.0), "0.0 % (0.0 to 0.0)", "0.0 % to 0.0 %"),
        ((1.963, None, None), "+196.3 %", ""),
    ],
)
def test_signed_percent_interval(figures: tuple[float, float | None, float | None], text: str, ends: str) -> None:
    assert units.signed_percent_interval(*figures) == text
    assert units.signed_percent_ends(*figures[1:]) == ends


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ((4.312e9, 4.29e9, 4.331e9), "4.31 GB (4.29 to 4.33)"),
        ((98.6e6, 97.1e6, 101.2e6), "98.6 MB (97.1 to 101.2)"),
        ((1.41e11, 1.4e11, 1.42e11), "141 GB (140 to 142)"),
        ((4.312e9, None, None), "4.31 GB"),
        ((4.312e9, 4.29e9, math.inf), "4.31 GB (4.29 GB or more)"),
        ((4.312e9, -math.inf, 9.1e10), "4.31 GB (91.00 GB or less)"),
    ],
)
def test_a_memory_and_its_ends_have_one_unit(figures: tuple[float, float | None, float | None], text: str) -> None:
    assert units.gigabytes_interval(*figures) == text


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((2.306, 2.584), "2.31 to 2.58"),
        ((28.71, math.inf), "28.7 or more"),
        ((-math.inf, 589.2), "589 or less"),
        ((-math.inf, math.inf), "anything"),
        ((None, None), ""),
    ],
)
def test_the_ends_of_a_ratio(ends: tuple[float | None, float | None], text: str) -> None:
    assert units.ratio_interval(*ends) == text

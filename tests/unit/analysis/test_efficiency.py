"""What a step takes on devices that were not measured: worked out on paper, and what must hold for any."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from paco_prof.analysis.efficiency import Scaling, by_nearness, predicted, scaling_of
from paco_prof.analysis.epoch_steps import alike
from paco_prof.records import EstimatePlan, Pilot, StepSeries
from paco_prof.stats.pace import Span
from projections import bare_pilot, blocks_of, full_pilot, on_devices

ALONE = bare_pilot()
STEPS = st.floats(1e-3, 1e3)


def scaled(gpus: int, *pilots: Pilot, epochs: int = 10) -> Scaling:
    return scaling_of(EstimatePlan(epochs=epochs, batches_per_epoch=100, gpus=gpus), pilots)


def exactly(value: float) -> Span:
    return Span(value, value, value)


def test_what_was_measured_is_used() -> None:
    """2.0 s alone and 2.5 s on two: each of two is 80 % as fast."""
    found = scaled(2, ALONE, on_devices(2, ALONE, 0.5))
    assert (found.source, found.measured, found.nearest) == ("measured", (1, 2), 2)
    assert found.step.value == pytest.approx(2.5)
    assert found.efficiency is not None
    assert found.efficiency.value == pytest.approx(0.8)
    assert (found.efficiency.low or 1.0) < 0.8 < (found.efficiency.high or 0.0)
    assert found.efficiency == found.sizes[1].efficiency
    assert found.sizes[0].efficiency == exactly(1.0)


def test_beyond_what_was_measured_a_ring_is_waited_for() -> None:
    """Half a second more on two devices, where each sends one half of its gradients twice: seven eighths on eight."""
    found = scaled(8, ALONE, on_devices(2, ALONE, 0.5))
    assert (found.source, found.nearest) == ("extrapolated", 2)
    assert found.step.value == pytest.approx(2.0 + 0.5 * (7 / 8) / (1 / 2))
    assert found.efficiency is not None
    assert found.efficiency.value == pytest.approx(2.0 / 2.875)


def test_its_interval_reaches_from_no_growth_to_latency() -> None:
    """Known exactly, the steps leave the model alone: half a second more on two, and for each of six more devices."""
    found = predicted(8, {1: exactly(2.0), 2: exactly(2.5)})
    assert (found.low, found.value, found.high) == (2.5, pytest.approx(2.875), pytest.approx(2.5 + 6 * 0.5))


def test_between_measured_numbers_the_interval_holds_both() -> None:
    """Of the way from 1/2 to 7/8 that eight devices are, four are at 3/4: two thirds."""
    found = predicted(4, {1: exactly(1.0), 2: exactly(2.0), 8: exactly(5.0)})
    assert (found.low, found.value, found.high) == (pytest.approx(2.0), pytest.approx(4.0), pytest.approx(5.0))
    assert scaled(4, ALONE, on_devices(2, ALONE, 0.5), on_devices(8, ALONE, 1.0)).source == "interpolated"


def test_three_sizes_are_fitted_and_the_largest_is_kept() -> None:
    """On a ring's own line the fit is that line, and goes on where the largest is."""
    steps = {n: exactly(1.0 + 0.4 * (n - 1) / n) for n in (1, 2, 4)}
    assert predicted(16, steps).value == pytest.approx(1.0 + 0.4 * 15 / 16)
    slower = {**steps, 4: exactly(2.0)}
    assert predicted(16, slower).value > 2.0


def test_devices_that_were_faster_than_one_take_nothing_off() -> None:
    found = predicted(8, {1: exactly(2.0), 2: exactly(1.9)})
    assert found.value == 1.9


def test_one_device_alone_is_assumed_to_be_one_of_many() -> None:
    found = scaled(8, ALONE)
    assert (found.source, found.nearest, found.efficiency) == ("assumed", 1, Span(1.0))
    assert found.step.value == pytest.approx(2.0)


def test_one_device_is_never_made_of_several() -> None:
    """A step of two holds what they wait for each other; nobody knows how much."""
    two, four = on_devices(2, ALONE, 0.5), on_devices(4, ALONE, 0.75)
    for gpus, taken in ((1, 2), (2, 2)):
        found = scaled(gpus, two, four)
        assert (found.nearest, found.efficiency) == (taken, None)
        assert found.step.value == pytest.approx(2.5)
    assert scaled(1, two, four).source == "assumed"
    eight = scaled(8, two, four)
    assert (eight.source, eight.efficiency) == ("extrapolated", None)
    assert eight.step.value == pytest.approx(2.875)
    assert scaled(8, two).step.value == pytest.approx(2.5)


def test_without_intervals_there_are_none() -> None:
    short = bare_pilot(steps=(StepSeries(blocks=(blocks_of(2.0)[0],)),))
    found = scaled(8, short, on_devices(2, short, 0.5))
    assert (found.step.low, found.efficiency and found.efficiency.low) == (None, None)
    assert found.step.value > 2.5


def test_only_steps_that_match_alike_are_held_against_each_other() -> None:
    """2 s in the warm-up of matching and 1 s after it alone; on two devices only the warm-up was measured."""
    alone = full_pilot()
    two = on_devices(2, alone, 0.5)
    early = two.model_copy(update={"steps": two.steps[:1]})
    found = scaled(2, alone, early)
    assert found.efficiency is not None
    assert found.efficiency.value == pytest.approx(2.0 / 2.5)
    # What two wait for each other is added to steps of both kinds: 1.3 s on average alone, of ten epochs.
    late = alone.model_copy(update={"steps": alone.steps[1:]})
    assert scaled(2, late, early).efficiency is None
    four = on_devices(4, alone, 0.75)
    assert scaled(8, alone, early, four).step.value == pytest.approx(1.3 + 0.875, rel=0.02)
    apart = scaled(8, late, early)
    assert (apart.source, apart.nearest, apart.is_alike) == ("assumed", 2, False)


def test_steps_of_which_nobody_told_the_kind_match_all() -> None:
    untold = on_devices(2, ALONE, 0.5)
    assert len(alike(EstimatePlan(batches_per_epoch=1), [full_pilot(), untold])) == 2
    kinds = [series.during_warmup for series, _ in alike(EstimatePlan(batches_per_epoch=1), [full_pilot(), untold])[0]]
    assert kinds == [True, False]


def test_the_nearest_number_is_by_its_ratio() -> None:
    pilots = [on_devices(number, ALONE, 0.1) for number in (2, 8, 16)]
    for devices, order in ((4, [8, 2, 16]), (1, [2, 8, 16]), (12, [16, 8, 2])):
        assert [pilot.workload.world_size for pilot in by_nearness(pilots, devices)] == order


@given(STEPS, st.floats(0, 10), st.integers(2, 16), st.integers(2, 512), st.floats(1e-3, 1e3))
def test_a_prediction_is_of_the_scale_of_its_steps(
    alone: float, more: float, measured: int, devices: int, factor: float
) -> None:
    assume(devices != measured)
    one, other = (
        predicted(devices, {n: Span(step * f, 0.9 * step * f, 1.2 * step * f) for n, step in sizes})
        for sizes in [((1, alone), (measured, alone * (1 + more)))]
        for f in (1.0, factor)
    )
    assert other.value == pytest.approx(one.value * factor)
    assert other.low == pytest.approx((one.low or 0.0) * factor)
    assert other.high == pytest.approx((one.high or 0.0) * factor)


@given(STEPS, STEPS, st.integers(2, 64), st.integers(2, 4096))
def test_a_prediction_lies_in_its_interval(alone: float, together: float, measured: int, devices: int) -> None:
    assume(devices != measured)
    steps = {1: Span(alone, 0.9 * alone, 1.2 * alone), measured: Span(together, 0.8 * together, math.inf)}
    found = predicted(devices, steps)
    assert 0 < (found.low or 0.0) <= found.value * (1 + 1e-12)
    assert found.value <= (found.high or 0.0) * (1 + 1e-12)


@given(st.integers(3, 4000))
def test_the_farther_the_wider(devices: int) -> None:
    steps = {1: Span(1.0, 0.97, 1.03), 2: Span(1.1, 1.07, 1.13)}
    near, far = predicted(devices, steps), predicted(devices + 1, steps)
    assert far.value >= near.value
    assert (far.high or 0.0) - (far.low or 0.0) > (near.high or 0.0) - (near.low or 0.0)

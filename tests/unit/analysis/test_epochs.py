"""How many batches: worked out on paper."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paco_prof.analysis.epochs import Batches, epoch_images, evaluation_batches, num_evaluations, training_batches
from paco_prof.errors import UsageError
from paco_prof.records import EstimatePlan


def plan(**changes: object) -> EstimatePlan:
    return EstimatePlan.model_validate({"dataset_size": 1438, **changes})


def test_a_last_batch_costs_its_share() -> None:
    """1,438 images are 179 batches of 8 and 6 images more."""
    assert training_batches(plan(), 1438, 8, "baseline") == Batches(180, 179.75)


def test_drop_last_leaves_it_out() -> None:
    assert training_batches(plan(drop_last=True), 1438, 8, "baseline") == Batches(179, 179.0)


def test_several_devices_have_as_many_images_each() -> None:
    """1,438 over 4 is 359.5: each has 360, which are 45 batches of 8, or 11 of 32 and 8 images."""
    assert training_batches(plan(gpus=4), 1438, 8, "baseline") == Batches(45, 45.0)
    assert training_batches(plan(gpus=4), 1438, 32, "baseline") == Batches(12, 11.25)
    assert training_batches(plan(gpus=4, drop_last=True), 1438, 32, "baseline") == Batches(11, 11.0)


def test_a_batch_that_is_not_full_on_every_device_is_left_out_on_all() -> None:
    """95 images over 3 are 31 or 32: only two of the devices have 32. All see 32 where nothing is left out."""
    assert training_batches(plan(gpus=3), 95, 16, "baseline") == Batches(2, 2.0)
    assert training_batches(plan(gpus=3, drop_last=True), 95, 16, "baseline") == Batches(1, 1.0)
    with pytest.raises(UsageError, match="An epoch of 31 images has no full batch of 8 on each of 4 GPUs for other"):
        training_batches(plan(gpus=4, drop_last=True), 31, 8, "other")


def test_a_number_of_batches_is_the_baselines_on_one_device() -> None:
    """1,000 batches of 8 are 8,000 images: 500 of 16, 667 of 12 of which the last holds 8, or 125 on each of 8."""
    given_batches = EstimatePlan(batches_per_epoch=1000)
    images = epoch_images(given_batches, 8)
    assert images == 8000
    assert training_batches(given_batches, images, 8, "baseline") == Batches(1000, 1000.0)
    assert training_batches(given_batches, images, 16, "other") == Batches(500, 500.0)
    number = training_batches(given_batches, images, 12, "other")
    assert (number.number, number.cost) == (667, pytest.approx(666 + 8 / 12))
    assert training_batches(EstimatePlan(batches_per_epoch=1000, gpus=8), images, 8, "baseline").number == 125


def test_no_full_batch_is_no_epoch() -> None:
    with pytest.raises(UsageError, match="7 images has no full batch of 8 for baseline"):
        training_batches(plan(drop_last=True), 7, 8, "baseline")
    with pytest.raises(UsageError, match="on each of 4 GPUs"):
        training_batches(plan(drop_last=True, gpus=4), 28, 8, "baseline")
    assert training_batches(plan(), 7, 8, "baseline") == Batches(1, 7 / 8)


def test_evaluation_leaves_nothing_out() -> None:
    assert evaluation_batches(plan(eval_size=359, drop_last=True), 8) == Batches(45, 44.875)
    assert evaluation_batches(plan(eval_size=359, gpus=2), 8) == Batches(23, 22.5)
    assert evaluation_batches(plan(), 8) == Batches(0, 0.0)


@pytest.mark.parametrize(
    ("epochs", "every", "size", "number"),
    [(10, 1, 5, 10), (10, 3, 5, 4), (9, 3, 5, 3), (2, 5, 5, 1), (10, 1, 0, 0), (10, 1, None, 0)],
)
def test_the_last_epoch_is_always_evaluated(epochs: int, every: int, size: int | None, number: int) -> None:
    assert num_evaluations(plan(epochs=epochs, eval_every=every, eval_size=size)) == number


@given(st.integers(1, 10**6), st.integers(1, 512), st.integers(1, 64))
def test_cost_and_number_differ_by_less_than_a_batch(images: int, batch_size: int, gpus: int) -> None:
    found = training_batches(plan(gpus=gpus), images, batch_size, "")
    assert 0 <= found.number - found.cost < 1
    assert found.cost * batch_size * gpus >= images - 1e-6 * images

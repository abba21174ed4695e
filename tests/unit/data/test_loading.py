"""Batches: their order depends on the seed and the epoch alone, wherever one begins and whoever loads them."""

from __future__ import annotations

import gc
import multiprocessing
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from numbered_images import loader, order
from paco_prof.data.batch import Batch, SameBatch, synthetic_batch
from paco_prof.data.folder import image_folder
from paco_prof.data.loading import EndlessBatches, Loader
from paco_prof.data.views import training_views
from paco_prof.errors import UsageError
from picture_folders import cut_off, write_pictures


@settings(max_examples=40)
@given(num_images=st.integers(1, 40), batch_size=st.integers(1, 12), drop_last=st.booleans(), epoch=st.integers(0, 9))
def test_an_epoch_holds_every_image_once(num_images: int, batch_size: int, drop_last: bool, epoch: int) -> None:
    whole, rest = divmod(num_images, batch_size)
    if drop_last and whole == 0:
        with pytest.raises(UsageError, match=f"{num_images} images do not fill a batch of {batch_size}"):
            loader(num_images, batch_size, seed=3, drop_last=True)
        return
    one = loader(num_images, batch_size, seed=3, drop_last=drop_last)
    batches = order(one, epoch)
    sizes = [batch_size] * whole + ([rest] if rest and not drop_last else [])
    assert [len(batch) for batch in batches] == sizes
    assert len(one) == len(sizes)
    seen = [number for batch in batches for number in batch]
    assert len(set(seen)) == len(seen) == sum(sizes)


@settings(max_examples=25)
@given(epoch=st.integers(0, 9), skipped=st.integers(0, 6))
def test_an_epoch_goes_on_where_it_had_stopped(epoch: int, skipped: int) -> None:
    assert order(loader(20, 3, seed=1), epoch, skipped) == order(loader(20, 3, seed=1), epoch)[skipped:]


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    one = loader(20, 3, seed=1)
    first, second = order(one, 0), order(one, 1)
    assert first != second
    assert order(one, 0) == first
    assert order(loader(20, 3, seed=1, workers=2), 0) == first
    assert order(loader(20, 3, seed=2), 0) != first


def test_a_batch_of_another_size_takes_images_in_the_same_order() -> None:
    flat = [[number for batch in order(loader(20, size, seed=1), 0) for number in batch] for size in (3, 7)]
    assert flat[0] == flat[1]


def test_without_a_seed_images_come_as_they_are() -> None:
    assert order(loader(5, 2), 4) == [[0, 1], [2, 3], [4]]


def test_the_global_generator_does_not_matter() -> None:
    first = order(loader(20, 3, seed=1), 0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        assert order(loader(20, 3, seed=1), 0) == first


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_that_was_left_early_leaves_nothing_behind(workers: int) -> None:
    one = loader(30, 2, seed=1, workers=workers)
    wanted = order(loader(30, 2, seed=1), 1)
    for _ in range(3):
        left = one.epoch(0)
        next(left)
        next(left)
        del left
        assert order(one, 1) == wanted


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_may_begin_while_another_is_not_over(workers: int) -> None:
    one = loader(30, 2, seed=1, workers=workers)
    unfinished = one.epoch(0)
    next(unfinished)
    assert order(one, 1, 3) == order(loader(30, 2, seed=1), 1, 3)


def test_workers_end_with_their_loader() -> None:
    before = set(multiprocessing.active_children())
    one = loader(30, 2, seed=1, workers=2)
    batches = one.epoch(0)
    next(batches)
    started = set(multiprocessing.active_children()) - before
    assert len(started) == 2
    del batches, one
    for process in started:
        process.join(10)
    assert not any(process.is_alive() for process in started)


def test_the_first_batch_is_that_of_the_first_epoch() -> None:
    for drop_last in (False, True):
        one = loader(20, 3, seed=1, drop_last=drop_last)
        assert one.first().targets.tolist() == order(one, 0)[0]
    one = loader(20, 3, seed=1)
    list(one.epoch(4))
    assert one.first().targets.tolist() == order(one, 0)[0]


def test_channels_last(tmp_path: Path) -> None:
    data = image_folder(write_pictures(tmp_path, {"a": 5, "b": 5}))
    plain, last = (
        Loader(training_views(data, 8, 0), 3, seed=0, channels_last=which).first() for which in (False, True)
    )
    assert last.x1.is_contiguous(memory_format=torch.channels_last)
    assert last.x2.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(plain.x1, last.x1)
    assert last.loading_seconds is not None


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_cannot_be_decoded_is_named(tmp_path: Path, workers: int) -> None:
    cut_off(write_pictures(tmp_path, {"a": 5, "b": 5}) / "b" / "02.jpg")
    one = Loader(training_views(image_folder(tmp_path), 8, 0), 3, workers, seed=0)
    with pytest.raises(UsageError, match=r"^b/02\.jpg cannot be decoded: .*truncated.*\. Remove it, or mend it\.$"):
        list(one.epoch(0))


def test_endless_batches_are_one_epoch_after_the_other() -> None:
    endless = EndlessBatches(loader(5, 2, seed=1))
    wanted = [batch for epoch in range(3) for batch in order(loader(5, 2, seed=1), epoch)]
    assert [endless.next().targets.tolist() for _ in wanted] == wanted
    assert len(endless.loading) == len(wanted)
    assert all(seconds > 0 for seconds in endless.loading)
    assert endless.first.targets.tolist() == wanted[0]


def test_the_same_batch_again_and_again() -> None:
    batch = synthetic_batch(3, 7, 16, seed=2)
    same = SameBatch(batch)
    assert same.next() is same.next() is same.first
    assert same.loading == ()


@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_a_synthetic_batch_depends_on_its_seed(seed: int) -> None:
    one, again = synthetic_batch(2, 4, 8, seed), synthetic_batch(2, 4, 8, seed)
    assert torch.equal(one.x1, again.x1)
    assert torch.equal(one.x2, again.x2)
    assert one.x1.shape == (2, 3, 8, 8)
    assert not torch.equal(one.x1, synthetic_batch(2, 4, 8, seed + 1).x1)
    assert one.loading_seconds is None
    assert isinstance(one, Batch)


def test_endless_batches_are_in_no_cycle_of_references() -> None:
    """Or their workers would go on until the next collection of garbage, and end five seconds late."""
    before = set(multiprocessing.active_children())
    endless = EndlessBatches(loader(30, 2, seed=1, workers=1))
    endless.next()
    (started,) = set(multiprocessing.active_children()) - before
    gc.disable()
    try:
        del endless
        started.join(10)
        assert not started.is_alive()
    finally:
        gc.enable()

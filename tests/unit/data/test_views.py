"""Views of images: random, and the same ones whenever and wherever they are made."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from paco_prof.data.digits import digits
from paco_prof.data.folder import image_folder
from paco_prof.data.images import ImageData
from paco_prof.data.loading import Loader
from paco_prof.data.views import Sample, Unreadable, Views, collate, evaluation_views, training_views
from picture_folders import cut_off, write_pictures

SIZE = 32


@pytest.fixture(scope="module")
def data() -> ImageData:
    return digits()


@pytest.fixture(scope="module")
def views(data: ImageData) -> Views:
    return training_views(data, SIZE, seed=0)


def sample(views: Views, epoch: int, index: int) -> Sample:
    one = views[epoch, index]
    assert isinstance(one, Sample)
    return one


def equal(first: Sample, second: Sample) -> bool:
    return torch.equal(first.x1, second.x1) and torch.equal(first.x2, second.x2)


def test_a_key_has_the_same_views_in_any_order(data: ImageData, views: Views) -> None:
    keys = [(0, 3), (1, 3), (0, 70)]
    forwards = [sample(views, *key) for key in keys]
    other = training_views(data, SIZE, seed=0)
    backwards = [sample(other, *key) for key in reversed(keys)]
    for one, again in zip(forwards, reversed(backwards), strict=True):
        assert equal(one, again)
        assert one.target == again.target


def test_two_views_differ(views: Views) -> None:
    one = sample(views, 0, 3)
    assert one.x1.shape == one.x2.shape == (3, SIZE, SIZE)
    assert not torch.equal(one.x1, one.x2)


@pytest.mark.parametrize(("seed", "epoch", "index"), [(1, 0, 3), (0, 1, 3), (0, 0, 4)])
def test_seeds_epochs_and_images_differ(data: ImageData, views: Views, seed: int, epoch: int, index: int) -> None:
    assert not equal(sample(views, 0, 3), sample(training_views(data, SIZE, seed), epoch, index))


def test_random_states_outside_are_not_touched(views: Views) -> None:
    def states() -> tuple[object, ...]:
        return random.getstate(), repr(np.random.get_state()), torch.get_rng_state().tolist()

    before = states()
    views[0, 0], views[3, 8]
    assert states() == before


def test_random_states_outside_do_not_matter(views: Views) -> None:
    one = sample(views, 0, 5)
    random.seed(99)
    np.random.seed(99)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        assert equal(one, sample(views, 0, 5))


def test_workers_make_the_same_views(data: ImageData) -> None:
    small = ImageData("few", data.train.chosen(range(10)), data.evaluation, 10, "", data.augmentation)
    made = [list(Loader(training_views(small, SIZE, 4), 3, workers, seed=4).epoch(2)) for workers in (0, 2)]
    for here, elsewhere in zip(*made, strict=True):
        assert torch.equal(here.x1, elsewhere.x1)
        assert torch.equal(here.x2, elsewhere.x2)
        assert torch.equal(here.targets, elsewhere.targets)


def test_evaluation_is_not_random_and_has_one_view(data: ImageData) -> None:
    views = evaluation_views(data, SIZE)
    one, again = sample(views, 0, 2), sample(views, 7, 2)
    assert one.x1 is one.x2
    assert equal(one, again)
    batch = collate([one, again])
    assert not isinstance(batch, Unreadable)
    assert batch.x1 is batch.x2
    assert len(batch) == 2


def test_loading_takes_time_and_is_summed(views: Views) -> None:
    samples = [sample(views, 0, index) for index in range(3)]
    batch = collate(samples)
    assert not isinstance(batch, Unreadable)
    assert batch.loading_seconds is not None
    assert batch.loading_seconds >= sum(one.seconds for one in samples) > 0
    assert batch.targets.tolist() == [one.target for one in samples]


def test_an_image_that_cannot_be_decoded_is_a_value(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = write_pictures(tmp_path_factory.mktemp("set"), {"a": 5, "b": 5})
    cut_off(folder / "a" / "02.jpg")
    views = training_views(image_folder(folder), SIZE, 0)
    broken = views[0, 2]
    assert isinstance(broken, Unreadable)
    assert broken.name == "a/02.jpg"
    assert "truncated" in broken.reason
    assert collate([sample(views, 0, 0), broken]) is broken

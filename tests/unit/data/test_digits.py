"""The bundled digits: how many, which are held out, what they look like."""

from __future__ import annotations

from collections import Counter

import pytest
from sklearn.datasets import load_digits

from paco_prof.data.digits import digits
from paco_prof.data.images import ImageData


@pytest.fixture(scope="module")
def data() -> ImageData:
    return digits()


def test_how_many(data: ImageData) -> None:
    assert (len(data.train), len(data.evaluation), data.num_classes) == (1437, 360, 10)
    assert data.name == "digits"


def test_every_class_is_held_out_in_proportion(data: ImageData) -> None:
    whole = Counter(load_digits().target.tolist())
    held_out, train = Counter(data.evaluation.targets), Counter(data.train.targets)
    assert held_out + train == whole
    for digit, count in whole.items():
        assert held_out[digit] == pytest.approx(count / 5, abs=1)


def test_the_split_is_always_the_same(data: ImageData) -> None:
    again = digits()
    assert again.train.targets == data.train.targets
    assert again.evaluation.targets == data.evaluation.targets
    assert [again.evaluation.load(index).tobytes() for index in range(20)] == [
        data.evaluation.load(index).tobytes() for index in range(20)
    ]


def test_no_image_is_in_both_splits(data: ImageData) -> None:
    seen = {data.train.load(index).tobytes() for index in range(len(data.train))}
    held_out = {data.evaluation.load(index).tobytes() for index in range(len(data.evaluation))}
    assert not seen & held_out


def test_they_are_in_colour_and_keep_their_class(data: ImageData) -> None:
    image = data.train.load(0)
    assert (image.mode, image.size) == ("RGB", (64, 64))
    few = data.train.chosen([5, 3])
    assert few.targets == [data.train.targets[5], data.train.targets[3]]
    assert few.load(1).tobytes() == data.train.load(3).tobytes()


def test_ink_is_white_and_fills_the_range(data: ImageData) -> None:
    lowest, highest = data.train.load(0).getextrema()[0]
    assert lowest < 20
    assert highest > 200


def test_a_digit_is_never_mirrored(data: ImageData) -> None:
    assert data.augmentation["hflip"] == 0.0

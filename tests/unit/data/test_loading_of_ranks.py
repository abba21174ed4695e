"""Images dealt to ranks: together they take the batches of one process whose batches are as large as all of theirs."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numbered_images import loader, order
from paco_prof.data.folder import image_folder
from paco_prof.data.loading import digest_of
from paco_prof.errors import UsageError
from paco_prof.ranks import Place
from picture_folders import write_pictures

SIZES = {"num_images": st.integers(1, 40), "batch_size": st.integers(1, 6), "world_size": st.integers(2, 4)}


def dealt(num_images: int, batch_size: int, world_size: int, epoch: int = 0, **settings: object) -> list[list[int]]:
    """Each rank's batches."""
    places = [Place(rank, world_size) for rank in range(world_size)]
    return [order(loader(num_images, batch_size, place=place, **settings), epoch) for place in places]


def together(ranks: list[list[list[int]]]) -> list[list[int]]:
    """The batches of all ranks as one, step by step."""
    steps = itertools.zip_longest(*ranks, fillvalue=[])
    return [[image for batch in step for image in batch] for step in steps]


@settings(max_examples=20)
@given(**SIZES, epoch=st.integers(0, 3))
def test_ranks_together_take_the_batches_of_one_process(
    num_images: int, batch_size: int, world_size: int, epoch: int
) -> None:
    """And a few images of the beginning once more, where they do not come out even."""
    ranks = dealt(num_images, batch_size, world_size, epoch, seed=3)
    one = [image for batch in order(loader(num_images, batch_size * world_size, seed=3), epoch) for image in batch]
    repeated = [one[place % num_images] for place in range(-num_images % world_size)]
    assert [image for step in together(ranks) for image in step] == one + repeated
    # Otherwise some would wait for others that are through with the epoch.
    assert len({tuple(len(batch) for batch in rank) for rank in ranks}) == 1
    assert all(len(step) == batch_size * world_size for step in together(ranks)[:-1])
    assert all(batch for rank in ranks for batch in rank)


@settings(max_examples=15)
@given(**SIZES)
def test_what_is_not_full_is_left_out(num_images: int, batch_size: int, world_size: int) -> None:
    if num_images < batch_size * world_size:
        with pytest.raises(UsageError, match=f"batch of {batch_size} on each of {world_size} devices"):
            dealt(num_images, batch_size, world_size, seed=3, drop_last=True)
        return
    ranks = dealt(num_images, batch_size, world_size, seed=3, drop_last=True)
    assert together(ranks) == order(loader(num_images, batch_size * world_size, seed=3, drop_last=True))


@settings(max_examples=20)
@given(**SIZES)
def test_without_repetition_each_image_is_there_once(num_images: int, batch_size: int, world_size: int) -> None:
    """In the order of the images, step by step and rank by rank: that is how an evaluation is put together again."""
    ranks = dealt(num_images, batch_size, world_size, repeats=False)
    assert [image for step in together(ranks) for image in step] == list(range(num_images))
    assert max(map(len, ranks)) - min(map(len, ranks)) <= 1
    sizes = [sum(map(len, rank)) for rank in ranks]
    assert max(sizes) - min(sizes) <= 1
    assert all(batch for rank in ranks for batch in rank)


@settings(max_examples=15)
@given(num_images=st.integers(1, 40), batch_size=st.integers(1, 12), drop_last=st.booleans(), repeats=st.booleans())
def test_a_process_alone_has_all(num_images: int, batch_size: int, drop_last: bool, repeats: bool) -> None:
    if drop_last and num_images < batch_size:
        return
    one = loader(num_images, batch_size, seed=3, drop_last=drop_last)
    assert order(loader(num_images, batch_size, seed=3, drop_last=drop_last, place=Place(), repeats=repeats)) == order(
        one
    )


def test_an_epoch_goes_on_where_it_had_stopped() -> None:
    one = loader(21, 3, seed=1, place=Place(1, 2))
    assert order(one, 2, 2) == order(one, 2)[2:]


def test_the_first_batch_is_a_ranks_own() -> None:
    for rank in range(3):
        one = loader(20, 4, seed=1, place=Place(rank, 3))
        assert one.first().targets.tolist() == order(one)[0]


def test_a_digest_is_that_of_names_classes_and_splits(tmp_path: Path) -> None:
    for number, counts in enumerate([{"a": 6, "b": 6}, {"a": 6, "b": 6}, {"a": 6, "b": 7}, {"a": 6, "c": 6}]):
        write_pictures(tmp_path / str(number), counts)
    first, same, *others = (digest_of(image_folder(tmp_path / str(number))) for number in range(4))
    assert first == same
    assert len({first, *others}) == 3
    data = image_folder(tmp_path / "0")
    swapped = replace(data, train=data.evaluation, evaluation=data.train)
    assert digest_of(swapped) != first

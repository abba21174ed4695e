"""Batches of images, in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

import torch
from torch.utils.data import DataLoader, Sampler

from paco_prof import stages
from paco_prof.data.batch import Batch
from paco_prof.data.digits import digits
from paco_prof.data.folder import image_folder
from paco_prof.data.images import ImageData
from paco_prof.data.seeds import seed_of
from paco_prof.data.spec import DIGITS, folder_of
from paco_prof.data.views import Key, Sample, Unreadable, Views, collate
from paco_prof.errors import UsageError
from paco_prof.ranks import Place
from paco_prof.stages import stage

__all__ = ["EndlessBatches", "Loader", "digest_of", "open_data"]

ALONE = Place()
# A batch is a few hundred megabytes where images are large; two a process are enough to hide the loading of one.
PREFETCHED = 2


def open_data(data: str) -> ImageData:
    """The images that a workload's `data` names.

    Raises:
        UsageError: there are none, or they cannot be read.
    """
    if data == DIGITS:
        return digits()
    folder = folder_of(data)
    if folder is None:
        raise UsageError(f"{data} data are no images to learn from.", "Use --data digits or --data folder:PATH.")
    return image_folder(folder)


def digest_of(data: ImageData) -> str:
    """What is the same wherever a set has the same images by name, in the same order and of the same classes."""
    digest = hashlib.sha256(str(data.num_classes).encode())
    for images in (data.train, data.evaluation):
        for index, target in enumerate(images.targets):
            digest.update(f"{images.name(index)}\0{target}\0".encode(errors="surrogateescape"))
        digest.update(f"{len(images)} images\0".encode())
    return digest.hexdigest()


class _Order(Sampler[list[Key]]):
    """The keys of each batch of an epoch, of one rank.

    All ranks have the same order. As many batches as there are ranks are taken from it at a time, and each rank gets
    the part of them that it is the place of; what is left in the end is divided evenly.

    Args:
        num_images: of all ranks.
        repeats: fill up what is left with images from the beginning of the order, so that all ranks have as many.
    """

    def __init__(
        self,
        num_images: int,
        batch_size: int,
        seed: int | None,
        drop_last: bool,
        place: Place = ALONE,
        *,
        repeats: bool = True,
    ) -> None:
        self._num_images = num_images
        self._together = batch_size * place.world_size
        self._seed = seed
        self._place = place
        whole, rest = divmod(num_images, self._together)
        dealt = whole * self._together if drop_last else num_images
        self._num_dealt = dealt + (-dealt % place.world_size if repeats else 0)
        last = 0 if drop_last else len(self._mine(range(num_images - rest, self._num_dealt)))
        self._num_batches = whole + (1 if last else 0)
        self.epoch = 0
        self.skipped = 0

    def __len__(self) -> int:
        return self._num_batches

    def __iter__(self) -> Iterator[list[Key]]:
        if self._seed is None:
            order = list(range(self._num_images))
        else:
            generator = torch.Generator().manual_seed(seed_of(self._seed, self.epoch))
            order = torch.randperm(self._num_images, generator=generator).tolist()
        for batch in range(self.skipped, len(self)):
            begin = batch * self._together
            places = self._mine(range(begin, min(begin + self._together, self._num_dealt)))
            yield [(self.epoch, order[place % self._num_images]) for place in places]

    def _mine(self, places: range) -> range:
        """What is for one rank of what all ranks take at a time."""
        begin, end = (len(places) * rank // self._place.world_size for rank in (self._place.rank, self._place.rank + 1))
        return places[begin:end]


class Loader:
    """Hands out an epoch's batches, loaded by other processes meanwhile where there are some.

    Args:
        views: of which images.
        batch_size: images of a batch.
        workers: processes that load; 0 loads when a batch is asked for. They live as long as the loader.
        seed: of the order; None takes images as they come.
        drop_last: leave out a last batch that is not full.
        pinned: hand batches out in page-locked memory.
        channels_last: with the channels of each pixel side by side.
        place: among the ranks that an epoch's images are dealt to: the batches of that number of all ranks, one after
            the other, are one batch of them together.
        repeats: a few images twice, where they do not come out even, so that all ranks have as many; otherwise each
            once, and some ranks may have fewer batches than others, or none.
    """

    def __init__(
        self,
        views: Views,
        batch_size: int,
        workers: int = 0,
        seed: int | None = None,
        drop_last: bool = False,
        pinned: bool = False,
        channels_last: bool = False,
        place: Place = ALONE,
        *,
        repeats: bool = True,
    ) -> None:
        self.num_images = len(views)
        self.batch_size = batch_size
        self.workers = workers
        self._place = place
        self._views = views
        self._seed = seed
        self._collate = _ChannelsLast() if channels_last else collate
        self._order = _Order(len(views), batch_size, seed, drop_last, place, repeats=repeats)
        if drop_last and len(self._order) == 0:
            each = "" if place.is_alone else f" on each of {place.world_size} devices"
            raise UsageError(
                f"{len(views)} images do not fill a batch of {batch_size}{each}, and what is not full is left out.",
                "Use a smaller --batch-size, or no --drop-last.",
            )
        with _silent_about_cores():
            self._batches: DataLoader[Batch | Unreadable] = DataLoader(
                views,  # type: ignore[arg-type]
                batch_sampler=self._order,
                num_workers=workers,
                collate_fn=self._collate,
                pin_memory=pinned,
                persistent_workers=workers > 0,
                prefetch_factor=PREFETCHED if workers > 0 else None,
            )

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(self._order)

    def epoch(self, epoch: int, skipped: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, without the first few where it had been begun.

        Raises:
            UsageError: an image cannot be decoded.
        """
        self._order.epoch, self._order.skipped = epoch, skipped
        with _silent_about_cores():
            batches = iter(self._batches)
        for batch in batches:
            yield _decoded(batch)

    def first(self) -> Batch:
        """The first batch of the first epoch, loaded here and now.

        Raises:
            UsageError: an image cannot be decoded.
        """
        keys = next(iter(_Order(self.num_images, self.batch_size, self._seed, drop_last=False, place=self._place)))
        return _decoded(self._collate([self._views[key] for key in keys]))


@contextmanager
def _silent_about_cores() -> Iterator[None]:
    """Torch warns of more workers than cores; whether they are too many, a finding says that knows the waiting."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This DataLoader will create", category=UserWarning)
        yield


def _decoded(batch: Batch | Unreadable) -> Batch:
    if isinstance(batch, Unreadable):
        raise UsageError(f"{batch.name} cannot be decoded: {batch.reason.rstrip('.')}.", "Remove it, or mend it.")
    return batch


class _ChannelsLast:
    """Collates, and lays the channels out last."""

    def __call__(self, samples: Sequence[Sample | Unreadable]) -> Batch | Unreadable:
        batch = collate(samples)
        return batch if isinstance(batch, Unreadable) else batch.channels_last()


class EndlessBatches:
    """One epoch after the other, for ever: what a step is measured on where images are loaded.

    Args:
        loader: of the training images.
    """

    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self._stream = _endless(loader)
        self._loading: list[float] = []

    @cached_property
    def first(self) -> Batch:
        """The first batch of the first epoch."""
        return self.loader.first()

    @property
    def loading(self) -> tuple[float, ...]:
        """Seconds that loading took for each batch so far."""
        return tuple(self._loading)

    @stage(stages.DATA)
    def next(self) -> Batch:
        """The next batch, waited for."""
        batch = next(self._stream)
        self._loading.append(batch.loading_seconds or 0.0)
        return batch


def _endless(loader: Loader) -> Iterator[Batch]:
    """Batches of all epochs; does not refer to whom it belongs to, for workers of a loader that is in a cycle of
    references end five seconds late.
    """
    epoch = 0
    while True:
        yield from loader.epoch(epoch)
        epoch += 1

"""How many batches an epoch and an evaluation have, and how many evaluations a run.

A last batch that is not full costs its share of the images of a full one: a step's time is taken to grow with its
images, which is right for the backbone and the loss, and leaves out what a step costs whatever is in it. So batches are
counted twice: as they are, and as they cost, in full ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from paco_prof.errors import UsageError
from paco_prof.records import EstimatePlan

__all__ = ["Batches", "epoch_images", "evaluation_batches", "num_evaluations", "training_batches"]


@dataclass(frozen=True, slots=True)
class Batches:
    """Batches that one device is given.

    Attributes:
        number: of them, a last one that is not full among them.
        cost: in full ones.
    """

    number: int
    cost: float


def epoch_images(plan: EstimatePlan, baseline_batch: int) -> int:
    """Images of an epoch: the data's, or so many batches of the baseline as one device would be given."""
    if plan.dataset_size is not None:
        return plan.dataset_size
    return (plan.batches_per_epoch or 0) * baseline_batch


def training_batches(plan: EstimatePlan, images: int, batch_size: int, name: str) -> Batches:
    """The batches of an epoch on each device: as many on all of them, as `paco-prof train` over ranks and torch's
    `DistributedSampler` deal them.

    Each is given its share of the images, rounded up: a few images are seen twice where they do not come out even.
    Where a last batch that is not full is left out, so is one that would not be full on every device.

    Args:
        name: of the variant, for the error.

    Raises:
        UsageError: a last batch that is not full is left out, and there is no other.
    """
    if not plan.drop_last:
        return _all(_share(images, plan.gpus), batch_size)
    number = images // (batch_size * plan.gpus)
    if number == 0:
        of = "" if plan.gpus == 1 else f" on each of {plan.gpus} GPUs"
        raise UsageError(
            f"An epoch of {images} images has no full batch of {batch_size}{of} for {name}, and --drop-last leaves out "
            "what is not full.",
            "Use a smaller batch, or keep the last one.",
        )
    return Batches(number, float(number))


def evaluation_batches(plan: EstimatePlan, batch_size: int) -> Batches:
    """The batches of an evaluation on each device; none is left out."""
    return _all(_share(plan.eval_size or 0, plan.gpus), batch_size)


def num_evaluations(plan: EstimatePlan) -> int:
    """One every so many epochs, and one after the last; none where there is nothing to evaluate with."""
    return _share(plan.epochs, plan.eval_every) if plan.eval_size else 0


def _all(images: int, batch_size: int) -> Batches:
    return Batches(_share(images, batch_size), images / batch_size)


def _share(number: int, of: int) -> int:
    """A quotient of whole numbers, rounded up."""
    return -(-number // of)

"""The training loop of one epoch, and the evaluation after it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from paco_prof.data.batch import Batch
from paco_prof.data.images import ImageData
from paco_prof.data.loading import EndlessBatches, Loader
from paco_prof.data.seeds import seed_of
from paco_prof.data.views import evaluation_views
from paco_prof.errors import UsageError
from paco_prof.measure.building import Built, build
from paco_prof.measure.distributed.group import ALONE, Group
from paco_prof.measure.distributed.step import share_buffers
from paco_prof.measure.interrupts import held_interrupts
from paco_prof.measure.job import Job
from paco_prof.measure.loss_test import capture_call
from paco_prof.measure.parts_health import parts_health
from paco_prof.measure.user.attributes import TensorsBeside
from paco_prof.measure.user.model import tell_epoch
from paco_prof.measure.user.step import Given
from paco_prof.paco2.parts import PartSampler
from paco_prof.records import DataUsed
from paco_prof.settings import Workload
from paco_prof.training.epoch import EpochInProgress

__all__ = ["Evaluation", "Trainer", "data_used", "trainer_for"]

# Beside the orders and the views of epochs, which are drawn from two and three numbers.
_STEP = 4


@dataclass(frozen=True)
class Evaluation:
    """What a model made of the evaluation images.

    Attributes:
        correct: for each image whether it was classified right.
        seconds: wall time of it all.
        batches: wall seconds of each batch, waiting for it included.
    """

    correct: tuple[bool, ...]
    seconds: float
    batches: tuple[float, ...]

    @property
    def accuracy(self) -> float:
        """Share of the images that were classified right."""
        return sum(self.correct) / len(self.correct)


class Trainer:
    """Trains what was built, an epoch at a time, on its data.

    Everything random depends on the seed, the epoch and the number of the batch alone, so that a run that goes on from
    a checkpoint goes on as if it had never stopped. A model of the user's own does so where all that it draws is drawn
    by torch, and all that it learns is in its weights and buffers; `unsaved` names what is not.

    Args:
        built: on images; with several ranks each has a trainer, and all of them train, evaluate and join together.

    Attributes:
        is_mid_step: whether a step was begun and not ended, so that the weights are those of no step.
    """

    def __init__(self, built: Built) -> None:
        self.is_mid_step = False
        self.group = built.group
        batches = built.step.batches
        if built.data is None or not isinstance(batches, EndlessBatches):
            raise UsageError("synthetic data are no images to learn from.", "Use --data digits or --data folder:PATH.")
        self.built = built
        self.step = built.step
        self.model = built.step.model
        self.optimization = built.step.optimization
        self.loader: Loader = batches.loader
        workload = built.job.workload
        self._clock = built.clock
        self._epsilon, self._seed = workload.known("epsilon"), workload.seed
        self._evaluation = Loader(
            evaluation_views(built.data, workload.image_size or 0),
            workload.batch_size,
            self.loader.workers,
            pinned=built.step.device.type == "cuda",
            channels_last=workload.channels_last,
            place=self.group.place,
            repeats=False,
        )
        self._beside = None if built.user is None else TensorsBeside(self.model)

    @property
    def data(self) -> DataUsed:
        """The images, as a record keeps them."""
        assert self.built.data is not None
        return data_used(self.built.data, self.built.job.workload)

    def train(self, epoch: EpochInProgress, between: Callable[[EpochInProgress], None]) -> None:
        """Train an epoch, or what is left of it, with all ranks.

        Args:
            epoch: which, and what has been done of it; kept up to date after every step.
            between: told after every step; its time is counted for the step.

        Raises:
            UsageError: an image cannot be decoded.
        """
        self.begin(epoch.epoch)
        now, begun = self._clock.now, self._clock.now()
        batches = self.loader.epoch(epoch.epoch, epoch.num_batches)
        is_first = True
        while (batch := next(batches, None)) is not None:
            arrived = now()
            is_last = epoch.num_batches + 1 == len(self.loader)
            with held_interrupts():
                self.is_mid_step = True
                with self._looking_at_parts(epoch) if is_last else contextlib.nullcontext():
                    losses = self.take(batch, epoch.epoch, epoch.num_batches)
                if is_last:
                    self._clock.synchronize()
                epoch.add(batch, losses, arrived - begun, is_first=is_first)
                self.is_mid_step = False
            between(epoch)
            begun, is_first = now(), False
            epoch.step_seconds += begun - arrived

    def begin(self, epoch: int) -> None:
        """From now on steps are of that epoch."""
        self.model.train()
        tell_epoch(self.model, epoch)

    def take(self, batch: Batch, epoch: int, number: int) -> dict[str, torch.Tensor]:
        """The step on an epoch's batch of that number; its losses, which nobody has waited for."""
        # What is random in a step is so on each rank by itself.
        rank = self.group.place.rank
        torch.manual_seed(seed_of(self._seed, epoch, number, _STEP, *([rank] if rank else [])))
        return self.step.take(batch)

    def require_inference(self, otherwise: str = "") -> None:
        """Find out before training whether the model can be evaluated.

        Args:
            otherwise: what else can be done, for the message.

        Raises:
            UsageError: it is one of the user's own, and takes no single view.
        """
        built = self.built
        if built.user is not None and built.user.no_inference:
            raise UsageError(
                f"{built.job.workload.model} cannot be evaluated: {built.user.no_inference}.",
                f"In eval mode it is called with one view, and returns logits. {otherwise}".strip(),
            )

    def evaluate(self, max_batches: int | None = None) -> Evaluation:
        """Classify the evaluation images, or the first few batches of them, each on one of the ranks.

        Raises:
            UsageError: an image cannot be decoded, or the model takes no single view.
        """
        self.require_inference()
        now, begun = self._clock.now, self._clock.now()
        found: list[torch.Tensor] = []
        ends = [begun]
        if not self.group.is_alone:
            # The model is judged that a checkpoint would hold.
            share_buffers(self.model.buffers(), self.group)
        with self.step.evaluating():
            for batch in self._evaluation.epoch(0):
                found.append(self._classified_right(batch))
                ends.append(now())
                if max_batches is not None and len(found) >= max_batches:
                    break
            mine = [right.tolist() for right in found]
        # Rank after rank, step after step, images come as they were dealt.
        steps = itertools.zip_longest(*self.group.shared(mine), fillvalue=())
        correct = tuple(right for step in steps for batch in step for right in batch)
        ends[-1] = now()
        seconds = tuple(later - earlier for earlier, later in itertools.pairwise(ends))
        return Evaluation(correct, ends[-1] - begun, seconds)

    def joined(self, epoch: EpochInProgress) -> EpochInProgress:
        """An epoch as all ranks together have trained it, told by each of its own part."""
        if self.group.is_alone:
            return epoch
        return EpochInProgress.joined([EpochInProgress.from_state(state) for state in self.group.shared(epoch.state())])

    def kept_peaks(self) -> dict[str, Any]:
        """What part sampling keeps from step to step, for a checkpoint."""
        sampler = getattr(self.model, "part_sampler", None)
        return sampler.kept_peaks() if isinstance(sampler, PartSampler) else {}

    def keep_peaks(self, kept: dict[str, Any]) -> None:
        """Let part sampling go on with what `kept_peaks` had told."""
        sampler = getattr(self.model, "part_sampler", None)
        if isinstance(sampler, PartSampler) and kept:
            sampler.keep_peaks(kept, self.step.device)

    def unsaved(self) -> list[str]:
        """Dotted names of the attributes in which a model of the user's own keeps tensors that no checkpoint holds, and
        that training has changed.
        """
        if self._beside is None:
            return []
        has_peaks = isinstance(getattr(self.model, "part_sampler", None), PartSampler)
        return [name for name in self._beside.changed() if not (has_peaks and name.startswith("part_sampler."))]

    @property
    def evaluation_batch_size(self) -> int:
        """Images of a batch of an evaluation, the last one aside."""
        return min(self._evaluation.batch_size, self._evaluation.num_images)

    def _classified_right(self, batch: Batch) -> torch.Tensor:
        device = self.step.device
        images, targets = batch.x1.to(device, non_blocking=True), batch.targets.to(device, non_blocking=True)
        with torch.inference_mode():
            return self.step.logits(images).argmax(dim=1) == targets

    @contextlib.contextmanager
    def _looking_at_parts(self, epoch: EpochInProgress) -> Iterator[None]:
        with capture_call(self.step.criterion) as call:
            yield
        epoch.parts = parts_health(call.kwargs, self._epsilon)


@contextlib.contextmanager
def trainer_for(job: Job, given: Given | None = None, group: Group = ALONE) -> Iterator[Trainer]:
    """What trains a job. After the block the user's code is as it was, so that no wrapper keeps their model alive.

    Args:
        group: of the ranks that train it together; each of them calls this.

    Raises:
        UsageError, MeasurementError: it cannot be built.
    """
    built = build(job, given, group)
    try:
        yield Trainer(built)
    finally:
        if built.user is not None:
            built.user.release()


def data_used(data: ImageData, workload: Workload) -> DataUsed:
    """Images as a record keeps them."""
    return DataUsed(
        name=data.name,
        num_train=len(data.train),
        num_eval=len(data.evaluation),
        num_classes=data.num_classes,
        workers=workload.workers or 0,
        drop_last=workload.drop_last,
        split=data.split,
    )

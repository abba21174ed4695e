"""From a job to something that can be measured: the device is found, the switches are set, the model is built."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from paco_prof.data.images import ImageData
from paco_prof.data.loading import digest_of, open_data
from paco_prof.data.seeds import seed_of
from paco_prof.data.spec import SYNTHETIC
from paco_prof.errors import UsageError
from paco_prof.measure.clock import Clock, clock_for
from paco_prof.measure.device import resolve_device
from paco_prof.measure.distributed.group import ALONE, Group, device_name
from paco_prof.measure.distributed.reduction import Reduction
from paco_prof.measure.distributed.step import distributed
from paco_prof.measure.job import Job
from paco_prof.measure.shareable import last_line
from paco_prof.measure.user.step import Given, UserParts, build_user_step
from paco_prof.measure.workload import TrainingStep, build_step
from paco_prof.settings import Workload

__all__ = ["Built", "build"]


@dataclass(frozen=True)
class Built:
    """What can be measured.

    Attributes:
        step: the training step, of all ranks where there are several.
        job: what it was built from, as the device can do it, with what only building it tells.
        clock: the device's.
        data: the images; None where they are synthetic.
        user: what was found in a model of the user's own; None for PaCo-2 itself.
        group: of the ranks that take the step together.
        reduction: what averages gradients over them; None for a process that is alone.
        by_itself: the same step of this rank alone, with gradients of its own; None where `step` is that.
    """

    step: TrainingStep
    job: Job
    clock: Clock
    data: ImageData | None = None
    user: UserParts | None = None
    group: Group = ALONE
    reduction: Reduction | None = None
    by_itself: TrainingStep | None = None

    @property
    def of_one_rank(self) -> Built:
        """The same with nothing of other ranks in it, for what is measured of one: it has the same model."""
        return self if self.by_itself is None else replace(self, step=self.by_itself, group=ALONE, by_itself=None)


def build(job: Job, given: Given | None = None, group: Group = ALONE) -> Built:
    """Build a job on its device.

    Args:
        given: the user's model, or their batch, where somebody has it at hand.
        group: of the ranks that take its steps together; each of them builds it.

    Raises:
        UsageError: it cannot be built, or the device cannot do it.
        MeasurementError: a model of the user's own raises.
    """
    device = resolve_device(device_name(group.place, job.workload.device))
    if job.workload.threads is not None:
        torch.set_num_threads(job.workload.threads)
    if device.index is not None:
        # Events are recorded on the current device's stream, whichever device the model is on.
        torch.get_device_module(device).set_device(device)
    data = None if job.workload.data == SYNTHETIC else open_data(job.workload.data)
    if data is not None:
        _require_same_images(data, group)
        job = replace(job, workload=_for_classes_of(data, job.workload), base=_for_classes_of(data, job.base))
    job = job.on(device)
    workload = job.workload
    _set_backends(workload)
    user: UserParts | None = None
    try:
        if workload.model is None:
            step, built = build_step(workload, device, data, None if given is None else given.batch, group.place)
        else:
            step, built, user = build_user_step(workload, device, data, given, group.place)
    except (RuntimeError, MemoryError) as error:
        raise UsageError(
            f"The model and a batch of {workload.batch_size} x 2 views of {workload.image_size} px cannot be built: "
            f"{last_line(error)}.",
            "Something smaller may fit: --batch-size, --image-size, --backbone, -d, --num-classes."
            if workload.model is None
            else "Something smaller may fit: --batch-size, --image-size.",
        ) from error
    alone = Built(step, replace(job, workload=built), clock_for(device), data, user)
    return alone if group.is_alone else _together(alone, group)


def _together(built: Built, group: Group) -> Built:
    """What one rank has built as all of them take it together."""
    # All have drawn the same weights. What is drawn from now on, dropout say, is each rank's own.
    if not group.is_first:
        torch.manual_seed(seed_of(built.job.workload.seed, group.place.rank, 1))
    step, reduction = distributed(built.step, group, built.clock)
    return replace(built, step=step, group=group, reduction=reduction, by_itself=built.step)


def _require_same_images(data: ImageData, group: Group) -> None:
    """Find out whether all ranks have the same images. Otherwise they would be dealt others than are there, and ranks
    with fewer batches would leave the rest waiting.

    Raises:
        UsageError: they have not; every rank hears of it.
    """
    if group.is_alone:
        return
    told = group.shared(digest_of(data))
    differing = [rank for rank, digest in enumerate(told) if digest != told[0]]
    if differing:
        raise UsageError(
            f"{data.name} has other images on rank {differing[0]} than on rank 0.",
            "Every machine needs the same files, by the same names.",
        )


def _for_classes_of(data: ImageData, workload: Workload) -> Workload:
    """The workload with as many classes as the images have."""
    asked = workload.num_classes
    if asked not in (data.num_classes, Workload.model_fields["num_classes"].default):
        raise UsageError(f"num_classes={asked}, but {data.name} has {data.num_classes} classes.", "Leave it away.")
    return workload.model_copy(update={"num_classes": data.num_classes})


def _set_backends(workload: Workload) -> None:
    """The switches that hold for the whole process. Off is off: torch would let cuDNN convolve in TF32 unasked."""
    torch.backends.cuda.matmul.allow_tf32 = workload.tf32
    torch.backends.cudnn.allow_tf32 = workload.tf32
    torch.backends.cudnn.benchmark = workload.cudnn_benchmark

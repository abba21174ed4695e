"""What is measured: the model, batches of two views, the optimizer, and one training step of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from paco_prof import stages
from paco_prof.conventions import ROLES
from paco_prof.data.batch import Batch, Batches, SameBatch, synthetic_batch
from paco_prof.data.images import ImageData
from paco_prof.data.loading import EndlessBatches, Loader
from paco_prof.data.seeds import seed_of
from paco_prof.data.views import training_views
from paco_prof.errors import UsageError
from paco_prof.measure.losses import losses_of, scalars
from paco_prof.measure.optimization import Optimization
from paco_prof.measure.user.components import undistributed
from paco_prof.paco2 import PaCoModel
from paco_prof.ranks import Place
from paco_prof.settings import Workload
from paco_prof.stages import stage

__all__ = ["TrainingStep", "assemble_step", "build_model", "build_step", "num_workers"]

# Given two views and targets, returns losses, `total` among them.
Call = Callable[[Tensor, Tensor, Tensor], Any]

MOST_WORKERS = 8
ALONE = Place()


class TrainingStep:
    """Training steps of a model, each part announced as a stage.

    Bare or instrumented it is the same code: the instrument is whoever listens.

    Args:
        model: the module that is trained.
        batches: in host memory; every step copies one to the device.
        optimization: over the model's parameters.
        device: where the model is.
        dtype: type that autocast computes in; float32 is no autocast.
        call: called with two views and targets; its result's `total` is differentiated. None is the model itself.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Batches,
        optimization: Optimization,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        call: Call | None = None,
    ) -> None:
        self.model = model
        self.call: Call = call or model
        self.batches = batches
        self.optimization = optimization
        self.device = device
        self.dtype = dtype

    @property
    def batch(self) -> Batch:
        """The first batch, on which everything is measured that is no step."""
        return self.batches.first

    def run(self) -> dict[str, Tensor]:
        """Take a step on the next batch; returns its losses, detached scalars that nobody has waited for."""
        return self.take(self.batches.next())

    def take(self, batch: Batch) -> dict[str, Tensor]:
        """Take a step on a batch; returns its losses as `run` does."""
        x1, x2, targets = self._transfer(batch)
        self.optimization.zero_grad()
        with stages.phase("forward"):
            result = self.compute(x1, x2, targets)
        with stages.phase("backward"):
            self.optimization.scaled(result["total"]).backward()
        losses = scalars(result)
        with stage(stages.GRAPH_RELEASE):
            del result
        self.optimization.update()
        return losses

    def compute(self, x1: Tensor, x2: Tensor, targets: Tensor) -> Mapping[str, Any]:
        """The losses of two views on the device, `total` among them, with their graph."""
        with self.autocast():
            return losses_of(self.call(x1, x2, targets))

    def forward_only(self) -> Mapping[str, Any]:
        """The forward pass of a step: its losses with their graph, which nobody differentiates."""
        return self.compute(*self._transfer(self.batch))

    @property
    def criterion(self) -> nn.Module | None:
        """The module that the loss is computed by; None where the model has none under one of the usual names."""
        model = undistributed(self.model)
        found = (getattr(model, name, None) for name in ROLES["criterion"])
        return next((criterion for criterion in found if isinstance(criterion, nn.Module)), None)

    def autocast(self) -> torch.autocast:
        """The context in which the model is called."""
        is_reduced = self.dtype != torch.float32
        return torch.autocast(self.device.type, dtype=self.dtype if is_reduced else None, enabled=is_reduced)

    def inference(self) -> Callable[[], Tensor]:
        """A call that computes the logits of the first view, which only the first call copies to the device."""
        on_device: list[Tensor] = []

        def infer() -> Tensor:
            if not on_device:
                on_device.append(self.batch.x1.to(self.device))
            return self.logits(on_device[0])

        return infer

    def logits(self, images: Tensor) -> Tensor:
        """What the model, in eval mode, makes of images (B, 3, height, width) on the device: (B, num_classes)."""
        with torch.inference_mode(), self.autocast():
            result = self.model(images)
            logits: Tensor = result["logits"] if isinstance(result, Mapping) else result
            return logits

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """The model in eval mode inside the block, and as it was after it."""
        was_training = self.model.training
        self.model.eval()
        try:
            yield
        finally:
            self.model.train(was_training)

    @stage(stages.TRANSFER)
    def _transfer(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        return (
            batch.x1.to(self.device, non_blocking=True),
            batch.x2.to(self.device, non_blocking=True),
            batch.targets.to(self.device, non_blocking=True),
        )


def build_model(workload: Workload) -> PaCoModel:
    """The PaCo-2 model that a workload describes, on the CPU, with weights drawn from its seed.

    Raises:
        UsageError: a setting that the backbone or PaCo-2 cannot use.
    """
    if workload.image_size is None:
        raise UsageError("The workload does not say how large its images are.", "Give it an image_size.")
    torch.manual_seed(workload.seed)
    model = PaCoModel(
        backbone_name=workload.backbone,
        num_classes=workload.num_classes,
        K=workload.num_parts,
        r=workload.window,
        d=workload.dim,
        lambda_pac=workload.lambda_pac,
        eta_soc=workload.eta_soc,
        alpha=workload.alpha,
        beta=workload.beta,
        gamma=workload.gamma,
        epsilon=workload.epsilon,
        tau=workload.tau,
        metric=workload.metric,
        warmup_epochs=workload.warmup_epochs,
        proto_momentum=workload.proto_momentum,
        use_semi_hard=workload.use_semi_hard,
        use_weighted_ce=workload.use_weighted_ce,
        use_class_proto=workload.use_class_proto,
        image_size=workload.image_size,
        forms=workload.forms,
        gather_negatives=workload.gather_negatives,
    )
    model.set_epoch(workload.epoch)
    return model


def build_step(
    workload: Workload,
    device: torch.device,
    data: ImageData | None = None,
    batch: Batch | None = None,
    place: Place = ALONE,
) -> tuple[TrainingStep, Workload]:
    """Build PaCo-2 as a workload describes it, and the workload with what only building it tells.

    Args:
        data: its images; None for synthetic ones.
        batch: to take every step on, where there are no data and somebody has one at hand.
        place: among the ranks that train the same model, each on images of its own.

    Raises:
        UsageError: a setting that the backbone or PaCo-2 cannot use, among them more parts than the feature map
            has pixels.
    """
    model = build_model(workload).to(device)
    size = workload.image_size or 0
    channels, height, width = _feature_map(model, torch.zeros(1, 3, size, size, device=device), workload)
    if workload.num_parts > height * width:
        raise UsageError(
            f"K={workload.num_parts} parts do not fit on the feature map of {workload.backbone} at "
            f"{workload.image_size} px: {height} x {width} = {height * width} pixels.",
            "Use a smaller -K or a larger --image-size.",
        )
    if workload.compile:
        model.backbone.compile_features()
    built = workload.model_copy(
        update={
            "feature_map": (channels, height, width),
            "matching_cost": "cosine" if workload.epoch < model.matcher.warmup_epochs else "Mahalanobis",
            "workers": workload.workers if data is None else num_workers(workload, device),
        }
    )
    return assemble_step(model, built, device, data, batch=batch, place=place)


def assemble_step(
    model: nn.Module,
    workload: Workload,
    device: torch.device,
    data: ImageData | None,
    call: Call | None = None,
    batch: Batch | None = None,
    place: Place = ALONE,
) -> tuple[TrainingStep, Workload]:
    """The step of whatever is called with two views and targets, and the workload with its size.

    Args:
        call: what is called in the place of the model.
        batch: to take every step on, where there are no data and somebody has one at hand.
        place: among the ranks that train the same model, each on images of its own.
    """
    model.to(device)
    if workload.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    built = workload.model_copy(update={"num_parameters": sum(p.numel() for p in model.parameters())})
    batches = (
        _same_batch(built, device, batch, place)
        if data is None
        else EndlessBatches(_loader(data, built, device, place))
    )
    optimization = Optimization(model, workload, device)
    return TrainingStep(model, batches, optimization, device, getattr(torch, workload.precision), call), built


def num_workers(workload: Workload, device: torch.device) -> int:
    """Processes that load images: none where the step itself needs the cores, unless somebody asked for some."""
    if workload.workers is not None:
        return workload.workers
    return 0 if device.type == "cpu" else min(MOST_WORKERS, os.cpu_count() or 1)


def _loader(data: ImageData, workload: Workload, device: torch.device, place: Place) -> Loader:
    """Loads two views of a rank's part of the training images, as the workload has them.

    Raises:
        UsageError: there are fewer images than a batch has, and what is not full is left out.
    """
    return Loader(
        training_views(data, workload.image_size or 0, workload.seed),
        workload.batch_size,
        num_workers(workload, device),
        workload.seed,
        workload.drop_last,
        pinned=device.type == "cuda",
        channels_last=workload.channels_last,
        place=place,
    )


def _same_batch(workload: Workload, device: torch.device, batch: Batch | None, place: Place) -> SameBatch:
    if batch is None:
        # Of classes that a model of the user's own has not there may be no target.
        classes = min(workload.num_classes, workload.known("num_classes"))
        # The first rank's is what a process has that is alone.
        seed = workload.seed if place.is_first else seed_of(workload.seed, place.rank)
        batch = synthetic_batch(workload.batch_size, classes, workload.image_size or 0, seed)
    if workload.channels_last:
        batch = batch.channels_last()
    return SameBatch(batch.pin_memory() if device.type == "cuda" else batch)


def _feature_map(model: PaCoModel, image: Tensor, workload: Workload) -> tuple[int, int, int]:
    """Channels, height and width of the backbone's output."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            shape = model.backbone.forward_features(image).shape
    except UsageError:
        raise
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(
            f"Backbone {workload.backbone!r} cannot take images of {workload.image_size} px: {reason}",
            "Try another --image-size.",
        ) from error
    finally:
        model.train(was_training)
    return int(shape[1]), int(shape[2]), int(shape[3])

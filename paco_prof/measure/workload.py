"""What is measured: the model, a batch of two views, the optimizer, and one training step of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paco_prof import stages
from paco_prof.errors import UsageError
from paco_prof.measure.optimization import Optimization
from paco_prof.paco2 import PaCoModel
from paco_prof.settings import Workload
from paco_prof.stages import stage

__all__ = ["Batch", "TrainingStep", "build_model", "build_step", "synthetic_batch"]


@dataclass(frozen=True)
class Batch:
    """Two views of some images and their classes, in the host's memory.

    Attributes:
        x1, x2: the views, (B, 3, height, width).
        targets: class indices, (B,).
    """

    x1: Tensor
    x2: Tensor
    targets: Tensor

    def channels_last(self) -> Batch:
        """The same with the channels of each pixel side by side, as a loader would hand them out."""
        x1, x2 = (x.contiguous(memory_format=torch.channels_last) for x in (self.x1, self.x2))
        return Batch(x1, x2, self.targets)

    def pinned(self) -> Batch:
        """The same in page-locked memory, from which a device can copy while the host goes on."""
        return Batch(self.x1.pin_memory(), self.x2.pin_memory(), self.targets.pin_memory())


def synthetic_batch(workload: Workload, size: int) -> Batch:
    """Random smooth images of `size` pixels and, as their second view, the same mirrored and with noise."""
    generator = torch.Generator().manual_seed(workload.seed)
    num_images = workload.batch_size
    coarse = torch.randn(num_images, 3, 8, 8, generator=generator)
    x1 = nn.functional.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)
    x2 = x1.flip(-1) + 0.1 * torch.randn(x1.shape, generator=generator)
    return Batch(x1, x2, torch.randint(0, workload.num_classes, (num_images,), generator=generator))


class TrainingStep:
    """One training step of a model on one batch, each part announced as a stage.

    Bare or instrumented it is the same code: the instrument is whoever listens.

    Args:
        model: called with two views and targets; its result's `total` is differentiated.
        batch: in host memory; every step copies it to the device.
        optimization: over the model's parameters.
        device: where the model is.
        dtype: type that autocast computes in; float32 is no autocast.
    """

    def __init__(
        self,
        model: nn.Module,
        batch: Batch,
        optimization: Optimization,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.model = model
        self.batch = batch
        self.optimization = optimization
        self.device = device
        self.dtype = dtype

    def run(self) -> dict[str, Tensor]:
        """Take the step; returns its losses, detached scalars that nobody has waited for."""
        x1, x2, targets = self._transfer()
        self.optimization.zero_grad()
        with stages.phase("forward"), self.autocast():
            result = self.model(x1, x2, targets)
        with stages.phase("backward"):
            self.optimization.scaled(result["total"]).backward()
        losses = {name: value.detach() for name, value in result.items() if value.dim() == 0}
        with stage(stages.GRAPH_RELEASE):
            del result
        self.optimization.update()
        return losses

    def forward_only(self) -> None:
        """The forward pass of a step, with a graph that nobody differentiates."""
        x1, x2, targets = self._transfer()
        with self.autocast():
            self.model(x1, x2, targets)

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
            (x1,) = on_device
            with torch.inference_mode(), self.autocast():
                logits: Tensor = self.model(x1)
            return logits

        return infer

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
    def _transfer(self) -> tuple[Tensor, Tensor, Tensor]:
        batch = self.batch
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
    )
    model.set_epoch(workload.epoch)
    return model


def build_step(workload: Workload, device: torch.device) -> tuple[TrainingStep, Workload]:
    """Build what a workload describes, and the workload with what only building it tells.

    Raises:
        UsageError: a setting that the backbone or PaCo-2 cannot use, among them more parts than the feature map
            has pixels.
    """
    model = build_model(workload).to(device)
    batch = synthetic_batch(workload, workload.image_size or 0)
    channels, height, width = _feature_map(model, batch.x1[:1].to(device), workload)
    if workload.num_parts > height * width:
        raise UsageError(
            f"K={workload.num_parts} parts do not fit on the feature map of {workload.backbone} at "
            f"{workload.image_size} px: {height} x {width} = {height * width} pixels.",
            "Use a smaller -K or a larger --image-size.",
        )
    if workload.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        batch = batch.channels_last()
    if workload.compile:
        model.backbone.compile_features()
    if device.type == "cuda":
        batch = batch.pinned()
    built = workload.model_copy(
        update={
            "feature_map": (channels, height, width),
            "matching_cost": "cosine" if workload.epoch < model.matcher.warmup_epochs else "Mahalanobis",
            "num_parameters": sum(p.numel() for p in model.parameters()),
        }
    )
    optimization = Optimization(model, workload, device)
    return TrainingStep(model, batch, optimization, device, getattr(torch, workload.precision)), built


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

"""What a fast form computes of one call, and whether somebody else's answer is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum

import torch
from torch import Tensor

from paco_prof.paco2.drop_ins.arguments import ambient_dtype
from paco_prof.paco2.precision import working_dtype

__all__ = ["Computed", "Verdict", "rounding", "same_gradients", "wide"]

# What two ways to compute the same may differ by, relative to the largest value. A GPU may compute float32 in TF32.
ROUNDING = {torch.float64: 1e-9, torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 4e-2}
ROUNDING_TF32 = 2e-3


class Verdict(IntEnum):
    """How an answer compares with what a fast form computes, from the worst to the best."""

    # Beyond what rounding explains.
    DIFFERENT = 0
    # Rounding alone decides all of it: it says nothing.
    UNDECIDED = 1
    # The same wherever more than rounding decides.
    UP_TO_ROUNDING = 2
    SAME = 3


def rounding(tensors: Iterable[Tensor]) -> float:
    """What two ways to compute something of tensors may differ by, relative to the largest value."""
    largest = 0.0
    for tensor in tensors:
        for dtype in (tensor.dtype, ambient_dtype(tensor.device)):
            largest = max(largest, ROUNDING.get(dtype, 0.0) if dtype is not None else 0.0)
            if dtype == torch.float32 and tensor.device.type != "cpu":
                largest = max(largest, ROUNDING_TF32)
    return largest


def wide(tensor: Tensor) -> Tensor:
    """A detached tensor in the type in which values are compared."""
    return tensor.detach().to(working_dtype(tensor.device))


class Computed:
    """Everything that a fast form can say of one call, computed when it is asked for.

    Args:
        pieces: name -> computes it. The first dimension counts the images, or the images' parts one after another.
        sources: what the pieces are differentiable in.
        num_images: B.
        is_decided: for each image, whether more than rounding decides its pieces, (B,).
    """

    def __init__(
        self,
        pieces: Mapping[str, Callable[[], Tensor]],
        sources: Sequence[Tensor],
        num_images: int,
        is_decided: Callable[[], Tensor],
    ) -> None:
        self.pieces = pieces
        self._sources = sources
        self._num_images = num_images
        self._is_decided = is_decided
        self._kept: dict[tuple[str, bool], Tensor] = {}

    def value(self, name: str, with_gradient: bool = True) -> Tensor:
        """A piece; without a gradient where that is all that is needed."""
        graded = with_gradient and torch.is_grad_enabled()
        key = name, graded
        if key not in self._kept:
            with torch.set_grad_enabled(graded):
                self._kept[key] = self.pieces[name]()
        return self._kept[key]

    def compare(self, name: str, theirs: Tensor) -> Verdict:
        """Hold an answer to a piece: shape, values, and its gradient where it carries one."""
        ours = self.value(name, theirs.requires_grad)
        if theirs.shape != ours.shape or (ours.is_floating_point() and not theirs.is_floating_point()):
            return Verdict.DIFFERENT
        verdict, images = self._compare_values(name, theirs, ours)
        if verdict > Verdict.UNDECIDED and theirs.requires_grad:
            tolerance = 10 * rounding([*self._sources, theirs])
            if not same_gradients(theirs, ours, self._sources, images, tolerance):
                return Verdict.DIFFERENT
        return verdict

    def resembles(self, name: str, theirs: Tensor) -> bool:
        """Whether an answer looks as if it were meant to be a piece."""
        ours = self.value(name, False)
        return theirs.shape == ours.shape and theirs.is_floating_point() == ours.is_floating_point()

    def difference(self, name: str, theirs: Tensor) -> tuple[float, str]:
        """By how much an answer that resembles a piece differs from it, and how, in words that follow the answer."""
        ours = self.value(name, False)
        if theirs.shape != ours.shape or not ours.numel():
            return 0.0, f"differs from PaCo-2's {name}"
        largest = float((wide(theirs).to(ours.device) - wide(ours)).abs().max())
        if bool(self._same_images(theirs, ours).all()):
            return 0.0, f"has another gradient than PaCo-2's {name}"
        by = f" by up to {largest:.1e}" if theirs.is_floating_point() else ""
        return largest, f"differs from PaCo-2's {name}{by}"

    def _compare_values(self, name: str, theirs: Tensor, ours: Tensor) -> tuple[Verdict, Tensor]:
        """The verdict, and the images that are the same, (B,)."""
        same = self._same_images(theirs, ours)
        if bool(same.all()):
            return Verdict.SAME, same
        decided = self._is_decided().to(same.device)
        if not bool(decided.any()):
            return Verdict.UNDECIDED, same
        return (Verdict.UP_TO_ROUNDING if bool(same[decided].all()) else Verdict.DIFFERENT), same

    def _same_images(self, theirs: Tensor, ours: Tensor) -> Tensor:
        """The images of which two values are the same, (B,): whole numbers exactly, others up to rounding."""
        if ours.numel() == 0:
            return torch.ones(self._num_images, dtype=torch.bool, device=ours.device)
        tolerance = rounding([*self._sources, theirs]) if ours.is_floating_point() else 0.0
        one, other = (wide(value).to(ours.device).reshape(self._num_images, -1) for value in (theirs, ours))
        limit = tolerance * other.nan_to_num().abs().max()
        return (((one - other).abs() <= limit) | (one == other) | (one.isnan() & other.isnan())).all(dim=1)


def same_gradients(theirs: Tensor, ours: Tensor, sources: Sequence[Tensor], images: Tensor, tolerance: float) -> bool:
    """Whether two equal values have equal gradients in `sources`, of the images (B,) that count.

    In what is shared by the images only where all of them count.
    """
    weights = torch.linspace(0.5, 1.5, max(1, theirs.numel()), dtype=torch.float64).reshape(theirs.shape)
    for source in (source for source in sources if source.requires_grad):
        found = [_gradient(value, source, weights) for value in (theirs, ours)]
        if source.shape[:1] == images.shape and source.dim() > 1:
            found = [gradient[images] for gradient in found]
        elif not bool(images.all()):
            continue
        one, other = (wide(gradient) for gradient in found)
        if one.numel() and float((one - other).abs().max()) > tolerance * float(
            torch.maximum(one.abs(), other.abs()).max()
        ):
            return False
    return True


def _gradient(value: Tensor, source: Tensor, weights: Tensor) -> Tensor:
    """The gradient of a weighted sum of `value` in `source`; zeros where it has none."""
    if not value.requires_grad:
        return torch.zeros_like(source)
    grad_outputs = weights.to(device=value.device, dtype=value.dtype)
    (gradient,) = torch.autograd.grad(
        value, source, grad_outputs, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return gradient

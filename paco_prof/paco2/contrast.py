"""Part-aware contrast with all distances at once: one factorisation an image, float64 inside, a backward of its own.

The reference whitens one difference at a time, `d(u, v) = || L^-1 (u - v) ||`. Here the parts are whitened first, all
of them in one triangular solve an image, and distances are those of whitened parts. Only the nearest negatives carry a
gradient, so backward is written out instead of recorded: with `z = L^-1 (u - v)`, `d = || z ||` and `L L^T = Sigma`

    dd/du = L^-T z / d = -dd/dv        dd/dSigma = -1/2 L^-T (z z^T / d) L^-1

(the second from `d^2 = (u - v)^T Sigma^-1 (u - v)` and `d(Sigma^-1) = -Sigma^-1 dSigma Sigma^-1`). Neither the
factorisation nor the solve is differentiated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from paco_prof.paco2.covariance import cholesky_factor
from paco_prof.paco2.precision import working_dtype
from paco_prof.paco2.selection import Selection, checked_limit, distinct_rows
from paco_prof.paco2.whitening import columns_to_whiten, pairwise_distances, whiten
from paco_prof.stages import PAC, stage

__all__ = ["FusedPaCLoss"]

# What two equal distances may differ by, relatively, having been computed from parts whitened in different columns: far
# above the rounding of a solve, far below what tells two parts of a network apart.
TIE_TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
# Whitened parts that are held at once, unless they are kept for backward.
CHUNK_BYTES = 64 * 2**20


class _Chosen(NamedTuple):
    """Distances of some images' anchors.

    Attributes:
        d_pos, d_neg: to the positive and to the chosen negative, (B, K).
        slope_pos: `1 / d_pos`, 0 where the distance is none, (B, K).
        slope_neg: each row's share in d_neg over its distance, 0 for rows that were not chosen, (B, K, N).
    """

    d_pos: Tensor
    d_neg: Tensor
    slope_pos: Tensor
    slope_neg: Tensor


def _choose(
    whitened: Tensor, num_parts: int, selection: Selection, images: slice, counts: Tensor | None, semi_hard: bool
) -> _Chosen:
    """The reference's choice among whitened anchors, positives and rows (B, 2K + N, d), ties included.

    A positive in the pool is at exactly d_pos in the loop, and never strictly farther; equal minima share the gradient
    evenly. Here equal distances come out of different columns of a solve, so what differs by rounding alone counts as
    equal, and what is no farther than rounding as no distance.
    """
    anchors, others = whitened[:, :num_parts], whitened[:, num_parts:]
    tolerance = TIE_TOLERANCE[whitened.dtype]
    noise = tolerance * anchors.norm(dim=2, keepdim=True)
    distances = pairwise_distances(anchors, others)
    is_none = distances <= noise
    inverse = distances.masked_fill(is_none, torch.inf).reciprocal_()
    distances.masked_fill_(is_none, 0.0)
    d_pos = distances.diagonal(dim1=1, dim2=2)[..., None]
    negatives = distances[..., num_parts:]
    allowed = selection.allowed(negatives, images)
    if allowed is not None:
        negatives = negatives.masked_fill(~allowed, torch.inf)
    d_neg = negatives.amin(dim=2, keepdim=True)
    floor = torch.full_like(d_neg, -torch.inf)
    if semi_hard:
        limit = d_pos * (1 + tolerance) + noise
        nearest = negatives.masked_fill(negatives <= limit, torch.inf).amin(dim=2, keepdim=True)
        is_any = nearest < torch.inf
        d_neg = torch.where(is_any, nearest, d_neg)
        floor = torch.where(is_any, limit, floor)
    ties = ((negatives <= d_neg * (1 + tolerance) + noise) & (negatives > floor)).to(distances.dtype)
    if counts is not None:
        ties = ties * counts
    slope_neg = inverse[..., num_parts:] * (ties / ties.sum(dim=2, keepdim=True))
    return _Chosen(d_pos[..., 0], d_neg[..., 0], inverse.diagonal(dim1=1, dim2=2), slope_neg)


class _Triplets(torch.autograd.Function):
    """d_pos and d_neg (B, K) of anchors and positives (B, K, d) against rows (N, d) under metrics (B, d, d)."""

    @staticmethod
    def forward(
        ctx: Any,
        anchors: Tensor,
        positives: Tensor,
        rows: Tensor,
        Sigma: Tensor,
        selection: Selection,
        counts: Tensor | None,
        semi_hard: bool,
        keep: bool,
    ) -> tuple[Tensor, Tensor]:
        parts, kept = [], []
        for images in _chunks(anchors, rows):
            factor = cholesky_factor(Sigma[images])
            whitened = whiten(factor, columns_to_whiten(anchors[images], positives[images], rows))
            parts.append(_choose(whitened, anchors.shape[1], selection, images, counts, semi_hard))
            if keep:
                kept += [factor, whitened]
        chosen = _Chosen(*_joined(parts))
        ctx.save_for_backward(anchors, positives, rows, Sigma, chosen.slope_pos, chosen.slope_neg, *kept)
        return chosen.d_pos, chosen.d_neg

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_pos: Tensor, grad_neg: Tensor) -> tuple[Tensor | None, ...]:
        anchors, positives, rows, Sigma, slope_pos, slope_neg, *kept = ctx.saved_tensors
        num_parts = anchors.shape[1]
        weight_pos = slope_pos * grad_pos
        grads, grad_rows = [], torch.zeros_like(rows)
        for number, images in enumerate(_chunks(anchors, rows)):
            if kept:
                factor, whitened = kept[2 * number : 2 * number + 2]
            else:
                factor = cholesky_factor(Sigma[images])
                whitened = whiten(factor, columns_to_whiten(anchors[images], positives[images], rows))
            pairs = torch.cat(
                [torch.diag_embed(weight_pos[images]), slope_neg[images] * grad_neg[images, :, None]], dim=2
            )
            inner = _whitened_gradient(whitened, pairs)
            unwhiten = _inverse(factor)
            outer = inner @ unwhiten
            grad_anchors, grad_positives, grad_others = outer.tensor_split((num_parts, 2 * num_parts), dim=1)
            grads.append((grad_anchors, grad_positives, _metric_gradient(unwhiten, inner.mT @ whitened)))
            grad_rows += grad_others.sum(dim=0)
        grad_anchors, grad_positives, grad_Sigma = _joined(grads)
        return grad_anchors, grad_positives, grad_rows, grad_Sigma, None, None, None, None


def _joined(chunks: Sequence[tuple[Tensor, ...]]) -> Iterator[Tensor]:
    """Chunks of several results, image after image, as those results."""
    return (pieces[0] if len(pieces) == 1 else torch.cat(pieces) for pieces in zip(*chunks, strict=True))


def _chunks(anchors: Tensor, rows: Tensor) -> Iterator[slice]:
    """Images that are whitened together."""
    num_images, num_parts, dim = anchors.shape
    size = max(1, CHUNK_BYTES // ((2 * num_parts + rows.shape[0]) * dim * rows.element_size()))
    return (slice(start, start + size) for start in range(0, num_images, size))


def _whitened_gradient(whitened: Tensor, pairs: Tensor) -> Tensor:
    """Gradient with respect to the whitened anchors, positives and rows, (B, 2K + N, d).

    Args:
        pairs: gradient of the distance between each anchor and each of the others, over that distance, (B, K, K + N).
    """
    num_parts = pairs.shape[1]
    anchors, others = whitened[:, :num_parts], whitened[:, num_parts:]
    grad_anchors = torch.baddbmm(pairs.sum(dim=2)[..., None] * anchors, pairs, others, alpha=-1)
    grad_others = torch.baddbmm(pairs.sum(dim=1)[..., None] * others, pairs.mT, anchors, alpha=-1)
    return torch.cat([grad_anchors, grad_others], dim=1)


def _inverse(factor: Tensor) -> Tensor:
    """`L^-1` (B, d, d), for gradients; distances that are to be compared come from solves."""
    identity = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
    return torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False)


def _metric_gradient(unwhiten: Tensor, scatter: Tensor) -> Tensor:
    """`-1/2 L^-T S L^-1` for the sum S of all weighted `z z^T`, (B, d, d)."""
    return (unwhiten.mT @ scatter @ unwhiten).mul_(-0.5)


class FusedPaCLoss(nn.Module):
    """Part-aware contrast, `PaCLoss` computed at once; value and gradient are the reference's, ties included.

    Args:
        alpha: margin of the triplet loss.
        use_semi_hard: take the nearest negative that is strictly farther than the positive (the nearest of all
            where there is none); otherwise always the nearest of all.
        max_negatives_per_sample: None contrasts with the whole pool and is exact. With a number, each anchor sees so
            many different rows of it, which is an approximation. With the hardest rows it equals the exact loss for
            every anchor that has fewer rows than that no farther than its positive, and for all where the nearest of
            all is taken; an anchor with more of them takes the nearest of all. With random rows there is no bound:
            PaC was 51 % low on ResNet-50 at initialisation with 16 of them (`paco-prof breakdown --variant
            exact+max-negatives-16`).
        use_hard_negative_mining: with a limit, keep the rows nearest under the image's metric, else random ones.
        cache_covariance_inverse: keep each image's factor and its whitened parts for the backward pass; otherwise they
            are computed again there, in less memory.
    """

    def __init__(
        self,
        alpha: float = 0.2,
        use_semi_hard: bool = True,
        max_negatives_per_sample: int | None = None,
        use_hard_negative_mining: bool = True,
        cache_covariance_inverse: bool = True,
    ) -> None:
        super().__init__()
        self.alpha = alpha
        self.use_semi_hard = use_semi_hard
        self.max_negatives_per_sample = checked_limit(max_negatives_per_sample)
        self.use_hard_negative_mining = use_hard_negative_mining
        self.cache_covariance_inverse = cache_covariance_inverse

    @stage(PAC)
    def forward(
        self,
        Z1t: Tensor,
        Z2t: Tensor,
        matching: Tensor,
        negatives_pool: Tensor,
        Sigma_plus: Tensor,
        negatives_image: Tensor | None = None,
    ) -> Tensor:
        """Mean over anchors of `max(0, d_pos - d_neg + alpha)`; 0 for an empty pool. See `PaCLoss.forward`.

        The result has float64's precision and dtype (float32's on MPS); gradients have the inputs' dtypes.
        """
        dtype = working_dtype(Z1t.device)
        if negatives_pool.shape[0] == 0:
            return Z1t.new_zeros((), dtype=dtype)
        rows, counts = negatives_pool, None
        if negatives_image is None:
            rows, counts = self._distinct(rows, 2 * Z1t.shape[0] * Z1t.shape[1])
        anchors, rows, Sigma = Z1t.to(dtype), rows.to(dtype), Sigma_plus.to(dtype)
        positives = Z2t.to(dtype).gather(1, matching[..., None].expand(-1, -1, Z2t.shape[2]))
        selection = Selection.of(
            anchors, rows, self.max_negatives_per_sample, self.use_hard_negative_mining, negatives_image
        )
        d_pos, d_neg = _Triplets.apply(
            anchors, positives, rows, Sigma, selection, counts, self.use_semi_hard, self.cache_covariance_inverse
        )
        return torch.relu(d_pos - d_neg + self.alpha).mean()

    def _distinct(self, pool: Tensor, num_parts: int) -> tuple[Tensor, Tensor | None]:
        """Different rows, and how often each counts in a tie: as often as it stands in the pool, but where a limit has
        chosen among them each is seen once.
        """
        limit = self.max_negatives_per_sample
        if limit is None:
            # No more rows than the batch has parts are not worth a wait.
            return distinct_rows(pool, unless_at_most=num_parts)
        rows, counts = distinct_rows(pool)
        return rows, None if limit < len(rows) else counts

"""Which rows of the pool an anchor is contrasted with: without copies, of other images, the hardest or random ones."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from paco_prof.errors import UsageError
from paco_prof.paco2.covariance import cholesky_factor
from paco_prof.paco2.negatives import fold_rows
from paco_prof.paco2.whitening import columns_to_whiten, pairwise_distances, whiten

__all__ = ["Selection", "checked_limit", "distinct_rows", "select_negatives"]


def checked_limit(max_negatives: int | None) -> int | None:
    """The limit as it was given.

    Raises:
        UsageError: it leaves an anchor nothing to be contrasted with.
    """
    if max_negatives is not None and max_negatives < 1:
        raise UsageError(f"max_negatives_per_sample={max_negatives} should be 1 or more.", "None is no limit.")
    return max_negatives


def distinct_rows(pool: Tensor, unless_at_most: int = 0) -> tuple[Tensor, Tensor | None]:
    """The pool without its copies and how many each row has; as it is, and None, where it has few rows anyway.

    Folding makes the host wait on an accelerator. Copies that are left are treated as what they are, ties.
    """
    if pool.shape[0] <= unless_at_most:
        return pool, None
    folded = fold_rows(pool)
    return folded.rows, folded.counts


class Selection(NamedTuple):
    """Which rows (N, d) the anchors (B, K) are contrasted with.

    Attributes:
        max_negatives: how many at most; None is no limit.
        random: a random number for each anchor and row, (B, K, N): with a limit, those with the smallest are taken.
            None takes the nearest.
        others: the rows that are of another image than the anchor, (B, 1, N); None where that does not matter.
    """

    max_negatives: int | None
    random: Tensor | None
    others: Tensor | None

    @classmethod
    def of(
        cls, anchors: Tensor, rows: Tensor, max_negatives: int | None, hardest: bool, negatives_image: Tensor | None
    ) -> Selection:
        """The selection that a loss's settings ask for; random numbers are from torch's generator."""
        num_images, num_parts = anchors.shape[:2]
        others = None
        if negatives_image is not None:
            others = (negatives_image != torch.arange(num_images, device=rows.device)[:, None])[:, None]
        if max_negatives is None or max_negatives >= rows.shape[0]:
            return cls(None, None, others)
        random = None if hardest else torch.rand(num_images, num_parts, rows.shape[0], device=rows.device)
        return cls(max_negatives, random, others)

    def allowed(self, distances: Tensor, images: slice = slice(None)) -> Tensor | None:
        """The rows that some images' anchors see, given their distances (B, K, N), as (B, K, N); None is all."""
        others = None if self.others is None else self.others[images].expand_as(distances)
        if self.max_negatives is None:
            return others
        scores = distances if self.random is None else self.random[images]
        if others is not None:
            scores = scores.masked_fill(~others, torch.inf)
        chosen = torch.zeros_like(scores, dtype=torch.bool)
        chosen.scatter_(2, scores.topk(self.max_negatives, dim=2, largest=False).indices, True)
        return chosen if others is None else chosen & others


@torch.no_grad()
def select_negatives(
    anchors: Tensor,
    rows: Tensor,
    Sigma_plus: Tensor,
    max_negatives: int | None,
    hardest: bool,
    negatives_image: Tensor | None = None,
) -> Tensor | None:
    """Which rows (N, d) each anchor (B, K, d) is contrasted with, (B, K, N); None is all of them.

    Args:
        max_negatives: how many at most; None is no limit.
        hardest: the nearest under each image's metric (B, d, d); otherwise random ones, from torch's generator.
        negatives_image: the image that each row is of, (N,): its own are no negatives.
    """
    selection = Selection.of(anchors, rows, max_negatives, hardest, negatives_image)
    whitened = whiten(cholesky_factor(Sigma_plus), columns_to_whiten(anchors, anchors[:, :0], rows))
    return selection.allowed(pairwise_distances(whitened[:, : anchors.shape[1]], whitened[:, anchors.shape[1] :]))

"""The pool of negatives that the anchors are contrasted with."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from paco_prof.stages import NEGATIVES_POOL, stage

__all__ = ["FoldedRows", "fold_rows", "folded_pool", "image_of_row", "shared_pool"]


@stage(NEGATIVES_POOL)
def shared_pool(Z1: Tensor, Z2: Tensor) -> Tensor:
    """The pool that users' code builds, from the parts (B, K, d) of two views, as (B (B-1) 2K, d).

    For each image in turn the parts of all *other* images, both views; the B lists are then concatenated into one
    pool that every anchor uses. So each part stands in it B - 1 times, and an anchor meets its own image's parts,
    itself and its own positive included. With one image there is nothing to contrast: (0, d).
    """
    num_images = Z1.shape[0]
    lists = [
        torch.cat([Z1[other], Z2[other]])
        for image in range(num_images)
        for other in range(num_images)
        if other != image
    ]
    return torch.cat(lists) if lists else Z1.new_zeros((0, Z1.shape[2]))


@stage(NEGATIVES_POOL)
def folded_pool(Z1: Tensor, Z2: Tensor) -> Tensor:
    """The same pool without its copies: each part once, (2 B K, d), image by image; (0, d) with one image.

    In the shared pool all parts have the same number of copies, and equal minima share the gradient evenly: value and
    gradient of PaC are the same.
    """
    num_images, _, dim = Z1.shape
    if num_images == 1:
        return Z1.new_zeros((0, dim))
    return torch.cat([Z1, Z2], dim=1).reshape(-1, dim)


def image_of_row(pool: Tensor, num_images: int) -> Tensor:
    """Which image each row of a folded pool (2 B K, d) is of, (2 B K,)."""
    images = torch.arange(num_images, device=pool.device)
    return images.repeat_interleave(pool.shape[0] // num_images)


class FoldedRows(NamedTuple):
    """The different rows of a matrix.

    Attributes:
        rows: each once, (M, d).
        counts: how many copies each has, (M,).
    """

    rows: Tensor
    counts: Tensor


def fold_rows(pool: Tensor) -> FoldedRows:
    """Rows (N, d) with those that are bitwise equal folded into one; a row's gradient is shared by its copies.

    How many there are has to be known on the host, which waits for it.
    """
    bits = _bits(pool.detach())
    keys, inverse, counts = torch.unique(_row_hash(bits), return_inverse=True, return_counts=True)
    first = torch.zeros_like(keys).scatter_(0, inverse, torch.arange(len(pool), device=pool.device))
    if not torch.equal(bits[first[inverse]], bits):
        # Two different rows with one hash: rare beyond need, and settled by comparing the rows themselves.
        keys, inverse, counts = torch.unique(bits, dim=0, return_inverse=True, return_counts=True)
        first = torch.zeros_like(counts).scatter_(0, inverse, torch.arange(len(pool), device=pool.device))
    rows: Tensor = _Fold.apply(pool, first, inverse, counts)
    return FoldedRows(rows, counts)


class _Fold(torch.autograd.Function):
    """Picks one row of each group of copies; backward gives each copy an equal part of its group's gradient."""

    @staticmethod
    def forward(ctx: Any, pool: Tensor, first: Tensor, inverse: Tensor, counts: Tensor) -> Tensor:
        ctx.save_for_backward(inverse, counts)
        return pool[first]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        inverse, counts = ctx.saved_tensors
        return (grad / counts[:, None])[inverse], None, None, None


def _bits(rows: Tensor) -> Tensor:
    """The same bits as integers: a NaN equals itself there."""
    integers = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    return rows.contiguous().view(integers[rows.element_size()])


def _row_hash(bits: Tensor) -> Tensor:
    """A 64-bit hash of each row of integers (N, d), column by column (multiply and xor-shift, as in splitmix64)."""
    hashes = torch.full((len(bits),), 0x1E3779B97F4A7C15, dtype=torch.int64, device=bits.device)
    for column in bits.T:
        hashes = (hashes ^ column) * -0x40A7B892E31B1A47
        hashes = hashes ^ (hashes >> 29)
    return hashes

"""The fast form of the negatives pool, as a drop-in uses it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from paco_prof.paco2.drop_ins.arguments import Leaf
from paco_prof.paco2.drop_ins.computed import Computed, Verdict
from paco_prof.paco2.drop_ins.fast_forms import Inputs, floats
from paco_prof.paco2.negatives import folded_pool
from paco_prof.stages import NEGATIVES_POOL

__all__ = ["Folding"]


class Folding:
    """The pool of two views' parts (B, K, d), each part once; see `FastForm`."""

    stage = NEGATIVES_POOL
    takes = "the parts (B, K, d) of two views"

    def recognise(self, found: Sequence[Leaf]) -> Inputs | None:
        parts = floats(found, 3)[:2]
        if len(parts) < 2 or found[parts[0]].value.shape != found[parts[1]].value.shape:
            return None
        return {"Z1": parts[0], "Z2": parts[1]}

    def settings(self, given: Mapping[str, Tensor], owner: object, sizes: Collection[int]) -> Iterator[Sequence[None]]:
        """There are none."""
        yield [None]

    def compute(self, given: Mapping[str, Tensor], settings: None, owner: object) -> Computed:
        return _Pooled(given["Z1"], given["Z2"])


class _Pooled(Computed):
    """The folded pool of parts (B, K, d)."""

    def __init__(self, Z1: Tensor, Z2: Tensor) -> None:
        nothing = torch.zeros(Z1.shape[0], dtype=torch.bool)
        super().__init__({"pool": lambda: folded_pool(Z1, Z2)}, [Z1, Z2], Z1.shape[0], lambda: nothing)

    def compare(self, name: str, theirs: Tensor) -> Verdict:
        """The same rows, bit by bit, however often and in whatever order, with a gradient in the same parts."""
        if not self.resembles(name, theirs):
            return Verdict.DIFFERENT
        ours = self.value(name, theirs.requires_grad)
        is_same = torch.equal(_distinct(theirs), _distinct(ours.to(theirs)))
        if is_same and theirs.requires_grad:
            is_same = all(
                torch.equal(*(_reaches(pool, Z) for pool in (theirs, ours))) for Z in self._sources if Z.requires_grad
            )
        return Verdict.SAME if is_same else Verdict.DIFFERENT

    def resembles(self, name: str, theirs: Tensor) -> bool:
        ours = self.value(name, False)
        return theirs.dim() == 2 and theirs.shape[1] == ours.shape[1] and theirs.is_floating_point()


def _distinct(pool: Tensor) -> Tensor:
    """The different rows of a pool (N, d), in an order of their own."""
    return pool.detach().unique(dim=0) if len(pool) else pool.detach()


def _reaches(pool: Tensor, Z: Tensor) -> Tensor:
    """Which parts (B, K, d) a gradient of the pool's rows reaches."""
    if not pool.requires_grad:
        return torch.zeros_like(Z, dtype=torch.bool)
    (gradient,) = torch.autograd.grad(pool.sum(), Z, retain_graph=True, allow_unused=True, materialize_grads=True)
    return gradient != 0

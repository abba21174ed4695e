"""The fast form of the matching, as a drop-in uses it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from paco_prof.paco2.drop_ins.arguments import Leaf
from paco_prof.paco2.drop_ins.computed import Computed, Verdict, rounding
from paco_prof.paco2.drop_ins.fast_forms import Inputs, floats
from paco_prof.paco2.matching import HungarianMatcher, cosine_cost, mahalanobis_cost
from paco_prof.paco2.precision import full_precision, widened, working_dtype
from paco_prof.stages import MATCHING

__all__ = ["Cost", "Pairing"]

Cost = Literal["cosine", "mahalanobis"]

# What names say of a square tensor: that it is a metric, that it is the joint one, that it is another form of one.
_METRIC = re.compile(r"sigma|cov|metric|plus|^S$", re.IGNORECASE)
_JOINT = re.compile(r"plus|joint|pool|avg|mean", re.IGNORECASE)
_INVERSE = re.compile(r"inv|prec|chol|whiten", re.IGNORECASE)
# Room for another way to compute a cost, over the error of this one in the type of what is given.
ROOM = 8

_FAST = HungarianMatcher(warmup_epochs=1, form="batched")


class Pairing:
    """The matching of two views' parts (B, K, d), or of one image's (K, d), under either cost; see `FastForm`."""

    stage = MATCHING
    takes = "the parts (B, K, d) of two views"

    def recognise(self, found: Sequence[Leaf]) -> Inputs | None:
        """The first two tensors that no name calls a covariance are the parts; a square one beside them is the metric,
        where there are several the one whose name says that it is the joint one.
        """
        for num_dims in (3, 2):
            tensors = floats(found, num_dims)
            parts = [position for position in tensors if not _METRIC.search(found[position].name)][:2]
            if len(parts) == 2 and len({found[position].value.shape for position in parts}) == 1:
                metric = _metric([position for position in tensors if position not in parts], parts[0], found)
                return {"Z1": parts[0], "Z2": parts[1]} | ({} if metric is None else {"Sigma_plus": metric})
        return None

    def settings(self, given: Mapping[str, Tensor], owner: object, sizes: Collection[int]) -> Iterator[Sequence[Cost]]:
        """Either cost; without a metric there is one."""
        yield ["cosine", "mahalanobis"] if "Sigma_plus" in given else ["cosine"]

    def compute(self, given: Mapping[str, Tensor], settings: Cost, owner: object) -> Computed:
        return _Matched(given["Z1"], given["Z2"], given.get("Sigma_plus"), settings)


def _metric(others: Sequence[int], parts: int, found: Sequence[Leaf]) -> int | None:
    """Which of the other tensors is the metric that the parts are compared in."""
    *images, _, dim = found[parts].value.shape
    squares = [
        position
        for position in others
        if found[position].value.shape == (*images, dim, dim) and not _INVERSE.search(found[position].name)
    ]
    joint = [position for position in squares if _JOINT.search(found[position].name)]
    chosen = joint or squares
    return chosen[0] if len(chosen) == 1 else None


class _Spelling(NamedTuple):
    """A way in which a permutation (B, K) is handed over.

    Attributes:
        write: from the permutation.
        read: back to it.
    """

    write: Callable[[Tensor], Tensor]
    read: Callable[[Tensor], Tensor]


def _numbers(matching: Tensor) -> Tensor:
    """The numbers of the parts of view 1, (B, K)."""
    return torch.arange(matching.shape[1], device=matching.device).expand_as(matching)


_SPELLINGS = {
    "matching": _Spelling(lambda matching: matching, lambda given: given),
    "matching of view 2 with view 1": _Spelling(lambda matching: matching.argsort(1), lambda given: given.argsort(1)),
    "rows and columns": _Spelling(lambda m: torch.stack([_numbers(m), m], dim=1), lambda given: given[:, 1]),
    "pairs": _Spelling(lambda m: torch.stack([_numbers(m), m], dim=2), lambda given: given[..., 1]),
    "permutation matrices": _Spelling(lambda m: functional.one_hot(m, m.shape[1]), lambda given: given.argmax(2)),
}


class _Matched(Computed):
    """Parts (B, K, d) of two views matched under one cost, in float64.

    In float32 a nearly singular covariance leaves nothing of the differences between Mahalanobis distances: all
    matchings of an image may be within the rounding of what was computed in it.
    """

    def __init__(self, Z1: Tensor, Z2: Tensor, Sigma_plus: Tensor | None, cost: Cost) -> None:
        pieces: dict[str, Callable[[], Tensor]] = {
            name: partial(self._spelled, spelling) for name, spelling in _SPELLINGS.items()
        }
        pieces["numbers of the parts"] = lambda: self._handed(_numbers(self._matching()))
        pieces["costs"] = lambda: self._handed(self._costs())
        self._is_single = Z1.dim() == 2
        self._given = [tensor[None] if self._is_single else tensor for tensor in (Z1, Z2)]
        self._metric = None if Sigma_plus is None else Sigma_plus[None] if self._is_single else Sigma_plus
        self._cost = cost
        self._found: Tensor | None = None
        # What differs from the best matching is looked at here.
        nothing = torch.zeros(len(self._given[0]), dtype=torch.bool)
        super().__init__(pieces, [Z1, Z2], len(nothing), lambda: nothing)

    def compare(self, name: str, theirs: Tensor) -> Verdict:
        """A permutation that costs as little as the best one, up to rounding, is as good."""
        verdict = super().compare(name, theirs)
        if verdict is not Verdict.UNDECIDED:
            return verdict
        given = theirs.detach().to(self._given[0].device)
        given = given[None] if self._is_single else given
        if name == "costs":
            is_near = (given - self._costs()).abs().amax(dim=(1, 2)) <= self._error()
            return Verdict.SAME if bool(is_near.all()) else Verdict.DIFFERENT
        spelling = _SPELLINGS.get(name)
        is_as_good = spelling is not None and self._is_as_good(given.long(), spelling)
        return Verdict.UP_TO_ROUNDING if is_as_good else Verdict.DIFFERENT

    def _is_as_good(self, given: Tensor, spelling: _Spelling) -> bool:
        """Whether it is permutations, which cost no more than the best ones by more than rounding."""
        matching, best = spelling.read(given), self._matching()
        if not torch.equal(matching.sort(dim=1).values, _numbers(best)) or bool(
            (spelling.write(matching) != given).any()
        ):
            return False
        totals = [self._costs().gather(2, chosen[..., None]).sum(dim=(1, 2)) for chosen in (matching, best)]
        return bool((totals[0] - totals[1] <= 2 * matching.shape[1] * self._error()).all())

    def _error(self) -> Tensor:
        """What somebody else's costs may be off by, of each image, (B,)."""
        Z1, Z2 = (widened(Z) for Z in self._given)
        costs = self._costs()
        error = (_costs(Z1, Z2, self._metric, self._cost).to(costs) - costs).abs().amax(dim=(1, 2))
        return ROOM * error.nan_to_num(torch.inf) + rounding(self._sources) * costs.abs().amax(dim=(1, 2))

    def _matching(self) -> Tensor:
        if self._found is None:
            Z1, Z2, Sigma_plus = self._widest()
            self._found = _FAST(Z1, Z2, Sigma_plus, 0 if self._cost == "cosine" else 1)
        return self._found

    def _costs(self) -> Tensor:
        """The costs (B, K, K)."""
        with full_precision(self._given[0].device):
            return torch.nan_to_num(_costs(*self._widest(), self._cost), nan=0.0, posinf=0.0, neginf=0.0)

    def _widest(self) -> tuple[Tensor, Tensor, Tensor | None]:
        dtype = working_dtype(self._given[0].device)
        Z1, Z2 = (Z.to(dtype) for Z in self._given)
        return Z1, Z2, None if self._metric is None else self._metric.to(dtype)

    def _spelled(self, spelling: _Spelling) -> Tensor:
        return self._handed(spelling.write(self._matching()))

    def _handed(self, value: Tensor) -> Tensor:
        """Without the dimension of the images where a call is of one image."""
        return value[0] if self._is_single else value


def _costs(Z1: Tensor, Z2: Tensor, Sigma_plus: Tensor | None, cost: Cost) -> Tensor:
    """One of the costs (B, K, K) of matching parts (B, K, d), in the type of the parts."""
    if cost == "cosine":
        return cosine_cost(Z1, Z2)
    assert Sigma_plus is not None
    return mahalanobis_cost(Z1, Z2, Sigma_plus.to(Z1.dtype))

"""How the parts of a batch lie: whether there is anything in them to contrast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from paco_prof.records import PartsHealth

__all__ = ["parts_health"]

# Nearer to each other than this share of their length, two parts are one.
SAME = 1e-3


def parts_health(inputs: Mapping[str, Any], epsilon: float) -> PartsHealth | None:
    """What the keywords that a PaCo-2 criterion was called with say of its parts; None where they do not tell, or where
    the parts are not finite.

    Args:
        inputs: `Z1t`, `Z2t` (B, K, d) and `Sigma1`, `Sigma2` (B, d, d) of them are looked at.
        epsilon: what the covariances have on their diagonal even where all parts are one.
    """
    found = [inputs.get(name) for name in ("Z1t", "Z2t", "Sigma1", "Sigma2")]
    tensors = [value.detach().double().cpu() for value in found if isinstance(value, Tensor)]
    if len(tensors) < len(found) or any(tensor.dim() != 3 for tensor in tensors):
        return None
    Z, Sigma = torch.cat(tensors[:2]), torch.cat(tensors[2:])
    if not bool(torch.isfinite(Z).all()) or not bool(torch.isfinite(Sigma).all()):
        return None
    raised = Sigma.diagonal(dim1=1, dim2=2).mean(dim=1) - epsilon
    return PartsHealth(
        coinciding=_share_coinciding(Z),
        at_floor=(raised < epsilon).double().mean().item(),
        spread=Z.var(dim=1, unbiased=False).mean().sqrt().item(),
    )


def _share_coinciding(Z: Tensor) -> float:
    """Of the pairs of parts (V, K, d) within each of V views."""
    num_parts = Z.shape[1]
    if num_parts < 2:
        return 0.0
    first, second = torch.triu_indices(num_parts, num_parts, offset=1)
    length = torch.maximum(Z[:, first].norm(dim=2), Z[:, second].norm(dim=2))
    distance = (Z[:, first] - Z[:, second]).norm(dim=2)
    return (distance <= SAME * length).double().mean().item()

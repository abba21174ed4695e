"""What a step's model returns, as losses by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

__all__ = ["losses_of", "scalars"]


def losses_of(result: Any) -> Mapping[str, Any]:
    """The losses that a model or a criterion returned: of a dict its entries, of an object with a `total` that one, and
    a tensor alone is the total itself.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(result, Mapping):
        return result
    if isinstance(result, Tensor):
        return {"total": result}
    if hasattr(result, "total"):
        return {"total": result.total}
    raise TypeError(f"a {type(result).__name__} is no dict with 'total'")


def scalars(losses: Mapping[str, Any]) -> dict[str, Tensor]:
    """Those that are one number each, detached; nobody has waited for them."""
    return {
        str(name): value.detach() for name, value in losses.items() if isinstance(value, Tensor) and value.dim() == 0
    }

"""Answers of any structure: read as tensors, taken apart, and put together again from other tensors."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from paco_prof.paco2.drop_ins.arguments import is_record

__all__ = ["HandOver", "Opened", "as_tensor", "described", "hand_over_like", "holds_tensors", "opened", "sizes_in"]

# Nobody nests an answer deeper.
DEEPEST = 8

# Makes of a tensor what somebody else would have handed over.
HandOver = Callable[[Tensor], Any]


class Opened(NamedTuple):
    """What a container holds.

    Attributes:
        children: how each is reached from the container, and what it is.
        close: makes a container of the same kind of other children.
    """

    children: list[tuple[str, Any]]
    close: Callable[[Sequence[Any]], Any]


def as_tensor(node: Any) -> Tensor | None:
    """A node as one tensor: a tensor, an array, a number, or a rectangular nesting of lists and tuples of these.

    None where it is none of that. A tensor's graph is kept.
    """
    if isinstance(node, Tensor):
        return node
    if isinstance(node, np.ndarray):
        return torch.from_numpy(node.copy()) if node.dtype.kind in "iuf" else None
    if isinstance(node, (int, float, np.number)) and not isinstance(node, bool):
        return torch.tensor(node, dtype=torch.int64 if isinstance(node, (int, np.integer)) else torch.float64)
    # A named tuple has names for what is in it, and is never one thing.
    if type(node) not in (list, tuple) or not node:
        return None
    inner = [as_tensor(child) for child in node]
    tensors = [tensor for tensor in inner if tensor is not None]
    if len(tensors) < len(inner) or len({(t.shape, t.dtype, t.device) for t in tensors}) > 1:
        return None
    return torch.stack(tensors)


def hand_over_like(node: Any) -> HandOver:
    """What makes of a tensor a node of the same kind, where `as_tensor` has read the node as a tensor of that shape.

    Types and devices are the node's; a gradient is handed on where the node's tensor carried one.
    """
    if isinstance(node, Tensor):
        return partial(_as_tensor_like, dtype=node.dtype, device=node.device, requires_grad=node.requires_grad)
    if isinstance(node, np.ndarray):
        return partial(_as_array, dtype=node.dtype)
    if isinstance(node, (list, tuple)):
        return partial(_as_sequence, kind=type(node), like=[hand_over_like(child) for child in node])
    return partial(_as_number, kind=type(node))


def _as_tensor_like(value: Tensor, dtype: torch.dtype, device: torch.device, requires_grad: bool) -> Tensor:
    return (value if requires_grad else value.detach()).to(device=device, dtype=dtype)


def _as_array(value: Tensor, dtype: np.dtype[Any]) -> Any:
    return value.detach().cpu().numpy().astype(dtype)


def _as_sequence(value: Tensor, kind: type, like: list[HandOver]) -> Any:
    if not any(isinstance(one, partial) and one.func is _as_tensor_like for one in like):
        # Number by number from a device would be a wait for each.
        value = value.detach().cpu()
    return kind(one(entry) for one, entry in zip(like, value, strict=True))


def _as_number(value: Tensor, kind: type) -> Any:
    return kind(value.item())


def opened(node: Any) -> Opened | None:
    """The children of a container: a dict, a list, a tuple, a dataclass, any object with attributes. None is no
    container.
    """
    if isinstance(node, (Tensor, np.ndarray)):
        return None
    if isinstance(node, dict):
        return Opened([(f"[{key!r}]", node[key]) for key in node], partial(_fill, _emptied(node), list(node)))
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        names = [f".{name}" for name in node._fields]
        return Opened(list(zip(names, node, strict=True)), getattr(type(node), "_make"))  # noqa: B009
    if isinstance(node, (list, tuple)):
        return Opened([(f"[{index}]", child) for index, child in enumerate(node)], type(node))
    if is_record(node):
        fields = [field.name for field in dataclasses.fields(node)]
    elif hasattr(node, "__dict__") and not callable(node):
        fields = list(vars(node))
    else:
        return None
    return Opened(
        [(f".{name}", getattr(node, name)) for name in fields], partial(_assign, _blank(node, fields), fields)
    )


def _emptied(node: dict[Any, Any]) -> dict[Any, Any]:
    """A dict of the same kind and keys that holds nothing: what is remembered must not keep tensors alive."""
    empty = copy.copy(node)
    for key in node:
        empty[key] = None
    return empty


def _fill(empty: dict[Any, Any], keys: list[Any], children: Sequence[Any]) -> dict[Any, Any]:
    filled = copy.copy(empty)
    for key, child in zip(keys, children, strict=True):
        filled[key] = child
    return filled


def _blank(node: Any, fields: Sequence[str]) -> Any:
    """An object of the same class whose fields hold nothing."""
    return _assign(node, fields, [None] * len(fields))


def _assign(blank: Any, fields: Sequence[str], children: Sequence[Any]) -> Any:
    made = copy.copy(blank)
    for name, child in zip(fields, children, strict=True):
        # A frozen dataclass refuses the plain way.
        object.__setattr__(made, name, child)
    return made


def _nodes(node: Any, depth: int = 0) -> Iterator[Any]:
    """A node and all that it holds, which may be itself again."""
    yield node
    inside = opened(node) if depth < DEEPEST else None
    for _, child in inside.children if inside is not None else ():
        yield from _nodes(child, depth + 1)


def holds_tensors(node: Any) -> bool:
    """Whether a tensor or an array is anywhere in a node."""
    return any(isinstance(inner, (Tensor, np.ndarray)) for inner in _nodes(node))


def sizes_in(node: Any) -> set[int]:
    """All sides of the tensors and arrays in a node, and the lengths of its lists and tuples."""
    sizes: set[int] = set()
    for inner in _nodes(node):
        if isinstance(inner, (Tensor, np.ndarray)):
            sizes.update(inner.shape)
        elif isinstance(inner, (list, tuple)):
            sizes.add(len(inner))
    return sizes


def described(node: Any) -> str:
    """What a node is, in a few words: `float32, 2 x 4 x 64` of a tensor, otherwise its type."""
    tensor = as_tensor(node)
    if tensor is None or isinstance(node, (int, float, np.number)):
        return type(node).__name__
    sides = " x ".join(str(side) for side in tensor.shape) or "one value"
    return f"{str(tensor.dtype).removeprefix('torch.')}, {sides}"

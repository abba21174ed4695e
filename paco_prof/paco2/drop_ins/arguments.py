"""What a call hands over, and what else of the callee decides how it is answered."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

import torch
from torch import Tensor, nn

__all__ = [
    "PLAIN",
    "Leaf",
    "ambient_dtype",
    "buffer_versions",
    "is_record",
    "kind_of",
    "leaves",
    "parameter_names",
    "plain_state",
    "regime",
]

PLAIN = (bool, int, float, str, type(None))
# Counts on from call to call, and decides nothing ...
_COUNTER = re.compile(r"step|iter|count|calls?$|batch|idx|index", re.IGNORECASE)
# ... unless a warm-up is counted in it.
_COUNTED_WARM_UP = re.compile(r"warm_?up\w*(step|iter|batch)", re.IGNORECASE)


class Leaf(NamedTuple):
    """A Leaf is one value of a call: an argument, or what stands inside of one that is a list, a tuple or a dict.

    Attributes:
        name: of the parameter, or of the innermost entry or field that it stands in; empty where it has none.
        value: a tensor, a plain value, or anything else.
    """

    name: str
    value: Any


def parameter_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names that a function gives its positional arguments; none where it does not tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(parameter.name for parameter in parameters if parameter.kind in positional)


def leaves(args: Sequence[Any], kwargs: Mapping[str, Any], names: Sequence[str]) -> list[Leaf]:
    """All leaves of a call, in the order in which they were handed over."""
    found: list[Leaf] = []
    for position, value in enumerate(args):
        _collect(value, names[position] if position < len(names) else "", found)
    for name, value in kwargs.items():
        _collect(value, name, found)
    return found


def is_record(value: object) -> TypeGuard[Any]:
    """Whether it is an object of a dataclass."""
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _collect(value: Any, name: str, found: list[Leaf]) -> None:
    children: Iterable[tuple[str, Any]]
    if isinstance(value, dict):
        children = [(str(key), child) for key, child in value.items()]
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        children = zip(value._fields, value, strict=True)
    elif isinstance(value, (list, tuple)):
        children = [(name, child) for child in value]
    elif is_record(value):
        children = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    else:
        found.append(Leaf(name, value))
        return
    for key, child in children:
        _collect(child, key, found)


def kind_of(value: Any) -> Hashable:
    """All of a leaf that may decide how a call is answered: a tensor's shape and type, a plain value itself."""
    if isinstance(value, Tensor):
        # An epoch or a switch may come as a tensor; one of many values is data.
        single = value.item() if value.numel() == 1 and not value.is_floating_point() else None
        return value.shape, value.dtype, value.device, value.requires_grad, single
    if isinstance(value, PLAIN):
        return type(value), value
    return type(value), getattr(value, "shape", None)


def plain_state(owner: object) -> dict[str, Hashable]:
    """The plain attributes of an object, of the dicts and objects that it holds, and its switches in buffers."""
    state: dict[str, Hashable] = {}
    for name, value in getattr(owner, "__dict__", {}).items():
        if isinstance(value, PLAIN):
            state[name] = value
        elif name == "_buffers":
            state |= {name: _version(buffer) for name, buffer in value.items() if _is_switch(buffer)}
        elif name == "_modules":
            # Of a component, not of a whole model, whose other parts change as they like.
            if not any(module is not None and module._modules for module in value.values()):
                for part, module in value.items():
                    state |= _plain_entries(part, getattr(module, "__dict__", {}))
        elif not name.startswith("_") and not isinstance(value, (Tensor, type)):
            state |= _plain_entries(name, value if isinstance(value, dict) else getattr(value, "__dict__", {}))
    return state


def _plain_entries(prefix: str, values: Mapping[Any, Any]) -> dict[str, Hashable]:
    return {f"{prefix}.{name}": value for name, value in values.items() if isinstance(value, PLAIN)}


def _is_switch(buffer: Tensor | None) -> TypeGuard[Tensor]:
    return buffer is not None and buffer.numel() == 1 and not buffer.is_floating_point()


def _version(buffer: Tensor) -> Hashable:
    """What changes when a tensor is written to, for which nobody has to wait for its device."""
    return id(buffer), 0 if buffer.is_inference() else buffer._version


def buffer_versions(owner: object) -> dict[str, Hashable]:
    """What changes when one of a module's buffers is written to, by the buffer's name."""
    if not isinstance(owner, nn.Module):
        return {}
    return {name: _version(buffer) for name, buffer in owner.named_buffers()}


def ambient_dtype(device: torch.device) -> torch.dtype | None:
    """The type that autocast computes in here; None where there is no autocast."""
    return torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else None


def regime(found: Sequence[Leaf], owner: object, ignored: set[str]) -> Hashable:
    """Whatever may make two calls be answered in different ways.

    Args:
        found: the call's leaves.
        owner: the object whose attributes may decide.
        ignored: names of its attributes that change in every call by themselves.
    """
    state = plain_state(owner)
    named = [(leaf.name, kind_of(leaf.value)) for leaf in found]
    by_step = any(_counts_warm_up(name) for name in (*state, *(name for name, _ in named)))
    devices = {leaf.value.device for leaf in found if isinstance(leaf.value, Tensor)}
    return (
        tuple(_watched(named, by_step)),
        tuple(_watched(((name, value) for name, value in state.items() if name not in ignored), by_step)),
        torch.is_grad_enabled(),
        tuple(ambient_dtype(device) for device in devices),
    )


def _watched(values: Iterable[tuple[str, Hashable]], by_step: bool) -> Iterator[tuple[str, Hashable]]:
    """Names and values without those of counters, which would make every call one of its own."""
    for name, value in values:
        if by_step or not _is_counter(name) or not _is_whole(value):
            yield name, value


@functools.cache
def _is_counter(name: str) -> bool:
    return _COUNTER.search(name) is not None


@functools.cache
def _counts_warm_up(name: str) -> bool:
    return _COUNTED_WARM_UP.search(name) is not None


def _is_whole(value: Hashable) -> bool:
    """Whether it is a whole number, or the kind of one."""
    return type(value) is int or (isinstance(value, tuple) and value[0] is int)

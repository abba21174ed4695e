"""A block in which the host may not wait for the device, checked on a CPU: whatever would make it wait fails there.

On an accelerator a program that asks for a value, or for how many values there are, stops until the device has come
that far. A CPU never waits, so the requests themselves are caught: operators whose result, or its shape, the host has
to know (seen by the dispatcher, those of the backward pass too), and methods that read a tensor without an operator.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["HostSync", "no_host_sync"]

# Operators, by name and without their overloads, that return a Python value or a tensor of a shape that depends on
# values; and those that wait to see whether a factorisation succeeded.
WAITING = {
    "_local_scalar_dense",
    "_linalg_check_errors",
    "_linalg_eigh",
    "_unique2",
    "allclose",
    "bincount",
    "equal",
    "is_nonzero",
    "item",
    "masked_select",
    "nonzero",
    "unique_consecutive",
    "unique_dim",
    "unique_dim_consecutive",
}
# Operators that turn a mask into a list of positions.
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index", "_unsafe_index_put"}
# Methods that read a tensor's memory: some of them tell the dispatcher nothing.
METHODS = ("__array__", "__bool__", "__float__", "__index__", "__int__", "cpu", "item", "numpy", "tolist")


class HostSync(AssertionError):
    """The host would have waited for the device."""


class _Watch(TorchDispatchMode):
    """Refuses the operators that wait."""

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        if name in WAITING:
            raise HostSync(f"{func} makes the host wait for the device")
        if name in INDEXING and any(_is_mask(index) for index in args[1]):
            raise HostSync(f"{func} with a mask makes the host wait for the device")
        if name == "repeat_interleave" and not (kwargs or {}).get("output_size"):
            raise HostSync(f"{func} without output_size makes the host wait for the device")
        return func(*args, **(kwargs or {}))


def _is_mask(index: Any) -> bool:
    return isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8)


def _refusal(name: str) -> Callable[..., Any]:
    def refuse(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        raise HostSync(f"Tensor.{name} makes the host wait for the device")

    return refuse


@contextmanager
def no_host_sync() -> Iterator[None]:
    """Fail with `HostSync` where the block, backward passes included, asks for what is on the device.

    Not seen are copies between devices other than by `Tensor.cpu`, and operators that wait inside their implementation.
    """
    with ExitStack() as stack:
        for name in METHODS:
            stack.enter_context(mock.patch.object(Tensor, name, _refusal(name)))
        stack.enter_context(_Watch())
        yield

"""Which floating-point type PaCo-2 computes in, whatever type the backbone has."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

__all__ = ["full_precision", "widened", "working_dtype"]

MaybeTensor = TypeVar("MaybeTensor", Tensor, Tensor | None)


def working_dtype(device: torch.device) -> torch.dtype:
    """float64, in which covariances of near-singular parts can be factorised; float32 on MPS, which has no float64."""
    return torch.float32 if device.type == "mps" else torch.float64


def full_precision(device: torch.device) -> torch.autocast:
    """A context in which autocast is off: what follows from the parts is wrong in half precision, or not defined."""
    return torch.autocast(device.type, enabled=False)


def widened(tensor: MaybeTensor) -> MaybeTensor:
    """The tensor in float32 if it is in half precision; others, and None, as they are."""
    if tensor is not None and tensor.dtype in (torch.float16, torch.bfloat16):
        return tensor.float()
    return tensor

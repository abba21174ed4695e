"""Which device a run is on, and what happens when it is not there."""

from __future__ import annotations

import re

import torch

from paco_prof.errors import UsageError

__all__ = ["resolve_device"]

DEVICE_TYPES = ("cpu", "cuda", "mps", "xpu")


def resolve_device(name: str) -> torch.device:
    """The torch device for `auto`, `cpu`, `cuda`, `cuda:1`, `mps` or `xpu`; `auto` prefers an accelerator.

    Raises:
        UsageError: an unknown device, or one that this machine or this torch does not have.
    """
    if name == "auto":
        return _accelerator() or torch.device("cpu")
    match = re.fullmatch(r"([a-z]+)(?::(\d+))?", name)
    if match is None or match[1] not in DEVICE_TYPES:
        raise UsageError(f"{name!r} is not a device.", "Use auto, cpu, cuda, cuda:N, mps or xpu.")
    if match[1] == "cpu":
        return torch.device("cpu")
    backend = getattr(torch, match[1])
    if not _is_available(match[1]):
        raise UsageError(f"Device {name!r} is absent: torch {torch.__version__} finds none.", "Use --device cpu.")
    index = int(match[2] or 0)
    count = backend.device_count()
    if index >= count:
        raise UsageError(f"Device {name!r} is absent: there are {count}, counted from 0.", "Use a lower index.")
    return torch.device(match[1]) if match[1] == "mps" else torch.device(match[1], index)


def _accelerator() -> torch.device | None:
    for device_type in ("cuda", "xpu", "mps"):
        if _is_available(device_type):
            return resolve_device(device_type)
    return None


def _is_available(device_type: str) -> bool:
    if device_type == "mps":
        return torch.backends.mps.is_available()
    return bool(getattr(torch, device_type).is_available())

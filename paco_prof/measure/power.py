"""What an accelerator draws while it works, where NVIDIA's management library tells."""

from __future__ import annotations

from typing import Any, Protocol

import torch

from paco_prof.measure.nvml import find_device, opened

__all__ = ["PowerMeter", "power_meter"]


class PowerMeter(Protocol):
    """Whatever reads the power of a device.

    Attributes:
        readings: watts, as they were read.
    """

    @property
    def readings(self) -> tuple[float, ...]: ...

    def read(self) -> None:
        """Take a reading."""
        ...


class _NoMeter:
    """There is nothing to read."""

    readings: tuple[float, ...] = ()

    def read(self) -> None: ...


class NvmlMeter:
    """Reads an NVIDIA device.

    Args:
        nvml: the library, opened.
        device: its handle of the device.
    """

    def __init__(self, nvml: Any, device: Any) -> None:
        self._nvml = nvml
        self._device = device
        self._readings: list[float] = []

    @property
    def readings(self) -> tuple[float, ...]:
        """Watts."""
        return tuple(self._readings)

    def read(self) -> None:
        """Take a reading; a device that tells none has none."""
        try:
            self._readings.append(self._nvml.nvmlDeviceGetPowerUsage(self._device) / 1e3)
        except Exception:  # not every device and driver knows its power
            return


def power_meter(device: torch.device, nvml: Any = None) -> PowerMeter:
    """A meter for a device; one that reads nothing where nobody tells its power.

    Args:
        nvml: the library; None imports it.
    """
    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None) if device.type == "cuda" else None
    library = None if uuid is None else opened(nvml)
    handle = None if library is None else find_device(library, str(uuid))
    return _NoMeter() if handle is None else NvmlMeter(library, handle)

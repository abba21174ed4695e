"""What NVIDIA's management library tells about an accelerator; the library is optional."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Iterable
from typing import Any

from paco_prof.records.comparison import AcceleratorState

__all__ = ["AcceleratorMonitor", "find_device", "opened"]

# By the end of the constant's name in the library. That the device idles, or that somebody has set its clock, is no
# throttling.
THROTTLE_REASONS = {
    "SwPowerCap": "SW power cap",
    "HwSlowdown": "HW slowdown",
    "SyncBoost": "sync boost",
    "SwThermalSlowdown": "SW thermal slowdown",
    "HwThermalSlowdown": "HW thermal slowdown",
    "HwPowerBrakeSlowdown": "HW power brake",
    "DisplayClockSetting": "display clock setting",
    "BoardLimit": "board limit",
    "Reliability": "reliability",
}

# Some drivers take milliseconds to answer, so a launch of short steps does not ask after each of them.
SECONDS_BETWEEN_SAMPLES = 0.1


class AcceleratorMonitor:
    """Watches one accelerator during a launch; what the library does not tell is None.

    Args:
        uuid: of the device, with the library's prefix or, as torch gives it, without.
        nvml: the library; None looks for it.
        seconds_between_samples: samples that follow sooner are not taken.
    """

    def __init__(self, uuid: str, nvml: Any = None, seconds_between_samples: float = SECONDS_BETWEEN_SAMPLES) -> None:
        self._uuid = uuid
        self._given = nvml
        # Once it is open.
        self._nvml: Any = None
        self._seconds_between_samples = seconds_between_samples
        self._device: Any = None
        self._ours: set[int] = set()
        self._clock: int | None = None
        self._temperature: int | None = None
        self._reasons = 0
        self._seen: set[int] = set()
        self._sampled = 0.0

    def begin(self, pids: Iterable[int]) -> None:
        """Open the library and take the first readings; `pids` and this process are ours."""
        self._ours = {os.getpid(), *pids}
        self._nvml = opened(self._given)
        self._device = None if self._nvml is None else find_device(self._nvml, self._uuid)
        self._clock, self._temperature = self._sm_clock(), self._read_temperature()
        self._look()

    def sample(self) -> None:
        """Note why the device is slowed down at this moment, if it is."""
        if time.perf_counter() - self._sampled >= self._seconds_between_samples:
            self._note_reasons()

    def end(self) -> AcceleratorState | None:
        """The state of the device since `begin`, and close the library; None where it does not know the device."""
        if self._nvml is None:
            return None
        try:
            return None if self._device is None else self._state()
        finally:
            _call(self._nvml, "nvmlShutdown")
            self._nvml = self._device = None

    def _state(self) -> AcceleratorState:
        self._look()
        return AcceleratorState(
            clock_mhz=_pair(self._clock, self._sm_clock()),
            max_clock_mhz=self._ask("nvmlDeviceGetMaxClockInfo", self._constant("NVML_CLOCK_SM")),
            temperature_c=_pair(self._temperature, self._read_temperature()),
            throttle_reasons=_names(self._nvml, self._reasons),
            other_processes=self._num_others(),
        )

    def _look(self) -> None:
        self._note_reasons()
        processes = self._ask("nvmlDeviceGetComputeRunningProcesses") or []
        self._seen.update(process.pid for process in processes)

    def _note_reasons(self) -> None:
        # Drivers before 535 know the older name only.
        for name in ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"):
            reasons = self._ask(name)
            if reasons is not None:
                self._reasons |= reasons
                break
        self._sampled = time.perf_counter()

    def _num_others(self) -> int | None:
        # In a container the library may count processes as the host does, or see none at all. Where it has not seen
        # our own either, what it has seen cannot be told from them.
        return len(self._seen - self._ours) if self._seen & self._ours else None

    def _sm_clock(self) -> int | None:
        return self._ask("nvmlDeviceGetClockInfo", self._constant("NVML_CLOCK_SM"))

    def _read_temperature(self) -> int | None:
        sensor = self._constant("NVML_TEMPERATURE_GPU")
        celsius = self._ask("nvmlDeviceGetTemperature", sensor)
        # The first is to go with CUDA 14, the second is unknown to drivers of CUDA 12.
        return self._ask("nvmlDeviceGetTemperatureV", sensor) if celsius is None else celsius

    def _constant(self, name: str) -> Any:
        return getattr(self._nvml, name, None)

    def _ask(self, function: str, *args: Any) -> Any:
        """What the library answers about our device; None where there is none, or no answer."""
        return None if self._device is None else _call(self._nvml, function, self._device, *args)


def opened(nvml: Any = None) -> Any:
    """The library, ready to be asked; None where it is not installed or finds no driver."""
    try:
        nvml = importlib.import_module("pynvml") if nvml is None else nvml
        nvml.nvmlInit()
    except Exception:  # the package, the driver's library, the driver: whatever is missing, there is nothing to tell
        return None
    return nvml


def find_device(nvml: Any, uuid: str) -> Any:
    """The library's handle of the device with that UUID, however it is written; None where it knows none."""
    given = uuid.strip()
    bare = given.lower().removeprefix("gpu-").removeprefix("mig-")
    for candidate in (given, f"GPU-{bare}", f"MIG-{bare}"):
        device = _call(nvml, "nvmlDeviceGetHandleByUUID", candidate)
        if device is not None:
            return device
    return None


def _call(nvml: Any, function: str, *args: Any) -> Any:
    try:
        return getattr(nvml, function)(*args)
    except Exception:  # not every device, driver and version of the package knows every function
        return None


def _names(nvml: Any, reasons: int) -> tuple[str, ...]:
    """The names of what slowed the device down, of a mask of bits."""
    return tuple(name for constant, name in THROTTLE_REASONS.items() if reasons & _bit(nvml, constant))


def _bit(nvml: Any, constant: str) -> int:
    # They were renamed, and not every version of the package has both names of each.
    older = getattr(nvml, f"nvmlClocksThrottleReason{constant}", 0)
    return getattr(nvml, f"nvmlClocksEventReason{constant}", older)


def _pair(begin: int | None, end: int | None) -> tuple[int, int] | None:
    return None if begin is None or end is None else (begin, end)

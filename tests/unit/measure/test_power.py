"""What a device draws, read from a library that is a pretence."""

from __future__ import annotations

from typing import Any

from paco_prof.measure.power import NvmlMeter, power_meter
from tiny import CPU


class Nvml:
    """Tells milliwatts, one after the other, and fails where there is None."""

    def __init__(self, *milliwatts: int | None) -> None:
        self._milliwatts = list(milliwatts)

    def nvmlDeviceGetPowerUsage(self, _device: Any) -> int:
        value = self._milliwatts.pop(0)
        if value is None:
            raise RuntimeError("not supported")
        return value


def test_readings_are_watts() -> None:
    meter = NvmlMeter(Nvml(71_250, 698_000), "device")
    assert meter.readings == ()
    meter.read()
    meter.read()
    assert meter.readings == (71.25, 698.0)


def test_a_device_that_does_not_tell_has_no_readings() -> None:
    meter = NvmlMeter(Nvml(None, 5000), "device")
    meter.read()
    assert meter.readings == ()
    meter.read()
    assert meter.readings == (5.0,)


def test_a_cpu_has_no_meter() -> None:
    meter = power_meter(CPU, Nvml(1))
    meter.read()
    assert meter.readings == ()

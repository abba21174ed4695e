"""Work of a known length, by a clock that is not the instrument's."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Protocol

import torch

__all__ = ["Delay", "QueuedDelay", "SpinDelay", "delay_for", "independent_clock"]

ReadNs = Callable[[], int]

# Seconds that a calibration takes at least, which makes what surrounds the work (some 0.01 ms) count for nothing.
CALIBRATION = 0.02
NUM_CALIBRATIONS = 3
MOST_UNITS = 2**40
# A clock that is coarser than this cannot tell how long a delay of milliseconds was.
COARSEST = 1e-4


class Delay(Protocol):
    """Work of any length that is asked for."""

    def calibrate(self) -> None:
        """Find out how fast the device is at this moment."""
        ...

    def wait(self, seconds: float) -> float:
        """Work for so long, or queue so much work; returns how many seconds that is by the independent clock."""
        ...


class SpinDelay:
    """Keeps the host busy until the time is up, and tells how long that really took.

    Args:
        now_ns: the independent clock.
    """

    def __init__(self, now_ns: ReadNs) -> None:
        self._now_ns = now_ns

    def calibrate(self) -> None:
        """There is nothing to find out: the clock itself ends the delay."""

    def wait(self, seconds: float) -> float:
        start = now = self._now_ns()
        end = start + round(seconds * 1e9)
        while now < end:
            now = self._now_ns()
        return (now - start) / 1e9


class QueuedDelay:
    """Queues work on a device whose speed was measured with the host's independent clock.

    Args:
        queue: queues so many units of work and waits for nothing.
        synchronize: returns when the device is idle.
        now_ns: the independent clock.
    """

    def __init__(self, queue: Callable[[int], None], synchronize: Callable[[], None], now_ns: ReadNs) -> None:
        self._queue = queue
        self._synchronize = synchronize
        self._now_ns = now_ns
        self._units = 1
        self._rate = 0.0

    def calibrate(self) -> None:
        # What is queued for the first time may have to be loaded, and a device at rest to wake up.
        self._timed(self._units)
        while (seconds := self._middle()) < CALIBRATION and self._units < MOST_UNITS:
            self._units *= 2
        self._rate = self._units / seconds

    def wait(self, seconds: float) -> float:
        units = max(1, round(seconds * self._rate))
        self._queue(units)
        return units / self._rate

    def _middle(self) -> float:
        return median(self._timed(self._units) for _ in range(NUM_CALIBRATIONS))

    def _timed(self, units: int) -> float:
        self._synchronize()
        start = self._now_ns()
        self._queue(units)
        self._synchronize()
        # A clock that stands still must not end in a division by zero.
        return max(1, self._now_ns() - start) / 1e9


def independent_clock() -> ReadNs | None:
    """A clock that counts on its own, whatever the instrument's is steered by; None where the system has none.

    On Linux and macOS this is the raw hardware clock, which nobody slews.
    """
    if hasattr(time, "CLOCK_MONOTONIC_RAW"):
        raw: int = time.CLOCK_MONOTONIC_RAW
        return lambda: time.clock_gettime_ns(raw)
    return time.monotonic_ns if time.get_clock_info("monotonic").resolution <= COARSEST else None


def delay_for(device: torch.device, synchronize: Callable[[], None], now_ns: ReadNs) -> Delay:
    """The delay of a torch device."""
    if device.type == "cpu":
        return SpinDelay(now_ns)
    if device.type == "cuda" and hasattr(torch.cuda, "_sleep"):
        return QueuedDelay(torch.cuda._sleep, synchronize, now_ns)
    return QueuedDelay(_matrix_products(device), synchronize, now_ns)


def _matrix_products(device: torch.device) -> Callable[[int], None]:
    """Work for a device that cannot be told to sleep; a unit is large enough to hide its launch."""
    matrix = torch.full((1024, 1024), 1 / 1024, device=device)

    def queue(units: int) -> None:
        for _ in range(units):
            torch.mm(matrix, matrix)

    return queue

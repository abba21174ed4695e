"""What else the machine was doing while something was measured."""

from __future__ import annotations

import time

import psutil

__all__ = ["Neighbours"]


class Neighbours:
    """Counts from its creation how many cores others kept busy: other processes, and the hypervisor where it tells."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._start = time.perf_counter()
        self._others_before = self._others()

    def busy_cores(self) -> float | None:
        """Cores that others kept busy since, on average; None where too little time has passed to tell."""
        seconds = time.perf_counter() - self._start
        # The system counts in ticks of 10 ms.
        return max(0.0, self._others() - self._others_before) / seconds if seconds > 0.5 else None

    def _others(self) -> float:
        """Core seconds of the whole machine less this process's."""
        machine = psutil.cpu_times()
        busy = sum(machine) - machine.idle - getattr(machine, "iowait", 0.0)
        # Linux counts a guest's time in `user` as well.
        busy -= getattr(machine, "guest", 0.0) + getattr(machine, "guest_nice", 0.0)
        own = self._process.cpu_times()
        return float(busy - own.user - own.system)

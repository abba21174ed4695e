"""What else the machine was doing while something was measured."""

from __future__ import annotations

import time
from typing import Any

import psutil

__all__ = ["Neighbours"]


class Neighbours:
    """Counts from its creation how many of this process's cores others kept busy.

    Others are other processes and, where the system tells, the hypervisor. Only the cores that this process may run on
    count: on a node that is shared out, what runs on the rest of it does not disturb us.
    """

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
        """Core seconds of the cores that this process may use, less its own."""
        cores = psutil.cpu_times(percpu=True)
        affinity = self._process.cpu_affinity() if hasattr(self._process, "cpu_affinity") else range(len(cores))
        own = self._process.cpu_times()
        return sum(_busy(cores[core]) for core in affinity if core < len(cores)) - own.user - own.system


def _busy(core: Any) -> float:
    """Seconds that a core was not idle; Linux counts a guest's time twice, once in `user`."""
    twice = getattr(core, "guest", 0.0) + getattr(core, "guest_nice", 0.0)
    return float(sum(core) - core.idle - getattr(core, "iowait", 0.0) - twice)

"""What else the machine was doing while something was measured."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import psutil

__all__ = ["SHORTEST", "CpuTime", "Neighbours"]

# Seconds below which a number of cores means nothing: the system counts in ticks of 10 ms.
SHORTEST = 0.5


class CpuTime:
    """What a process has used of the processor; once it is gone, what it was last known to have used.

    Args:
        pid: of the process; None for this one.
    """

    def __init__(self, pid: int | None = None) -> None:
        self._last = 0.0
        self._process: psutil.Process | None = None
        try:
            self._process = psutil.Process(pid)
        except psutil.Error:
            return
        self.seconds()

    def seconds(self) -> float:
        """User and system time so far, all threads together; it never falls."""
        try:
            if self._process is not None:
                times = self._process.cpu_times()
                # Another process may have been given the number of one that is gone.
                self._last = max(self._last, times.user + times.system)
        except psutil.Error:
            # A second look would find nothing but a stranger.
            self._process = None
        return self._last


class Neighbours:
    """Counts from its creation how many of this process's cores others kept busy.

    Others are other processes and, where the system tells, the hypervisor. Only the cores that this process may run on
    count: on a node that is shared out, what runs on the rest of it does not disturb us.

    Args:
        ours: the processes that are no others; None for this one alone.
    """

    def __init__(self, ours: Sequence[CpuTime] | None = None) -> None:
        self._process = psutil.Process()
        self._ours = (CpuTime(),) if ours is None else tuple(ours)
        self._start = time.perf_counter()
        self._others_before, self._stolen_before = self._others(), self._stolen()

    def busy_cores(self) -> float | None:
        """Cores that others kept busy since, on average; None where too little time has passed to tell."""
        return self._on_average(self._others() - self._others_before)

    def stolen_cores(self) -> float | None:
        """The hypervisor's part of it; None as well where the system does not tell."""
        before, after = self._stolen_before, self._stolen()
        return None if before is None or after is None else self._on_average(after - before)

    def _on_average(self, core_seconds: float) -> float | None:
        seconds = time.perf_counter() - self._start
        return max(0.0, core_seconds) / seconds if seconds > SHORTEST else None

    def _others(self) -> float:
        """Core seconds of the cores that this process may use, less our own."""
        return sum(_busy(core) for core in self._cores()) - sum(process.seconds() for process in self._ours)

    def _stolen(self) -> float | None:
        cores = self._cores()
        return sum(core.steal for core in cores) if all(hasattr(core, "steal") for core in cores) else None

    def _cores(self) -> list[Any]:
        cores: list[Any] = psutil.cpu_times(percpu=True)
        affinity = self._process.cpu_affinity() if hasattr(self._process, "cpu_affinity") else range(len(cores))
        return [cores[core] for core in affinity if core < len(cores)]


def _busy(core: Any) -> float:
    """Seconds that a core was not idle; Linux counts a guest's time twice, once in `user`."""
    twice = getattr(core, "guest", 0.0) + getattr(core, "guest_nice", 0.0)
    return float(sum(core) - core.idle - getattr(core, "iowait", 0.0) - twice)

"""What the machine does during a launch, beside what is measured on it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psutil

from paco_prof.measure.neighbours import SHORTEST, CpuTime, Neighbours
from paco_prof.measure.nvml import AcceleratorMonitor
from paco_prof.records.comparison import MachineState

__all__ = ["MachineMonitor"]

# Where Linux shows what it knows about each core.
CPU_ROOT = Path("/sys/devices/system/cpu")

T = TypeVar("T")


class MachineMonitor:
    """Watches the machine during one launch, in which processes of ours take their turns; nothing in it raises.

    What is unknown does not end a launch: it is None in the state.

    Args:
        accelerator_uuid: of the accelerator that the launch is on, with or without the prefix "GPU-".
        cpu_root: where the system shows its cores.
        nvml: the accelerator's management library; None looks for it.
    """

    def __init__(self, accelerator_uuid: str | None = None, *, cpu_root: Path = CPU_ROOT, nvml: Any = None) -> None:
        self._accelerator = None if accelerator_uuid is None else AcceleratorMonitor(accelerator_uuid, nvml)
        self._cpu_root = cpu_root
        self._load: float | None = None
        self._mhz: float | None = None
        self._throttled: dict[Path, int] = {}
        self._turns = _Turns({})
        self._neighbours: Neighbours | None = None

    def begin(self, pids: Sequence[int], others: Sequence[int] = ()) -> None:
        """Take the first readings; `pids` are our workers, and this process is ours as well, as `others` are."""
        self._load = _told(lambda: os.getloadavg()[0])
        self._mhz = _told(_mean_mhz)
        self._throttled = _throttle_counts(self._cpu_root)
        accelerator = self._accelerator
        if accelerator is not None:
            _told(lambda: accelerator.begin(pids))
        # Last, so that the readings above are none of the launch.
        workers = _told(lambda: {pid: CpuTime(pid) for pid in pids}) or {}
        self._turns = _Turns(workers)
        self._neighbours = _told(lambda: Neighbours([CpuTime(), *workers.values(), *map(CpuTime, others)]))

    def turn(self, pid: int) -> None:
        """From here on it is this worker's turn, and all others of ours wait; takes about 0.2 ms."""
        _told(lambda: self._turns.next(pid))
        if self._accelerator is not None:
            _told(self._accelerator.sample)

    def end(self) -> MachineState:
        """What was seen since `begin`."""
        # First what has been running; the readings below take their time.
        _told(lambda: self._turns.next(None))
        neighbours = self._neighbours
        other_busy_cores = None if neighbours is None else _told(neighbours.busy_cores)
        stolen_cores = None if neighbours is None else _told(neighbours.stolen_cores)
        mhz = _told(_mean_mhz)
        return MachineState(
            load_average=self._load,
            other_busy_cores=other_busy_cores,
            stolen_cores=stolen_cores,
            cpu_mhz=None if self._mhz is None or mhz is None else (self._mhz, mhz),
            governor=_governor(self._cpu_root),
            cpu_throttled=_num_throttled(self._throttled, _throttle_counts(self._cpu_root)),
            waiting_cores=self._turns.waiting_cores(),
            accelerator=None if self._accelerator is None else _told(self._accelerator.end),
        )


class _Turns:
    """How busy our workers are while it is another's turn.

    What they burn is added up over all turns, because one turn may be shorter than the tick of the system's count.
    """

    def __init__(self, workers: dict[int, CpuTime]) -> None:
        self._workers = workers
        self._whose: int | None = None
        self._start = 0.0
        self._before: dict[int, float] = {}
        self._seconds = 0.0
        self._burnt = 0.0

    def next(self, whose: int | None) -> None:
        """One turn is over; None is nobody's, which does not count."""
        now = time.perf_counter()
        after = {pid: worker.seconds() for pid, worker in self._workers.items()}
        if self._whose is not None:
            self._seconds += now - self._start
            self._burnt += sum(after[pid] - before for pid, before in self._before.items() if pid != self._whose)
        self._whose, self._start, self._before = whose, now, after

    def waiting_cores(self) -> float | None:
        """Cores that those who waited kept busy, on average; None where too little time has passed to tell."""
        return self._burnt / self._seconds if self._seconds > SHORTEST else None


def _told(read: Callable[[], T]) -> T | None:
    """What the system tells, or None."""
    try:
        return read()
    except Exception:  # what a platform lacks shows in many ways, and a launch must not end for it
        return None


def _mean_mhz() -> float | None:
    clocks = [core.current for core in psutil.cpu_freq(percpu=True)]
    # Virtual machines may show a clock of 0.
    return sum(clocks) / len(clocks) if any(clocks) else None


def _governor(cpu_root: Path) -> str | None:
    governors = set(_read(cpu_root, "cpufreq/scaling_governor").values())
    return governors.pop() if len(governors) == 1 else None


def _throttle_counts(cpu_root: Path) -> dict[Path, int]:
    counts = _read(cpu_root, "thermal_throttle/core_throttle_count")
    return {path: int(text) for path, text in counts.items() if text.isdecimal()}


def _num_throttled(before: dict[Path, int], after: dict[Path, int]) -> int | None:
    known = before.keys() & after.keys()
    # A core that was offline in between starts again from 0.
    return sum(max(0, after[path] - before[path]) for path in known) if known else None


def _read(cpu_root: Path, name: str) -> dict[Path, str]:
    """The contents of a file of each core that has it."""
    texts = {}
    for path in cpu_root.glob(f"cpu[0-9]*/{name}"):
        # A core may be switched off while its files are read.
        with contextlib.suppress(OSError, UnicodeError):
            texts[path] = path.read_text().strip()
    return texts

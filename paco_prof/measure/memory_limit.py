"""A limit of memory that a process sets itself, so that running out of it is an error and takes nobody else along.

On a CPU it is the kernel's limit of a process's data. A limit of its address space would not do: that holds libraries,
and whatever has only been reserved, which is a multiple of what is used, and beside CUDA more than there is. Data are
what was asked for with the right to write to it; all of that may come to lie in memory.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from paco_prof import units
from paco_prof.errors import UsageError
from paco_prof.measure.worker_process import MemoryLimit

__all__ = ["Room", "available_bytes", "limit_memory"]

# Of what is available, a process leaves so much to all others.
RESERVE_SHARE = 0.05
LEAST_RESERVE = 256 * 2**20
# What a container may have, what it has, and how that is made up, by the two versions of the kernel's interface.
CONTAINER = (
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Room:
    """Memory that there is to fit into.

    Attributes:
        num_bytes: None where nobody knows.
        of_device: it is the device's memory; otherwise this process's, all that is resident of it.
    """

    num_bytes: int | None
    of_device: bool


def limit_memory(limit: MemoryLimit, device: torch.device) -> Room:
    """Limit what this process may use: of the device's memory, or of the machine's where the device is a CPU.

    Args:
        limit: bytes; `available` is what nobody uses now, less a reserve, and on a device, whose allocator fails by
            itself, no limit at all.

    Raises:
        UsageError: a limit cannot be set here, or it is less than the process has already.
    """
    return _limit_process(limit) if device.type == "cpu" else _limit_device(limit, device)


def available_bytes() -> int:
    """Memory of this machine, or of the container that this process is in, that nobody uses now, less a reserve."""
    room = psutil.virtual_memory().available
    for most, used, parts in CONTAINER:
        with contextlib.suppress(OSError, ValueError):
            # "max" is no number, and no limit.
            left = int((CGROUPS / most).read_text()) - int((CGROUPS / used).read_text())
            room = min(room, left + _unused_files((CGROUPS / parts).read_text()))
    return max(0, room - max(LEAST_RESERVE, round(RESERVE_SHARE * room)))


def _unused_files(statistics: str) -> int:
    """Bytes of files that are in memory in case that somebody reads them once more."""
    lines = (line.split() for line in statistics.splitlines())
    return next((int(line[1]) for line in lines if line[:1] == ["inactive_file"]), 0)


def _limit_process(limit: MemoryLimit) -> Room:
    if sys.platform != "linux":
        raise UsageError(
            "A process's memory cannot be limited on this system, and without a limit it could take the machine's.",
            "Leave --memory-limit and --find-largest away, or use a device with a memory of its own.",
        )
    import resource

    memory = psutil.Process().memory_info()
    most = available_bytes() + memory.rss if limit == "available" else int(limit or 0)
    # Whoever started us may allow less.
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    given = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_DATA, resource.RLIMIT_AS)]
    most = min([most, *(number for number in given if number != resource.RLIM_INFINITY)])
    if most <= memory.rss:
        raise UsageError(
            f"{units.gigabytes(most)} of memory are less than a process has before anything is built: "
            f"{units.gigabytes(memory.rss)}.",
            "Use a larger --memory-limit.",
        )
    # What is resident is data, and pages of libraries, which do not count as such.
    resource.setrlimit(resource.RLIMIT_DATA, (most - memory.shared, hard))
    # Libraries that do not look whether they were given memory crash, and nobody wants all of it on the disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    return Room(most, of_device=False)


def _limit_device(limit: MemoryLimit, device: torch.device) -> Room:
    backend = torch.get_device_module(device)
    free, total = backend.mem_get_info(device) if hasattr(backend, "mem_get_info") else (None, None)
    if limit == "available":
        return Room(free, of_device=True)
    if total is None or not hasattr(backend, "set_per_process_memory_fraction"):
        raise UsageError(f"Memory cannot be limited on {device.type}.", "Leave --memory-limit away.")
    most = min(int(limit or 0), total)
    backend.set_per_process_memory_fraction(most / total, device)
    return Room(min(most, free), of_device=True)

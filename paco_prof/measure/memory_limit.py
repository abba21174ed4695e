"""A limit of memory that a process sets itself, so that running out of it is an error and takes nobody else along.

On a CPU it is the kernel's limit of a process's data. A limit of its address space would not do: that holds libraries,
and whatever has only been reserved, which is a multiple of what is used, and beside CUDA more than there is. Data are
what was asked for with the right to write to it; all of that may come to lie in memory.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import psutil
import torch

from paco_prof import units
from paco_prof.errors import UsageError
from paco_prof.measure.available_memory import available_bytes
from paco_prof.measure.worker_handle import MemoryLimit

__all__ = ["Room", "limit_memory"]


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

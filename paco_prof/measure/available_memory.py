"""Memory that a process may still take: of the machine, and of the containers that it is in. Free of torch."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psutil

__all__ = ["KEPT_FREE", "LEAST_RESERVE", "RESERVE_SHARE", "available_bytes"]

# Of what is available, a process leaves so much to all others.
RESERVE_SHARE = 0.05
LEAST_RESERVE = 256 * 2**20
# Set where somebody ends processes as soon as less than this share of all memory is free.
KEPT_FREE = "PACO_PROF_KEPT_FREE"
CGROUPS = Path("/sys/fs/cgroup")
# Where this process is among them: lines of `number:controllers:path`.
OWN_CGROUPS = Path("/proc/self/cgroup")
# What a group may have, what it has, and how that is made up, by the two versions of the kernel's interface: the first
# of them has one tree for everything, the second one for each controller.
VERSION_2 = ("memory.max", "memory.current", "memory.stat")
VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat")


def available_bytes() -> int:
    """Memory of this machine, or of the container that this process is in, that nobody uses now, less a reserve."""
    memory = psutil.virtual_memory()
    kept = float(os.environ.get(KEPT_FREE, "0"))
    # What is no limit is a number far beyond what there is.
    limits = [(memory.available, memory.total), *_left_of_containers()]
    room = min(left - round(kept * min(most, memory.total)) for left, most in limits)
    return max(0, room - max(LEAST_RESERVE, round(RESERVE_SHARE * room)))


def _left_of_containers() -> Iterator[tuple[int, int]]:
    """What is left of each limit that holds for this process, and the limit; a limit holds for whatever is below it."""
    for tree, names, own in ((CGROUPS, VERSION_2, _own_path("")), (CGROUPS / "memory", VERSION_1, _own_path("memory"))):
        # Who sees only what is below its own group, sees that as the root.
        for folder in (own, *own.parents):
            most, used, parts = (tree / folder / name for name in names)
            with contextlib.suppress(OSError, ValueError):
                # "max" is no number, and no limit.
                limit = int(most.read_text())
                left = limit - int(used.read_text())
                yield max(0, left + _unused_files(parts.read_text())), limit


def _own_path(controller: str) -> PurePosixPath:
    """The group that this process is in, from the root of its tree; the second version's has no controller's name."""
    with contextlib.suppress(OSError):
        for line in OWN_CGROUPS.read_text().splitlines():
            _, controllers, path = (*line.split(":", 2), "", "")[:3]
            if controller in controllers.split(","):
                # What is above the root cannot be seen.
                return PurePosixPath(*(part for part in path.split("/") if part not in ("", "..")))
    return PurePosixPath()


def _unused_files(statistics: str) -> int:
    """Bytes of files that are in memory in case that somebody reads them once more; of a group and all below it, which
    the first version tells apart.
    """
    found = dict(line.split()[:2] for line in statistics.splitlines() if len(line.split()) >= 2)
    return int(found.get("total_inactive_file", found.get("inactive_file", 0)))

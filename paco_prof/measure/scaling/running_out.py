"""Whether a process that failed under a limit of its memory has run into that limit. Free of torch."""

from __future__ import annotations

import signal

from paco_prof.measure.out_of_memory import says_out_of_memory
from paco_prof.measure.worker_handle import MemoryLimit, Ready, WorkerError
from paco_prof.records import FailureKind

__all__ = ["kind_under", "own_limit"]

# How a process ends whose libraries do not look whether they were given memory; not every system has all of them.
ALLOCATORS = [getattr(signal, name) for name in ("SIGABRT", "SIGSEGV", "SIGBUS") if hasattr(signal, name)]
# What somebody else sends: the kernel does so too, but then it counts it.
FROM_OUTSIDE = (9, 15)
# Of its limit: where a process has had so much, the next thing that it wants may well be more than the rest.
CLOSE_TO_LIMIT = 0.5
# The same where it ended as those do that do not look whether they were given memory. What they ask for may be several
# times what they have had; who is further from its limit than that has crashed for another reason.
FAR_FROM_LIMIT = 0.1


def own_limit(asked: MemoryLimit, ready: Ready | None, device: str) -> MemoryLimit:
    """The limit that a process has set itself; None for none, or where that is a device's, whose allocator tells.

    Args:
        asked: what it was started with.
        ready: what it has told; None where it came to nothing before.
        device: that it was to use, which has to do where it told nothing.
    """
    if asked is None or ready is None:
        return asked if device == "cpu" else None
    return None if ready.room_of_device else ready.room_bytes


def kind_under(failure: WorkerError, limit: MemoryLimit) -> FailureKind:
    """How a process has failed. What runs into a limit need not find words for it, and may be found dead.

    Args:
        limit: that the process has set itself; None for none.
    """
    if limit is None or failure.kind not in ("raised", "died"):
        return failure.kind
    if says_out_of_memory(failure.detail, is_limited=True):
        return "out of memory"
    number = -(failure.code or 0)
    if failure.kind == "raised" or number in FROM_OUTSIDE:
        return failure.kind
    is_allocators = number in ALLOCATORS
    if not isinstance(limit, int) or failure.peak_bytes is None:
        # Nobody knows how far it was from its limit.
        return "out of memory" if is_allocators else failure.kind
    share = FAR_FROM_LIMIT if is_allocators else CLOSE_TO_LIMIT
    return "out of memory" if failure.peak_bytes >= share * limit else failure.kind

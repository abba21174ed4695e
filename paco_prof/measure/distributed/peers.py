"""The other ranks on this machine: a process that ends is noticed at once, whatever this one is busy with."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

__all__ = ["Peers", "process_space"]

SECONDS_BETWEEN_LOOKS = 0.5


class Peers:
    """Processes that are to live as long as this one.

    Args:
        pids: of each rank on this machine but this one.
    """

    def __init__(self, pids: Mapping[int, int]) -> None:
        self._pids = dict(pids)
        self._handles = {rank: handle for rank, pid in pids.items() if (handle := _handle(pid)) is not None}
        self._gone: list[int] = []
        self._lock = threading.Lock()

    @property
    def number(self) -> int:
        """How many processes there are."""
        return len(self._pids)

    @property
    def ranks(self) -> list[int]:
        """Whose processes they are."""
        return sorted(self._pids)

    @property
    def handles(self) -> list[int]:
        """Descriptors that become readable as a process ends; fewer than there are processes where the system has
        none, and somebody has to look from time to time.
        """
        return [handle for rank, handle in self._handles.items() if rank not in self._gone]

    def gone(self) -> list[int]:
        """The ranks that have ended, in the order in which that was found out."""
        with self._lock:
            for rank in sorted(self._pids):
                if rank not in self._gone and self._has_ended(rank):
                    self._gone.append(rank)
            return list(self._gone)

    def wait(self, seconds: float) -> list[int]:
        """The ranks that have ended, as soon as there is one; an empty list where none has within `seconds`."""
        end = time.monotonic() + seconds
        while not (gone := self.gone()) and time.monotonic() < end:
            time.sleep(0.02)
        return gone

    def close(self) -> None:
        """Nobody will ask any more."""
        with self._lock:
            for handle in self._handles.values():
                os.close(handle)
            self._handles.clear()
            self._pids.clear()

    def _has_ended(self, rank: int) -> bool:
        handle = self._handles.get(rank)
        if handle is not None:
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            return bool(poll.poll(0))
        try:
            os.kill(self._pids[rank], 0)
        except OSError:
            return True
        return False


def _handle(pid: int) -> int | None:
    """A descriptor of a process; None where the system has no such thing, or no such process any more."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def process_space(proc: Path = Path("/proc")) -> tuple[str, str, int]:
    """What tells places apart in which a process's number means another process: machines, and containers of one that
    go by its name.

    Args:
        proc: where the kernel tells; where it does not, the machine's name has to do.
    """
    boot, namespace = "", 0
    with suppress(OSError):
        boot = (proc / "sys/kernel/random/boot_id").read_text()
    with suppress(OSError):
        namespace = (proc / "self/ns/pid").stat().st_ino
    return socket.gethostname(), boot, namespace

"""A process that limits its own memory."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from paco_prof.errors import UsageError
from paco_prof.measure.memory_limit import Room, limit_memory

CPU = torch.device("cpu")
GIBIBYTE = 2**30

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs what only Linux has")

# A process that limits itself, and then asks for much and for little.
LIMITED = """
import sys
import torch
from paco_prof.measure.memory_limit import limit_memory
from paco_prof.measure.out_of_memory import says_out_of_memory
limit = sys.argv[1]
room = limit_memory(limit if limit == "available" else int(limit), torch.device("cpu"))
try:
    torch.zeros(2**28)
    print("fits")
except (RuntimeError, MemoryError) as error:
    print("says so" if says_out_of_memory(f"{type(error).__name__} {error}") else error)
torch.zeros(2**20)
print(room.num_bytes, room.of_device)
"""


def limited(limit: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", LIMITED, limit], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")


@only_linux
def test_a_process_gets_no_more_than_it_may_have() -> None:
    assert limited(str(GIBIBYTE))[:2] == ["says so", f"{GIBIBYTE} False"]


@only_linux
def test_a_limit_below_what_a_process_has_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^10\.0 MB of memory are less than a process has"):
        limit_memory(10_000_000, CPU)


def test_where_no_process_can_be_limited_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UsageError, match="cannot be limited on this system"):
        limit_memory("available", CPU)


class Backend:
    """A device with 80 bytes of memory, of which 60 are free."""

    def __init__(self) -> None:
        self.fraction: float | None = None

    def mem_get_info(self, device: Any) -> tuple[int, int]:
        return 60, 80

    def set_per_process_memory_fraction(self, fraction: float, device: Any) -> None:
        self.fraction = fraction


def test_a_device_is_limited_by_its_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Backend()
    monkeypatch.setattr(torch, "get_device_module", lambda device: backend)
    assert limit_memory("available", torch.device("cuda", 0)) == Room(60, of_device=True)
    assert backend.fraction is None
    assert limit_memory(40, torch.device("cuda", 0)) == Room(40, of_device=True)
    assert backend.fraction == 0.5
    assert limit_memory(400, torch.device("cuda", 0)) == Room(60, of_device=True)
    assert backend.fraction == 1.0


def test_a_device_that_cannot_be_limited_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_device_module", lambda device: SimpleNamespace())
    assert limit_memory("available", torch.device("mps")) == Room(None, of_device=True)
    with pytest.raises(UsageError, match="cannot be limited on mps"):
        limit_memory(40, torch.device("mps"))

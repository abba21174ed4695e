"""A worker as its referee sees it, whatever carries the questions to it; and who starts one. Free of torch."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from paco_prof.measure.steps import TimedStep
from paco_prof.records import Contestant, Environment, FailureKind, Fidelity, Memory

__all__ = [
    "Launcher",
    "LimitingLauncher",
    "MeasuredHandle",
    "MemoryLimit",
    "Ready",
    "WorkerError",
    "WorkerHandle",
]

# Of a process, or of what it may have of its device's memory: bytes, all that is available there, or none.
MemoryLimit = int | Literal["available"] | None


class WorkerError(Exception):
    """A worker did not do what it was asked for; it is dead, or good for nothing any more.

    Attributes:
        kind: how it failed.
        during: what it had been asked for.
        detail: the last line of its error, or how it ended.
        hint: what can be done about it.
        peak_bytes: highest memory that it is known to have had.
        pid: its process.
        code: that it ended with, as `subprocess` tells it: of a signal the negative number; None where it did not end.
    """

    def __init__(
        self,
        pid: int,
        kind: FailureKind,
        during: str,
        detail: str,
        hint: str = "",
        peak_bytes: int | None = None,
        code: int | None = None,
    ) -> None:
        super().__init__(f"{during}: {detail}")
        self.pid = pid
        self.kind = kind
        self.during = during
        self.detail = detail
        self.hint = hint
        self.peak_bytes = peak_bytes
        self.code = code


class Ready:
    """What a worker has built, and where; with a limit of memory, what room there is, and whether on its device."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.contestant = Contestant.model_validate(data["contestant"])
        self.environment = Environment.model_validate(data["environment"])
        self.accelerator_uuid: str | None = data["accelerator_uuid"]
        self.room_bytes: int | None = data.get("room_bytes")
        self.room_of_device: bool = data.get("room_of_device", False)


class WorkerHandle(Protocol):
    """A worker that has been told to start. Every call but `close` may raise `WorkerError`."""

    pid: int

    def ready(self, timeout: float) -> Ready:
        """Wait until it has built what it measures."""
        ...

    def step(self, timeout: float) -> TimedStep:
        """Have it take one step."""
        ...

    def memory(self, timeout: float) -> Memory:
        """Its peak of memory so far."""
        ...

    def fidelity(self, timeout: float) -> Fidelity:
        """Have it compare loss and gradient of its initial state with float64."""
        ...

    def close(self) -> None:
        """End it, whatever it is doing. It has nothing that would be lost."""


class Launcher(Protocol):
    """Starts workers, without waiting for them."""

    def __call__(self, contestant: Contestant, *, keep_initial: bool) -> WorkerHandle:
        """A worker for a contestant; `keep_initial` where its fidelity will be asked for."""
        ...


class MeasuredHandle(WorkerHandle, Protocol):
    """A worker that also tells where its memory goes."""

    def memory_by_stage(self, timeout: float) -> Memory:
        """Its peak so far, and what each stage has of it, in passes of their own that come after that."""
        ...


class LimitingLauncher(Protocol):
    """Starts workers whose memory may be limited, without waiting for them."""

    def __call__(
        self, contestant: Contestant, *, keep_initial: bool, memory_limit: MemoryLimit = None
    ) -> MeasuredHandle:
        """A worker for a contestant, which limits itself before it builds anything."""
        ...

"""The two clocks of a stage: the host's, and the device's where it runs on its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from paco_prof.measure.timeline import Owner, Span

__all__ = ["Clock", "Event", "EventClock", "HostClock", "Instant", "clock_for"]


class Event(Protocol):
    """A timestamp that the device takes when it gets there (`torch.cuda.Event` and its like)."""

    def record(self) -> Any: ...

    def elapsed_time(self, end_event: Any, /) -> float: ...


@dataclass(frozen=True, slots=True)
class Instant:
    """A reading of both clocks: host nanoseconds, and an event that the device will reach later."""

    host_ns: int
    event: Event | None = None


class Clock(Protocol):
    """Reads instants without waiting, and tells the time between them once the device has caught up."""

    is_asynchronous: bool

    def read(self, owner: Owner) -> Instant: ...

    def between(self, earlier: Instant, later: Instant) -> Span: ...

    def synchronize(self) -> None: ...

    def now(self) -> float: ...


class HostClock:
    """The clock of a device that works while the host waits: a CPU. Host and device time coincide."""

    is_asynchronous = False

    def __init__(self, host_ns: Callable[[], int] = time.perf_counter_ns) -> None:
        self._host_ns = host_ns

    def read(self, owner: Owner) -> Instant:
        return Instant(self._host_ns())

    def between(self, earlier: Instant, later: Instant) -> Span:
        seconds = (later.host_ns - earlier.host_ns) / 1e9
        return Span(seconds, seconds)

    def synchronize(self) -> None:
        """Nothing is under way once a call has returned."""

    def now(self) -> float:
        """Seconds since an arbitrary start."""
        return self._host_ns() / 1e9


class EventClock:
    """The clock of a device with a queue of its own.

    A reading records an event on the current stream and waits for nothing; events are read after `synchronize`.

    Args:
        new_event: makes an event that can be timed.
        wait: returns when the device is idle.
        host_ns: the host's clock, in nanoseconds.
    """

    is_asynchronous = True

    def __init__(
        self,
        new_event: Callable[[], Event],
        wait: Callable[[], None],
        host_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._new_event = new_event
        self._wait = wait
        self._host_ns = host_ns

    def read(self, owner: Owner) -> Instant:
        host_ns = self._host_ns()
        event = self._new_event()
        event.record()
        return Instant(host_ns, event)

    def between(self, earlier: Instant, later: Instant) -> Span:
        return Span((later.host_ns - earlier.host_ns) / 1e9, _elapsed(earlier.event, later.event))

    def synchronize(self) -> None:
        self._wait()

    def now(self) -> float:
        """Seconds since an arbitrary start."""
        return self._host_ns() / 1e9


def _elapsed(earlier: Event | None, later: Event | None) -> float | None:
    """Seconds between two events, None where either was never recorded: a lost event is not a zero."""
    if earlier is None or later is None:
        return None
    try:
        return earlier.elapsed_time(later) / 1e3
    except (RuntimeError, ValueError):
        return None


def clock_for(device: torch.device) -> Clock:
    """The clock of a torch device."""
    if device.type == "cpu":
        return HostClock()
    backend = torch.get_device_module(device)
    return EventClock(
        new_event=lambda: backend.Event(enable_timing=True),
        wait=(lambda: backend.synchronize()) if device.type == "mps" else (lambda: backend.synchronize(device)),
    )

"""A device with a queue of its own, on a virtual clock: exact, and as asynchronous as a GPU."""

from __future__ import annotations

from dataclasses import dataclass, field

from paco_prof.measure.clock import EventClock


@dataclass
class VirtualDevice:
    """The host's time, and the time at which the device will have worked off its queue, both in nanoseconds.

    Attributes:
        num_waits: how often the host waited for the device.
        forgetful: events whose number is in here are never recorded.
        record_cost_ns: host time that recording an event costs.
    """

    host_ns: int = 0
    device_ns: int = 0
    num_waits: int = 0
    num_events: int = 0
    forgetful: set[int] = field(default_factory=set)
    record_cost_ns: int = 0

    def launch(self, host_ns: int, device_ns: int) -> None:
        """The host queues work: it is busy for `host_ns`, the device later on for `device_ns`."""
        self.host_ns += host_ns
        self.device_ns = max(self.device_ns, self.host_ns) + device_ns

    def think(self, host_ns: int) -> None:
        """The host works on its own."""
        self.host_ns += host_ns

    def wait(self) -> None:
        """The host waits until the device is idle."""
        self.num_waits += 1
        self.host_ns = max(self.host_ns, self.device_ns)

    def clock(self) -> EventClock:
        """A clock of this device, the same class that times a GPU."""
        return EventClock(lambda: VirtualEvent(self), self.wait, lambda: self.host_ns)


class VirtualEvent:
    """A timestamp that the device takes when it gets there; reading it earlier is an error, as on a GPU."""

    def __init__(self, device: VirtualDevice) -> None:
        self._device = device
        self._number = device.num_events
        device.num_events += 1
        self.reached_ns: int | None = None

    def record(self) -> None:
        self._device.host_ns += self._device.record_cost_ns
        if self._number not in self._device.forgetful:
            self.reached_ns = max(self._device.device_ns, self._device.host_ns)

    def elapsed_time(self, end_event: VirtualEvent, /) -> float:
        """Milliseconds between two events."""
        for event in (self, end_event):
            if event.reached_ns is None:
                raise RuntimeError("the event was never recorded")
            if event.reached_ns > self._device.host_ns:
                raise AssertionError("an event was read before the device had reached it")
        assert self.reached_ns is not None
        assert end_event.reached_ns is not None
        return (end_event.reached_ns - self.reached_ns) / 1e6

"""Which clock a device gets, and what it is asked to do there."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from paco_prof.measure.clock import EventClock, HostClock, clock_for
from paco_prof.measure.memory import measure_memory
from paco_prof.measure.timeline import Owner
from paco_prof.stages import stage

OWNER = Owner("a", "forward")


def test_a_cpu_has_one_clock() -> None:
    clock = clock_for(torch.device("cpu"))
    assert isinstance(clock, HostClock)
    span = clock.between(clock.read(OWNER), clock.read(OWNER))
    assert span.host == span.device >= 0


@pytest.mark.parametrize(("name", "waits_for"), [("cuda:1", (torch.device("cuda:1"),)), ("mps", ())])
def test_an_accelerator_records_timed_events_and_is_waited_for(
    name: str, waits_for: tuple[torch.device, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            calls.append(("event", enable_timing))

        def record(self) -> None:
            calls.append("record")

        def elapsed_time(self, end_event: Event) -> float:
            return 250.0

    backend = SimpleNamespace(Event=Event, synchronize=lambda *device: calls.append(("synchronize", device)))
    monkeypatch.setattr(torch, "get_device_module", lambda device: backend)
    clock = clock_for(torch.device(name))
    assert isinstance(clock, EventClock)
    start, end = clock.read(OWNER), clock.read(OWNER)
    clock.synchronize()
    assert clock.between(start, end).device == 0.25
    assert calls == [("event", True), "record", ("event", True), "record", ("synchronize", waits_for)]


def test_a_device_without_allocator_statistics_tells_the_process_peak_and_takes_no_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "get_device_module", lambda device: SimpleNamespace())
    memory = measure_memory(pytest.fail, torch.device("mps"))
    assert memory.process_peak_bytes is not None
    assert memory.process_peak_bytes > 1e7
    assert (memory.device_peak_bytes, memory.stages) == (None, ())


def test_a_device_with_them_tells_peaks_by_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = iter([0, 100, 700, 300, 0, 0])
    backend = SimpleNamespace(
        max_memory_allocated=lambda device: next(peaks), reset_peak_memory_stats=lambda device: None
    )
    monkeypatch.setattr(torch, "get_device_module", lambda device: backend)

    def step() -> None:
        with stage("a"):
            pass

    memory = measure_memory(step, torch.device("cuda:0"))
    assert {peak.path: peak.peak_bytes for peak in memory.stages} == {"a": 700}
    assert memory.device_peak_bytes == 700

"""Peak memory: the device allocator's, stretch by stretch, or the process's as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from paco_prof.measure.memory_peak import process_peak_bytes
from paco_prof.measure.timeline import ROOT, Owner, Timeline
from paco_prof.measure.tracker import StageTracker
from paco_prof.records import Memory, StageMemory
from paco_prof.stages import listening

__all__ = ["AllocatorProbe", "measure_memory", "peaks_by_stage"]


class AllocatorProbe:
    """Reads the highest allocation since the reading before, from a device's allocator statistics.

    Args:
        backend: `torch.cuda` or another module with `max_memory_allocated` and `reset_peak_memory_stats`.
        device: whose allocator.
    """

    def __init__(self, backend: Any, device: torch.device) -> None:
        self._backend = backend
        self._device = device

    def read(self, owner: Owner) -> int:
        """Peak bytes since the last reading."""
        peak = int(self._backend.max_memory_allocated(self._device))
        self._backend.reset_peak_memory_stats(self._device)
        return peak


def measure_memory(run: Callable[[], object], device: torch.device) -> Memory:
    """Peak memory of a step: by stage, in a step of its own, where the device's allocator keeps peaks.

    Where there is none (a CPU), the process's peak so far is all that can be told, and no step is taken.
    """
    backend = None if device.type == "cpu" else torch.get_device_module(device)
    if backend is None or not hasattr(backend, "reset_peak_memory_stats"):
        return Memory(process_peak_bytes=process_peak_bytes())
    pieces = memory_pieces(run, AllocatorProbe(backend, device))
    return Memory(
        process_peak_bytes=process_peak_bytes(),
        device_peak_bytes=max(peak for _, peak in pieces),
        stages=peaks_by_stage(pieces),
    )


def memory_pieces(run: Callable[[], object], probe: AllocatorProbe) -> list[tuple[Owner, int]]:
    """The stretches of one step with the highest allocation in each."""
    timeline = Timeline(probe)
    tracker = StageTracker(timeline)
    with listening(tracker):
        run()
    tracker.close()
    return timeline.pieces(lambda _earlier, peak_since_then: peak_since_then)


def peaks_by_stage(pieces: Iterable[tuple[Owner, int]]) -> tuple[StageMemory, ...]:
    """The highest allocation while each stage, or a stage inside it, was at work."""
    peaks: dict[Owner, int] = {}
    for owner, peak in pieces:
        parts = owner.path.split("/")
        for depth in range(len(parts), 0, -1):
            outer = Owner("/".join(parts[:depth]), owner.phase)
            peaks[outer] = max(peaks.get(outer, 0), peak)
    return tuple(
        StageMemory(path=owner.path, phase=owner.phase, peak_bytes=peak)
        for owner, peak in peaks.items()
        if owner.path != ROOT
    )

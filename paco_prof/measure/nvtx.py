"""NVTX ranges for NVIDIA's Nsight: a few more steps, none of them timed, with a range around every stretch of each.

A range is started and ended for the whole process, not pushed and popped: on CUDA the hooks of the backward pass run in
autograd's own thread, where nothing can be popped that the main thread has pushed.

The steps lie between `cudaProfilerStart` and `cudaProfilerStop`, so that Nsight can record them and nothing else. As
the recording ends it ends the process, too, unless told otherwise; hence the second option:

    nsys profile --capture-range=cudaProfilerApi --capture-range-end=stop paco-prof breakdown --nvtx
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch

from paco_prof.errors import UsageError
from paco_prof.measure.timeline import ROOT, Owner, Timeline
from paco_prof.measure.tracker import StageTracker
from paco_prof.stages import listening

__all__ = ["NUM_STEPS", "NvtxLibrary", "RangeProbe", "check_nvtx", "emit_ranges"]

# One step may be unlike the others; three show which.
NUM_STEPS = 3


class NvtxLibrary(Protocol):
    """What marks ranges, and opens and closes the window in which they are recorded."""

    def range_start(self, name: str) -> int:
        """Start a range of the whole process; returns what ends it."""

    def range_end(self, handle: int) -> None:
        """End a range, in whatever thread it was started."""

    def profiler_start(self) -> None:
        """From here on Nsight records."""

    def profiler_stop(self) -> None:
        """From here on it does not."""

    def synchronize(self) -> None:
        """Wait until the device is idle."""


class TorchNvtx:
    """NVTX and the profiler's window as torch offers them.

    Args:
        device: whose work is to be recorded.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def range_start(self, name: str) -> int:
        return torch.cuda.nvtx.range_start(name)

    def range_end(self, handle: int) -> None:
        torch.cuda.nvtx.range_end(handle)

    def profiler_start(self) -> None:
        torch.cuda.profiler.start()

    def profiler_stop(self) -> None:
        torch.cuda.profiler.stop()

    def synchronize(self) -> None:
        torch.cuda.synchronize(self._device)


class RangeProbe:
    """Keeps one range open while a stage is at work, and none between stages.

    Args:
        library: marks the ranges.
    """

    def __init__(self, library: NvtxLibrary) -> None:
        self._library = library
        self._open: int | None = None

    def read(self, owner: Owner) -> None:
        """End the open range and start that of `owner`."""
        if self._open is not None:
            self._library.range_end(self._open)
        self._open = None if owner.path == ROOT else self._library.range_start(_name(owner))


def _name(owner: Owner) -> str:
    return owner.path if owner.phase == "other" else f"{owner.phase}: {owner.path}"


def check_nvtx(device: torch.device) -> None:
    """Find out whether ranges can be marked.

    Raises:
        UsageError: they cannot, the device not being NVIDIA's or torch having been built without NVTX.
    """
    hint = "Use --trace FILE for a trace of the stages."
    if device.type != "cuda":
        raise UsageError(f"NVTX ranges are for NVIDIA's Nsight, and this is {device.type}.", hint)
    # AMD's devices are "cuda" to torch, too.
    if torch.version.cuda is None or not hasattr(torch._C, "_nvtx"):
        raise UsageError(f"NVTX ranges are for NVIDIA's Nsight, and torch {torch.__version__} has none.", hint)


def emit_ranges(
    run: Callable[[], object], device: torch.device, num_steps: int = NUM_STEPS, library: NvtxLibrary | None = None
) -> None:
    """Take steps with a range around each, `step`, and one around every stretch of it: `forward: loss/pac`.

    Args:
        run: takes one step, announcing its stages.
        device: where it does.
        num_steps: how many steps to take.
        library: marks the ranges; torch's by default.

    Raises:
        UsageError: torch's is asked for, and there is none for this device.
    """
    if library is None:
        check_nvtx(device)
        library = TorchNvtx(device)
    # What was queued before is not recorded, and what the steps queue is.
    library.synchronize()
    library.profiler_start()
    try:
        for _ in range(num_steps):
            _take_step(run, library)
        library.synchronize()
    finally:
        library.profiler_stop()


def _take_step(run: Callable[[], object], library: NvtxLibrary) -> None:
    step = library.range_start("step")
    try:
        tracker = StageTracker(Timeline(RangeProbe(library)))
        try:
            with listening(tracker):
                run()
        finally:
            # Ends the range that is open, wherever the step has raised.
            tracker.close()
    finally:
        library.range_end(step)

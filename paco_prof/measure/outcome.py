"""How long a breakdown run is to measure, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from paco_prof.records import BreakdownRecord

__all__ = ["Outcome", "Plan"]


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    Attributes:
        warmup: training steps to leave out; None finds out when they have stopped getting faster.
        steps: instrumented steps to measure; None goes on until intervals are narrow or the time is up.
        max_seconds: time for all that is timed; the least that makes a measurement is taken even if it is longer.
        trace: where to write a trace of one more step, if anywhere.
        fidelity: compare loss and gradient of the first step with a float64 reference, after all that is timed.
        nvtx: take a few more steps with NVTX ranges, which nobody times but Nsight.
    """

    warmup: int | None = None
    steps: int | None = None
    max_seconds: float = 60.0
    trace: Path | None = None
    fidelity: bool = True
    nvtx: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        record: everything that was measured.
        error: what ended the run early (a `KeyboardInterrupt`, or what the measured code raised), or else kept a file
            from being written.
    """

    record: BreakdownRecord
    error: BaseException | None = None

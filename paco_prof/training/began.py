"""When this process began: what it does before its first step is part of a run."""

from __future__ import annotations

import time

import psutil

from paco_prof.measure.clock import Clock

__all__ = ["process_began"]


def process_began(clock: Clock) -> float:
    """The beginning of this process on a clock's time; the system tells it to a hundredth of a second."""
    age = time.time() - psutil.Process().create_time()
    return clock.now() - max(0.0, age)

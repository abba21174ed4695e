"""The highest resident memory of this process, as the system tells. Free of torch."""

from __future__ import annotations

import sys

import psutil

__all__ = ["process_peak_bytes"]


def process_peak_bytes() -> int:
    """Highest resident memory of this process so far."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

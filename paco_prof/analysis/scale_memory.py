"""Memory at every size: the peak, and what stages keep for the backward pass."""

from __future__ import annotations

import math
from collections.abc import Sequence

from paco_prof.analysis.scale_rows import GrowthRow, Sizes, growth_row
from paco_prof.records import ScalePoint
from paco_prof.stats.summary import SMALLEST_SHARE

__all__ = ["peak_row", "saved_rows"]


def peak_row(points: Sequence[ScalePoint], target: Sizes | None) -> tuple[GrowthRow | None, str]:
    """The device's peak, or, where no launch tells that, the process's."""
    for name, of in (("device_peak_bytes", "device"), ("process_peak_bytes", "process")):
        told = [p for p in points if p.memory is not None and getattr(p.memory, name) is not None]
        if told:
            return growth_row(of, told, [{of: float(getattr(point.memory, name))} for point in told], target), of
    return None, ""


def saved_rows(points: Sequence[ScalePoint], target: Sizes | None) -> tuple[GrowthRow, ...]:
    """What stages without parents keep, the largest at the largest size first; a hundredth of all or more."""
    told = [point for point in points if point.memory is not None and point.memory.saved]
    kept: list[dict[str, float]] = []
    for point in told:
        sums: dict[str, float] = {}
        for each in point.memory.saved if point.memory is not None else ():
            top = each.path.split("/")[0]
            sums[top] = sums.get(top, 0.0) + each.num_bytes
        kept.append(sums)
    shares = {
        path: max(sums.get(path, 0.0) / whole for sums in kept if (whole := sum(sums.values())))
        for path in {path for sums in kept for path, number in sums.items() if number}
    }
    last = kept[max(range(len(told)), key=lambda index: math.prod(told[index].sizes))] if told else {}
    paths = sorted((p for p in shares if shares[p] >= SMALLEST_SHARE), key=lambda path: (-last.get(path, 0.0), path))
    return tuple(growth_row(path, told, kept, target, shares[path]) for path in paths)

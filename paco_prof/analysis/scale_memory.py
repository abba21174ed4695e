"""Memory at every size: the peak, what stages keep for the backward pass, and what else the peak is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from paco_prof.analysis.scale_rows import PEAK_REST, GrowthRow, Sizes, growth_row, rest_row, total
from paco_prof.records import ScalePoint
from paco_prof.stats.summary import SMALLEST_SHARE

__all__ = ["peak_rows", "saved_rows"]


def peak_rows(
    points: Sequence[ScalePoint], saved: Sequence[GrowthRow], target: Sizes | None
) -> tuple[GrowthRow | None, GrowthRow | None, str]:
    """The device's peak, or, where no launch tells that, the process's; what it is beside what stages keep, where that
    is known; and whose it is.

    A peak is a sum of what is kept, which grows with unlike powers, and of parameters, the optimizer's state and the
    process, which mostly do not grow: no shape has that, so it is predicted as the sum of these. It is a quantity by
    itself where a size has less of it than stages keep, or nobody knows what these keep.
    """
    for name, of in (("device_peak_bytes", "device"), ("process_peak_bytes", "process")):
        told = [p for p in points if p.memory is not None and getattr(p.memory, name) is not None]
        if not told:
            continue
        measured = [{of: float(getattr(p.memory, name)), **_kept(p)} for p in told]
        whole = growth_row(of, told, measured, target)
        known = [row for row in saved if row.has_interval]
        if not known or any(p.memory is None or not p.memory.saved for p in told):
            return whole, None, of
        rest = rest_row(PEAK_REST, of, told, measured, known, target)
        if rest is None or not rest.has_interval:
            return whole, None, of
        predicted = total([*(row.target for row in known), rest.target])
        return replace(whole, growth=None, target=predicted), rest, of
    return None, None, ""


def saved_rows(points: Sequence[ScalePoint], target: Sizes | None) -> tuple[GrowthRow, ...]:
    """What stages without parents keep, the largest at the largest size first; a hundredth of all or more."""
    told = [point for point in points if point.memory is not None and point.memory.saved]
    kept = [_kept(point) for point in told]
    shares = {
        path: max(sums.get(path, 0.0) / whole for sums in kept if (whole := sum(sums.values())))
        for path in {path for sums in kept for path, number in sums.items() if number}
    }
    last = kept[max(range(len(told)), key=lambda index: math.prod(told[index].sizes))] if told else {}
    paths = sorted((p for p in shares if shares[p] >= SMALLEST_SHARE), key=lambda path: (-last.get(path, 0.0), path))
    return tuple(growth_row(path, told, kept, target, shares[path]) for path in paths)


def _kept(point: ScalePoint) -> dict[str, float]:
    """Bytes that each stage without parents keeps."""
    sums: dict[str, float] = {}
    for each in point.memory.saved if point.memory is not None else ():
        top = each.path.split("/")[0]
        sums[top] = sums.get(top, 0.0) + each.num_bytes
    return sums

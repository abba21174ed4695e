"""What a step takes on so many devices, from what it took on the numbers of them that were measured.

Every device has a batch of its own (weak scaling), so that a step would take as long on many as on one if they had
nothing to tell each other. How near it comes to that is the efficiency, t(1) / t(N).

Between and beyond the measured sizes the step is taken to grow as the traffic of a ring all-reduce does. To reduce M
bytes each of N devices sends 2 M (N - 1) / N of them in 2 (N - 1) messages (Patarasuk and Yuan, Bandwidth optimal
all-reduce algorithms for clusters of workstations, Journal of Parallel and Distributed Computing 69, 2009), which takes

    2 (N - 1) latency + 2 (N - 1) / N * M / bandwidth.

Gradients are large, so the second term makes the figure; the first one, that any further device adds as much as the
one before, is how far up its interval reaches. What backward hides is taken to be hidden of every size alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from paco_prof.analysis.epoch_steps import alike, mean_step, stretches
from paco_prof.records import EstimatePlan, Pilot
from paco_prof.stats.pace import Span, quotient

__all__ = ["MeasuredSize", "Scaling", "ScalingSource", "by_nearness", "predicted", "scaling_of"]

# Where a step's time on so many devices comes from. What is assumed is that it is as on another number of them.
ScalingSource = Literal["measured", "interpolated", "extrapolated", "assumed"]


@dataclass(frozen=True, slots=True)
class MeasuredSize:
    """A number of devices that steps were measured on.

    Attributes:
        step: a full batch's on each device, the mean over the run's epochs.
        efficiency: images a second and device over those of one device; None where that was not measured, or only with
            another way of matching.
    """

    devices: int
    step: Span
    efficiency: Span | None


@dataclass(frozen=True, slots=True)
class Scaling:
    """What a step takes on the devices of a run.

    Attributes:
        devices: that the run has.
        step, efficiency: on so many, as of a measured size. What is assumed has no interval of its own.
        source: where the two come from.
        nearest: the measured size that is nearest, whose step is taken where one is assumed.
        sizes: all that were measured, the smallest first.
        is_alike: whether all sizes were measured in a way of matching that they share.
    """

    devices: int
    step: Span
    efficiency: Span | None
    source: ScalingSource
    nearest: int
    sizes: tuple[MeasuredSize, ...]
    is_alike: bool = True

    @property
    def measured(self) -> tuple[int, ...]:
        """The numbers of devices that were measured."""
        return tuple(size.devices for size in self.sizes)


def by_nearness(pilots: Sequence[Pilot], devices: int) -> list[Pilot]:
    """The pilots in the order in which they stand for a run on so many devices: by the ratio of the two numbers, the
    larger one first where two are as near.
    """
    return sorted(
        pilots,
        key=lambda pilot: (abs(math.log(pilot.workload.world_size / devices)), -pilot.workload.world_size),
    )


def scaling_of(plan: EstimatePlan, pilots: Sequence[Pilot]) -> Scaling:
    """What a step takes on the devices of the run.

    Args:
        pilots: of one variant, each on another number of devices.
    """
    pilots = sorted(pilots, key=lambda pilot: pilot.workload.world_size)
    numbers = [pilot.workload.world_size for pilot in pilots]
    steps = {number: mean_step(stretches(plan, pilot)) for number, pilot in zip(numbers, pilots, strict=True)}
    found = alike(plan, pilots)
    compared = {number: mean_step(of_pilot) for number, of_pilot in zip(numbers, found, strict=False)}
    slowdowns = _slowdowns(compared)
    sizes = tuple(MeasuredSize(number, steps[number], _inverse(slowdowns.get(number))) for number in numbers)
    nearest, source = by_nearness(pilots, plan.gpus)[0].workload.world_size, _source(plan.gpus, numbers, bool(found))
    step, efficiency = steps[nearest], _inverse(slowdowns.get(nearest))
    if source in ("interpolated", "extrapolated"):
        step = _moved(steps[nearest], compared[nearest], predicted(plan.gpus, compared))
        efficiency = _inverse(predicted(plan.gpus, slowdowns)) if slowdowns else None
    elif source == "assumed":
        # That a device is as fast among many as alone is all that one size says.
        efficiency = Span(1.0) if numbers == [1] else None
    return Scaling(plan.gpus, step, efficiency, source, nearest, sizes, bool(found))


def _source(devices: int, numbers: Sequence[int], is_alike: bool) -> ScalingSource:
    """Fewer devices than any that were measured are not reached by the model: it knows what many tell each other, and
    not what one of them takes of its own.
    """
    if devices in numbers:
        return "measured"
    if len(numbers) == 1 or devices < numbers[0] or not is_alike:
        return "assumed"
    return "interpolated" if devices < numbers[-1] else "extrapolated"


def _slowdowns(steps: Mapping[int, Span]) -> dict[int, Span]:
    """How many times a step of one device each takes; empty where that is not known."""
    if 1 not in steps:
        return {}
    return {n: Span(1.0, 1.0, 1.0) if n == 1 else quotient(step, steps[1]) for n, step in steps.items()}


def _inverse(ratio: Span | None) -> Span | None:
    if ratio is None:
        return None
    if ratio.low is None or ratio.high is None:
        return Span(1 / ratio.value)
    return Span(1 / ratio.value, 1 / ratio.high, math.inf if ratio.low <= 0 else 1 / ratio.low)


def _moved(step: Span, compared: Span, found: Span) -> Span:
    """The step that is as much longer than a measured one as one is than another with the same way of matching."""
    return Span(step.value + found.value - compared.value).like(found)


def predicted(devices: int, steps: Mapping[int, Span]) -> Span:
    """A step on a number of devices that was not measured, from two measured numbers or more.

    Between two of them the value lies where the ring's traffic does, and its interval holds both: whatever grows with
    devices, were it all at once where a second machine begins, is between them. Beyond the largest the growth is that
    of a least-squares line through all sizes, from the largest on; the interval's low end is without any growth, and
    its high end grows with every device as latency does. The uncertainty of the measured steps is carried along, the
    two added as independent ones are.

    Args:
        devices: more than the smallest that was measured.
        steps: by the number of devices, of steps or of any multiple of them.
    """
    last = max(steps)
    if devices > last:
        return _beyond(devices, last, steps)
    below, above = max(n for n in steps if n < devices), min(n for n in steps if n > devices)
    part = (_ring(devices) - _ring(below)) / (_ring(above) - _ring(below))
    weights = {below: 1 - part, above: part}
    value = _weighted(weights, steps)
    ends = steps[below].value, steps[above].value
    return _reaching(value, weights, steps, up=max(ends) - value, down=value - min(ends))


def _ring(devices: float) -> float:
    """The share of its bytes that each device sends, half of it: what bandwidth is used for."""
    return (devices - 1) / devices


def _chain(devices: float) -> float:
    """Half of the messages of a ring, one after the other: what takes latency."""
    return devices - 1.0


def _beyond(devices: int, last: int, steps: Mapping[int, Span]) -> Span:
    rings, chains = _slope(_ring, steps), _slope(_chain, steps)
    distance = _ring(devices) - _ring(last)
    # Telling each other something takes no negative time.
    growth = max(0.0, _weighted(rings, steps)) * distance
    farthest = max(growth, _weighted(chains, steps) * (devices - last))
    weights = {n: weight * distance + (n == last) for n, weight in rings.items()}
    return _reaching(steps[last].value + growth, weights, steps, up=farthest - growth, down=growth)


def _slope(term: Callable[[float], float], steps: Mapping[int, Span]) -> dict[int, float]:
    """What each step weighs in the slope of the least-squares line against a term."""
    places = {n: term(n) for n in steps}
    middle = sum(places.values()) / len(places)
    spread = sum((place - middle) ** 2 for place in places.values())
    return {n: (place - middle) / spread for n, place in places.items()}


def _weighted(weights: Mapping[int, float], steps: Mapping[int, Span]) -> float:
    return sum(weight * steps[n].value for n, weight in weights.items())


def _reaching(value: float, weights: Mapping[int, float], steps: Mapping[int, Span], *, up: float, down: float) -> Span:
    """The figure with an interval: how far the model reaches up and down, and the measured steps in it.

    Args:
        weights: of the independent steps that the figure is a sum of.
    """
    lows, highs = [step.low for step in steps.values()], [step.high for step in steps.values()]
    if None in lows or None in highs:
        return Span(value)
    above, below = [up], [down]
    for n, weight in weights.items():
        step = steps[n]
        sides = ((step.high or 0.0) - step.value, step.value - (step.low or 0.0))
        # Where a step is taken off, its high end makes the low one.
        above.append(abs(weight) * sides[weight < 0] if weight else 0.0)
        below.append(abs(weight) * sides[weight > 0] if weight else 0.0)
    # No device is faster among many than the fastest that was measured may be.
    floor = min(low for low in lows if low is not None)
    return Span(value, max(floor, value - math.hypot(*below)), value + math.hypot(*above))

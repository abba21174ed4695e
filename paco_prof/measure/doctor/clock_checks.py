"""Is the instrument's clock right? Beside a clock that is not its own, and the device's beside the host's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from paco_prof.measure.clock import Clock
from paco_prof.measure.doctor.delays import Delay, ReadNs
from paco_prof.measure.doctor.instrument import judged, skipped
from paco_prof.measure.timeline import ROOT, Owner
from paco_prof.records import DoctorCheck, Figure

__all__ = ["check_device_clock", "check_host_clock"]

# Half a second, in pieces that are short enough to show a single jump.
NUM_PAUSES = 50
PAUSE = 0.01
NUM_READINGS = 1000
NUM_TRIES = 3
# A clock that is being set right by the network runs at most 0.05 % too fast or too slow.
RATE_TOLERANCE = 0.001
JUMP_TOLERANCE = 0.0005
# Stages of a tenth of a millisecond need a clock that is much finer than that.
RESOLUTION_TOLERANCE = 1e-5

LONG_WORK = 0.1
NUM_LONG = 3
# What surrounds the work, a launch and the end of waiting, is some 0.05 ms of it.
EVENT_TOLERANCE = 0.01
# Of the work, while which the host only queues: a reading that waits for the device would make it all of it.
WAITING_TOLERANCE = 0.5
OWNER = Owner(ROOT, "other")


@dataclass(frozen=True, slots=True)
class _Reading:
    """The instrument's clock, read between two readings of the independent one; all in seconds.

    Attributes:
        width: how far these lie apart, which is how well it is known when the instrument's was read.
    """

    clock: float
    reference: float
    width: float


def check_host_clock(clock: Clock, now_ns: ReadNs | None, pause: Callable[[float], None]) -> list[DoctorCheck]:
    """The clock's rate and its steadiness beside an independent clock, and how fine it is.

    Args:
        now_ns: the independent clock; None where the system has none.
        pause: lets so many seconds go by.
    """
    if now_ns is None:
        return [*(skipped(name, "no other clock") for name in ("clock rate", "clock steadiness")), _resolution(clock)]
    readings = [_reading(clock, now_ns)]
    for _ in range(NUM_PAUSES):
        pause(PAUSE)
        readings.append(_reading(clock, now_ns))
    first, last = readings[0], readings[-1]
    seconds = last.reference - first.reference
    rate = (last.clock - first.clock) / seconds if seconds > 0 else 0.0
    return [_rate(rate, seconds), _steadiness(readings, rate), _resolution(clock)]


def check_device_clock(clock: Clock, delay: Delay, now_ns: ReadNs) -> list[DoctorCheck]:
    """Event time beside host time on long work, and whether reading the clock leaves the host alone."""
    if not clock.is_asynchronous:
        return [skipped(name, "one clock") for name in ("event time", "reading")]
    delay.calibrate()
    host, device, queueing = [], [], []
    for _ in range(NUM_LONG):
        clock.synchronize()
        start_ns = now_ns()
        start = clock.read(OWNER)
        delay.wait(LONG_WORK)
        end = clock.read(OWNER)
        queued_ns = now_ns()
        clock.synchronize()
        host.append((now_ns() - start_ns) / 1e9)
        queueing.append((queued_ns - start_ns) / 1e9)
        device.append(clock.between(start, end).device)
    return [_event_time(host, device), _queueing(median(queueing), median(host))]


def _reading(clock: Clock, now_ns: ReadNs) -> _Reading:
    """The best of a few: whoever is interrupted between two readings knows nothing."""
    tries = []
    for _ in range(NUM_TRIES):
        before, now, after = now_ns(), clock.now(), now_ns()
        tries.append(_Reading(now, (before + after) / 2e9, (after - before) / 1e9))
    return min(tries, key=lambda reading: reading.width)


def _rate(rate: float, seconds: float) -> DoctorCheck:
    figure = Figure(name="rate", unit="ratio", measured=rate, expected=1.0, tolerance=RATE_TOLERANCE)
    over = Figure(name="over", unit="seconds", measured=seconds)
    reason = ("slow" if rate < 1 else "fast") if figure.is_off else ""
    return judged("clock rate", reason, figure, over)


def _steadiness(readings: list[_Reading], rate: float) -> DoctorCheck:
    """The largest jump, beyond what the rate alone explains and what the readings cannot tell."""
    jumps = []
    for before, after in pairwise(readings):
        jump = (after.clock - before.clock) - rate * (after.reference - before.reference)
        jumps.append(max(0.0, abs(jump) - (before.width + after.width) / 2))
    backwards = any(after.clock < before.clock for before, after in pairwise(readings))
    figure = Figure(name="jump", unit="seconds", measured=max(jumps), tolerance=JUMP_TOLERANCE)
    reason = "backwards" if backwards else "jumped" if figure.is_off else ""
    return judged("clock steadiness", reason, figure)


def _resolution(clock: Clock) -> DoctorCheck:
    """The smallest step that the clock is seen to make."""
    times = [clock.now() for _ in range(NUM_READINGS)]
    steps = [after - before for before, after in pairwise(times) if after > before]
    figure = Figure(
        name="resolution", unit="seconds", measured=min(steps, default=None), tolerance=RESOLUTION_TOLERANCE
    )
    is_coarse = not steps or figure.is_off
    return judged("clock resolution", "coarse" if is_coarse else "", figure, if_wrong="warning")


def _event_time(host: list[float], device: list[float | None]) -> DoctorCheck:
    known = [(one, other) for one, other in zip(host, device, strict=True) if other is not None]
    has_all = len(known) == len(host)
    ratio = median(other / one for one, other in known) if known else None
    figures = (
        Figure(name="ratio", unit="ratio", measured=ratio, expected=1.0, tolerance=EVENT_TOLERANCE),
        Figure(name="host", unit="seconds", measured=median(host)),
    )
    reason = "" if has_all and not figures[0].is_off else "differs" if has_all else "lost"
    return judged("event time", reason, *figures)


def _queueing(queueing: float, working: float) -> DoctorCheck:
    figures = (
        Figure(name="queueing", unit="seconds", measured=queueing, tolerance=WAITING_TOLERANCE * working),
        Figure(name="working", unit="seconds", measured=working),
    )
    return judged("reading", "waits" if figures[0].is_off else "", *figures)

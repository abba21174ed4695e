"""What was suspicious about the machine while launches were taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from paco_prof.analysis.findings import BUSY_CORES, BusyMachine
from paco_prof.records import ComparisonRecord, MachineState

__all__ = [
    "ClockMoved",
    "MachineFinding",
    "OthersOnAccelerator",
    "Oversubscribed",
    "SlowGovernor",
    "Stolen",
    "Throttled",
    "WaitingIsBusy",
    "find_about_the_machine",
]

WAITING_CORES = 0.10
STOLEN_CORES = 0.10
CLOCK_CHANGE = 0.10


@dataclass(frozen=True, slots=True)
class WaitingIsBusy:
    """The process whose turn it was not kept cores busy all the same."""

    cores: float


@dataclass(frozen=True, slots=True)
class Throttled:
    """A processor was slower than it can be: the CPU so many times, or the accelerator for these reasons."""

    times: int = 0
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClockMoved:
    """The clock was not the same at the beginning and at the end of a launch, MHz."""

    of: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Stolen:
    """The hypervisor gave cores of ours to others."""

    cores: float


@dataclass(frozen=True, slots=True)
class SlowGovernor:
    """The kernel's policy for the cores' clocks is one that saves power."""

    governor: str


@dataclass(frozen=True, slots=True)
class OthersOnAccelerator:
    """Other processes computed on the accelerator."""

    num_processes: int


@dataclass(frozen=True, slots=True)
class Oversubscribed:
    """A step uses more threads than there are cores."""

    threads: int
    cores: int


MachineFinding = (
    BusyMachine | Stolen | WaitingIsBusy | Throttled | ClockMoved | SlowGovernor | OthersOnAccelerator | Oversubscribed
)


def find_about_the_machine(record: ComparisonRecord) -> Iterator[MachineFinding]:
    """All that is suspicious, the worst launch of each kind."""
    environment = record.environment
    states = [launch.machine for launch in record.launches if launch.machine is not None]
    if environment is not None:
        if environment.is_oversubscribed:
            yield Oversubscribed(environment.threads, environment.cores)
        busy = max((state.other_busy_cores or 0.0 for state in states), default=0.0)
        if busy > BUSY_CORES:
            yield BusyMachine(busy, environment.cores)
    stolen = max((state.stolen_cores or 0.0 for state in states), default=0.0)
    if stolen > STOLEN_CORES:
        yield Stolen(stolen)
    waiting = max((state.waiting_cores or 0.0 for state in states), default=0.0)
    if waiting > WAITING_CORES:
        yield WaitingIsBusy(waiting)
    times = sum(state.cpu_throttled or 0 for state in states)
    if times:
        yield Throttled(times=times)
    governors = {state.governor for state in states} & {"powersave", "conservative"}
    if governors:
        yield SlowGovernor(min(name for name in governors if name is not None))
    yield from _clocks(states)
    yield from _accelerators(states)


def _clocks(states: list[MachineState]) -> Iterator[MachineFinding]:
    """The largest change of each clock within a launch."""
    accelerators = [state.accelerator.clock_mhz for state in states if state.accelerator is not None]
    clocks: tuple[tuple[str, Sequence[tuple[float, float] | None]], ...] = (
        ("CPU", [state.cpu_mhz for state in states]),
        ("accelerator", accelerators),
    )
    for name, pairs in clocks:
        known = [(min(pair), max(pair)) for pair in pairs if pair is not None and min(pair) > 0]
        low, high = max(known, key=lambda pair: pair[1] / pair[0], default=(1.0, 1.0))
        if high > (1 + CLOCK_CHANGE) * low:
            yield ClockMoved(name, low, high)


def _accelerators(states: list[MachineState]) -> Iterator[MachineFinding]:
    accelerators = [state.accelerator for state in states if state.accelerator is not None]
    reasons = sorted({reason for accelerator in accelerators for reason in accelerator.throttle_reasons})
    if reasons:
        yield Throttled(reasons=tuple(reasons))
    others = max((accelerator.other_processes or 0 for accelerator in accelerators), default=0)
    if others:
        yield OthersOnAccelerator(others)

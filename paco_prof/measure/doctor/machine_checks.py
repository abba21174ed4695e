"""Is the machine at rest, and is there room on it?"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import psutil

from paco_prof.records import CheckStatus, DoctorCheck, Environment, Figure, MachineState

__all__ = ["check_machine", "check_quietness"]

SHARED_MEMORY = Path("/dev/shm")
# What loader processes hand over passes through it; a container has 64 MB unless it is told otherwise.
LEAST_SHARED = 256e6
# A ResNet-50 step of batch 8 peaks at 2.9 GB in the reference form.
LEAST_MEMORY = 4e9
# Cores: less is what any system does now and then.
BUSY_CORES = 0.25
STOLEN_CORES = 0.10
SAVING_GOVERNORS = ("powersave", "conservative")


def check_machine(environment: Environment, shared_memory: Path = SHARED_MEMORY) -> list[DoctorCheck]:
    """Threads, free memory, and the shared memory that loader processes use."""
    return [_threads(environment), _memory(), _shared_memory(shared_memory)]


def check_quietness(state: MachineState, environment: Environment) -> list[DoctorCheck]:
    """What else the machine did while the instrument was tried."""
    return [_load(state, environment), _clock(state)]


def _threads(environment: Environment) -> DoctorCheck:
    figures = (
        Figure(name="threads", unit="count", measured=environment.threads),
        Figure(name="cores", unit="count", measured=environment.cores),
    )
    if environment.is_oversubscribed:
        return _check("threads", "warning", "oversubscribed", "", *figures)
    return _check("threads", "ok", "", "", *figures)


def _memory() -> DoctorCheck:
    memory = psutil.virtual_memory()
    figures = (
        Figure(name="free", unit="bytes", measured=memory.available),
        Figure(name="total", unit="bytes", measured=memory.total),
    )
    is_full = memory.available < LEAST_MEMORY
    return _check("memory", "warning" if is_full else "ok", "full" if is_full else "", "", *figures)


def _shared_memory(folder: Path) -> DoctorCheck:
    if sys.platform != "linux" or not folder.is_dir():
        return _check("shared memory", "skipped", "not told")
    free = shutil.disk_usage(folder).free
    is_small = free < LEAST_SHARED
    figure = Figure(name="free", unit="bytes", measured=free)
    return _check("shared memory", "warning" if is_small else "ok", "small" if is_small else "", "", figure)


def _load(state: MachineState, environment: Environment) -> DoctorCheck:
    """Cores that others kept busy; the hypervisor's part of it is named where it is most of it."""
    busy, stolen = state.other_busy_cores, state.stolen_cores
    figures = (
        Figure(name="load", unit="count", measured=state.load_average),
        Figure(name="busy", unit="count", measured=busy),
        Figure(name="stolen", unit="count", measured=stolen),
        Figure(name="cores", unit="count", measured=environment.cores),
    )
    if stolen is not None and stolen > STOLEN_CORES:
        return _check("load", "warning", "stolen", "", *figures)
    if busy is not None and busy > BUSY_CORES:
        return _check("load", "warning", "busy", "", *figures)
    return _check("load", "ok", "", "", *figures)


def _clock(state: MachineState) -> DoctorCheck:
    """The policy for the cores' clocks, and whether heat has slowed them down."""
    throttled = state.cpu_throttled
    figures = () if throttled is None else (Figure(name="throttled", unit="count", measured=throttled),)
    if throttled:
        return _check("processor clock", "warning", "throttled", state.governor or "", *figures)
    if state.governor in SAVING_GOVERNORS:
        return _check("processor clock", "warning", "saving", state.governor, *figures)
    if state.governor is None and throttled is None:
        return _check("processor clock", "skipped", "not told")
    return _check("processor clock", "ok", "", state.governor or "", *figures)


def _check(name: str, status: CheckStatus = "ok", reason: str = "", detail: str = "", *figures: Figure) -> DoctorCheck:
    return DoctorCheck(group="machine", name=name, status=status, reason=reason, detail=detail, figures=figures)

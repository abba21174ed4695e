"""What was suspicious about the machine, and what was not."""

from __future__ import annotations

import pytest

from builders import CPU, GPU
from comparisons import QUIET, comparison_record
from paco_prof.analysis.findings import BusyMachine
from paco_prof.analysis.machine_findings import (
    ClockMoved,
    MachineFinding,
    OthersOnAccelerator,
    Oversubscribed,
    SlowGovernor,
    Throttled,
    WaitingIsBusy,
    find_about_the_machine,
)
from paco_prof.records import AcceleratorState, ComparisonRecord, Environment, MachineState

BUILT = comparison_record(launches=1)


def record(*states: MachineState | None, environment: Environment | None = CPU) -> ComparisonRecord:
    launches = [
        launch.model_copy(update={"machine": state}) for launch, state in zip(BUILT.launches, states, strict=False)
    ]
    return BUILT.model_copy(update={"launches": tuple(launches), "environment": environment})


def found(*states: MachineState | None, environment: Environment | None = CPU) -> list[MachineFinding]:
    return list(find_about_the_machine(record(*states, environment=environment)))


def accelerator(**state: object) -> MachineState:
    return MachineState(accelerator=AcceleratorState.model_validate(state))


def test_a_quiet_machine_is_not_mentioned() -> None:
    assert found(QUIET, QUIET) == []
    assert found(None, None) == []
    assert found(MachineState(), MachineState()) == []
    assert found(environment=None) == []


@pytest.mark.parametrize(
    ("state", "finding"),
    [
        (MachineState(other_busy_cores=1.2), BusyMachine(1.2, 2)),
        (MachineState(waiting_cores=0.9), WaitingIsBusy(0.9)),
        (MachineState(cpu_throttled=3), Throttled(times=3)),
        (MachineState(governor="powersave"), SlowGovernor("powersave")),
        (MachineState(governor="conservative"), SlowGovernor("conservative")),
        (MachineState(cpu_mhz=(3000.0, 2000.0)), ClockMoved("CPU", 2000.0, 3000.0)),
        (accelerator(clock_mhz=(1000, 1980)), ClockMoved("accelerator", 1000, 1980)),
        (accelerator(throttle_reasons=("hw slowdown",)), Throttled(reasons=("hw slowdown",))),
        (accelerator(other_processes=2), OthersOnAccelerator(2)),
    ],
)
def test_everything_suspicious_is_found_whichever_launch_it_was(state: MachineState, finding: MachineFinding) -> None:
    assert found(QUIET, state) == [finding]
    assert found(state, None) == [finding]


@pytest.mark.parametrize(
    "state",
    [
        MachineState(waiting_cores=0.1),
        MachineState(cpu_throttled=0),
        MachineState(governor="performance"),
        MachineState(governor="schedutil"),
        MachineState(cpu_mhz=(2000.0, 2190.0)),
        MachineState(cpu_mhz=(0.0, 2000.0)),
        accelerator(clock_mhz=(1980, 1980), max_clock_mhz=1980, temperature_c=(40, 60)),
        accelerator(other_processes=0),
        accelerator(other_processes=None),
    ],
)
def test_what_is_ordinary_is_not(state: MachineState) -> None:
    assert found(state, QUIET) == []


def test_the_worst_launch_counts() -> None:
    busy = [MachineState(other_busy_cores=cores) for cores in (0.9, 1.7)]
    assert found(*busy) == [BusyMachine(1.7, 2)]
    clocks = [MachineState(cpu_mhz=(2000.0, 2400.0)), MachineState(cpu_mhz=(2600.0, 1300.0))]
    assert found(*clocks) == [ClockMoved("CPU", 1300.0, 2600.0)]
    reasons = [accelerator(throttle_reasons=("b", "a")), accelerator(throttle_reasons=("c", "a"))]
    assert found(*reasons) == [Throttled(reasons=("a", "b", "c"))]


def test_more_threads_than_cores_are_too_many_on_a_cpu_only() -> None:
    assert found(environment=CPU.model_copy(update={"threads": 3})) == [Oversubscribed(3, 2)]
    assert found(environment=CPU.model_copy(update={"threads": 2})) == []
    assert found(environment=GPU.model_copy(update={"threads": 32})) == []


def test_cores_that_the_hypervisor_took_are_suspicious() -> None:
    assert found(MachineState(stolen_cores=1.5))

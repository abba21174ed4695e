"""What the accelerator's management library tells, from a library that the test makes up."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from paco_prof.measure import nvml as module
from paco_prof.measure.nvml import AcceleratorMonitor
from paco_prof.records.comparison import AcceleratorState

UUID = "GPU-0a1b2c3d-0000-1111-2222-333344445555"
THIS_PROCESS = 70
WORKERS = (71, 72)


@pytest.fixture(autouse=True)
def of_a_number_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container where few processes ran before, our own number is a small one, and may be anybody's here."""
    monkeypatch.setattr(module, "os", SimpleNamespace(getpid=lambda: THIS_PROCESS))


class FakeNvml:
    """A library with one device; the values are NVIDIA's."""

    NVML_CLOCK_SM = 1
    NVML_TEMPERATURE_GPU = 0
    nvmlClocksEventReasonNone = 0x0
    nvmlClocksEventReasonGpuIdle = 0x1
    nvmlClocksEventReasonApplicationsClocksSetting = 0x2
    nvmlClocksEventReasonSwPowerCap = 0x4
    nvmlClocksEventReasonHwSlowdown = 0x8
    nvmlClocksEventReasonSwThermalSlowdown = 0x20
    nvmlClocksEventReasonHwThermalSlowdown = 0x40
    nvmlClocksEventReasonHwPowerBrakeSlowdown = 0x80

    def __init__(self, uuid: str = UUID) -> None:
        self.uuid = uuid
        self.opened = 0
        self.clock = 1980
        self.temperature = 40
        self.reasons = self.nvmlClocksEventReasonGpuIdle
        self.pids = list(WORKERS)

    def nvmlInit(self) -> None:
        self.opened += 1

    def nvmlShutdown(self) -> None:
        self.opened -= 1

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        if uuid != self.uuid:
            raise LookupError("Not Found")
        return "device"

    def nvmlDeviceGetClockInfo(self, device: str, clock: int) -> int:
        assert (device, clock) == ("device", self.NVML_CLOCK_SM)
        return self.clock

    def nvmlDeviceGetMaxClockInfo(self, device: str, clock: int) -> int:
        assert (device, clock) == ("device", self.NVML_CLOCK_SM)
        return 1980

    def nvmlDeviceGetTemperature(self, device: str, sensor: int) -> int:
        assert (device, sensor) == ("device", self.NVML_TEMPERATURE_GPU)
        return self.temperature

    def nvmlDeviceGetCurrentClocksEventReasons(self, device: str) -> int:
        return self.reasons

    def nvmlDeviceGetComputeRunningProcesses(self, device: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(pid=pid) for pid in self.pids]


def watch(nvml: object, uuid: str = UUID) -> AcceleratorMonitor:
    monitor = AcceleratorMonitor(uuid, nvml, seconds_between_samples=0.0)
    monitor.begin(WORKERS)
    return monitor


def state_of(nvml: object, uuid: str = UUID) -> AcceleratorState:
    state = watch(nvml, uuid).end()
    assert state is not None
    return state


def test_clock_and_temperature_are_of_the_beginning_and_of_the_end() -> None:
    nvml = FakeNvml()
    monitor = watch(nvml)
    assert nvml.opened == 1
    nvml.clock, nvml.temperature = 1200, 86
    assert monitor.end() == AcceleratorState(
        clock_mhz=(1980, 1200), max_clock_mhz=1980, temperature_c=(40, 86), other_processes=0
    )
    assert nvml.opened == 0


@pytest.mark.parametrize("uuid", [UUID, UUID.removeprefix("GPU-"), UUID.upper(), f" {UUID} "])
def test_the_device_is_found_with_its_prefix_or_without(uuid: str) -> None:
    assert state_of(FakeNvml(), uuid).max_clock_mhz == 1980


def test_a_part_of_a_device_has_another_prefix() -> None:
    assert state_of(FakeNvml(UUID.replace("GPU-", "MIG-")), UUID.removeprefix("GPU-")).max_clock_mhz == 1980


def test_every_look_adds_its_reasons() -> None:
    nvml = FakeNvml()
    nvml.reasons = nvml.nvmlClocksEventReasonSwPowerCap | nvml.nvmlClocksEventReasonGpuIdle
    monitor = watch(nvml)
    nvml.reasons = nvml.nvmlClocksEventReasonHwPowerBrakeSlowdown
    monitor.sample()
    nvml.reasons = nvml.nvmlClocksEventReasonNone
    monitor.sample()
    nvml.reasons = nvml.nvmlClocksEventReasonHwThermalSlowdown | nvml.nvmlClocksEventReasonSwThermalSlowdown
    state = monitor.end()
    assert state is not None
    assert state.throttle_reasons == ("SW power cap", "SW thermal slowdown", "HW thermal slowdown", "HW power brake")


def test_samples_are_not_taken_too_often() -> None:
    nvml = FakeNvml()
    monitor = AcceleratorMonitor(UUID, nvml, seconds_between_samples=3600.0)
    monitor.begin(WORKERS)
    nvml.reasons = nvml.nvmlClocksEventReasonSwPowerCap
    monitor.sample()
    nvml.reasons = nvml.nvmlClocksEventReasonNone
    state = monitor.end()
    assert state is not None
    assert state.throttle_reasons == ()


def test_idling_and_a_clock_that_was_set_are_no_throttling() -> None:
    nvml = FakeNvml()
    nvml.reasons |= nvml.nvmlClocksEventReasonApplicationsClocksSetting
    assert state_of(nvml).throttle_reasons == ()


def test_an_older_library_has_older_names() -> None:
    class Older(FakeNvml):
        nvmlDeviceGetCurrentClocksEventReasons = None  # type: ignore[assignment]
        nvmlClocksThrottleReasonBoardLimit = 0x200

        def nvmlDeviceGetCurrentClocksThrottleReasons(self, device: str) -> int:
            return 0x200

    assert state_of(Older()).throttle_reasons == ("board limit",)


def test_a_newer_library_has_another_thermometer() -> None:
    class Newer(FakeNvml):
        nvmlDeviceGetTemperature = None  # type: ignore[assignment]

        def nvmlDeviceGetTemperatureV(self, device: str, sensor: int) -> int:
            return 55

    assert state_of(Newer()).temperature_c == (55, 55)


def test_processes_that_are_not_ours_are_counted_once() -> None:
    nvml = FakeNvml()
    nvml.pids = [*WORKERS, THIS_PROCESS, 500, 500]
    monitor = watch(nvml)
    nvml.pids = [501]
    state = monitor.end()
    assert state is not None
    assert state.other_processes == 2


@pytest.mark.parametrize("pids", [[], [4001, 4002]])
def test_without_our_own_among_them_nothing_is_known_of_others(pids: list[int]) -> None:
    nvml = FakeNvml()
    nvml.pids = pids
    assert state_of(nvml).other_processes is None


def test_what_the_device_does_not_tell_is_none() -> None:
    class Silent:
        def nvmlInit(self) -> None: ...
        def nvmlShutdown(self) -> None: ...
        def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
            return "device"

    assert state_of(Silent()) == AcceleratorState()


def test_an_unknown_device_has_no_state_and_the_library_is_closed_again() -> None:
    nvml = FakeNvml("GPU-another")
    assert watch(nvml).end() is None
    assert nvml.opened == 0


def test_without_a_driver_there_is_no_state() -> None:
    class NoDriver(FakeNvml):
        def nvmlInit(self) -> None:
            raise OSError("NVML Shared Library Not Found")

        def nvmlShutdown(self) -> None:
            pytest.fail("it was never open")

    monitor = watch(NoDriver())
    monitor.sample()
    assert monitor.end() is None


def test_without_the_library_there_is_no_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monitor = watch(None)
    monitor.sample()
    assert monitor.end() is None


def test_the_library_is_found_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml())
    assert state_of(None).clock_mhz == (1980, 1980)


def test_it_ends_before_it_begins_and_more_than_once() -> None:
    nvml = FakeNvml()
    assert AcceleratorMonitor(UUID, nvml).end() is None
    monitor = watch(nvml)
    assert monitor.end() is not None
    assert monitor.end() is None
    assert nvml.opened == 0

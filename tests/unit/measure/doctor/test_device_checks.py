"""What is found of a device: whether it computes, in which types, and who else uses it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from builders import CPU, GPU
from paco_prof.measure.clock import HostClock
from paco_prof.measure.doctor import device_checks
from paco_prof.measure.doctor.device_checks import check_accelerator, check_device
from paco_prof.records import AcceleratorState, DoctorCheck

HOST, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """float16 takes a hundred times as long as float32 on many a CPU."""
    monkeypatch.setattr(device_checks, "NUM_TRIES", 1)


def found() -> dict[str, DoctorCheck]:
    return {check.name: check for check in check_device(CPU, HOST, HostClock())}


def state(check: DoctorCheck) -> tuple[str, str]:
    return check.status, check.reason


def test_this_cpu_computes_in_float32_and_in_bfloat16() -> None:
    checks = found()
    assert state(checks["computing"]) == state(checks["bfloat16"]) == ("ok", "")
    error, speed = checks["computing"].figure("error"), checks["bfloat16"].figure("speed")
    assert error is not None
    assert error.measured is not None
    assert error.measured < 1e-5
    assert speed is not None
    assert speed.measured is not None
    assert checks["device"].detail == CPU.processor
    assert {checks[name].reason for name in ("tf32", "cudnn.benchmark")} == {"no gpu"}


def test_a_type_that_autocast_does_not_know_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    real = device_checks._Convolution._once

    def once(self: Any, layer: Any, images: Any, dtype: torch.dtype) -> None:
        if dtype == torch.float16:
            raise RuntimeError("not implemented for 'Half'")
        real(self, layer, images, dtype)

    monkeypatch.setattr(device_checks._Convolution, "_once", once)
    check = found()["float16"]
    assert (state(check), check.detail) == (("skipped", "unsupported"), "RuntimeError: not implemented for 'Half'")


def test_gradients_that_are_not_finite_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    real = device_checks._Convolution.gradient

    def gradient(self: Any, dtype: torch.dtype) -> torch.Tensor:
        exact = real(self, dtype)
        return exact / 0 if dtype == torch.bfloat16 else exact

    monkeypatch.setattr(device_checks._Convolution, "gradient", gradient)
    assert state(found()["bfloat16"]) == ("warning", "not finite")


@pytest.mark.parametrize("by", [2.0, float("nan")])
def test_a_device_that_computes_something_else_fails(by: float, monkeypatch: pytest.MonkeyPatch) -> None:
    real = device_checks._Convolution.gradient

    def gradient(self: Any, dtype: torch.dtype) -> torch.Tensor:
        return real(self, dtype) * (by if dtype == torch.float32 else 1.0)

    monkeypatch.setattr(device_checks._Convolution, "gradient", gradient)
    assert state(found()["computing"]) == ("failed", "wrong")


def test_a_device_that_cannot_compute_fails_and_the_rest_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def once(*arguments: Any) -> None:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")

    monkeypatch.setattr(device_checks._Convolution, "_once", once)
    checks = found()
    assert state(checks["computing"]) == ("failed", "raised")
    assert "no kernel image" in checks["computing"].detail
    assert state(checks["bfloat16"]) == ("skipped", "unsupported")


@pytest.mark.parametrize(
    ("told", "others", "throttling"),
    [
        (AcceleratorState(other_processes=0), ("ok", ""), ("ok", "")),
        (AcceleratorState(other_processes=2), ("warning", "shared"), ("ok", "")),
        (AcceleratorState(), ("skipped", "not told"), ("ok", "")),
        (
            AcceleratorState(other_processes=0, throttle_reasons=("SW power cap",)),
            ("ok", ""),
            ("warning", "throttled"),
        ),
        (None, ("skipped", "no nvml"), ("skipped", "no nvml")),
    ],
)
def test_an_accelerators_library_tells_of_others_and_of_heat(
    told: AcceleratorState | None, others: tuple[str, str], throttling: tuple[str, str]
) -> None:
    checks = {check.name: state(check) for check in check_accelerator(CUDA, told)}
    assert checks == {"other processes": others, "throttling": throttling}


def test_without_an_accelerator_there_is_nothing_to_ask() -> None:
    assert {state(check) for check in check_accelerator(HOST, None)} == {("skipped", "no gpu")}


def test_a_gpu_tells_its_capability_its_memory_and_its_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (149_000_000_000, 150_000_000_000))
    identity = device_checks._identity(GPU, CUDA)
    assert identity.detail == "NVIDIA H200, compute capability 9.0"
    assert device_checks._tf32(CUDA).status == "ok"
    assert device_checks._cudnn_benchmark(CUDA).detail in ("on", "off")
    assert state(device_checks._memory(CUDA)) == ("ok", "")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1_000_000_000, 150_000_000_000))
    assert state(device_checks._memory(CUDA)) == ("warning", "full")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert state(device_checks._tf32(CUDA)) == ("skipped", "too old")

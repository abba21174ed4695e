"""Does the device compute, in which types, and how much of it is free?"""

from __future__ import annotations

import copy
import time
import warnings

import torch
from torch import Tensor, nn

from paco_prof.measure.clock import Clock
from paco_prof.measure.shareable import last_line
from paco_prof.records import AcceleratorState, CheckStatus, DoctorCheck, Environment, Figure

__all__ = ["AMP_TYPES", "check_accelerator", "check_device"]

AMP_TYPES = ("bfloat16", "float16")
CHANNELS = 32
NUM_TRIES = 9
# Of the gradient's norm. TF32, which cuDNN may use unasked, keeps ten bits of a mantissa.
ROUNDING = 0.01
LEAST_FREE_SHARE = 0.1


def check_device(environment: Environment, device: torch.device, clock: Clock) -> list[DoctorCheck]:
    """What it is, whether it computes at all and in mixed precision, and its switches."""
    trial = _Convolution(device, clock)
    computing, seconds = _computing(trial)
    checks = [_identity(environment, device), computing]
    checks += [_amp(trial, name, seconds) for name in AMP_TYPES]
    return [*checks, _tf32(device), _cudnn_benchmark(device), _memory(device)]


def check_accelerator(device: torch.device, state: AcceleratorState | None) -> list[DoctorCheck]:
    """Who else uses the accelerator, and whether it is slowed down, as its management library has seen it."""
    names = ("other processes", "throttling")
    if device.type != "cuda":
        return [_check(name, "skipped", "no gpu") for name in names]
    if state is None:
        return [_check(name, "skipped", "no nvml") for name in names]
    others = state.other_processes
    reasons = ", ".join(state.throttle_reasons)
    return [
        _check("other processes", "skipped", "not told")
        if others is None
        else _check(
            "other processes",
            "warning" if others else "ok",
            "shared" if others else "",
            "",
            Figure(name="others", unit="count", measured=others),
        ),
        _check("throttling", "warning", "throttled", reasons) if reasons else _check("throttling"),
    ]


class _Convolution:
    """A convolution and its gradient, in any type."""

    def __init__(self, device: torch.device, clock: Clock) -> None:
        generator = torch.Generator().manual_seed(0)
        batch, size = (8, 28) if device.type == "cpu" else (64, 56)
        self.device = device
        self._clock = clock
        self._layer = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False)
        with torch.no_grad():
            self._layer.weight.copy_(torch.randn(self._layer.weight.shape, generator=generator) / CHANNELS)
        self._images = torch.randn(batch, CHANNELS, size, size, generator=generator)

    def gradient(self, dtype: torch.dtype) -> Tensor:
        """The weights' gradient under autocast; of float64, without autocast and on the host.

        Raises:
            RuntimeError: the device cannot do it, or does it in another type.
        """
        if dtype == torch.float64:
            layer, images = copy.deepcopy(self._layer).double(), self._images.double()
            layer(images).square().mean().backward()
            return _gradient(layer)
        layer, images = copy.deepcopy(self._layer).to(self.device), self._images.to(self.device)
        self._once(layer, images, dtype)
        return _gradient(layer).double().cpu()

    def seconds(self, dtype: torch.dtype) -> float:
        """Of one pass, forward and backward: the fastest of a few, since others at work only ever make one longer."""
        layer, images = copy.deepcopy(self._layer).to(self.device), self._images.to(self.device)
        times = []
        for _ in range(1 + NUM_TRIES):
            self._clock.synchronize()
            start = time.perf_counter()
            self._once(layer, images, dtype)
            self._clock.synchronize()
            times.append(time.perf_counter() - start)
        return min(times[1:])

    def _once(self, layer: nn.Conv2d, images: Tensor, dtype: torch.dtype) -> None:
        layer.zero_grad()
        is_mixed = dtype != torch.float32
        with torch.autocast(self.device.type, dtype=dtype, enabled=is_mixed):
            output = layer(images)
        if output.dtype != dtype:
            raise RuntimeError(f"autocast convolves in {str(output.dtype).removeprefix('torch.')}")
        loss = output.float().square().mean()
        if dtype != torch.float16:
            loss.backward()
            return
        # float16 needs the scaler that a training step has.
        scaler = torch.amp.GradScaler(self.device.type)
        scaler.scale(loss).backward()
        scaler.unscale_(torch.optim.SGD(layer.parameters(), lr=0.0))


def _gradient(layer: nn.Conv2d) -> Tensor:
    gradient = layer.weight.grad
    assert gradient is not None
    return gradient


def _identity(environment: Environment, device: torch.device) -> DoctorCheck:
    if device.type == "cpu":
        return _check("device", "ok", "", environment.processor)
    detail = environment.accelerator or device.type
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        detail += f", compute capability {major}.{minor}"
    total = environment.accelerator_memory_bytes
    return _check("device", "ok", "", detail, *([] if total is None else [_bytes("memory", total)]))


def _computing(trial: _Convolution) -> tuple[DoctorCheck, float | None]:
    """Whether a convolution and its gradient are what float64 says, and what they take."""
    try:
        error = _error(trial, torch.float32)
        seconds = trial.seconds(torch.float32)
    except Exception as failure:  # what a device cannot do shows in many ways
        return _check("computing", "failed", "raised", last_line(failure)), None
    figure = Figure(name="error", unit="share", measured=error, tolerance=ROUNDING)
    if figure.is_off:
        return _check("computing", "failed", "wrong", "", figure), seconds
    return _check("computing", "ok", "", "", figure), seconds


def _amp(trial: _Convolution, name: str, float32_seconds: float | None) -> DoctorCheck:
    """Whether autocast works in a type, forward and backward, and how it compares with float32 here."""
    dtype = getattr(torch, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gradient = trial.gradient(dtype)
            seconds = trial.seconds(dtype)
    except Exception as failure:
        return _check(name, "skipped", "unsupported", last_line(failure))
    if not bool(torch.isfinite(gradient).all()):
        return _check(name, "warning", "not finite")
    speed = None if float32_seconds is None or seconds <= 0 else float32_seconds / seconds
    return _check(name, "ok", "", "", Figure(name="speed", unit="ratio", measured=speed))


def _error(trial: _Convolution, dtype: torch.dtype) -> float:
    """Of the gradient beside float64's, over that one's norm."""
    exact = trial.gradient(torch.float64)
    return float((trial.gradient(dtype) - exact).norm() / exact.norm())


def _tf32(device: torch.device) -> DoctorCheck:
    if device.type != "cuda":
        return _check("tf32", "skipped", "no gpu")
    if torch.cuda.get_device_capability(device) < (8, 0):
        return _check("tf32", "skipped", "too old")
    switches = (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)
    products, convolutions = ("on" if switch else "off" for switch in switches)
    return _check("tf32", "ok", "", f"matrix products {products}, convolutions {convolutions}")


def _cudnn_benchmark(device: torch.device) -> DoctorCheck:
    if device.type != "cuda":
        return _check("cudnn.benchmark", "skipped", "no gpu")
    return _check("cudnn.benchmark", "ok", "", "on" if torch.backends.cudnn.benchmark else "off")


def _memory(device: torch.device) -> DoctorCheck:
    """Free memory of the device itself."""
    if device.type != "cuda":
        return _check("device memory", "skipped", "host" if device.type == "cpu" else "not told")
    free, total = torch.cuda.mem_get_info(device)
    is_full = free < LEAST_FREE_SHARE * total
    return _check(
        "device memory",
        "warning" if is_full else "ok",
        "full" if is_full else "",
        "",
        _bytes("free", free),
        _bytes("total", total),
    )


def _bytes(name: str, number: int) -> Figure:
    return Figure(name=name, unit="bytes", measured=number)


def _check(name: str, status: CheckStatus = "ok", reason: str = "", detail: str = "", *figures: Figure) -> DoctorCheck:
    return DoctorCheck(group="device", name=name, status=status, reason=reason, detail=detail, figures=figures)

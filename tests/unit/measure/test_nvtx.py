"""NVTX ranges: one for every stretch of a step, each of them ended, inside the profiler's window."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import torch

from paco_prof import stages
from paco_prof.errors import UsageError
from paco_prof.measure.nvtx import NvtxLibrary, TorchNvtx, check_nvtx, emit_ranges
from paco_prof.stages import stage

CPU = torch.device("cpu")


class Recorder:
    """An NVTX library that remembers what it was told, handing it on to a real one where there is one."""

    def __init__(self, real: NvtxLibrary | None = None) -> None:
        self.log: list[str] = []
        self.threads: set[int] = set()
        self._real = real
        self._names: dict[int, str] = {}

    def range_start(self, name: str) -> int:
        handle = len(self.log) if self._real is None else self._real.range_start(name)
        assert handle not in self._names
        self._note(f"+ {name}")
        self._names[handle] = name
        return handle

    def range_end(self, handle: int) -> None:
        # A range that was never started, or has ended, is not in here.
        self._note(f"- {self._names.pop(handle)}")
        if self._real is not None:
            self._real.range_end(handle)

    def profiler_start(self) -> None:
        self._note("start")
        if self._real is not None:
            self._real.profiler_start()

    def profiler_stop(self) -> None:
        self._note("stop")
        if self._real is not None:
            self._real.profiler_stop()

    def synchronize(self) -> None:
        self._note("wait")
        if self._real is not None:
            self._real.synchronize()

    def are_all_ended(self) -> bool:
        return not self._names

    def _note(self, what: str) -> None:
        self.log.append(what)
        self.threads.add(threading.get_ident())


def step(device: torch.device = CPU) -> None:
    """A stage that is not in either pass, and a loss of one part behind a backbone."""
    x = torch.ones(4, 4, requires_grad=True, device=device)
    with stage("transfer"):
        pass
    with stages.phase("forward"):
        with stage("backbone", x) as backbone:
            features = backbone.outputs(x @ x)
        with stage("loss", features) as loss:
            with stage("pac", features) as pac:
                part = pac.outputs(features.square())
            total = loss.outputs(part.sum())
    with stages.phase("backward"):
        total.backward()


STRETCHES = [
    "transfer",
    "forward: backbone",
    "forward: loss",
    "forward: loss/pac",
    "forward: loss",
    "backward: autograd",
    "backward: loss",
    "backward: loss/pac",
    "backward: backbone",
]
STEP = ["+ step", *(f"{sign} {name}" for name in STRETCHES for sign in "+-"), "- step"]


def ranges_of(run: Callable[[], object], num_steps: int = 1) -> list[str]:
    recorder = Recorder()
    emit_ranges(run, CPU, num_steps, recorder)
    assert recorder.are_all_ended()
    return recorder.log


def test_every_stretch_forward_and_backward_has_a_range_inside_its_step() -> None:
    assert [line for line in ranges_of(step) if line[0] in "+-"] == STEP


def test_the_profiler_s_window_holds_the_steps_and_all_that_they_queue() -> None:
    assert ranges_of(step, num_steps=2) == ["wait", "start", *STEP, *STEP, "wait", "stop"]


def test_three_steps_unless_told_otherwise() -> None:
    recorder = Recorder()
    emit_ranges(lambda: None, CPU, library=recorder)
    assert recorder.log.count("+ step") == 3


class Stopped(Exception):
    """What a step raises here."""


class StopInBackward(torch.autograd.Function):
    """Raises as the backward pass gets here."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: torch.Tensor) -> torch.Tensor:
        raise Stopped


def stop_in_forward() -> None:
    with stages.phase("forward"), stage("loss"), stage("pac"):
        raise Stopped


def stop_in_backward() -> None:
    x = torch.ones(2, requires_grad=True)
    with stages.phase("forward"), stage("loss", x) as loss:
        total = loss.outputs(StopInBackward.apply(x).sum())
    with stages.phase("backward"):
        total.backward()


def interrupt() -> None:
    with stages.phase("forward"), stage("loss"):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("run", "error"),
    [(stop_in_forward, Stopped), (stop_in_backward, Stopped), (interrupt, KeyboardInterrupt)],
)
def test_ranges_and_the_window_end_where_a_step_raises(run: Callable[[], None], error: type[BaseException]) -> None:
    recorder = Recorder()
    with pytest.raises(error):
        emit_ranges(run, CPU, 3, recorder)
    assert recorder.are_all_ended()
    assert recorder.log.count("+ step") == 1
    assert recorder.log[-2:] == ["- step", "stop"]


def test_nobody_listens_afterwards() -> None:
    recorder = Recorder()
    with pytest.raises(Stopped):
        emit_ranges(stop_in_forward, CPU, 1, recorder)
    recorder.log.clear()
    step()
    assert recorder.log == []


def test_a_cpu_is_refused_before_any_step() -> None:
    def never() -> None:
        raise AssertionError("a step was taken")

    with pytest.raises(UsageError, match=r"^NVTX ranges are for NVIDIA's Nsight, and this is cpu\. Use --trace"):
        emit_ranges(never, CPU)
    with pytest.raises(UsageError, match="this is mps"):
        check_nvtx(torch.device("mps"))


def test_a_torch_without_nvtx_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(UsageError, match=r"and torch .* has none"):
        check_nvtx(torch.device("cuda", 0))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_on_a_gpu_ranges_that_autograd_s_thread_starts_are_ended_in_another() -> None:
    device = torch.device("cuda", 0)
    recorder = Recorder(TorchNvtx(device))
    emit_ranges(lambda: step(device), device, 2, recorder)
    assert recorder.log == ["wait", "start", *STEP, *STEP, "wait", "stop"]
    assert recorder.are_all_ended()
    assert len(recorder.threads) == 2
    emit_ranges(lambda: step(device), device)

"""The code path of a GPU, on a simulated device with a virtual clock: every expected time is exact."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch

from builders import cpu_record
from paco_prof import stages
from paco_prof.analysis.breakdown import breakdown_view
from paco_prof.measure.memory import memory_pieces, peaks_by_stage
from paco_prof.measure.pacing import Budget
from paco_prof.measure.timeline import ROOT, Owner
from paco_prof.measure.training import TrainingTest, timed_step
from paco_prof.stages import stage
from virtual_device import VirtualDevice

MS = 1_000_000


class Work(torch.autograd.Function):
    """Queues planted work on a virtual device, forward and backward."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        x: torch.Tensor,
        device: VirtualDevice,
        forward_ms: int,
        backward_ms: int,
    ) -> torch.Tensor:
        ctx.device, ctx.backward_ms = device, backward_ms
        device.launch(0, forward_ms * MS)
        return x.clone()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        ctx.device.launch(0, ctx.backward_ms * MS)
        return grad, None, None, None


def work(x: torch.Tensor, device: VirtualDevice, forward_ms: int, backward_ms: int) -> torch.Tensor:
    return Work.apply(x, device, forward_ms, backward_ms)


def two_stage_step(device: VirtualDevice, host_gap_ms: int = 0) -> dict[str, torch.Tensor]:
    """Stage `a` (3 ms forward, 7 ms backward), then `b` (5 and 11), on a leaf that needs a gradient."""
    x = torch.ones(2, requires_grad=True)
    with stages.phase("forward"):
        with stage("a", x) as a:
            y = a.outputs(work(x, device, 3, 7))
        device.think(host_gap_ms * MS)
        with stage("b", y) as b:
            total = b.outputs(work(y, device, 5, 11).sum())
    with stages.phase("backward"):
        total.backward()
    return {"total": total.detach()}


def milliseconds(device: VirtualDevice, **kwargs: int) -> dict[tuple[str, str], float | None]:
    step = timed_step(lambda: two_stage_step(device, **kwargs), device.clock())
    return {
        (owner.path, owner.phase): None if span.device is None else span.device * 1e3
        for owner, span in step.spans.items()
    }


def test_planted_work_lands_in_its_own_stage_forward_and_backward() -> None:
    spans = milliseconds(VirtualDevice())
    assert spans["a", "forward"] == pytest.approx(3)
    assert spans["b", "forward"] == pytest.approx(5)
    assert spans["b", "backward"] == pytest.approx(11)
    assert spans["a", "backward"] == pytest.approx(7)


def test_the_host_waits_once_before_the_step_and_once_after_it() -> None:
    device = VirtualDevice()
    timed_step(lambda: two_stage_step(device), device.clock())
    assert device.num_waits == 2


def test_host_and_device_overlap_and_both_clocks_tell_the_truth() -> None:
    """While the device works off stage a, the host runs ahead: on its clock the stages take nothing."""
    device = VirtualDevice()
    step = timed_step(lambda: two_stage_step(device), device.clock())
    assert step.spans[Owner("b", "forward")].host == 0.0
    assert step.spans[Owner("b", "forward")].device == pytest.approx(0.005)
    assert step.seconds == pytest.approx(0.026)


def test_device_stretches_add_up_to_the_step() -> None:
    device = VirtualDevice()
    step = timed_step(lambda: two_stage_step(device, host_gap_ms=2), device.clock())
    assert sum(span.device or 0.0 for span in step.spans.values()) == pytest.approx(step.seconds)


def test_a_host_that_lags_behind_leaves_the_device_idle_between_the_stages() -> None:
    """After stage a's 3 ms the device waits for a host that thinks for 10: 7 ms that are nobody's."""
    spans = milliseconds(VirtualDevice(), host_gap_ms=10)
    assert spans[ROOT, "forward"] == pytest.approx(7)
    assert spans["b", "forward"] == pytest.approx(5)


def test_an_event_that_is_never_recorded_is_not_measured_rather_than_zero() -> None:
    """Events 0, 1, 2 ... are the cuts; losing the one at stage a's end blinds a and what follows it, no more."""
    device = VirtualDevice()
    everything = milliseconds(device)
    lost = next(
        number
        for number in range(device.num_events)
        if milliseconds(VirtualDevice(forgetful={number}))["a", "forward"] is None
        and milliseconds(VirtualDevice(forgetful={number + 1}))["a", "forward"] is None
    )
    spans = milliseconds(VirtualDevice(forgetful={lost + 1}))
    assert spans["a", "forward"] is None
    assert spans["b", "backward"] == everything["b", "backward"]


def test_events_are_read_late_and_never_inside_the_step() -> None:
    """VirtualEvent raises when it is read before the device got there; a long queue makes that certain to show."""
    device = VirtualDevice(device_ns=1_000 * MS)
    step = timed_step(lambda: two_stage_step(device), device.clock())
    assert step.spans[Owner("a", "forward")].device == pytest.approx(0.003)


def test_recording_costs_the_host_and_not_the_stage() -> None:
    device = VirtualDevice(record_cost_ns=MS // 100)
    step = timed_step(lambda: two_stage_step(device), device.clock())
    assert step.spans[Owner("a", "forward")].device == pytest.approx(0.003, rel=0.01)


def flags(step: Callable[[VirtualDevice], None]) -> dict[str, tuple[str, ...]]:
    """Launch-bound phases of each stage, from a virtual device's steps all the way to the table."""
    device = VirtualDevice()

    def run() -> dict[str, torch.Tensor]:
        with stages.phase("forward"):
            step(device)
        with stages.phase("backward"):
            pass
        return {}

    test = TrainingTest(run, device.clock(), random.Random(0))
    test.warm_up(end=1e9, asked=1, keep_last=True, tick=lambda _: None)
    test.measure(Budget(lambda: 0.0, 1e9, minimum=3, maximum=3), lambda _: None)
    training = test.training()
    assert training is not None
    view = breakdown_view(cpu_record(training=training))
    assert view is not None
    return {row.path: row.host_bound for row in view.rows if row.path != stages.AUTOGRAD}


def test_many_small_launches_are_flagged_and_one_large_one_is_not() -> None:
    """The device is idle nine tenths of the first stage; its span ends with the last launch's tail."""

    def step(device: VirtualDevice) -> None:
        with stage("small"):
            for _ in range(10):
                device.launch(1 * MS, MS // 10)
        with stage("large"):
            device.launch(MS // 10, 10 * MS)

    assert flags(step) == {"small": ("forward",), "large": ()}


class Allocator:
    """Stands for `torch.cuda`: an allocator with a peak that can be reset."""

    def __init__(self) -> None:
        self.now = self.peak = 0

    def allocate(self, size: int) -> None:
        self.now += size
        self.peak = max(self.peak, self.now)

    def max_memory_allocated(self, device: torch.device) -> int:
        return self.peak

    def reset_peak_memory_stats(self, device: torch.device) -> None:
        self.peak = self.now


def test_peak_memory_by_stage_is_the_highest_while_it_or_its_children_ran() -> None:
    from paco_prof.measure.memory import AllocatorProbe

    allocator = Allocator()

    def step() -> None:
        with stages.phase("forward"):
            with stage("outer"):
                allocator.allocate(100)
                with stage("inner"):
                    allocator.allocate(50)
                    allocator.allocate(-50)
            allocator.allocate(-60)
            with stage("small"):
                allocator.allocate(5)

    pieces = memory_pieces(step, AllocatorProbe(allocator, torch.device("cpu")))
    peaks = {memory.path: memory.peak_bytes for memory in peaks_by_stage(pieces)}
    assert peaks == {"outer": 150, "outer/inner": 150, "small": 45}

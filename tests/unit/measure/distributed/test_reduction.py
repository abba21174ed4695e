"""When buckets of gradients are on their way, on a clock that only the test moves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.distributed as dist

from paco_prof import stages
from paco_prof.measure.clock import Clock, HostClock
from paco_prof.measure.distributed.reduction import Reduced, Reduction, _Passage, communication_of
from paco_prof.measure.timeline import Owner
from virtual_device import VirtualDevice
from virtual_steps import advance, busy, now, take

SECOND = 1_000_000_000


class Work:
    """An all-reduce that is over when the test says so."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor
        self.future: torch.futures.Future[list[torch.Tensor]] = torch.futures.Future()

    def get_future(self) -> torch.futures.Future[list[torch.Tensor]]:
        return self.future

    def arrive(self) -> None:
        self.future.set_result([self.tensor])


class Bucket:
    """Gradients, all of them twos."""

    def __init__(self, numbers: int, is_last: bool) -> None:
        self.tensor, self._is_last = torch.full((numbers,), 2.0), is_last

    def buffer(self) -> torch.Tensor:
        return self.tensor

    def is_last(self) -> bool:
        return self._is_last


@pytest.fixture
def works(monkeypatch: pytest.MonkeyPatch) -> list[Work]:
    """The all-reduces that have been begun."""
    begun: list[Work] = []

    def all_reduce(tensor: torch.Tensor, async_op: bool) -> Work:
        assert async_op
        begun.append(Work(tensor))
        return begun[-1]

    monkeypatch.setattr(dist, "all_reduce", all_reduce)
    return begun


def hand_over(reduction: Reduction, numbers: int = 3, *, is_last: bool = False) -> Any:
    return reduction.hook(None, Bucket(numbers, is_last))


def test_the_union_of_spans_and_what_comes_after_the_last_bucket(works: list[Work]) -> None:
    reduction = Reduction(HostClock(now), 2)
    reduction.begin()
    hand_over(reduction)
    advance(10)
    hand_over(reduction)
    advance(5)
    works[0].arrive()
    works[1].arrive()
    # Nothing is on its way.
    advance(100)
    hand_over(reduction, 5, is_last=True)
    advance(7)
    works[2].arrive()
    assert reduction.end() == Reduced(pytest.approx(0.022), pytest.approx(0.007), 3, 44)


def test_a_bucket_that_is_slower_than_the_last_is_exposed_too(works: list[Work]) -> None:
    reduction = Reduction(HostClock(now), 2)
    reduction.begin()
    hand_over(reduction)
    advance(10)
    hand_over(reduction, is_last=True)
    advance(1)
    works[1].arrive()
    advance(4)
    works[0].arrive()
    assert reduction.end() == Reduced(pytest.approx(0.015), pytest.approx(0.005), 2, 24)


def test_gradients_are_divided_before_they_are_summed_as_torch_divides_them(works: list[Work]) -> None:
    """Torch multiplies by the share, which is another number than the quotient where that is no power of two."""
    values = torch.arange(1, 1000, dtype=torch.float32) / 7
    bucket = Bucket(1, is_last=True)
    bucket.tensor = values.clone()
    Reduction(HostClock(now), 3).hook(None, bucket)  # type: ignore[arg-type]
    assert torch.equal(works[0].tensor, values * (1 / 3))
    assert not torch.equal(works[0].tensor, values / 3)


def test_what_nobody_asks_for_is_not_noted(works: list[Work]) -> None:
    """Otherwise a training run would keep a note of every bucket of every step."""
    reduction = Reduction(HostClock(now), 2)
    for _ in range(3):
        hand_over(reduction, is_last=True)
        works[-1].arrive()
    assert reduction.end() is None
    reduction.begin()
    hand_over(reduction, is_last=True)
    works[-1].arrive()
    assert reduction.end() == Reduced(pytest.approx(0.0), pytest.approx(0.0), 1, 12)
    hand_over(reduction, is_last=True)
    works[-1].arrive()
    assert reduction.end() is None


def test_a_step_that_reduces_nothing_has_no_communication(works: list[Work]) -> None:
    reduction = Reduction(HostClock(now), 2)
    hand_over(reduction, is_last=True)
    works[0].arrive()
    reduction.begin()
    assert reduction.end() is None
    assert communication_of([None, None]) is None


def test_on_a_device_its_own_clock_counts() -> None:
    """The host is far ahead; the all-reduce is queued behind what computes the gradients."""
    device = VirtualDevice()
    clock: Clock = device.clock()
    reduction = Reduction(clock, 2)
    reduction.begin()
    owner = Owner(stages.ALL_REDUCE, "backward")
    device.launch(1, 2 * SECOND)
    start = clock.read(owner)
    device.launch(1, 3 * SECOND)
    end = clock.read(owner)
    device.wait()
    assert clock.between(start, end).device == pytest.approx(3.0)
    reduction._passages = [_Passage(start, end, 8)]
    assert reduction.end() == Reduced(pytest.approx(3.0), pytest.approx(3.0), 1, 8)


def test_what_is_left_of_backward_is_the_all_reduce() -> None:
    """The rows add up: where the last bucket is handed over another owner takes over, until the pass is over."""

    def forward(x: torch.Tensor) -> torch.Tensor:
        with stages.stage("a", x) as scope:
            y = scope.outputs(busy(x, 1, 2))

        def last(_gradient: torch.Tensor) -> None:
            stages.take_over(stages.ALL_REDUCE)
            advance(40)

        x.register_hook(last)
        return y.sum()

    step, spans = take(forward)
    assert spans == {("a", "forward"): 1, ("a", "backward"): 2, ("all_reduce", "backward"): 40}
    assert sum(spans.values()) == pytest.approx(step.seconds * 1e3)


def test_backward_that_is_not_divided_keeps_its_all_reduce() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        y = busy(x, 1, 2)

        def again(_gradient: torch.Tensor) -> None:
            # As activation checkpointing does.
            with stages.stage("a"):
                pass
            stages.take_over(stages.ALL_REDUCE)
            advance(40)

        x.register_hook(again)
        return y.sum()

    _, spans = take(forward)
    assert spans["backward", "backward"] == 2
    assert spans["all_reduce", "backward"] == 40

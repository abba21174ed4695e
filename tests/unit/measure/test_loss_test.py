"""The criterion alone, on parts that are held fixed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from paco_prof.measure.clock import HostClock
from paco_prof.measure.loss_test import Call, LossAlone, capture_call
from paco_prof.measure.pacing import Budget


class Criterion(nn.Module):
    """Remembers in which mode it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.modes: list[bool] = []

    def forward(self, *, parts: Tensor, targets: Tensor) -> dict[str, Tensor]:
        self.modes.append(torch.is_grad_enabled())
        return {"total": parts.square().sum() + targets.sum()}


def test_the_first_call_is_captured_detached_and_copied() -> None:
    criterion = Criterion()
    leaf = torch.ones(2, requires_grad=True)
    parts = leaf * 3
    with capture_call(criterion) as captured:
        criterion(parts=parts, targets=torch.tensor([1]))
        criterion(parts=parts * 5, targets=torch.tensor([1]))
    criterion(parts=parts * 7, targets=torch.tensor([1]))
    assert torch.equal(captured.kwargs["parts"], torch.full((2,), 3.0))
    assert not captured.kwargs["parts"].requires_grad
    assert captured.kwargs["parts"].data_ptr() != parts.data_ptr()


def test_a_round_is_forward_without_a_graph_with_one_and_backward() -> None:
    criterion, call = Criterion(), Call((), {"parts": torch.ones(2), "targets": torch.tensor([1, 2])})
    alone = LossAlone(criterion, call, HostClock())
    assert alone.result() is None
    alone.measure(Budget(lambda: 0.0, 1e9, minimum=2, maximum=2), lambda _: None)
    assert criterion.modes == [False, True, False, True]
    result = alone.result()
    assert result is not None
    assert len(result.without_graph) == len(result.with_graph) == len(result.backward) == 2


def test_what_was_captured_is_left_as_it_was() -> None:
    inputs = {"parts": torch.ones(2), "targets": torch.tensor([1, 2])}
    LossAlone(Criterion(), Call((), inputs), HostClock()).measure(Budget(lambda: 0.0, 1e9, 1, 1), lambda _: None)
    assert inputs["parts"].grad is None
    assert not inputs["parts"].requires_grad


def test_a_criterion_may_be_called_in_order_and_return_the_loss_itself() -> None:
    class Plain(nn.Module):
        def forward(self, parts: Tensor, targets: Tensor) -> Tensor:
            return parts.square().sum() + targets.sum()

    criterion = Plain()
    with capture_call(criterion) as captured:
        criterion(torch.ones(2), targets=torch.tensor([1]))
    assert captured.was_made
    alone = LossAlone(criterion, captured, HostClock())
    alone.measure(Budget(lambda: 0.0, 1e9, minimum=1, maximum=1), lambda _: None)
    assert alone.result() is not None


def test_of_no_criterion_nothing_is_captured() -> None:
    with capture_call(None) as captured:
        pass
    assert not captured.was_made

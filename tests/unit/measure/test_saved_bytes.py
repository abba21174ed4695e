"""Bytes that are kept for the backward pass, counted by hand."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from paco_prof.measure.saved_bytes import saved_bytes
from paco_prof.stages import stage
from tiny import CPU, TINY, step_of

FLOAT = 4


class Small(nn.Module):
    """Saves what is easy to count: exp saves its result, a product its factors."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(10))
        self.register_buffer("scale", torch.ones(10))

    def forward(self, x: Tensor) -> Tensor:
        with stage("outer"):
            first = x.exp()
            with stage("inner"):
                # Both factors: one is there already, and one is a parameter.
                second = first * self.weight
                view = second.view(2, 5)
            third = view.exp() * first.sum()
        with stage("scaling"):
            fourth = third * self.scale.view(2, 5)
        return fourth.tanh().sum()


def found(model: nn.Module, *inputs: Tensor) -> dict[str, int]:
    return {each.path: each.num_bytes for each in saved_bytes(lambda: model(*inputs), model)}


def test_each_storage_counts_once_for_the_stage_that_saved_it_first() -> None:
    model = Small()
    inputs = torch.zeros(10, requires_grad=True)
    assert found(model, inputs) == {
        # first, view.exp(), first.sum()
        "outer": (10 + 10 + 1) * FLOAT,
        # Outside of every stage: what tanh returned.
        "": 10 * FLOAT,
    }


def test_what_no_graph_holds_any_more_does_not_count() -> None:
    class Forgetful(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            with stage("thrown away"):
                x.exp().exp().sum()
            with stage("kept"):
                return x.exp().sum()

    assert found(Forgetful(), torch.zeros(100, requires_grad=True)) == {"kept": 100 * FLOAT}


def test_nothing_is_kept_without_a_graph() -> None:
    assert found(Small().requires_grad_(False), torch.zeros(10)) == {}


def test_a_step_keeps_twice_as_much_for_twice_the_batch() -> None:
    def backbone(batch: int) -> int:
        step = step_of("exact", TINY, batch_size=batch)
        return {each.path: each.num_bytes for each in saved_bytes(step.forward_only, step.model)}["backbone"]

    assert step_of().device == CPU
    # The statistics of batch normalisation do not grow.
    assert 1.95 < backbone(4) / backbone(2) <= 2.0

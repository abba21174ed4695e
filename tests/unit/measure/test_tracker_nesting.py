"""Stages inside of themselves, in other threads, and around results of every make."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from paco_prof import stages
from paco_prof.measure.timeline import ROOT, Owner
from paco_prof.measure.tracker import OpenStages, tensors_in
from paco_prof.stages import stage
from virtual_steps import advance, busy, take


def test_a_stage_inside_of_itself_is_that_stage() -> None:
    """A wrapper around code that announces itself: neither another path nor another call."""

    @stage("a")
    @stage("a")
    def a(x: torch.Tensor, depth: int) -> torch.Tensor:
        return busy(a(x, depth - 1) if depth else b(x), 1, 10)

    @stage("b")
    def b(x: torch.Tensor) -> torch.Tensor:
        return busy(x, 100, 1000)

    step, spans = take(lambda x: b(a(busy(x, 0, 9), 2)).sum())
    assert spans == {
        ("a", "forward"): 3,
        ("a", "backward"): 30,
        ("a/b", "forward"): 100,
        ("a/b", "backward"): 1000,
        ("b", "forward"): 100,
        ("b", "backward"): 1000,
        (ROOT, "backward"): 9,
    }
    assert step.calls[Owner("a", "forward")] == 1
    assert step.calls[Owner("b", "forward")] == 1


def test_a_name_with_parents_opens_those_that_are_not_open() -> None:
    open_stages = OpenStages()

    def enter(name: str) -> list[str]:
        return list(open_stages.opened(open_stages.enter(name)))

    assert enter("loss/ce") == ["loss", "loss/ce"]
    assert enter("loss/ce") == enter("ce") == []
    assert not open_stages.exit()
    assert not open_stages.exit()
    assert open_stages.path == "loss/ce"
    assert open_stages.exit()
    assert open_stages.path == ROOT
    assert enter("loss") == ["loss"]
    assert enter("loss/pac") == ["loss/pac"]
    assert enter("loss/pac/loss") == ["loss/pac/loss"]


def test_what_happens_in_other_threads_is_no_stage_of_the_steps() -> None:
    def elsewhere(x: torch.Tensor) -> None:
        with stage("elsewhere", x) as open_stage:
            open_stage.outputs(busy(x, 0, 0))

    def forward(x: torch.Tensor) -> torch.Tensor:
        with stage("a", x) as a:
            in_thread(lambda: elsewhere(x))
            return a.outputs(busy(x, 1, 2)).sum()

    step, spans = take(forward)
    assert spans == {("a", "forward"): 1, ("a", "backward"): 2}
    assert step.backward_whole == ""


def test_a_stage_that_another_thread_enters_in_backward_leaves_that_whole() -> None:
    """Where there is a device, autograd works it off in a thread of its own, what is computed again too."""

    def again() -> None:
        with stage("a"), stage("b"):
            advance(3)

    def forward(x: torch.Tensor) -> torch.Tensor:
        with stage("a", x) as a:
            y = a.outputs(busy(x, 1, 2))
        y.register_hook(lambda grad: in_thread(again))
        return y.sum()

    step, spans = take(forward)
    assert "checkpoint" in step.backward_whole
    assert spans == {("a", "forward"): 1, ("backward", "backward"): 5}


def in_thread(call: Callable[[], None]) -> None:
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


@dataclass
class Parts:
    """A result as code that is tidy has it."""

    features: torch.Tensor
    peaks: torch.Tensor | None = None


class Result:
    """A result of somebody's own class; its configuration is nobody's business."""

    def __init__(self, features: torch.Tensor) -> None:
        self.features = features
        self.configuration = [features * 2]


def test_tensors_are_found_in_what_code_hands_around() -> None:
    one, other = torch.ones(1), torch.ones(2)
    endless: list[object] = [one]
    endless.append(endless)
    for values, expected in (
        ({"a": (one, [other])}, [one, other]),
        (Parts(one, other), [one, other]),
        ([Parts(one), Result(other)], [one, other]),
        (endless, [one]),
        ((nn.Linear(1, 1), Result, Parts, len, "text", None, 1.5, object()), []),
    ):
        assert [id(tensor) for tensor in tensors_in(values)] == [id(tensor) for tensor in expected]


def test_backward_begins_where_a_result_of_ones_own_class_holds_its_tensors() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        parts = stage("a")(lambda x: Result(busy(x, 1, 2)))(x)
        return busy(parts.features, 0, 9).sum()

    _, spans = take(forward)
    assert spans == {("a", "forward"): 1, ("a", "backward"): 2, (stages.AUTOGRAD, "backward"): 9}


def test_a_stage_that_returns_what_it_was_given_has_no_backward() -> None:
    _, spans = take(lambda x: stage("a")(lambda x: x)(busy(x, 1, 2)).sum())
    assert spans == {(ROOT, "forward"): 1, (ROOT, "backward"): 2}

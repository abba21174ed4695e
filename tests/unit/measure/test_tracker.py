"""Dividing backward by the forward's stages, on graphs of many shapes; time is a virtual host clock's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from paco_prof import stages
from paco_prof.measure.clock import HostClock
from paco_prof.measure.timeline import ROOT, Owner
from paco_prof.measure.training import timed_step
from paco_prof.stages import stage
from virtual_steps import advance, busy, now, take


def test_a_chain_of_stages_is_divided_where_they_met() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        for name, forward_ms, backward_ms in (("a", 1, 10), ("b", 2, 20), ("c", 3, 30)):
            with stage(name, x) as open_stage:
                x = open_stage.outputs(busy(x, forward_ms, backward_ms) * 2)
        return x.sum()

    _, spans = take(forward)
    assert spans == {
        ("a", "forward"): 1,
        ("b", "forward"): 2,
        ("c", "forward"): 3,
        ("a", "backward"): 10,
        ("b", "backward"): 20,
        ("c", "backward"): 30,
    }


def test_work_between_stages_is_the_enclosing_stages() -> None:
    @stage("inner")
    def inner(x: torch.Tensor) -> torch.Tensor:
        return busy(x, 1, 2)

    @stage("outer")
    def outer(x: torch.Tensor) -> torch.Tensor:
        return busy(inner(busy(x, 10, 20)), 100, 200)

    _, spans = take(lambda x: outer(busy(x, 1000, 2000)).sum())
    assert spans["outer/inner", "forward"] == 1
    assert spans["outer/inner", "backward"] == 2
    assert spans["outer", "forward"] == 110
    assert spans["outer", "backward"] == 220
    assert spans[ROOT, "forward"] == 1000
    assert spans[ROOT, "backward"] == 2000


def test_a_stage_that_is_entered_twice_is_the_sum_of_both() -> None:
    @stage("backbone")
    def backbone(x: torch.Tensor) -> torch.Tensor:
        return busy(x, 5, 7)

    step, spans = take(lambda x: (backbone(x) + backbone(x * 2)).sum())
    assert spans["backbone", "forward"] == 10
    assert spans["backbone", "backward"] == 14
    assert step.calls[Owner("backbone", "forward")] == 2


def test_branches_that_join_are_told_apart() -> None:
    """Two stages side by side on the same input, the later one first in backward."""

    @stage("left")
    def left(x: torch.Tensor) -> torch.Tensor:
        return busy(busy(x, 1, 3), 1, 4)

    @stage("right")
    def right(x: torch.Tensor) -> torch.Tensor:
        return busy(busy(x, 1, 30), 1, 40)

    def forward(x: torch.Tensor) -> torch.Tensor:
        shared = busy(x, 0, 500)
        return (left(shared) * right(shared)).sum()

    _, spans = take(forward)
    assert spans["left", "backward"] == 7
    assert spans["right", "backward"] == 70
    assert spans[ROOT, "backward"] == 500


@pytest.mark.parametrize("wrap", [lambda y: {"y": y}, lambda y: (y, None), lambda y: [[y]]])
def test_outputs_are_found_in_any_nesting(wrap: Callable[[torch.Tensor], object]) -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        with stage("a", x) as a:
            y = busy(x, 1, 2)
            a.outputs(wrap(y))
        return busy(y, 0, 9).sum()

    _, spans = take(forward)
    assert spans["a", "backward"] == 2


def test_a_stage_without_a_graph_has_no_backward() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        with stage("matching", x), torch.no_grad():
            busy(x, 4, 100)
        return busy(x, 1, 2).sum()

    _, spans = take(forward)
    assert spans["matching", "forward"] == 4
    assert ("matching", "backward") not in spans


def test_a_stage_that_raises_is_closed_and_the_listener_goes() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        with stage("a"):
            raise RuntimeError("planted")

    with pytest.raises(RuntimeError, match="planted"):
        take(forward)
    assert stages._listener is None


def test_checkpointed_backward_is_reported_whole_with_the_reason() -> None:
    @stage("a")
    def a(x: torch.Tensor) -> torch.Tensor:
        # exp needs its result in backward, which the checkpoint has thrown away.
        return busy(x, 1, 2).exp()

    step, spans = take(lambda x: checkpoint(a, x, use_reentrant=False).sum())
    assert "checkpoint" in step.backward_whole
    # The forward runs a second time, inside backward: 1 + 2 ms.
    assert spans["backward", "backward"] == 3
    assert spans["a", "forward"] == 1


def test_a_compiled_graph_is_reported_whole_with_the_reason() -> None:
    class CompiledFunction(torch.autograd.Function):
        """Named as what torch.compile puts in the graph's place."""

        @staticmethod
        def forward(ctx: torch.autograd.function.FunctionCtx, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: torch.autograd.function.FunctionCtx, grad: torch.Tensor) -> torch.Tensor:
            return grad

    @stage("a")
    def a(x: torch.Tensor) -> torch.Tensor:
        return CompiledFunction.apply(x)

    step, _ = take(lambda x: busy(a(x), 0, 5).sum())
    assert "compile" in step.backward_whole


def test_nothing_holds_the_graph_once_backward_is_over() -> None:
    """The tracker's grip on grad_fns would turn the release of the graph into nobody's time."""
    released = []

    class Watched(torch.autograd.Function):
        @staticmethod
        def forward(ctx: torch.autograd.function.FunctionCtx, x: torch.Tensor) -> torch.Tensor:
            ctx.token = Token()
            return x.clone()

        @staticmethod
        def backward(ctx: torch.autograd.function.FunctionCtx, grad: torch.Tensor) -> torch.Tensor:
            return grad

    class Token:
        def __del__(self) -> None:
            released.append(True)

    def run() -> dict[str, torch.Tensor]:
        x = torch.ones(1, requires_grad=True)
        with stages.phase("forward"), stage("a", x) as a:
            y = a.outputs(Watched.apply(x))
            total = y.sum()
            del y
        with stages.phase("backward"):
            total.backward()
        detached = total.detach()
        with stage(stages.GRAPH_RELEASE):
            del total
            assert released == [True]
        return {"total": detached}

    timed_step(run, HostClock())


def test_engine_setup_is_what_passes_before_the_first_node_that_a_stage_produced() -> None:
    """Planted in a hook on the loss itself, which the engine runs before any stage's node."""

    def run() -> dict[str, torch.Tensor]:
        x = torch.ones(3, requires_grad=True)
        with stages.phase("forward"), stage("a", x) as a:
            y = a.outputs(busy(x, 1, 10))
        total = y.sum()
        with stages.phase("backward"):
            total.register_hook(lambda grad: advance(4))
            total.backward()
        return {"total": total.detach()}

    step = timed_step(run, HostClock(now))
    assert step.spans[Owner(stages.AUTOGRAD, "backward")].host == pytest.approx(0.004)
    assert step.spans[Owner("a", "backward")].host == pytest.approx(0.010)

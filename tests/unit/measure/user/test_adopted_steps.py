"""Steps of models that were adopted: the same numbers, divided by stage, forward and backward."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from adopted import ALL, TARGETS, X1, X2, build, paths, step, take, writing
from paco_prof import stages
from paco_prof.measure.clock import HostClock
from paco_prof.measure.operators import OperatorCensus
from paco_prof.measure.steps import TimedStep
from paco_prof.measure.timeline import ROOT, Owner
from paco_prof.measure.training import timed_step
from paco_prof.measure.user.adoption import Adoption, adopt

# The others have no graph, or none of their own.
DIFFERENTIATED = ALL - {"matching", "prototypes"}


@pytest.fixture
def paco(tmp_path: Path) -> Iterator[ModuleType]:
    with writing(tmp_path) as write:
        yield write()


def counted(model: nn.Module) -> None:
    with OperatorCensus():
        take(model)


@pytest.mark.parametrize("run", [take, step, counted])
def test_values_gradients_and_buffers_are_bitwise_the_same(
    paco: ModuleType, run: Callable[[nn.Module], object]
) -> None:
    bare, adopted = build(paco), build(paco)
    take(bare)
    with adopt(adopted):
        run(adopted)
    for one, other in zip(adopted.parameters(), bare.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)
    assert all(torch.equal(value, bare.state_dict()[name]) for name, value in adopted.state_dict().items())
    with adopt(adopted), torch.no_grad():
        losses = adopted(X1, X2, TARGETS)
    assert all(torch.equal(losses[name], value) for name, value in bare(X1, X2, TARGETS).items())


def test_every_stage_is_told_apart_forward_and_backward(paco: ModuleType) -> None:
    model = build(paco)
    with adopt(model) as adoption:
        timed = step(model)
    assert paths(timed, "forward") == ALL
    assert paths(timed, "backward") == DIFFERENTIATED
    assert timed.backward_whole == ""
    assert {path: timed.calls[Owner(path, "forward")] for path in ("backbone", "part_sampling", "dim_reduction")} == {
        "backbone": 2,
        "part_sampling": 2,
        "dim_reduction": 2,
    }
    assert all(wrapped.calls > 0 for wrapped in adoption.wrapped)


def test_the_pieces_add_up_to_the_step(paco: ModuleType) -> None:
    model = build(paco)
    with adopt(model):
        timed = step(model)
    # Two looks at the clock lie outside of the timeline: before its first cut and after its last.
    assert sum(span.host for span in timed.spans.values()) == timed.seconds - 2


def test_inference_is_divided_too(paco: ModuleType) -> None:
    model = build(paco).eval()
    with adopt(model) as adoption, torch.inference_mode():
        logits = model(X1)
    assert {wrapped.path: wrapped.calls for wrapped in adoption.wrapped if wrapped.calls} == {
        # Called as a whole, it calls its own `forward_features`.
        "backbone": 1,
        "classifier": 1,
    }
    assert torch.equal(logits, model(X1))


def test_the_census_counts_by_the_stages_that_the_tracker_times(paco: ModuleType) -> None:
    model = build(paco)
    with adopt(model), OperatorCensus() as census:
        model(X1, X2, TARGETS)
    assert {count.path for count in census.counts()} - {ROOT} == ALL


def test_custom_stages_stand_beside_the_conventional_ones(paco: ModuleType) -> None:
    model = build(paco)
    with adopt(model, {"criterion.weigh": "weighing", "backbone.norm": "norm", "matcher": "assignment"}):
        timed = step(model)
    assert paths(timed, "forward") == (ALL | {"loss/weighing", "backbone/norm", "assignment"}) - {"matching"}


class Nest(nn.Module):
    """A model of nothing but calls: `forward` is given by the test."""

    def __init__(self, forward: Callable[[Nest, Tensor], object]) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 16)
        self.called = forward

    def forward(self, x1: Tensor, x2: Tensor, targets: Tensor) -> dict[str, Tensor]:
        result = self.called(self, x1)
        return {"total": result if isinstance(result, Tensor) else self.layer(x1).sum()}

    def down(self, depth: int) -> int:
        return self.down(depth - 1) if depth else 0

    def ping(self, depth: int) -> int:
        return self.pong(depth - 1) if depth else 0

    def pong(self, depth: int) -> int:
        return self.ping(depth - 1) if depth else 0

    def give(self, result: object) -> object:
        return result

    def fail(self) -> None:
        raise KeyError("planted")

    def fails(self) -> str:
        try:
            self.down(2)
            self.fail()
        except KeyError:
            self.down(1)
            return "recovered"
        return ""


NAMES = {name: name for name in ("down", "ping", "pong", "give", "fail", "fails")}


def nested(forward: Callable[[Nest, Tensor], object]) -> tuple[Adoption, TimedStep]:
    model = Nest(forward)
    with adopt(model, NAMES) as adoption:
        return adoption, step(model)


def test_recursion_is_one_stage() -> None:
    adoption, timed = nested(lambda model, x: model.down(5))
    assert paths(timed, "forward") == {"down"}
    assert timed.calls[Owner("down", "forward")] == 1
    assert {wrapped.path: wrapped.calls for wrapped in adoption.wrapped}["down"] == 6


def test_mutual_recursion_is_told_as_it_is_and_comes_out_even() -> None:
    _, timed = nested(lambda model, x: (model.ping(3), model.down(0)))
    assert paths(timed, "forward") == {"ping", "ping/pong", "ping/pong/ping", "ping/pong/ping/pong", "down"}


def test_a_stage_that_raises_leaves_the_others_where_they_are() -> None:
    _, timed = nested(lambda model, x: (model.fails(), model.give(1)))
    assert paths(timed, "forward") == {"fails", "fails/down", "fails/fail", "give"}
    assert timed.calls[Owner("fails/down", "forward")] == 2


@pytest.mark.parametrize("wrap", [lambda y: None, lambda y: "text", lambda y: object(), lambda y: {"y": (y, [None])}])
def test_whatever_a_stage_returns_is_handed_on(wrap: Callable[[Tensor], object]) -> None:
    def forward(model: Nest, x: Tensor) -> Tensor:
        result = wrap(model.layer(x).sum())
        assert model.give(result) is result
        return model.layer(x).sum()

    assert paths(nested(forward)[1], "forward") == {"give"}


def test_a_stage_that_returns_what_it_was_given_has_no_backward() -> None:
    _, timed = nested(lambda model, x: model.give(model.layer(x)).sum())
    assert paths(timed, "forward") == {"give"}
    assert paths(timed, "backward") == set()


def test_on_one_device_data_parallel_is_the_model_itself(paco: ModuleType) -> None:
    model = nn.DataParallel(build(paco))
    with adopt(model):
        timed = step(model)
    assert paths(timed, "forward") == ALL


def test_a_copy_made_meanwhile_is_a_model_of_its_own(paco: ModuleType) -> None:
    model, bare = build(paco), build(paco)
    expected = take(bare)
    with adopt(model):
        twin = copy.deepcopy(model)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
        losses = take(twin)
    assert torch.equal(losses["total"], expected["total"])
    assert all(parameter.grad is None for parameter in model.parameters())
    assert take(twin)["total"].isfinite()


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_stage_that_is_computed_again_in_backward_leaves_that_whole(paco: ModuleType, reentrant: bool) -> None:
    model = build(paco)
    with adopt(model):
        features = model.backbone.forward_features
        model.backbone.forward_features = lambda x: checkpoint(features, x, use_reentrant=reentrant)
        timed = timed_step(lambda: take_with_grad(model), HostClock())
    assert "checkpoint" in timed.backward_whole


def take_with_grad(model: nn.Module) -> dict[str, Tensor]:
    x1, x2 = X1.clone().requires_grad_(), X2.clone().requires_grad_()
    with stages.phase("forward"):
        total = model(x1, x2, TARGETS)["total"]
    with stages.phase("backward"):
        total.backward()
    return {"total": total.detach()}

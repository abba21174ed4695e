"""From a loss to updated parameters, on a model of one weight or two: exact where arithmetic is."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from paco_prof.measure import optimization
from paco_prof.measure.optimization import Optimization
from paco_prof.settings import Workload, with_settings
from paco_prof.stages import listening
from tiny import CPU

INITIAL_SCALE = 65536.0


class Ear:
    """Remembers which stages were announced."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def enter(self, name: str, inputs: object) -> None:
        self.heard.append(name)

    def exit(self, outputs: object) -> None:
        self.heard.append("")

    def enter_phase(self, phase: str) -> None:
        self.heard.append(phase)

    def take_over(self, name: str) -> None: ...

    def exit_phase(self) -> None:
        self.heard.append("")


def weights(*values: float) -> nn.Module:
    """A model that is nothing but some weights."""
    model = nn.Module()
    model.weight = nn.Parameter(torch.tensor(values))
    return model


def optimized(model: nn.Module, **settings: object) -> Optimization:
    """Its optimization."""
    return Optimization(model, with_settings(Workload(), settings), CPU)


def give(model: nn.Module, *gradient: float, scale: float = 1.0) -> None:
    """Let a backward pass have left this gradient, scaled as its loss was."""
    model.weight.grad = torch.tensor(gradient) * scale


def rate(one: Optimization) -> float:
    """The learning rate of the next update."""
    (group,) = one.optimizer.param_groups
    return float(group["lr"])


def scale(one: Optimization) -> float:
    """What a loss is multiplied with."""
    return float(one.scaled(torch.ones(())))


@pytest.mark.parametrize(
    ("settings", "stages"),
    [
        ({}, ["optimizer"]),
        ({"clip_norm": 1}, ["clipping", "optimizer"]),
        ({"schedule": "cosine"}, ["optimizer", "schedule"]),
        ({"clip_norm": 1, "schedule": "cosine"}, ["clipping", "optimizer", "schedule"]),
        ({"clip_norm": 1, "schedule": "cosine", "precision": "float16"}, ["clipping", "optimizer", "schedule"]),
        ({"precision": "bfloat16"}, ["optimizer"]),
    ],
)
def test_each_part_is_a_stage_of_its_own_one_after_another(settings: dict[str, object], stages: list[str]) -> None:
    model, ear = weights(1.0), Ear()
    one = optimized(model, **settings)
    give(model, 1.0, scale=scale(one))
    with listening(ear):
        one.update()
    assert ear.heard == [entry for name in stages for entry in (name, "")]


def test_forgetting_gradients_is_a_stage_and_leaves_none() -> None:
    model, ear = weights(1.0), Ear()
    one = optimized(model)
    give(model, 1.0)
    with listening(ear):
        one.zero_grad()
    assert ear.heard == ["zero_grad", ""]
    assert model.weight.grad is None


@pytest.mark.parametrize(("clip_norm", "expected"), [(1.0, (0.6, 0.8)), (0.5, (0.3, 0.4)), (100.0, (3.0, 4.0))])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_gradient_is_no_longer_than_it_may_be(
    precision: str, clip_norm: float, expected: tuple[float, float]
) -> None:
    """Under a scaler it is the gradient that is bounded, and not the scaled one."""
    model = weights(1.0, 1.0)
    one = optimized(model, clip_norm=clip_norm, precision=precision)
    give(model, 3.0, 4.0, scale=scale(one))
    one.update()
    assert model.weight.grad.tolist() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_without_clipping_the_gradient_stays(precision: str) -> None:
    model = weights(1.0, 1.0)
    one = optimized(model, precision=precision)
    give(model, 300.0, 400.0, scale=scale(one))
    one.update()
    assert model.weight.grad.tolist() == pytest.approx([300.0, 400.0])


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_the_update_is_adamws_of_the_clipped_gradient(precision: str) -> None:
    model, twin = weights(1.0, 1.0), weights(1.0, 1.0)
    one = optimized(model, clip_norm=0.001, precision=precision, learning_rate=0.1)
    other = torch.optim.AdamW(twin.parameters(), lr=0.1)
    for gradient in ((3.0, 4.0), (-1.0, 2.0)):
        give(model, *gradient, scale=scale(one))
        one.update()
        length = math.hypot(*gradient)
        give(twin, *(value / length * 0.001 for value in gradient))
        other.step()
    assert torch.allclose(model.weight, twin.weight, rtol=1e-4, atol=0)
    assert not torch.allclose(model.weight, torch.ones(2), atol=0.05)


def test_a_constant_learning_rate_is_constant() -> None:
    model = weights(1.0)
    one = optimized(model, learning_rate=0.25)
    for _ in range(3):
        give(model, 1.0)
        one.update()
        assert rate(one) == 0.25


def test_the_schedule_of_the_analysiss_run_begins_at_a_millionth() -> None:
    """100 epochs of 1,000 batches, five of them to warm up: each update adds the same to the rate."""
    model = weights(1.0)
    one = optimized(model, learning_rate=0.001, schedule="cosine")
    assert rate(one) == pytest.approx(1e-6)
    for update in range(1, 4):
        give(model, 1.0)
        one.update()
        assert rate(one) == pytest.approx(1e-6 + update * (0.001 - 1e-6) / 5_000, rel=1e-9)


def test_the_rate_warms_up_in_a_line_and_falls_along_a_cosine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The formula of timm: `lr_min + (lr - lr_min) (1 + cos(pi t / T)) / 2`, counted from the end of the warm-up."""
    monkeypatch.setattr(optimization, "WARMUP_SHARE", 0.4)
    monkeypatch.setattr(optimization, "SCHEDULED_UPDATES", 10)
    model, highest = weights(1.0), 0.5
    one = optimized(model, learning_rate=highest, schedule="cosine")
    rates = [rate(one)]
    for _ in range(13):
        give(model, 1.0)
        one.update()
        rates.append(rate(one))
    rising = [1e-6 + update * (highest - 1e-6) / 4 for update in range(4)]
    falling = [highest * (1 + math.cos(math.pi * update / 10)) / 2 for update in range(10)]
    assert rates == pytest.approx([*rising, *falling])


def test_the_next_update_uses_the_rate_that_was_scheduled() -> None:
    """AdamW's first update of a single weight is as long as the rate, whatever the gradient."""
    model = weights(1.0)
    one = optimized(model, learning_rate=0.5, schedule="cosine")
    give(model, 3.0)
    one.update()
    assert 1 - model.weight.item() == pytest.approx(1e-6, rel=0.2)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_only_float16_is_scaled(precision: str) -> None:
    loss = torch.tensor(3.0)
    assert optimized(weights(1.0), precision=precision).scaled(loss) is loss


def test_float16_has_a_scaler_whose_scale_the_update_takes_back() -> None:
    model, twin = weights(2.0), weights(2.0)
    half, full = optimized(model, precision="float16"), optimized(twin)
    half.scaled((model.weight**2).sum()).backward()
    assert model.weight.grad.item() == pytest.approx(4 * INITIAL_SCALE)
    give(twin, 4.0)
    half.update()
    full.update()
    assert model.weight.item() == twin.weight.item() != 2.0
    assert scale(half) == INITIAL_SCALE


@pytest.mark.parametrize("clip_norm", [None, 1.0])
@pytest.mark.parametrize("overflow", [math.inf, -math.inf, math.nan])
def test_an_overflow_halves_the_scale_and_skips_the_update(overflow: float, clip_norm: float | None) -> None:
    model = weights(2.0, 3.0)
    one = optimized(model, precision="float16", clip_norm=clip_norm)
    one.scaled(model.weight.sum()).backward()
    give(model, 1.0, overflow)
    one.update()
    assert model.weight.tolist() == [2.0, 3.0]
    assert scale(one) == INITIAL_SCALE / 2
    give(model, 1.0, 1.0, scale=scale(one))
    one.update()
    assert model.weight[0].item() < 2.0
    assert scale(one) == INITIAL_SCALE / 2


def test_without_a_scaler_an_overflow_is_what_training_gets() -> None:
    model = weights(2.0)
    one = optimized(model)
    give(model, math.inf)
    one.update()
    assert math.isnan(model.weight.item())


def test_the_fused_kernel_is_asked_for_and_computes_the_same() -> None:
    models = [weights(1.0, 2.0), weights(1.0, 2.0)]
    plain, fused = (optimized(model, fused_optimizer=flag) for model, flag in zip(models, (False, True), strict=True))
    assert fused.optimizer.param_groups[0]["fused"] is True
    # None leaves the choice to torch, as code does that does not ask for one.
    assert not plain.optimizer.param_groups[0]["fused"]
    for model, one in zip(models, (plain, fused), strict=True):
        give(model, 3.0, -4.0)
        one.update()
    updated: list[Tensor] = [model.weight for model in models]
    assert torch.allclose(*updated, rtol=1e-6)


def test_every_parameter_is_updated() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    one = optimized(model, learning_rate=0.1)
    one.scaled(model(torch.ones(4, 2)).sum()).backward()
    one.update()
    assert not any(torch.equal(now, then) for now, then in zip(model.parameters(), before, strict=True))

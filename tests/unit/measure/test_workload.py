"""The step that a workload builds: precision, layout, compilation, and the parts of its update."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from paco_prof.data.batch import Batch, synthetic_batch
from paco_prof.errors import UsageError
from paco_prof.measure.workload import TrainingStep, build_model, build_step
from paco_prof.settings import Workload, with_settings
from paco_prof.stages import listening
from tiny import CPU, TINY, step_of


@pytest.fixture(autouse=True)
def threads_as_they_were() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Ear:
    """Remembers the stages that belong to no pass."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._is_in_a_pass = False

    def enter(self, name: str, inputs: object) -> None:
        if not self._is_in_a_pass:
            self.heard.append(name)

    def exit(self, outputs: object) -> None: ...

    def enter_phase(self, phase: str) -> None:
        self.heard.append(phase)
        self._is_in_a_pass = True

    def take_over(self, name: str) -> None: ...

    def exit_phase(self) -> None:
        self._is_in_a_pass = False


def logits_of(step: TrainingStep, call: Callable[[], object]) -> list[Tensor]:
    """The logits of every call of the step's model meanwhile."""
    seen = []

    def keep(model: Any, args: Any, result: Any) -> None:
        seen.append(result["logits"] if isinstance(result, dict) else result)

    handle = step.model.register_forward_hook(keep)
    call()
    handle.remove()
    return seen


def is_channels_last(tensor: Tensor) -> bool:
    """Whether the channels of a pixel stand side by side, and nothing else can be meant."""
    return tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("float32", torch.float32), ("bfloat16", torch.bfloat16), ("float16", torch.float16)],
)
def test_the_model_is_called_in_its_precision(precision: str, dtype: torch.dtype) -> None:
    step = step_of(precision=precision)
    calls: list[Callable[[], object]] = [step.run, step.forward_only]
    with step.evaluating():
        infer = step.inference()
    for call in calls:
        (logits,) = logits_of(step, call)
        assert logits.dtype == dtype
    with step.evaluating():
        (logits,) = logits_of(step, infer)
        assert logits.dtype == dtype
    # Weights, losses and gradients stay what they were.
    assert {parameter.dtype for parameter in step.model.parameters()} == {torch.float32}
    assert {loss.dtype for loss in step.run().values()} == {torch.float32}


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_step_trains_in_every_precision(precision: str) -> None:
    step = step_of(precision=precision, clip_norm=1.0)
    before = {name: value.detach().clone() for name, value in step.model.named_parameters()}
    losses = [step.run() for _ in range(2)]
    assert all(math.isfinite(value.item()) for of in losses for value in of.values())
    now = dict(step.model.named_parameters())
    same = {name for name, value in before.items() if torch.equal(now[name], value)}
    # Peaks carry no gradient, and so the weight that they are searched with does not learn.
    assert same == {"part_sampler.spatial_attention.weight"}


def test_clipping_and_schedule_come_around_the_optimizer_after_backward() -> None:
    step, ear = step_of(clip_norm=1.0, schedule="cosine"), Ear()
    with listening(ear):
        step.run()
    expected = "transfer zero_grad forward backward graph_release clipping optimizer schedule"
    assert ear.heard == expected.split()


def test_the_whole_gradient_is_clipped() -> None:
    step = step_of(clip_norm=0.01)
    step.run()
    gradient = torch.cat([p.grad.flatten() for p in step.model.parameters() if p.grad is not None])
    assert gradient.norm().item() == pytest.approx(0.01, rel=1e-3)


def test_an_overflow_in_a_step_skips_its_update() -> None:
    """A gradient beyond float16, planted where backward leaves it."""
    step = step_of(precision="float16")
    weight = step.model.get_parameter("classifier.weight")
    handle = weight.register_hook(lambda gradient: torch.full_like(gradient, torch.inf))
    before = {name: value.detach().clone() for name, value in step.model.named_parameters()}
    scale = step.optimization.scaled(torch.ones(()))
    step.run()
    assert all(torch.equal(value, before[name]) for name, value in step.model.named_parameters())
    assert step.optimization.scaled(torch.ones(())) == scale / 2
    handle.remove()
    step.run()
    assert not torch.equal(weight, before["classifier.weight"])


def test_channels_last_reaches_images_and_weights() -> None:
    step = step_of("channels-last")
    assert is_channels_last(step.batch.x1)
    assert is_channels_last(step.batch.x2)
    kernels = [p for p in step.model.parameters() if p.dim() == 4 and min(p.shape[1:]) > 1]
    assert kernels
    assert all(is_channels_last(kernel) for kernel in kernels)
    step.run()
    gradients = [kernel.grad for kernel in kernels if kernel.grad is not None]
    assert gradients
    assert all(is_channels_last(gradient) for gradient in gradients)


def test_without_it_they_are_as_torch_makes_them() -> None:
    step = step_of()
    assert step.batch.x1.is_contiguous()
    assert all(parameter.is_contiguous() for parameter in step.model.parameters())


def test_the_values_of_a_batch_do_not_depend_on_its_layout() -> None:
    plain = synthetic_batch(2, 7, 96, seed=0)
    last = plain.channels_last()
    assert torch.equal(plain.x1, last.x1)
    assert torch.equal(plain.x2, last.x2)
    assert last.targets is plain.targets
    assert isinstance(last, Batch)


def test_compiling_reaches_the_timm_model_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    calls = []

    def compiled(function: Callable[[Tensor], Tensor], **settings: object) -> Callable[[Tensor], Tensor]:
        given.append(function)

        def marked(x: Tensor) -> Tensor:
            calls.append(tuple(x.shape))
            return function(x)

        return marked

    monkeypatch.setattr(torch, "compile", compiled)
    step = step_of(compile=True)
    timm_model = step.model.get_submodule("backbone.model")
    assert [function.__self__ for function in given] == [timm_model]
    assert [function.__name__ for function in given] == ["forward_features"]
    # Finding out the size of the feature map does not wait for a compiler.
    assert calls == []
    step.run()
    assert calls == [(2, 3, 96, 96)] * 2


def test_nobody_compiles_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda *args, **settings: pytest.fail("compiled"))
    step_of("exact").run()


def test_a_compiled_model_has_the_same_weights_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference can be given them."""
    monkeypatch.setattr(torch, "compile", lambda function: function)
    assert list(step_of(compile=True).model.state_dict()) == list(step_of().model.state_dict())


def test_both_views_go_through_the_backbone_together_or_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    for views, sizes in (("separate", [2, 2]), ("together", [4])):
        step = step_of(views=views)
        seen: list[int] = []
        timm_model = step.model.get_submodule("backbone.model")
        features = timm_model.forward_features
        monkeypatch.setattr(timm_model, "forward_features", lambda x, f=features, s=seen: (s.append(len(x)), f(x))[1])
        step.run()
        assert seen == sizes


@pytest.mark.parametrize("setting", ["use_class_proto", "use_semi_hard", "use_weighted_ce"])
def test_switches_of_the_objective_reach_the_model(setting: str) -> None:
    on, off = (build_model(with_settings(TINY, {setting: value})) for value in (True, False))
    if setting == "use_class_proto":
        assert on.prototypes is not None
        assert off.prototypes is None
    else:
        part = on.criterion.pac_loss if setting == "use_semi_hard" else on.criterion.ce_loss
        other = off.criterion.pac_loss if setting == "use_semi_hard" else off.criterion.ce_loss
        assert (getattr(part, setting), getattr(other, setting)) == (True, False)


def test_every_number_of_the_objective_reaches_the_model() -> None:
    numbers = {
        "lambda_pac": 2.0,
        "eta_soc": 0.3,
        "alpha": 0.4,
        "beta": 0.06,
        "gamma": 0.7,
        "epsilon": 0.01,
        "tau": 0.02,
        "metric": "stein",
        "warmup_epochs": 9,
        "proto_momentum": 0.5,
        "epoch": 6,
    }
    model = build_model(with_settings(TINY, numbers))
    criterion = model.criterion
    assert model.prototypes is not None
    assert {
        "lambda_pac": criterion.lambda_pac,
        "eta_soc": criterion.eta_soc,
        "alpha": criterion.pac_loss.alpha,
        "beta": criterion.soc_loss.beta,
        "gamma": criterion.ce_loss.gamma,
        "epsilon": model.epsilon,
        "tau": model.tau,
        "metric": criterion.soc_loss.metric,
        "warmup_epochs": model.matcher.warmup_epochs,
        "proto_momentum": model.prototypes.momentum,
        "epoch": model.epoch,
    } == numbers


@pytest.mark.parametrize(
    ("epoch", "warmup_epochs", "cost"), [(0, 3, "cosine"), (2, 3, "cosine"), (3, 3, "Mahalanobis")]
)
def test_the_cost_of_the_matching_is_that_of_the_epoch(epoch: int, warmup_epochs: int, cost: str) -> None:
    _, built = build_step(with_settings(TINY, {"epoch": epoch, "warmup_epochs": warmup_epochs}), CPU)
    assert built.matching_cost == cost


def test_weights_are_those_of_the_seed_whatever_the_variant() -> None:
    """So that a variant can be compared with its baseline at all."""
    plain, variant = step_of().model.state_dict(), step_of("exact").model.state_dict()
    assert list(plain) == list(variant)
    assert all(torch.equal(value, variant[name]) for name, value in plain.items())
    other = step_of(base=TINY.model_copy(update={"seed": 1})).model.state_dict()
    assert not all(torch.equal(value, other[name]) for name, value in plain.items())


def test_a_workload_that_does_not_say_how_large_its_images_are_cannot_be_built() -> None:
    with pytest.raises(UsageError, match="does not say how large"):
        build_model(Workload(image_size=None))

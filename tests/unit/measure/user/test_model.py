"""A model of the user's own: built from wherever it is, refused with its place, and stepped like any other."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from paco_prof.errors import UsageError
from paco_prof.measure.clock import clock_for
from paco_prof.measure.training import timed_step
from paco_prof.measure.user.model import build_user_model
from paco_prof.measure.user.step import build_user_step
from paco_prof.paco2.plain import PlainTwoView
from paco_prof.settings import Workload
from tiny import CPU, TINY

SOURCE = '''
"""Models of somebody's own."""

import torch
from torch import nn

from paco_prof import stage


class Model(nn.Module):
    def __init__(self, width=4, bias=True, num_classes=5):
        super().__init__()
        self.body = nn.Conv2d(3, width, 8, 8)
        self.head = nn.Linear(width, num_classes, bias=bias)
        self.epoch = None

    def set_epoch(self, epoch):
        self.epoch = epoch

    def forward(self, x1, x2, targets):
        with stage("my_body", x1, x2) as scope:
            first, second = scope.outputs([self.body(x).mean(dim=(2, 3)) for x in (x1, x2)])
        with stage("loss", first, second) as scope:
            total = scope.outputs(nn.functional.cross_entropy(self.head(first + second), targets))
        return {"total": total, "logits": first}


class Factory:
    class Inner:
        @staticmethod
        def build(width=2):
            return Model(width)


class Plain(Model):
    """Without an epoch."""

    set_epoch = None


def build(**arguments):
    return Model(**arguments).eval()


def nothing():
    return {"total": 0}


def failing():
    raise ValueError("first line\\nthere are no weights in /home/somebody/weights.pt")


def deep():
    return failing()


def missing_package():
    import no_such_package
'''

names = itertools.count()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Writes modules that nobody has imported before; all are forgotten in the end."""
    monkeypatch.syspath_prepend(str(tmp_path))
    written: list[str] = []

    def write(source: str) -> str:
        written.append(f"somebodys_models_{next(names)}")
        (tmp_path / f"{written[-1]}.py").write_text(source)
        importlib.invalidate_caches()
        return written[-1]

    yield write
    for name in written:
        sys.modules.pop(name, None)


def workload(model: str, seed: int = 0, epoch: int = 0, **arguments: bool | int | float | str) -> Workload:
    small = {"batch_size": 2, "image_size": 16, "num_classes": 5, "threads": 1}
    return Workload(model=model, model_args=tuple(arguments.items()), seed=seed, epoch=epoch, **small)


def refusal(model: str, **arguments: bool | int | float | str) -> str:
    with pytest.raises(UsageError) as told:
        build_user_model(workload(model, **arguments))
    return str(told.value)


@pytest.mark.parametrize("attribute", ["Model", "build", "Factory.Inner.build", "Plain"])
def test_a_class_a_function_or_what_is_inside_of_a_class_makes_a_model(
    module: Callable[[str], str], attribute: str
) -> None:
    model = build_user_model(workload(f"{module(SOURCE)}:{attribute}"))
    assert type(model).__name__ == ("Plain" if attribute == "Plain" else "Model")
    # Whatever the factory left it in.
    assert model.training


def test_arguments_reach_the_factory(module: Callable[[str], str]) -> None:
    model = build_user_model(workload(f"{module(SOURCE)}:build", width=7, bias=False))
    assert model.head.in_features == 7
    assert model.head.bias is None


def test_a_module_inside_of_a_package_is_found(tmp_path: Path, module: Callable[[str], str]) -> None:
    (tmp_path / "somebodys_package").mkdir()
    (tmp_path / "somebodys_package" / "models.py").write_text(SOURCE)
    try:
        assert build_user_model(workload("somebodys_package.models:Model")).training
    finally:
        for name in ("somebodys_package", "somebodys_package.models"):
            sys.modules.pop(name, None)


def test_it_is_told_the_epoch(module: Callable[[str], str]) -> None:
    name = module(SOURCE)
    assert build_user_model(workload(f"{name}:Model", epoch=4)).epoch == 4
    assert build_user_model(workload(f"{name}:Plain", epoch=4)).epoch is None


def test_equal_seeds_make_equal_weights(module: Callable[[str], str]) -> None:
    name = module(SOURCE)
    one, same, other = (build_user_model(workload(f"{name}:Model", seed=seed)).body.weight for seed in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_what_cannot_be_imported_says_why_and_where(module: Callable[[str], str]) -> None:
    name = module("import torch\n\nimport no_such_package\n")
    assert refusal(f"{name}:Model") == (
        f"{name}:Model cannot be imported: ModuleNotFoundError: No module named 'no_such_package' ({name}.py, line 3)."
    )
    broken = module("def build(:\n")
    # The place once, whoever tells it.
    assert refusal(f"{broken}:build") == (
        f"{broken}:build cannot be imported: SyntaxError: invalid syntax ({broken}.py, line 1)."
    )


def test_a_module_that_raises_says_where_in_it(module: Callable[[str], str]) -> None:
    inner = module("def check():\n    raise RuntimeError('no licence in /opt/somewhere/key')\n")
    outer = module(f"import {inner}\n{inner}.check()\n")
    assert refusal(f"{outer}:Model") == (
        f"{outer}:Model cannot be imported: RuntimeError: no licence in key ({inner}.py, line 2)."
    )


def test_a_module_that_is_not_there_is_named() -> None:
    message = refusal("no_such_module:Model")
    assert message.startswith("no_such_module:Model: there is no module no_such_module. ")


@pytest.mark.parametrize(
    ("attribute", "missing", "hint"),
    [("Modell", "Modell", "Did you mean Model?"), ("Factory.Outer.build", "Outer", "Name a class or a function.")],
)
def test_what_is_not_in_the_module_is_named(
    module: Callable[[str], str], attribute: str, missing: str, hint: str
) -> None:
    name = module(SOURCE)
    assert refusal(f"{name}:{attribute}") == f"{name}:{attribute}: {name} has no {missing}. {hint}"


@pytest.mark.parametrize("attribute", ["failing", "deep"])
def test_a_factory_that_raises_says_where_and_names_no_folder(module: Callable[[str], str], attribute: str) -> None:
    name = module(SOURCE)
    line = SOURCE.splitlines().index("def failing():") + 2
    assert refusal(f"{name}:{attribute}") == (
        f"{name}:{attribute} cannot be built: ValueError: there are no weights in weights.pt ({name}.py, line {line})."
    )


def test_a_package_that_the_factory_lacks_is_told_at_the_factorys_line(module: Callable[[str], str]) -> None:
    name = module(SOURCE)
    line = SOURCE.splitlines().index("    import no_such_package") + 1
    assert refusal(f"{name}:missing_package") == (
        f"{name}:missing_package cannot be built: ModuleNotFoundError: No module named 'no_such_package' "
        f"({name}.py, line {line})."
    )


def test_an_argument_that_the_factory_does_not_have_is_named(module: Callable[[str], str]) -> None:
    name = module(SOURCE)
    line = SOURCE.splitlines().index("    def __init__(self, width=4, bias=True, num_classes=5):") + 1
    assert refusal(f"{name}:Model", depth=3) == (
        f"{name}:Model takes other arguments: got an unexpected keyword argument 'depth' ({name}.py, line {line}). "
        "It takes width, bias, num_classes; --model-arg NAME=VALUE gives one."
    )


def test_what_cannot_be_called_makes_nothing(module: Callable[[str], str]) -> None:
    name = module("SIZE = 3\n")
    assert refusal(f"{name}:SIZE") == f"{name}:SIZE is a int, and cannot be called. Name a factory."


def test_what_is_no_module_is_told(module: Callable[[str], str]) -> None:
    name = module(SOURCE)
    assert refusal(f"{name}:nothing") == f"{name}:nothing makes a dict, and no torch.nn.Module."


@pytest.fixture
def threads_as_they_were() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads_as_they_were")
def test_its_step_is_divided_by_the_stages_that_it_announces(module: Callable[[str], str]) -> None:
    step, built, _ = build_user_step(workload(f"{module(SOURCE)}:Model"), CPU)
    assert built.num_parameters == sum(p.numel() for p in step.model.parameters())
    before = step.model.body.weight.detach().clone()
    timed = timed_step(step.run, clock_for(CPU))
    found = {(owner.path, owner.phase) for owner in timed.spans}
    assert {("my_body", "forward"), ("my_body", "backward"), ("loss", "forward"), ("loss", "backward")} <= found
    assert timed.backward_whole == ""
    # What is no scalar is no loss.
    assert set(timed.losses) == {"total"}
    assert not torch.equal(step.model.body.weight, before)


@pytest.mark.usefixtures("threads_as_they_were")
def test_the_yardsticks_loss_is_the_cross_entropy_of_the_mean_of_both_views() -> None:
    arguments = (("backbone_name", TINY.backbone), ("num_classes", 5), ("image_size", 96))
    plain = TINY.model_copy(update={"model": "paco_prof.paco2.plain:PlainTwoView", "model_args": arguments})
    step, _, _ = build_user_step(plain, CPU)
    model, batch = step.model, step.batch
    assert isinstance(model, PlainTwoView)
    model.eval()
    with torch.no_grad():
        losses = model(batch.x1, batch.x2, batch.targets)
        means = [model.backbone.forward_features(x).mean(dim=(2, 3)) for x in (batch.x1, batch.x2)]
        logits = (means[0] + means[1]) / 2 @ model.classifier.weight.T + model.classifier.bias
        chosen = logits.log_softmax(dim=1)[torch.arange(len(batch.targets)), batch.targets]
    assert set(losses) == {"total", "ce"}
    assert losses["total"] is losses["ce"]
    assert losses["total"].item() == pytest.approx(-chosen.mean().item(), rel=1e-5)
    assert losses["ce"].item() == pytest.approx(functional.cross_entropy(logits, batch.targets).item(), rel=1e-5)
    model.train()
    assert torch.isfinite(step.run()["total"])

"""The contract of a user's model, found out before anything is measured: one line, with the place in their code."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from paco_prof.errors import MeasurementError, PacoProfError, UsageError
from paco_prof.measure.clock import clock_for
from paco_prof.measure.training import timed_step
from paco_prof.measure.user.step import Given, build_user_step
from paco_prof.settings import Workload
from tiny import CPU

BODY = """
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, classes=5):
        super().__init__()
        self.backbone = nn.Conv2d(3, 4, 8, 8)
        self.classifier = nn.Linear(4, classes)

    def forward(self, x1, x2=None, targets=None):
        logits = self.classifier(self.backbone(x1).mean(dim=(2, 3)))
        if x2 is None:
            return logits
        {statement}
"""
CALL = "total = nn.functional.cross_entropy(logits, targets)"
numbers = itertools.count(1)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Writes a module of somebody's own; its name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    written: list[str] = []

    def write(source: str) -> str:
        name = f"somebodys_step_{next(numbers)}"
        (tmp_path / f"{name}.py").write_text(source)
        written.append(name)
        return name

    yield write
    for name in written:
        sys.modules.pop(name, None)


def workload(model: str, **changes: object) -> Workload:
    return Workload(model=model, **{"batch_size": 2, "image_size": 16, "threads": 1, **changes})


def source(*statements: str) -> str:
    return BODY.format(statement="\n        ".join(statements))


def line_of(text: str, words: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if words in line)


def refusal(name: str, error: type[PacoProfError] = UsageError, **changes: object) -> str:
    with pytest.raises(error) as told:
        build_user_step(workload(name, **changes), CPU)
    assert "\n" not in str(told.value)
    return str(told.value)


def test_a_model_that_keeps_to_it_is_stepped_and_left_as_it_was(module: Callable[[str], str]) -> None:
    name = module(source(CALL, "return {'total': total, 'note': 'x', 'seconds': 0.1}"))
    step, built, user = build_user_step(workload(f"{name}:Model"), CPU)
    torch.manual_seed(0)
    fresh = sys.modules[name].Model()
    assert all(torch.equal(one, other) for one, other in zip(step.model.parameters(), fresh.parameters(), strict=True))
    assert dict(built.told) == {"num_classes": 5}
    # Targets are of the classes that it has, though nobody has said how many these are.
    assert int(step.batch.targets.max()) < 5
    assert user.no_inference == ""
    timed = timed_step(step.run, clock_for(CPU))
    assert set(timed.losses) == {"total"}
    assert {owner.path for owner in timed.spans} >= {"backbone", "classifier"}
    user.release()
    assert "forward" not in vars(step.model.backbone)


@pytest.mark.parametrize("result", ["total", "Result(total)"])
def test_the_total_may_be_returned_in_other_ways(module: Callable[[str], str], result: str) -> None:
    text = source(CALL, f"return {result}")
    name = module(text + "\n\nclass Result:\n    def __init__(self, total):\n        self.total = total\n")
    step, _, user = build_user_step(workload(f"{name}:Model"), CPU)
    assert set(step.run()) == {"total"}
    user.release()


def test_a_function_of_ones_own_computes_the_step(module: Callable[[str], str]) -> None:
    text = source(CALL, "return total, logits") + (
        "\n\ndef losses(model, x1, x2, targets):\n    total, logits = model(x1, x2, targets)\n"
        "    return {'total': 2 * total, 'half': total}\n"
    )
    name = module(text)
    step, _, user = build_user_step(workload(f"{name}:Model", step=f"{name}:losses"), CPU)
    losses = step.run()
    assert losses["total"].item() == pytest.approx(2 * losses["half"].item())
    user.release()
    told = refusal(f"{name}:Model")
    place = f"({name}.py, line {line_of(text, 'def forward')})"
    assert told.startswith(f"{name}:Model returns a tuple, and no 'total' {place}. Return a dict with 'total'. --step ")


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["return None"], "returns None, and no 'total'"),
        ([CALL, "return {'loss': total, 'logits': logits}"], "returns a dict of loss, logits, and no 'total'"),
        (["return {}"], "returns an empty dict, and no 'total'"),
        (["return {'total': logits}"], ": its total is a tensor of shape (2, 5), and not one number"),
        ([CALL, "return {'total': total.item()}"], ": its total is a float, and not one number"),
        ([CALL, "return {'total': total.detach()}"], ": its total does not depend on any parameter"),
        ([CALL, "return {'total': total.to('meta')}"], ": its total is on meta, and the step runs on cpu"),
    ],
)
def test_what_is_returned_must_be_a_total(module: Callable[[str], str], statements: list[str], words: str) -> None:
    text = source(*statements)
    name = module(text)
    told = refusal(f"{name}:Model")
    assert told.startswith(f"{name}:Model")
    assert words in told
    assert f"({name}.py, line {line_of(text, 'def forward')})" in told


def test_a_model_that_raises_is_told_with_its_line(module: Callable[[str], str]) -> None:
    text = source("raise KeyError('saliency')")
    name = module(text)
    assert refusal(f"{name}:Model", MeasurementError) == (
        f"{name}:Model fails in its forward pass: KeyError: 'saliency' ({name}.py, line {line_of(text, 'KeyError')})."
    )
    # Where torch raises, the line is that which called it.
    text = source("total = logits @ logits", "return {'total': total}")
    name = module(text)
    told = refusal(f"{name}:Model", MeasurementError)
    assert told.startswith(f"{name}:Model fails in its forward pass: RuntimeError: ")
    assert told.endswith(f"({name}.py, line {line_of(text, 'logits @ logits')}).")


def test_a_precision_that_a_model_cannot_have_is_not_applicable(module: Callable[[str], str]) -> None:
    text = source("total = torch.linalg.cholesky(logits.T @ logits).sum()", "return {'total': total}")
    name = module(text)
    told = refusal(f"{name}:Model", precision="bfloat16")
    assert told.startswith(f"{name}:Model fails under bfloat16 autocast: ")
    assert f"({name}.py, line {line_of(text, 'cholesky')})" in told


def test_what_is_kept_beside_weights_and_buffers_is_as_it_was_before_the_trial(module: Callable[[str], str]) -> None:
    """As a model that counts, fills a memory bank, or makes something in its first step does."""
    keeping = "self.num_steps, self.bank, self.last, self.other = 0, [[] for _ in range(classes)], None, {}"
    filled = (
        "self.num_steps += 1",
        "self.last = self.made = logits.detach()",
        "[self.bank[int(t)].append(x) for t, x in zip(targets, self.last)]",
        "self.other.update(enumerate(self.last))",
    )
    text = source(*filled, CALL, "return {'total': total}").replace(
        "self.classifier =", f"{keeping}\n        self.classifier ="
    )
    step, _, user = build_user_step(workload(f"{module(text)}:Model"), CPU)
    model = step.model
    assert (model.num_steps, model.bank, model.last, model.other) == (0, [[]] * 5, None, {})
    assert not hasattr(model, "made")
    step.run()
    assert (model.num_steps, sum(map(len, model.bank)), len(model.other)) == (1, 2, 2)
    user.release()


def test_a_model_that_ends_the_process_where_it_is_given_one_view_cannot_do_inference(
    module: Callable[[str], str],
) -> None:
    text = source(CALL, "return {'total': total}").replace("return logits", "raise SystemExit('two views, please')")
    _, _, user = build_user_step(workload(f"{module(text)}:Model"), CPU)
    assert user.no_inference.startswith("SystemExit: two views, please (")
    user.release()


def test_a_model_that_ends_the_process_is_told(module: Callable[[str], str]) -> None:
    name = module(source("raise SystemExit('enough')"))
    assert "SystemExit: enough" in refusal(f"{name}:Model", MeasurementError)


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        ("x1.mul_(2)", "x1"),
        ("x2[0] = 0", "x2"),
        ("x1 += 1", "x1"),
        ("nn.functional.relu_(x2)", "x2"),
        ("targets.zero_()", "targets"),
    ],
)
def test_a_model_that_changes_its_inputs_is_told_where(
    module: Callable[[str], str], statement: str, changed: str
) -> None:
    text = source(statement, CALL, "return {'total': total}")
    name = module(text)
    assert refusal(f"{name}:Model") == (
        f"{name}:Model changes its input {changed} in place ({name}.py, line {line_of(text, statement)}): every step "
        "would begin from another one. Let it work on a copy."
    )


def test_a_model_that_takes_other_arguments_is_told_where(module: Callable[[str], str]) -> None:
    text = source(CALL, "return {'total': total}").replace("x2=None, targets=None", "other")
    name = module(text)
    assert refusal(f"{name}:Model") == (
        f"{name}:Model takes other arguments than two views and targets: too many positional arguments ({name}.py, "
        f"line {line_of(text, 'def forward')}). --step module:function says how a step is computed: function(model, "
        "x1, x2, targets)."
    )


def test_a_model_that_cannot_be_moved_is_told(module: Callable[[str], str]) -> None:
    text = source(CALL, "return {'total': total}")
    name = module(text + "\n\ndef build():\n    with torch.device('meta'):\n        return Model()\n")
    told = refusal(f"{name}:build")
    assert told.startswith(f"{name}:build cannot be moved to cpu: NotImplementedError: Cannot copy out of meta tensor")


def test_more_classes_than_it_has_are_refused(module: Callable[[str], str]) -> None:
    name = module(source(CALL, "return {'total': total}"))
    assert refusal(f"{name}:Model", num_classes=7) == (
        f"{name}:Model has 5 classes, and --num-classes says 7. Give its factory as many, for example --model-arg "
        "num_classes=7."
    )
    step, _, user = build_user_step(workload(f"{name}:Model", num_classes=2), CPU)
    assert int(step.batch.targets.max()) < 2
    user.release()


def test_without_inference_it_is_trained_all_the_same(module: Callable[[str], str]) -> None:
    text = source(CALL, "return {'total': total}").replace("return logits", "raise ValueError('two views, please')")
    name = module(text)
    _, _, user = build_user_step(workload(f"{name}:Model"), CPU)
    assert user.no_inference == f"ValueError: two views, please ({name}.py, line {line_of(text, 'two views')})"
    user.release()


def test_a_module_of_somebodys_is_copied_and_stays_as_it_is() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = nn.Linear(3, 2)

        def forward(self, x1: torch.Tensor, x2: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"total": nn.functional.cross_entropy(self.backbone(x1.mean(dim=(2, 3))), targets % 2)}

    own = Own().eval()
    before = {name: value.clone() for name, value in own.state_dict().items()}
    step, _, user = build_user_step(workload("here:Own"), CPU, given=Given(own))
    step.run()
    assert step.model is not own
    assert not own.training
    assert all(torch.equal(value, before[name]) for name, value in own.state_dict().items())
    assert all(parameter.grad is None for parameter in own.parameters())
    assert "forward" not in vars(own.backbone)
    user.release()


def test_wrapping_is_undone_where_the_trial_fails(module: Callable[[str], str]) -> None:
    """A module of theirs may outlive the failure, and its functions with it."""
    text = source("raise ValueError('no')") + "\n\ndef part_covariance(Z):\n    return Z\n"
    name = module(text)
    refusal(f"{name}:Model", MeasurementError)
    assert not hasattr(sys.modules[name].part_covariance, "__wrapped__")

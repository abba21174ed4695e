"""`paco_prof.breakdown`: what may be handed over, what comes back, and what is left as it was."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from own_models import QUICK, Failing, Interrupted, Tiny, build, half_the_loss, refusal
from paco_prof import Breakdown, OptimizedPaCoLoss, breakdown, read_record
from paco_prof.errors import MeasurementError, PacoProfError


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (Tiny(), "own_models:Tiny"),
        (Tiny, "own_models:Tiny"),
        (build, "own_models:build"),
        ("own_models:build", "own_models:build"),
        (partial(Tiny, width=3), "own_models:Tiny"),
        (lambda: Tiny(3), f"{__name__}:<lambda>"),
    ],
    ids=["live", "class", "function", "text", "partial", "lambda"],
)
def test_a_model_or_whatever_makes_one_is_measured(model: Any, name: str) -> None:
    result = breakdown(model, **QUICK)
    assert isinstance(result, Breakdown)
    assert result.workload.model == name
    assert result.training is not None
    assert len(result.training.steps) == 3
    assert {"backbone", "classifier", "loss"} <= set(result.to_pandas().stage)


def test_a_file_is_named_by_its_path_and_recorded_without(elsewhere: Path) -> None:
    (elsewhere / "below").mkdir()
    (elsewhere / "below" / "my_file_of_models.py").write_text("from own_models import Tiny as Mine\n")
    path, modules = list(sys.path), set(sys.modules)
    try:
        result = breakdown(f"{elsewhere}/below/my_file_of_models.py:Mine", **QUICK)
    finally:
        for name in set(sys.modules) - modules:
            sys.modules.pop(name)
    assert result.workload.model == "my_file_of_models:Mine"
    assert result.workload.python_path == ("below",)
    assert str(elsewhere) not in result.model_dump_json()
    assert sys.path == path


def test_a_file_called_like_another_one_that_was_imported_is_not_taken_for_it(elsewhere: Path) -> None:
    (elsewhere / "own_models.py").write_text("")
    told = refusal(lambda: breakdown("own_models.py:Tiny", **QUICK))
    assert "another module called own_models has been imported already" in told


def test_arguments_steps_stages_and_epochs_are_handed_on() -> None:
    result = breakdown(
        Tiny,
        model_args={"width": 3, "num_classes": 4},
        step=half_the_loss,
        stages={"classifier": "head"},
        epoch=4,
        **QUICK,
    )
    assert result.workload.model_args == (("width", 3), ("num_classes", 4))
    assert result.workload.step == "own_models:half_the_loss"
    assert result.workload.known("num_classes") == 4
    assert result.workload.epoch == 4
    assert "head" in set(result.to_pandas().stage)


def test_settings_are_the_baselines_where_they_say_what_it_is_and_changes_where_not() -> None:
    result = breakdown(variant="exact", backbone="test_resnet", K=3, r=3, d=8, gamma=0.0, **{**QUICK, "image_size": 96})
    assert result.workload.num_parts == 3
    assert (result.variant.name, result.variant.settings["gamma"]) == ("exact", 0.0)
    assert "backbone" not in result.variant.settings


def test_a_batch_of_ones_own_is_what_every_step_is_taken_on() -> None:
    seen: list[tuple[Tensor, ...]] = []

    def watching(model: Tiny, *inputs: Tensor) -> Any:
        seen.append(inputs)
        return model(*inputs)

    batch = torch.rand(3, 3, 40, 40), torch.rand(3, 3, 40, 40), torch.tensor([1, 0, 9])
    before = [tensor.clone() for tensor in batch]
    quick = {name: value for name, value in QUICK.items() if not name.endswith("_size")}
    result = breakdown(Tiny, step=watching, batch=batch, **quick)
    assert (result.workload.batch_size, result.workload.image_size) == (3, 40)
    assert len(seen) >= 4
    assert all(torch.equal(one, other) for inputs in seen for one, other in zip(inputs, before, strict=True))
    assert all(torch.equal(one, other) for one, other in zip(batch, before, strict=True))
    assert "the caller's data" in result.report()
    assert "synthetic" not in result.report()


def test_paco2_itself_takes_a_batch_too() -> None:
    batch = torch.rand(2, 3, 96, 96), torch.rand(2, 3, 96, 96), torch.tensor([0, 4])
    quick = {**QUICK, "image_size": 96}
    result = breakdown(batch=batch, backbone="test_resnet", K=3, r=3, d=8, num_classes=5, **quick)
    assert result.workload.data == "the caller's"
    assert "other classes than the 4" in refusal(lambda: breakdown(batch=batch, num_classes=4))


def test_a_drop_in_is_named_or_handed_over() -> None:
    for matcher in (OptimizedPaCoLoss, "paco_prof:OptimizedPaCoLoss"):
        assert "matcher" in refusal(lambda by=matcher: breakdown(Tiny, replace={"matcher": by}, **QUICK))


def test_nothing_is_printed_unless_somebody_asks(capfd: pytest.CaptureFixture[str], elsewhere: Path) -> None:
    breakdown(Tiny, **{**QUICK, "fidelity": True})
    assert capfd.readouterr() == ("", "")
    lines: list[str] = []
    breakdown(Tiny, progress=lines.append, **QUICK)
    assert lines[0] == "building the model"
    assert "training steps" in lines


def test_a_progress_of_ones_own_is_told_how_far_it_is() -> None:
    class Mine:
        parts: list[str] = []  # noqa: RUF012
        left: list[float] = []  # noqa: RUF012

        def begin(self, what: str) -> None:
            self.parts.append(what)

        def update(self, elapsed: float, left: float) -> None:
            self.left.append(left)

    mine = Mine()
    breakdown(Tiny, progress=mine, **QUICK)
    assert mine.parts
    assert mine.left


def test_what_is_saved_is_shown_by_the_command(elsewhere: Path) -> None:
    result = breakdown(Tiny, **QUICK)
    result.save("run.json")
    assert read_record(Path("run.json")) == result
    assert result.command == ("paco_prof.breakdown",)


def test_an_interrupted_run_is_what_was_measured_until_then() -> None:
    result = breakdown(Interrupted, model_args={"after": 6}, **{**QUICK, "steps": 100, "max_seconds": 60.0})
    assert [note.code for note in result.notes] == ["interrupted"]
    assert result.training is not None
    assert 1 <= len(result.training.steps) < 100
    assert "interrupted" in result.report()
    assert result._repr_html_()


def test_who_interrupts_before_anything_was_measured_is_not_held_up() -> None:
    with pytest.raises(KeyboardInterrupt):
        breakdown(Interrupted, model_args={"after": 0}, **QUICK)


def test_a_run_that_fails_says_so_and_keeps_what_there_is() -> None:
    with pytest.raises(MeasurementError, match="the batch is too old") as told:
        breakdown(Failing, model_args={"after": 6}, **{**QUICK, "steps": 100, "max_seconds": 60.0})
    result = told.value.result
    assert isinstance(result, Breakdown)
    assert [note.code for note in result.notes] == ["failed"]
    assert result.training is not None
    assert result.to_pandas().row.iloc[-1] == "step"
    assert isinstance(told.value.__cause__, RuntimeError)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model": 5}, "neither the name of something nor can be called"),
        ({"model": lambda: 3}, "makes a int, and no torch.nn.Module"),
        ({"model": "own_models:bild"}, "Did you mean build?"),
        ({"model": "no_such.py:build"}, "there is no file no_such.py"),
        ({"model": Tiny(), "model_args": {"width": 3}}, "this Tiny has been made"),
        ({"model": Tiny, "model_args": {"wide": 3}}, "takes other arguments"),
        ({"model": Tiny, "K": 3}, "K is for PaCo-2 itself; own_models:Tiny decides"),
        ({"model": Tiny(), "backbone": "resnet18"}, "backbone is for PaCo-2 itself; own_models:Tiny decides"),
        ({"model": Tiny, "model_args": {"weights": "/home/jane/x.pth"}}, "model_args: weights: '/home/jane/x.pth' is"),
        (
            {"model": Tiny, "replace": {"criterion": OptimizedPaCoLoss}, "variant": "baseline"},
            "replace says what the variant drop-in is, and drop-in is not among what is measured.",
        ),
        ({"model": Tiny, "variant": "efficientnet-b0"}, "efficientnet-b0: backbone is a setting of PaCo-2 here"),
        ({"model": Tiny, "variant": "exact"}, "knows nothing of it"),
        ({"model": Tiny, "stages": {"classifier": "a/"}}, "cannot be the stage 'a/'"),
        ({"model": Tiny, "replace": {"criterion": lambda: None}}, "nobody can import"),
        ({"step": half_the_loss}, "step goes with a model of your own"),
        ({"replace": {"criterion": "a:b"}}, "replace goes with a model of your own"),
        ({"max_second": 3}, "Did you mean max_seconds?"),
        ({"precison": "float16"}, "Did you mean precision?"),
        ({"precision": "float8"}, "precision='float8'"),
        ({"threads": 0}, "threads=0 should be greater than or equal to 1."),
        ({"steps": 0}, "steps=0 should be a whole number from 1, or None."),
        ({"warmup": 1.5}, "warmup=1.5"),
        ({"max_seconds": 0}, "max_seconds=0 should be a positive number."),
        ({"device": "cda"}, "'cda' is not a device"),
        ({"data": "nowhere"}, "data 'nowhere' is unknown"),
        ({"trace": "no/folder.json"}, "the folder no does not exist"),
        ({"variant": "exakt"}, "Did you mean exact?"),
        ({"batch": (torch.rand(2, 3, 8, 8),)}, "Give three tensors"),
        ({"batch": (torch.rand(2, 3, 8, 9), torch.rand(2, 3, 8, 9), torch.tensor([0, 1]))}, "has the shapes"),
        ({"batch": (torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8), torch.rand(2))}, "has the types"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(arguments: dict[str, Any], words: str) -> None:
    size = {} if "batch" in arguments else {"image_size": 32, "batch_size": 2}
    assert words in refusal(lambda: breakdown(**{**size, **arguments}))


def test_a_batch_is_not_contradicted() -> None:
    batch = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8), torch.tensor([0, 1])
    assert "the batch has 2" in refusal(lambda: breakdown(Tiny, batch=batch, batch_size=3))
    assert "both say what a step is taken on" in refusal(lambda: breakdown(Tiny, batch=batch, data="digits"))


def test_errors_speak_of_arguments_and_not_of_options() -> None:
    told = refusal(lambda: breakdown(backbone="test_resnet", **{**QUICK, "image_size": 5}))
    assert "Use a smaller K or a larger image_size." in told


@pytest.mark.parametrize("model", [Tiny, Failing, Interrupted, "own_models:bild"])
def test_the_process_is_as_it_was(model: Any, state: Callable[[], list[Any]]) -> None:
    before = state()
    with contextlib.suppress(PacoProfError):
        breakdown(model, **{**QUICK, "steps": 10, "max_seconds": 1.0, "fidelity": model is Tiny})
    assert state() == before


def test_a_live_model_keeps_its_weights_its_mode_and_its_methods(state: Callable[[], list[Any]]) -> None:
    model = Tiny().eval()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    attributes, before = dict(vars(model)), state()
    breakdown(model, **{**QUICK, "fidelity": True})
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert (model.training, model.epoch) == (False, -1)
    assert vars(model).keys() == attributes.keys()
    assert state() == before

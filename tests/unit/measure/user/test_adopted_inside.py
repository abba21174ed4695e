"""Models inside of something else: of other models, of what distributes them, of compilers."""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import distributed, nn

from adopted import ALL, Bare, build, found, heard, paths, step, take, writing
from paco_prof.measure.user.adoption import adopt


@pytest.fixture
def paco(tmp_path: Path) -> Iterator[types.ModuleType]:
    with writing(tmp_path) as write:
        yield write()


def test_the_model_inside_of_another_is_the_one_with_the_names(paco: types.ModuleType) -> None:
    with adopt(Bare(loss=nn.Identity(), net=paco.PaCoModel())) as adoption:
        assert found(adoption)["net.backbone"] == "backbone"
        assert found(adoption)["net.criterion.ce_loss"] == "loss/ce"


def test_what_distributes_a_model_is_looked_through(paco: types.ModuleType) -> None:
    model = nn.DataParallel(paco.PaCoModel())
    with adopt(model, {"matcher": "assignment"}) as adoption:
        assert found(adoption)["backbone"] == "backbone"
        assert found(adoption)["matcher"] == "assignment"
    model.device_ids = [0, 1]
    assert adopt(model).hidden == "DataParallel runs copies of the model, on 2 devices at a time"


@pytest.mark.skipif(not distributed.is_available(), reason="torch was built without torch.distributed")
def test_a_model_that_several_processes_train_is_looked_through(paco: types.ModuleType) -> None:
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        model = nn.parallel.DistributedDataParallel(paco.PaCoModel())
        with adopt(model) as adoption:
            assert heard(lambda: model(torch.ones(2, 3, 8, 8))) == ["backbone", "backbone", "classifier"]
            assert adoption.missing == ()
    finally:
        distributed.destroy_process_group()


def compiled(module: nn.Module | Callable[..., object]) -> object:
    """Compiled by dynamo alone; what it warns of on its way is not ours."""
    return torch.compile(module, backend="eager")


def test_a_compiled_component_is_one_stage(paco: types.ModuleType) -> None:
    model, bare = build(paco), build(paco)
    model.classifier = compiled(model.classifier)
    model.part_sampler.compile(backend="eager")
    model.criterion = compiled(model.criterion)
    expected = take(bare)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with adopt(model, {"criterion.ce_loss": "inside"}) as adoption:
            timed = step(model)
            timed = step(model)
    assert paths(timed, "forward") == ALL - {"loss/ce", "loss/pac", "loss/soc"}
    assert adoption.hidden == "criterion is compiled by torch.compile"
    assert [(missing.path, missing.near) for missing in adoption.missing] == [("criterion.ce_loss", ())]
    assert timed.losses.keys() == expected.keys()
    assert timed.losses["ce"] == pytest.approx(float(expected["ce"]), rel=1e-5)


def test_nobody_sees_into_a_compiled_model(paco: types.ModuleType) -> None:
    whole, in_place, by_method = build(paco), build(paco), build(paco)
    in_place.compile(backend="eager")
    by_method.forward = compiled(by_method.forward)
    for model in (compiled(whole), in_place, by_method, nn.DataParallel(in_place)):
        assert isinstance(model, nn.Module)
        with adopt(model, {"backbone": "b"}) as adoption:
            assert adoption.hidden == "the whole model is compiled by torch.compile"
            assert adoption.wrapped == ()
    around = nn.Module()
    around.net = compiled(whole)
    assert adopt(around).hidden == "net is compiled by torch.compile"


def test_what_is_scripted_is_one_stage_and_a_scripted_model_none(paco: types.ModuleType) -> None:
    model = build(paco)
    with warnings.catch_warnings():
        # That torch.jit is on its way out.
        warnings.simplefilter("ignore")
        model.classifier = torch.jit.script(model.classifier)
        scripted = torch.jit.script(nn.Linear(1, 1))
        with adopt(model):
            timed = step(model)
    assert paths(timed, "forward") == ALL
    assert heard(lambda: model.classifier(torch.ones(1, 6))) == []
    assert adopt(scripted).hidden == "the whole model is scripted by torch.jit"

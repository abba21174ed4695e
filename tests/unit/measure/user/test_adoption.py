"""Finding the components of models in anybody's writing: by convention, by the user's paths, and not at all."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from adopted import Bare, found, heard, writing
from adopted_source import GEOMETRY, PACO
from paco_prof.errors import UsageError
from paco_prof.measure.user.adoption import Adoption, adopt


@pytest.fixture
def code(tmp_path: Path) -> Iterator[Callable[..., types.ModuleType]]:
    with writing(tmp_path) as write:
        yield write


def missing(adoption: Adoption) -> dict[str, str]:
    return {missing.path: missing.stage for missing in adoption.missing}


def test_a_model_as_paco2_code_has_them_is_found_whole(code: Callable[..., types.ModuleType]) -> None:
    module = code()
    package = module.__package__
    with adopt(module.PaCoModel()) as adoption:
        assert found(adoption) == {
            "backbone": "backbone",
            "classifier": "classifier",
            "part_sampler": "part_sampling",
            "dim_reduction": "dim_reduction",
            "_reduce_dimensions": "dim_reduction",
            "matcher": "matching",
            "_create_negatives_pool": "negatives_pool",
            "_get_class_prototypes": "prototypes",
            "_update_class_prototypes": "prototypes",
            "criterion": "loss",
            f"{package}.geometry.SPD.covariance": "covariance",
            f"{package}.paco.joint_covariance": "covariance",
            "criterion.ce_loss": "loss/ce",
            "criterion.pac_loss": "loss/pac",
            "criterion.soc_loss": "loss/soc",
        }
        assert adoption.missing == ()
        assert adoption.hidden == ""


def test_undone_everything_is_as_it_was(code: Callable[..., types.ModuleType]) -> None:
    module = code()
    geometry = sys.modules[f"{module.__package__}.geometry"]
    model = module.PaCoModel()
    owners = [*model.modules(), model.matcher, module.Matcher, module.PaCoModel, geometry.SPD, geometry, module]

    def state() -> list[list[tuple[str, object]]]:
        return [list(vars(owner).items()) for owner in owners]

    before = state()
    adoption = adopt(model, {"criterion.weigh": "weighing", f"{geometry.__name__}:SPD.distance": "x"})
    assert state() != before
    adoption.undo()
    after = state()
    assert len(after) == len(before)
    for old, new in zip(before, after, strict=True):
        assert [name for name, _ in new] == [name for name, _ in old]
        assert all(one is other for (_, one), (_, other) in zip(old, new, strict=True))
    adoption.undo()


def test_a_covariance_imported_under_another_name_is_announced_there(code: Callable[..., types.ModuleType]) -> None:
    extra = "\ndef second_order(Z):\n    return Z\n\ndef cov(Z):\n    return Z\n\ndef cov_log(Z): ...\n"
    imports = "from PACKAGE.geometry import cov as sigma, second_order, cov_log\n"
    module = code(geometry=GEOMETRY + extra, paco=imports + PACO)
    with adopt(module.PaCoModel()) as adoption:
        assert "covariance" in {wrapped.stage for wrapped in adoption.wrapped}
        assert heard(lambda: module.sigma(torch.ones(1))) == ["covariance"]
        assert heard(lambda: (module.second_order(1), module.cov_log(1))) == []
    assert heard(lambda: module.sigma(torch.ones(1))) == []


def test_methods_of_the_model_and_its_helpers_that_say_covariance(code: Callable[..., types.ModuleType]) -> None:
    source = """
import torch
from torch import nn

class Helper:
    def compute_cov(self, Z):
        return Z

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.helper = Helper()
        self.covariance_epsilon = 1e-5

    def _covariances(self, Z):
        return self.helper.compute_cov(Z)

    def covariance_distance(self, Z): ...
"""
    module = code(paco=source)
    model = module.Model()
    with adopt(model) as adoption:
        covariances = [path for path, stage in found(adoption).items() if stage == "covariance"]
        assert covariances == ["_covariances", f"{module.__name__}.Helper.compute_cov"]
        assert heard(lambda: model._covariances(1)) == ["covariance", "covariance"]


def test_what_is_installed_is_left_alone_unless_the_model_is_of_it(code: Callable[..., types.ModuleType]) -> None:
    installed = code("site-packages")
    mine = code(paco=PACO.replace("PACKAGE.geometry", f"{installed.__package__}.geometry"))
    with adopt(mine.PaCoModel()) as adoption:
        assert not any("SPD" in path for path in found(adoption))
    path = f"{installed.__package__}.geometry.SPD.covariance"
    with adopt(mine.PaCoModel(), {path: "covariance"}) as adoption:
        assert path in found(adoption)
    with adopt(installed.PaCoModel()) as adoption:
        assert path in found(adoption)


OTHERS = ["torch.linalg.cholesky", "torch.nn.functional.relu", "json.dumps", "paco_prof.stages.phase"]


@pytest.mark.parametrize("path", OTHERS)
def test_nobody_elses_functions_are_replaced(path: str) -> None:
    with adopt(Bare(), {path: "s"}) as adoption:
        assert adoption.wrapped == ()
        assert adoption.missing[0].path == path


def test_synonyms_count_where_the_usual_name_is_not_there() -> None:
    with adopt(Bare(fc=nn.Linear(1, 1), head=nn.Linear(1, 1), encoder=nn.Linear(1, 1))) as adoption:
        assert found(adoption) == {"encoder": "backbone", "fc": "classifier"}


def test_data_under_a_conventional_name_is_no_component() -> None:
    model = Bare(prototypes={}, criterion=None, loss=0.5, matcher="hungarian", negatives_pool=torch.ones(1), head=[1])
    with adopt(model) as adoption:
        assert adoption.wrapped == ()


def test_a_list_of_modules_is_a_component_of_many() -> None:
    model = Bare(classifier=nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1)]))
    with adopt(model) as adoption:
        assert found(adoption) == {"classifier": "classifier"}
        assert heard(lambda: [layer(torch.ones(1)) for layer in model.classifier]) == ["classifier"] * 2


def test_losses_without_a_criterion_are_found_on_the_model() -> None:
    model = Bare(ce_loss=nn.CrossEntropyLoss(), pac_loss=nn.Identity())
    with adopt(model) as adoption:
        assert found(adoption) == {"ce_loss": "loss/ce", "pac_loss": "loss/pac"}
        assert missing(adoption)["criterion"] == "loss"
        assert "pac" not in str(missing(adoption))


def test_a_component_that_two_names_have_is_wrapped_once() -> None:
    layer = nn.Linear(1, 1)
    with adopt(Bare(backbone=layer, classifier=layer)) as adoption:
        assert found(adoption) == {"backbone": "backbone"}
        assert "classifier" not in missing(adoption)
        assert heard(lambda: layer(torch.ones(1))) == ["backbone"]


def test_a_path_goes_before_a_convention(code: Callable[..., types.ModuleType]) -> None:
    module = code()
    paths = {
        "backbone": "features",
        "backbone.stem": "stem",
        "matcher.solve": "assignment",
        "criterion": "objective",
        "criterion.weigh": "weighing",
        "_reduce_dimensions": "-",
        "classifier": "",
        f"{module.__package__}.geometry:SPD.covariance": "spd",
    }
    with adopt(module.PaCoModel(), paths) as adoption:
        stages = found(adoption)
        assert adoption.missing == ()
        assert paths.items() - stages.items() == {("_reduce_dimensions", "-"), ("classifier", "")}
        assert stages["criterion.ce_loss"] == "objective/ce"
        assert stages["dim_reduction"] == "dim_reduction"
        assert not {"_reduce_dimensions", "classifier"} & set(stages)


@pytest.mark.parametrize(
    ("path", "stage"),
    [("layers.0", "a"), ("blocks.1", "b"), ("by_name.first", "c"), ("made", "d"), ("table.deep.x", "e")],
)
def test_a_path_leads_through_lists_dicts_and_objects(path: str, stage: str) -> None:
    layer = nn.Linear(1, 1)
    model = Bare(
        layers=nn.Sequential(layer),
        blocks=[None, layer],
        by_name=nn.ModuleDict({"first": layer}),
        made=lambda x: layer(x),
        table={"deep": types.SimpleNamespace(x=layer)},
    )
    with adopt(model, {path: stage}) as adoption:
        assert found(adoption) == {path: stage}
        assert heard(lambda: (model.made if path == "made" else layer)(torch.ones(1))) == [stage]


def test_a_path_that_leads_nowhere_has_neighbours(code: Callable[..., types.ModuleType]) -> None:
    module = code()
    geometry = f"{module.__package__}.geometry"
    paths = {
        "matcher.slove": "a",
        "criterium": "b",
        f"{geometry}.SPD.covarience": "c",
        f"{geometry}.SDP.covariance": "d",
        "nowhere.at.all": "e",
        "layers.3": "f",
        "epsilon": "g",
    }
    with adopt(module.PaCoModel(), paths) as adoption:
        near = {missing.path: missing.near for missing in adoption.missing}
    assert near["matcher.slove"] == ("matcher.solve",)
    assert near["criterium"][0] == "criterion"
    assert near[f"{geometry}.SPD.covarience"][0] == f"{geometry}.SPD.covariance"
    assert near[f"{geometry}.SDP.covariance"] == (f"{geometry}.SPD",)
    assert near["nowhere.at.all"] == near["epsilon"] == ()
    assert missing(adoption) == paths


def test_a_stage_that_nothing_was_found_for_has_neighbours() -> None:
    class Criterion(nn.Module):
        ce_loss = staticmethod(abs)
        soc_loss = staticmethod(round)
        pac_los = staticmethod(sum)

        def forward(self, x: Tensor) -> Tensor:
            return x

    adoption = adopt(Bare(part_matchr=nn.Identity(), backbone=nn.Identity(), criterion=Criterion()))
    adoption.undo()
    near = {missing.path: missing.near for missing in adoption.missing}
    assert near["matcher"] == ("part_matchr",)
    assert near["criterion.pac_loss"] == ("criterion.pac_los",)
    assert near["covariance"] == ()
    assert {"backbone", "criterion"}.isdisjoint(near)


def test_a_module_that_fails_is_told_and_nothing_stays_wrapped(code: Callable[..., types.ModuleType]) -> None:
    module = code(broken="raise ValueError('planted')\n")
    model = module.PaCoModel()
    path = f"{module.__package__}.broken.f"
    with pytest.raises(UsageError, match=rf"{module.__package__}.broken cannot be imported: ValueError: planted."):
        adopt(model, {"matcher": "a", path: "b"})
    assert "forward" not in vars(model.backbone)

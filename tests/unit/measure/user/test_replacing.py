"""Drop-ins in a model of somebody's own: where they go, which settings they have, and what is told when they cannot."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import foreign_criteria
from foreign_criteria import Criterion, Model, Pool, Scaled
from paco_prof.conventions import ROLES
from paco_prof.errors import UsageError
from paco_prof.measure.user.replacing import replace_components
from paco_prof.paco2 import BatchedMatcher, BatchedSampler, FoldedPool, OptimizedPaCoLoss, PaCoModel
from paco_prof.paco2.covariance import joint_covariance, part_covariance
from paco_prof.paco2.negatives import shared_pool
from paco_prof.records import Replacement


@pytest.fixture(autouse=True)
def single_thread() -> Iterator[None]:
    """The reference loop is made of tiny operations, in each of which threads would wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def batch(seed: int = 0) -> dict[str, torch.Tensor]:
    """A criterion's keywords, without those that have a default."""
    generator = torch.Generator().manual_seed(seed)
    Z1, Z2 = torch.randn(2, 3, 2, 4, generator=generator, dtype=torch.float64)
    Sigma1, Sigma2 = part_covariance(Z1, 1e-2), part_covariance(Z2, 1e-2)
    return {
        "logits": torch.randn(3, 5, generator=generator, dtype=torch.float64),
        "targets": torch.tensor([0, 4, 2]),
        "Z1t": Z1,
        "Z2t": Z2,
        "matching": torch.tensor([[0, 1], [1, 0], [1, 0]]),
        "negatives_pool": shared_pool(Z1, Z2),
        "Sigma1": Sigma1,
        "Sigma2": Sigma2,
        "Sigma_plus": joint_covariance(Sigma1, Sigma2, 1e-2),
    }


def test_a_criterion_takes_over_settings_under_any_name_from_wherever_they_stand() -> None:
    """From itself, from its parts, the likely one first, and from the model; what is no plain value is not taken."""
    model = Model()
    expected = {name: value.item() for name, value in model(**batch()).items()}
    (replaced,) = replace_components(model, {"criterion": "paco_prof:OptimizedPaCoLoss"})
    assert replaced == Replacement(
        path="criterion",
        by="paco_prof:OptimizedPaCoLoss",
        taken={
            "lambda_pac": 0.5,
            "eta_soc": 0.125,
            "alpha": 0.75,
            "beta": 3,
            "metric": "log-euclidean",
            "use_semi_hard": False,
            "use_weighted_ce": False,
        },
        places={
            "lambda_pac": "lambda_pac_weight",
            "eta_soc": "model.eta_soc",
            "alpha": "pac_loss.margin",
            "beta": "soc_loss.beta",
            "metric": "soc_loss.metric",
            "use_weighted_ce": "model.use_weighted_ce",
        },
        left=(
            "gamma=0.1",
            "max_negatives_per_sample=None",
            "use_hard_negative_mining=True",
            "cache_covariance_inverse=True",
        ),
    )
    assert type(model.criterion) is OptimizedPaCoLoss
    assert {name: value.item() for name, value in model(**batch()).items()} == pytest.approx(expected, rel=1e-10)
    assert replace_components(model, {}) == ()


@pytest.mark.parametrize(
    ("written", "metric"),
    [("frobenius", "fro"), ("Log_Euclidean", "log-euclidean"), ("jbld", "stein"), ("stein", "stein"), ("fro", "fro")],
)
def test_words_for_a_metric(written: str, metric: str) -> None:
    model = Model(Criterion(written))
    replace_components(model, {"criterion": "paco_prof:OptimizedPaCoLoss"})
    assert model.criterion.soc_loss.metric == metric


def test_a_criterion_that_is_no_module_and_has_parts_that_are_none() -> None:
    class Part:
        margin = 0.5

    class Plain:
        def __init__(self) -> None:
            self.pac, self.eta_soc = Part(), 2

        def __call__(self) -> None: ...

    model = Model(Plain())
    (replaced,) = replace_components(model, {"criterion": "paco_prof:OptimizedPaCoLoss"})
    assert replaced.taken == {"eta_soc": 2, "alpha": 0.5, "use_weighted_ce": False}
    assert "criterion" in dict(model.named_modules())


@pytest.mark.parametrize("wrapper", [nn.DataParallel, lambda model: nn.DataParallel(nn.DataParallel(model))])
def test_a_model_that_is_distributed(wrapper: Any) -> None:
    model = Model()
    assert replace_components(wrapper(model), {"criterion": "paco_prof:OptimizedPaCoLoss"})[0].path == "criterion"
    assert type(model.criterion) is OptimizedPaCoLoss


def test_a_model_inside_of_another_module() -> None:
    outer = nn.ModuleDict({"net": Model(), "other": nn.Linear(2, 2)})
    assert replace_components(outer, {"criterion": "paco_prof:OptimizedPaCoLoss"})[0].path == "net.criterion"
    outer["other"] = Model()
    with pytest.raises(UsageError, match=r"several parts .* Name one of them: net.criterion, other.criterion\."):
        replace_components(outer, {"criterion": "paco_prof:OptimizedPaCoLoss"})


@pytest.mark.parametrize("role", ROLES)
def test_the_first_name_of_a_role_that_is_there_counts(role: str) -> None:
    for number, name in enumerate(ROLES[role]):
        model = nn.Module()
        model.K = 2
        for later in ROLES[role][number:]:
            setattr(model, later, nn.Identity())
        assert replace_components(model, {role: "foreign_criteria:Scaled"})[0].path == name
        assert type(getattr(model, name)) is Scaled


def test_a_drop_in_of_the_users_own_has_the_models_mode_device_and_type() -> None:
    model = Model()
    model.criterion.eval()
    (replaced,) = replace_components(model, {"criterion": "foreign_criteria:Scaled"})
    assert (replaced.taken, replaced.places) == ({"num_parts": 4}, {"num_parts": "model.K"})
    assert replaced.left == ("name=scaled", "scale=2.0")
    assert not model.criterion.training
    assert model.criterion.scale.dtype == torch.float64
    assert "criterion.scale" in model.state_dict()


def test_any_path() -> None:
    """An entry of a list or a dict, a method, by a module or by a function."""
    model, Z = Model(), torch.ones(2, 3)
    paths = {
        "heads.1": "foreign_criteria:Scaled",
        "steps.loss": "foreign_criteria:pooling",
        "criterion.pac_loss": "foreign_criteria:pooling",
        "pool": "foreign_criteria:Pool",
    }
    replaced = replace_components(model, paths)
    assert [one.path for one in replaced] == ["heads.1", "steps.loss", "criterion.pac_loss", "_create_negatives_pool"]
    assert type(model.heads[1]) is Scaled
    assert model.steps["loss"](Z, Z).shape == (4, 3)
    assert model.criterion.pac_loss(Z, Z).shape == (4, 3)
    assert "pac_loss" not in dict(model.criterion.named_children())
    assert isinstance(model._create_negatives_pool, Pool)
    assert not model._create_negatives_pool(Z, Z).any()
    replace_components(model, {"_create_negatives_pool": "foreign_criteria:pooling"})
    assert model._create_negatives_pool(Z, Z).shape == (4, 3)


def test_a_drop_in_that_takes_what_it_replaces_itself() -> None:
    model = Model()
    (replaced,) = replace_components(model, {"criterion": "foreign_criteria:Taking"})
    assert replaced == Replacement(path="criterion", by="foreign_criteria:Taking")
    assert model(**batch()) == {"total": 0.75}


def test_all_of_paco_2s_own_model() -> None:
    torch.manual_seed(0)
    model = PaCoModel("test_resnet", num_classes=5, K=3, r=3, d=6, epsilon=1e-2, tau=1e-2, image_size=96).double()
    twin = copy.deepcopy(model)
    replace_components(
        twin,
        {
            "criterion": "paco_prof:OptimizedPaCoLoss",
            "matcher": "paco_prof:BatchedMatcher",
            "sampler": "paco_prof:BatchedSampler",
            "pool": "paco_prof:FoldedPool",
        },
    )
    assert isinstance(twin.matcher, BatchedMatcher)
    assert isinstance(twin.part_sampler, BatchedSampler)
    assert isinstance(twin._create_negatives_pool, FoldedPool)
    assert list(twin.state_dict()) == list(model.state_dict())
    for seed in range(2):
        generator = torch.Generator().manual_seed(seed)
        views = torch.randn(2, 3, 3, 96, 96, generator=generator, dtype=torch.float64)
        expected, given = (one(*views, torch.tensor([0, 4, 0])) for one in (model, twin))
        for name in ("total", "ce", "pac", "soc"):
            assert given[name].item() == pytest.approx(expected[name].item(), rel=1e-9), name
        for one, result in ((model, expected), (twin, given)):
            one.zero_grad()
            result["total"].backward()
        for one, other in zip(model.parameters(), twin.parameters(), strict=True):
            assert (one.grad is None) == (other.grad is None)
            if one.grad is not None:
                assert float((one.grad - other.grad).norm()) <= 1e-8 * float(one.grad.norm())


TOLD = {
    ("matcher", "paco_prof:BatchedMatcher"): (
        "--replace matcher: the model has no matcher and no hungarian_matcher and no part_matcher. "
        "Give its dotted path in the place of the role."
    ),
    ("criterion.pac_los", "paco_prof:FoldedPool"): (
        "--replace criterion.pac_los: there is no criterion.pac_los in the model. "
        "Did you mean criterion.pac_loss, criterion.soc_loss?"
    ),
    ("criterio.pac_loss", "paco_prof:FoldedPool"): (
        "--replace criterio.pac_loss: there is no criterio in the model. Did you mean criterion?"
    ),
    ("K", "paco_prof:FoldedPool"): "--replace K: it is a int, which nobody calls. Leave this replacement away.",
    ("criterion", "no_such_module:Loss"): (
        "no_such_module:Loss: there is no module no_such_module. Run it from your project's folder, or name the file."
    ),
    ("criterion", "foreign_criteria:Scale"): (
        "foreign_criteria:Scale: foreign_criteria has no Scale. Did you mean Scaled?"
    ),
    ("criterion", "foreign_criteria:CONSTANT"): (
        "foreign_criteria:CONSTANT is a int, and cannot be called. Name a class or a function."
    ),
    ("criterion", "foreign_criteria:needing"): (
        "foreign_criteria:needing needs temperature, which neither criterion nor the model has. "
        "Name a function that calls it with what it needs."
    ),
    ("criterion", "foreign_criteria:number"): (
        "foreign_criteria:number makes a int for criterion, which cannot be called. Leave this replacement away."
    ),
    ("fixed", "foreign_criteria:pooling"): "fixed cannot be replaced: it is a property. Leave this replacement away.",
}


@pytest.mark.parametrize(("path", "by"), TOLD)
def test_what_cannot_be_is_told_in_one_line(path: str, by: str) -> None:
    model = Model()
    before = model.criterion
    with pytest.raises(UsageError) as told:
        replace_components(model, {path: by})
    assert str(told.value) == TOLD[path, by]
    assert "\n" not in str(told.value)
    assert model.criterion is before


def test_a_factory_that_raises_is_told_with_its_line() -> None:
    source = Path(foreign_criteria.__file__).read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(source, start=1) if "raise ValueError" in text)
    with pytest.raises(UsageError) as told:
        replace_components(Model(), {"criterion": "foreign_criteria:failing"})
    assert str(told.value) == (
        "foreign_criteria:failing cannot be made for criterion: ValueError: not for me "
        f"(foreign_criteria.py, line {line}). Leave this replacement away."
    )


def test_a_setting_that_the_drop_in_does_not_know_is_told_in_its_words() -> None:
    with pytest.raises(
        UsageError, match=r"OptimizedPaCoLoss cannot be made for criterion: metric='riemann' is not known"
    ):
        replace_components(Model(Criterion("riemann")), {"criterion": "paco_prof:OptimizedPaCoLoss"})


def test_a_keyword_that_the_drop_in_does_not_take_is_named() -> None:
    model = Model()
    replace_components(model, {"criterion": "paco_prof:OptimizedPaCoLoss"})
    with pytest.raises(UsageError) as told:
        model(**batch(), part_weights=None)
    assert str(told.value) == (
        "criterion is called with what paco_prof:OptimizedPaCoLoss does not take: "
        "got an unexpected keyword argument 'part_weights'. Leave this replacement away."
    )
    with pytest.raises(UsageError, match="does not take: missing a required argument: 'Z1t'"):
        model(logits=torch.ones(1, 2), targets=torch.zeros(1))


def test_only_the_first_call_is_looked_at_in_copies_too() -> None:
    model = Model()
    replace_components(model, {"criterion": "paco_prof:OptimizedPaCoLoss"})
    twins = [copy.deepcopy(model), pickle.loads(pickle.dumps(model.criterion))]
    file = io.BytesIO()
    torch.save(model.criterion, file)
    for one in (model.criterion, twins[0].criterion, twins[1]):
        assert len(one._forward_pre_hooks) == 1
        one(**batch())
        assert len(one._forward_pre_hooks) == 0

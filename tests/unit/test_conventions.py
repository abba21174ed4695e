"""The names by which the components of a model of somebody's own are found."""

from __future__ import annotations

import pytest

from paco_prof import stages
from paco_prof.conventions import COMPONENTS, COVARIANCES, LOSSES, ROLES, VERBS, says_covariance

# "The interface that users' code already has".
USUAL = {
    "backbone": stages.BACKBONE,
    "classifier": stages.CLASSIFIER,
    "part_sampler": stages.PART_SAMPLING,
    "dim_reduction": stages.DIM_REDUCTION,
    "_reduce_dimensions": stages.DIM_REDUCTION,
    "matcher": stages.MATCHING,
    "criterion": stages.LOSS,
    "_create_negatives_pool": stages.NEGATIVES_POOL,
    "_get_class_prototypes": stages.PROTOTYPES,
    "_update_class_prototypes": stages.PROTOTYPES,
    "ce_loss": stages.CE,
    "pac_loss": stages.PAC,
    "soc_loss": stages.SOC,
}


@pytest.mark.parametrize("name", USUAL)
def test_what_paco2_code_calls_its_components_is_preferred(name: str) -> None:
    (component,) = (component for component in (*COMPONENTS, *LOSSES) if name in component.names)
    assert component.names[0] == name
    assert component.stage == USUAL[name]


def test_every_stage_that_is_looked_for_says_how_it_is_used() -> None:
    assert {component.stage for component in (*COMPONENTS, *LOSSES, COVARIANCES)} == set(VERBS)
    assert "forward_features" in VERBS[stages.BACKBONE]


def test_no_name_is_of_two_components_on_one_object() -> None:
    for components in (COMPONENTS, LOSSES):
        named = [(component.stage, name) for component in components for name in component.names]
        assert len({name for _, name in named}) == len({(stage, name) for stage, name in named})


def test_what_a_drop_in_replaces_is_what_announces_its_stage() -> None:
    assert {role: names[0] for role, names in ROLES.items()} == {
        "criterion": "criterion",
        "matcher": "matcher",
        "sampler": "part_sampler",
        "pool": "_create_negatives_pool",
    }
    known = {name for component in COMPONENTS for name in component.names}
    assert {name for names in ROLES.values() for name in names} <= known


@pytest.mark.parametrize(
    "name",
    [
        "covariance",
        "Covariance",
        "_covariances",
        "compute_covariance",
        "computeCov",
        "computeCOVMatrix",
        "part_cov",
        "batch_cov_matrix",
        "regularized_covariance",
        "normalized_covariance",
        "isotropic_covariance",
        "expected_covariance",
    ],
)
def test_a_name_that_says_covariance(name: str) -> None:
    assert says_covariance(name)


@pytest.mark.parametrize(
    "name",
    [
        "covariance_distance",
        "covariance_dist",
        "cov_loss",
        "inverse_covariance",
        "inv_cov",
        "log_covariance",
        "cov_logdet",
        "sqrtm_cov",
        "whiten_covariance",
        "update_covariance",
        "class_covariance",
        "use_covariance",
        "plot_covariance",
        "discover",
        "recover",
        "covid",
        "coverage",
        "",
    ],
)
def test_a_name_that_only_sounds_like_it(name: str) -> None:
    assert not says_covariance(name)

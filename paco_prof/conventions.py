"""What PaCo-2 code calls its components: the names by which they are found in a model of somebody's own, as data.

Of each group the first name that is there counts, so that a `head` is the classifier only where nothing is called
`classifier`. The names that PaCo-2 code has come first, others that are met follow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from paco_prof import stages

__all__ = ["COMPONENTS", "COVARIANCES", "LOSSES", "ROLES", "VERBS", "Component", "says_covariance"]


@dataclass(frozen=True, slots=True)
class Component:
    """A Component is one of the ways in which code provides a stage.

    Attributes:
        stage: its name.
        names: of an attribute or a method, in order of preference.
    """

    stage: str
    names: tuple[str, ...]


# What a drop-in can take the place of: the names to look for, in order of preference.
ROLES: Mapping[str, tuple[str, ...]] = {
    "criterion": ("criterion", "loss_fn", "paco_loss", "loss_function"),
    "matcher": ("matcher", "hungarian_matcher", "part_matcher"),
    "sampler": ("part_sampler", "sampler", "parts_sampler"),
    "pool": (
        "_create_negatives_pool",
        "create_negatives_pool",
        "_build_negatives_pool",
        "build_negatives_pool",
        "negatives_pool",
    ),
}

# On the model. An attribute and a method that calls it are two components: entered one inside of the other they are
# one stage.
COMPONENTS = (
    Component(stages.BACKBONE, ("backbone", "encoder", "feature_extractor", "trunk")),
    Component(stages.CLASSIFIER, ("classifier", "fc", "head", "classification_head")),
    Component(stages.PART_SAMPLING, (*ROLES["sampler"], "part_sampling", "part_detector")),
    Component(stages.PART_SAMPLING, ("_sample_parts", "sample_parts", "_extract_parts", "extract_parts")),
    Component(stages.DIM_REDUCTION, ("dim_reduction", "dim_reducer", "reduction", "reducer", "projection")),
    Component(stages.DIM_REDUCTION, ("_reduce_dimensions", "reduce_dimensions", "_reduce_dims", "reduce_dims")),
    Component(stages.MATCHING, (*ROLES["matcher"], "hungarian", "part_matching")),
    Component(stages.MATCHING, ("_match_parts", "match_parts", "_hungarian_matching", "hungarian_matching")),
    Component(stages.NEGATIVES_POOL, (*ROLES["pool"], "_create_negative_pool", "create_negative_pool")),
    Component(stages.NEGATIVES_POOL, ("negatives_pool", "negative_pool", "negatives_bank", "negatives")),
    Component(stages.PROTOTYPES, ("prototypes", "class_prototypes", "prototype_bank")),
    Component(stages.PROTOTYPES, ("_get_class_prototypes", "get_class_prototypes", "_get_prototypes")),
    Component(stages.PROTOTYPES, ("_update_class_prototypes", "update_class_prototypes", "_update_prototypes")),
    Component(stages.LOSS, (*ROLES["criterion"], "loss")),
    Component(stages.LOSS, ("_compute_loss", "compute_loss", "_compute_losses", "compute_losses")),
)
# Functions, methods and attributes whose name says covariance are covariances, wherever they are.
COVARIANCES = Component(stages.COVARIANCE, ("covariance", "compute_covariance", "cov"))
# On the criterion; on the model where there is none.
LOSSES = (
    Component(stages.CE, ("ce_loss", "cross_entropy", "ce_criterion", "classification_loss", "ce")),
    Component(stages.CE, ("_ce_loss", "compute_ce_loss", "_compute_ce_loss", "_compute_ce")),
    Component(stages.PAC, ("pac_loss", "part_contrastive_loss", "contrastive_loss", "pac")),
    Component(stages.PAC, ("_pac_loss", "compute_pac_loss", "_compute_pac_loss", "_compute_pac")),
    Component(stages.SOC, ("soc_loss", "second_order_loss", "consistency_loss", "covariance_loss", "soc")),
    Component(stages.SOC, ("_soc_loss", "compute_soc_loss", "_compute_soc_loss", "_compute_soc")),
)

_LOSS_VERBS = ("compute", "compute_loss")
# The methods by which an object is used, beside `forward` and `__call__`.
VERBS: Mapping[str, tuple[str, ...]] = {
    stages.BACKBONE: ("forward_features", "extract_features"),
    stages.CLASSIFIER: ("classify",),
    stages.PART_SAMPLING: ("sample", "sample_parts", "extract", "extract_parts"),
    stages.DIM_REDUCTION: ("reduce", "reduce_dimensions", "project"),
    stages.COVARIANCE: ("compute", "estimate"),
    stages.MATCHING: ("match", "solve", "assign", "match_parts"),
    stages.NEGATIVES_POOL: ("create", "build", "get", "get_negatives"),
    stages.PROTOTYPES: ("get", "update", "get_prototypes", "update_prototypes"),
    stages.LOSS: _LOSS_VERBS,
    stages.CE: _LOSS_VERBS,
    stages.PAC: _LOSS_VERBS,
    stages.SOC: _LOSS_VERBS,
}

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_COVARIANCE = {"covariance", "covariances", "cov", "covs", "covar", "covariancematrix"}
# What is done with a covariance, or to one that is kept, is not the covariance.
_NOT_COVARIANCE = re.compile(
    r"(dist|diverg|simil|geodes|mahalan|loss|penal|consist|inv|log|sqrt|root|chol|eig|whiten|metric|proto|class|updat"
    r"|valid|cache|clear|reset).*|exp|norm|set|is|has|use|check|assert|test|plot|show|print|save|load"
)


def says_covariance(name: str) -> bool:
    """Whether a name says that what it names computes a covariance: not a distance or a loss of one, nor its inverse.

    `part_covariance`, `computeCov` and `_joint_covariances` do; `covariance_distance`, `log_cov` and `discover` do not.
    """
    words = [word.lower() for word in _WORD.findall(name)]
    if not _COVARIANCE.intersection(words):
        return False
    return not any(_NOT_COVARIANCE.fullmatch(word) for word in words)

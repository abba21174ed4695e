"""The settings that a drop-in takes over from what it replaces."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import torch
from torch import nn

from paco_prof.errors import UsageError
from paco_prof.measure.user.wrapping import value_of

__all__ = ["Plain", "TakenOver", "take_over"]

Plain = bool | int | float | str | None

# Names for one setting; whichever of them a drop-in has is found under any other.
_SYNONYMS = (
    ("alpha", "margin", "pac_margin", "triplet_margin"),
    ("lambda_pac", "lambda_pac_weight", "pac_weight", "w_pac", "weight_pac"),
    ("eta_soc", "eta_soc_weight", "lambda_soc", "soc_weight", "w_soc", "weight_soc", "eta"),
    ("beta", "beta_proto", "proto_weight"),
    ("gamma", "gamma_ce", "ce_gamma"),
    ("metric", "distance", "soc_metric", "distance_metric", "metric_type"),
    ("use_semi_hard", "semi_hard", "semihard"),
    ("use_weighted_ce", "weighted_ce"),
    ("max_negatives_per_sample", "max_negatives"),
    ("use_hard_negative_mining", "hard_negative_mining"),
    ("K", "num_parts", "n_parts", "num_peaks"),
    ("r", "window", "window_size", "region_size"),
    ("d", "dim", "reduced_dim", "embed_dim", "embedding_dim"),
    ("epsilon", "eps"),
    ("warmup_epochs", "warm_up_epochs", "num_warmup_epochs", "warmup"),
    ("proto_momentum", "prototype_momentum", "momentum"),
    ("num_classes", "n_classes"),
)
# The part of a criterion that a setting belongs to, where several parts have something of that name.
_HOMES = {
    "alpha": "pac",
    "use_semi_hard": "pac",
    "gamma": "ce",
    "use_weighted_ce": "ce",
    "beta": "soc",
    "metric": "soc",
}
# Other words for a value, in lower case and with hyphens.
_VALUES = {
    "frobenius": "fro",
    "frob": "fro",
    "euclidean": "fro",
    "logeuclidean": "log-euclidean",
    "log-euclid": "log-euclidean",
    "log-euclidean": "log-euclidean",
    "log-frobenius": "log-euclidean",
    "jbld": "stein",
    "jensen-bregman": "stein",
    "s-divergence": "stein",
    "stein-divergence": "stein",
}


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What a factory is called with.

    Attributes:
        taken: by parameter.
        places: where those were found that the replaced component has not under that name: dotted paths from it, or
            from `model`.
        left: its other parameters, as `name=default`.
    """

    taken: dict[str, Plain] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


def take_over(factory: Any, by: str, path: str, original: Any, model: nn.Module) -> TakenOver:
    """What a factory's parameters are where what it replaces has an attribute of that name, or of another name for the
    same; otherwise one of its parts, otherwise the model. Only numbers, words and switches are taken, where the default
    is one.

    Args:
        factory: makes the drop-in.
        by: what messages call it.
        path: of what it replaces.
        original: what it replaces.
        model: whose component that is.

    Raises:
        UsageError: it cannot be called, or needs what nobody has.
    """
    if not callable(factory):
        raise UsageError(f"{by} is a {type(factory).__name__}, and cannot be called.", "Name a class or a function.")
    settings = TakenOver()
    for parameter in _parameters(factory):
        name = parameter.name
        for place, value in _found(name, original, model):
            if _is_like(value, parameter.default):
                settings.taken[name] = _spelled(value, parameter.default)
                if place != name:
                    settings.places[name] = place
                break
        else:
            if parameter.default is parameter.empty:
                raise UsageError(
                    f"{by} needs {name}, which neither {path} nor the model has.",
                    "Name a function that calls it with what it needs.",
                )
            settings.left.append(f"{name}={parameter.default}")
    return settings


def _parameters(factory: Any) -> list[inspect.Parameter]:
    """The parameters that a factory can be given by name; none where it does not tell."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return []
    return [one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]


def _found(name: str, original: Any, model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Wherever a setting may stand, the likeliest first, and what stands there."""
    names = [name, *(other for group in _SYNONYMS if name in group for other in group if other != name)]
    for prefix, teller in (("", original), *_parts(original, _HOMES.get(name, "")), ("model.", model)):
        for other in names:
            yield prefix + other, value_of(teller, other)


def _parts(original: Any, home: str) -> list[tuple[str, Any]]:
    """The parts of a component, those whose name says `home` first."""
    is_module = isinstance(original, nn.Module)
    parts = dict(original.named_children()) if is_module else dict(getattr(original, "__dict__", {}))
    return [
        (f"{name}.", parts[name])
        for name in sorted(parts, key=lambda name: home not in name)
        if hasattr(parts[name], "__dict__") and not isinstance(parts[name], (type, FunctionType, torch.Tensor))
    ]


def _is_like(value: Any, default: Any) -> bool:
    """Whether a value may be what a parameter with that default wants."""
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, (int, float)):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(default, str):
        return isinstance(value, str)
    return isinstance(value, (bool, int, float, str)) or (value is None and default is None)


def _spelled(value: Plain, default: Any) -> Plain:
    """A value in the words of a drop-in whose parameter is a word."""
    if isinstance(value, str) and isinstance(default, str):
        return _VALUES.get(value.lower().replace("_", "-").replace(" ", "-"), value)
    return value

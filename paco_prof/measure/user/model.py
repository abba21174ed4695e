"""A model of the user's own: a factory in a module of theirs, called with arguments of theirs."""

from __future__ import annotations

import copy
import difflib
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from paco_prof.errors import UsageError
from paco_prof.measure.user.components import undistributed
from paco_prof.measure.user.place import defined_at, told
from paco_prof.measure.user.wrapping import ABSENT, value_of
from paco_prof.paco2.backbone import import_timm
from paco_prof.settings import Workload
from paco_prof.user_code import look_around, look_in

__all__ = ["Factory", "build_user_model", "find_named", "found_settings", "tell_epoch"]

# What makes a model, or the model itself.
Factory = Callable[..., Any]
# The settings that a model may tell, and the names under which it may have them.
_TOLD = {
    "num_parts": ("K", "num_parts", "k"),
    "window": ("r", "window", "window_size"),
    "dim": ("d", "dim", "reduced_dim"),
    "lambda_pac": ("lambda_pac",),
    "eta_soc": ("eta_soc",),
    "alpha": ("alpha", "margin"),
    "beta": ("beta",),
    "gamma": ("gamma",),
    "epsilon": ("epsilon", "eps"),
    "tau": ("tau",),
    "warmup_epochs": ("warmup_epochs",),
    "num_classes": ("num_classes", "n_classes"),
}
# Where they may stand, the nearest first.
_TELLERS = ("", "criterion", "criterion.pac_loss", "criterion.soc_loss", "criterion.ce_loss", "matcher", "part_sampler")


def find_named(name: str) -> Any:
    """What `module:attribute` names.

    Raises:
        UsageError: it cannot be imported, or is not there; with the place in the user's code.
    """
    module_name, _, attribute = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise UsageError(f"{name}: there is no module {error.name}.", _near_modules(error.name)) from error
        raise UsageError(f"{name} cannot be imported: {told(error)}.") from error
    except (Exception, SystemExit) as error:
        # A script that reads its own command line ends the process where somebody imports it.
        raise UsageError(f"{name} cannot be imported: {told(error)}.") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, [n for n in dir(found) if not n.startswith("__")], n=3)
            hint = f"Did you mean {', '.join(near)}?" if near else "Name a class or a function."
            raise UsageError(f"{name}: {module_name} has no {part}.", hint)
        found = getattr(found, part)
    return found


def build_user_model(workload: Workload, given: Factory | nn.Module | None = None) -> nn.Module:
    """The model that a workload's `model` names, on the CPU, in training mode, with weights drawn from the seed.

    Where it has `set_epoch`, it is told the epoch.

    Args:
        given: the factory itself, or the model that it is about, where somebody has it at hand; no name is looked up.

    Raises:
        UsageError: it cannot be imported, it is not there, it takes other arguments, it raises, or what it makes is no
            module.
    """
    assert workload.model is not None
    model: Any
    if isinstance(given, nn.Module):
        model = _copied(workload.model, given)
    else:
        # Where torchvision does not fit torch, the user's `import timm` works after ours has.
        import_timm()
        if given is None:
            # A file that was named by its path is that one, whatever else here has its name.
            look_in(Path.cwd() / folder for folder in workload.python_path)
            look_around(Path.cwd())
        factory = find_named(workload.model) if given is None else given
        torch.manual_seed(workload.seed)
        model = _made(workload, factory)
    if not isinstance(model, nn.Module):
        raise UsageError(f"{workload.model} makes a {type(model).__name__}, and no torch.nn.Module.")
    try:
        tell_epoch(model, workload.epoch)
        # Of a `train` of their own nobody knows what it returns.
        model.train()
    except (Exception, SystemExit) as error:
        raise UsageError(f"{workload.model} cannot be made ready to train: {told(error)}.") from error
    return model


def _copied(name: str, model: nn.Module) -> nn.Module:
    """A copy of somebody's model: measuring it trains it, and theirs is to stay as it is."""
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise UsageError(
            f"{name} cannot be copied: {told(error)}.", "Give the function or class that makes it instead."
        ) from error


def tell_epoch(model: nn.Module, epoch: int) -> None:
    """Tell a model which epoch it is in, if it wants to know."""
    set_epoch = value_of(undistributed(model), "set_epoch")
    if callable(set_epoch) and set_epoch is not ABSENT:
        set_epoch(epoch)


def found_settings(model: nn.Module) -> dict[str, int | float]:
    """The settings of PaCo-2 that a model of the user's own tells: its attributes of those names, and of its parts."""
    model = undistributed(model)
    tellers = [found for path in _TELLERS if (found := _attribute(model, path)) is not None]
    settings: dict[str, int | float] = {}
    for setting, names in _TOLD.items():
        kind = Workload.model_fields[setting].annotation
        for value in (value_of(teller, name) for teller in tellers for name in names):
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                continue
            if kind is float or isinstance(value, int):
                settings[setting] = value
                break
    if "num_classes" not in settings:
        classes = getattr(_attribute(model, "classifier"), "out_features", None)
        settings |= {"num_classes": classes} if isinstance(classes, int) else {}
    return settings


def _made(workload: Workload, factory: Any) -> Any:
    """What the factory makes of the workload's arguments."""
    arguments = dict(workload.model_args)
    if not callable(factory):
        raise UsageError(f"{workload.model} is a {type(factory).__name__}, and cannot be called.", "Name a factory.")
    try:
        signature: inspect.Signature | None = inspect.signature(factory)
    except (TypeError, ValueError):
        signature = None
    if signature is not None:
        try:
            signature.bind(**arguments)
        except TypeError as error:
            place = defined_at(factory)
            where = f" ({place})" if place else ""
            hint = f"It takes {_listed(signature)}; --model-arg NAME=VALUE gives one."
            raise UsageError(f"{workload.model} takes other arguments: {error}{where}.", hint) from error
    try:
        return factory(**arguments)
    except (Exception, SystemExit) as error:
        raise UsageError(f"{workload.model} cannot be built: {told(error)}.") from error


def _listed(signature: inspect.Signature) -> str:
    """Its parameters, those without a default first."""
    named = [p for p in signature.parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    needed = [p.name for p in named if p.default is p.empty]
    return ", ".join([*needed, *(p.name for p in named if p.name not in needed)]) or "none"


def _near_modules(name: str) -> str:
    """Modules of this folder that the user may have meant."""
    here = [path.stem for path in Path.cwd().glob("*.py")] + [path.parent.name for path in Path.cwd().glob("*/*.py")]
    near = difflib.get_close_matches(name.split(".")[0], sorted(set(here)), n=3)
    return f"Did you mean {', '.join(near)}?" if near else "Run it from your project's folder, or name the file."


def _attribute(model: nn.Module, path: str) -> Any:
    found: Any = model
    for part in filter(None, path.split(".")):
        found = value_of(found, part)
    return None if found is ABSENT else found

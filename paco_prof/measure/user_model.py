"""A model of the user's own: a factory in a module of theirs, called with arguments of theirs."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from paco_prof.errors import UsageError
from paco_prof.measure.shareable import last_line
from paco_prof.settings import Workload

__all__ = ["build_user_model"]


def build_user_model(workload: Workload) -> nn.Module:
    """The model that a workload's `model` names, on the CPU, in training mode, with weights drawn from the seed.

    A step calls it with two views (B, 3, H, W) and targets (B,), and differentiates the `total` of its result. Where it
    has `set_epoch`, it is told the epoch.

    Raises:
        UsageError: it cannot be imported, it is not there, it raises, or what it makes is no module.
    """
    assert workload.model is not None
    name, _, attribute = workload.model.partition(":")
    factory: Any = _told(workload.model, "imported", lambda: importlib.import_module(name))
    for part in attribute.split("."):
        if not hasattr(factory, part):
            raise UsageError(f"{workload.model} cannot be built: {name} has no {part}.", "Name a class or a function.")
        factory = getattr(factory, part)
    torch.manual_seed(workload.seed)
    model = _told(workload.model, "built", lambda: factory(**dict(workload.model_args)))
    if not isinstance(model, nn.Module):
        raise UsageError(f"{workload.model} makes a {type(model).__name__}, and no torch.nn.Module.")
    set_epoch = getattr(model, "set_epoch", None)
    if callable(set_epoch):
        set_epoch(workload.epoch)
    return model.train()


def _told(model: str, what: str, do: Callable[[], Any]) -> Any:
    """What `do` returns; what it raises is the user's, and told with its place in their code."""
    try:
        return do()
    except Exception as error:
        raise UsageError(f"{model} cannot be {what}: {last_line(error)}{_place(error)}.") from error


def _place(error: BaseException) -> str:
    """` (model.py, line 7)`: where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    file = trace.tb_frame.f_code.co_filename
    return "" if file.startswith("<") else f" ({Path(file).name}, line {trace.tb_lineno})"

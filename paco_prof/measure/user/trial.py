"""One forward pass and one inference of a model of the user's own, before anything is measured.

Whatever is wrong with it is found here, and told in one line with the place in their code.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from paco_prof.errors import MeasurementError, PacoProfError, UsageError
from paco_prof.measure.losses import losses_of
from paco_prof.measure.user.attributes import PlainAttributes
from paco_prof.measure.user.components import undistributed
from paco_prof.measure.user.place import defined_at, is_user_file, told
from paco_prof.measure.workload import TrainingStep
from paco_prof.settings import Workload

__all__ = ["HOW", "try_step"]

HOW = "--step module:function says how a step is computed: function(model, x1, x2, targets)."


def try_step(step: TrainingStep, workload: Workload) -> str:
    """One training step's forward pass and one inference; afterwards weights, buffers and the modules' other
    attributes are as before.

    Returns:
        Why it cannot do inference; empty where it can.
    """
    model, batch = step.model, step.batch
    before = {name: value.detach().clone() for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    attributes = PlainAttributes(model)
    inputs = tuple(tensor.to(step.device).clone() for tensor in (batch.x1, batch.x2, batch.targets))
    _check_signature(step, workload)
    versions = [tensor._version for tensor in inputs]
    try:
        with step.autocast():
            result = step.call(*inputs)
    except PacoProfError:
        raise
    except (Exception, SystemExit) as error:
        if workload.precision != "float32":
            # Not its fault alone: somebody asked for a precision that its code, or torch's, has not got there.
            reason = f"{workload.model} fails under {workload.precision} autocast: {told(error)}."
            raise UsageError(reason, "Leave it at float32, or widen what is computed there.") from error
        raise MeasurementError(f"{workload.model} fails in its forward pass: {told(error)}.") from error
    for name, tensor, version in zip(("x1", "x2", "targets"), inputs, versions, strict=True):
        if tensor._version != version:
            place = _place_of_change(step, inputs)
            raise UsageError(
                f"{workload.model} changes its input {name} in place{place}: every step would begin from another one.",
                "Let it work on a copy.",
            )
    _check_result(step, workload, result)
    del result
    no_inference = _try_inference(step)
    model.load_state_dict(before, strict=False)
    attributes.put_back()
    torch.manual_seed(workload.seed)
    return no_inference


def _check_signature(step: TrainingStep, workload: Workload) -> None:
    if step.call is not step.model:
        return
    forward = undistributed(step.model).forward
    try:
        inspect.signature(forward).bind(*(None,) * 3)
    except TypeError as error:
        place = _parenthesised(defined_at(forward))
        raise UsageError(
            f"{workload.model} takes other arguments than two views and targets: {error}{place}.", HOW
        ) from error
    except ValueError:
        # A builtin tells no signature; the call will.
        return


def _check_result(step: TrainingStep, workload: Workload, result: Any) -> None:
    """Whether there is a total that can be differentiated.

    Raises:
        UsageError: there is none.
    """
    what = workload.step or workload.model
    forward = undistributed(step.model).forward
    place = _parenthesised(defined_at(step.call.func if isinstance(step.call, functools.partial) else forward))
    hint = "Return a dict with 'total'. " + (HOW if workload.step is None else "")
    try:
        losses = losses_of(result)
    except TypeError:
        raise UsageError(f"{what} returns {_described(result)}, and no 'total'{place}.", hint.strip()) from None
    if "total" not in losses:
        raise UsageError(f"{what} returns {_described(result)}, and no 'total'{place}.", hint.strip())
    total = losses["total"]
    if not isinstance(total, Tensor) or total.dim() != 0:
        raise UsageError(f"{what}: its total is {_described(total)}, and not one number{place}.", hint.strip())
    if total.device.type != step.device.type:
        raise UsageError(
            f"{what}: its total is on {total.device}, and the step runs on {step.device}{place}.",
            "Let the model go where its parameters are, or say --device.",
        )
    if not total.requires_grad:
        raise UsageError(
            f"{what}: its total does not depend on any parameter, so there is no backward pass{place}.",
            "Is it detached, or computed under no_grad?",
        )


def _try_inference(step: TrainingStep) -> str:
    try:
        with step.evaluating():
            logits = step.logits(step.batch.x1.to(step.device).clone())
    except (Exception, SystemExit) as error:
        return told(error)
    return "" if isinstance(logits, Tensor) else f"in eval mode it returns {_described(logits)}, and no logits"


class _Watching(TorchFunctionMode):
    """Remembers the user's line at which one of some tensors was changed first."""

    def __init__(self, tensors: tuple[Tensor, ...]) -> None:
        super().__init__()
        self._tensors = tensors
        self._versions = [tensor._version for tensor in tensors]
        self.place = ""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not self.place and [tensor._version for tensor in self._tensors] != self._versions:
            frame: Any = sys._getframe(1)
            while frame is not None and not is_user_file(frame.f_code.co_filename):
                frame = frame.f_back
            if frame is not None:
                self.place = f"{Path(frame.f_code.co_filename).name}, line {frame.f_lineno}"
        return result


def _place_of_change(step: TrainingStep, inputs: tuple[Tensor, ...]) -> str:
    """Where, in one more forward pass."""
    with _Watching(inputs) as watching, step.autocast():
        step.call(*inputs)
    return _parenthesised(watching.place)


def _described(value: Any) -> str:
    """What something is, in a few words."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, Mapping):
        names = ", ".join(str(name) for name in value)
        return f"a dict of {names}" if names else "an empty dict"
    return "None" if value is None else f"a {type(value).__name__}"


def _parenthesised(place: str) -> str:
    return f" ({place})" if place else ""

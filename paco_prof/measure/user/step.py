"""The training step of a model of the user's own: built, tried once, and made to announce its stages.

Whatever is wrong with it is found in one forward pass before anything is measured, and told with the place in their
code. Nothing of their files is changed, and what is wrapped is unwrapped by `UserParts.release`.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from paco_prof.data.batch import Batch
from paco_prof.data.images import ImageData
from paco_prof.errors import MeasurementError, PacoProfError, UsageError
from paco_prof.measure.losses import losses_of
from paco_prof.measure.user.adoption import Adoption, adopt
from paco_prof.measure.user.attributes import PlainAttributes
from paco_prof.measure.user.components import undistributed
from paco_prof.measure.user.model import Factory, build_user_model, find_named, found_settings
from paco_prof.measure.user.place import defined_at, is_user_file, told
from paco_prof.measure.user.replacing import replace_components, with_answers
from paco_prof.measure.workload import TrainingStep, assemble_step, num_workers
from paco_prof.records import Replacement, StageFound, StageMissing, UserCodeUsed
from paco_prof.settings import Workload

__all__ = ["Given", "UserParts", "build_again", "build_user_step", "call_of"]

HOW = "--step module:function says how a step is computed: function(model, x1, x2, targets)."


@dataclass(frozen=True)
class Given:
    """What somebody has at hand who calls the library.

    Attributes:
        model: a module, or a factory of one; None where a name says it.
        step: called with the model, two views and targets; None where a name says it, or nothing does.
        batch: to take every step on; None for a synthetic one.
    """

    model: Factory | nn.Module | None = None
    step: Callable[..., Any] | None = None
    batch: Batch | None = None


@dataclass(frozen=True)
class UserParts:
    """What was found in the user's model, and what became of it.

    Attributes:
        model: what was built.
        adoption: the stages that were found and wrapped.
        replaced: the components that drop-ins have taken the place of.
        no_inference: why it cannot be called with one view in eval mode; empty where it can.
        given: what it was built from, where no name says it.
    """

    model: nn.Module
    adoption: Adoption
    replaced: tuple[Replacement, ...] = ()
    no_inference: str = ""
    given: Given = field(default_factory=Given)

    def used(self, no_loss_test: str = "", *, counted: bool = False) -> UserCodeUsed:
        """The same for a record, as things stand now.

        Args:
            no_loss_test: why the criterion could not be timed alone.
            counted: tell how many calls drop-ins have answered, now that all has been measured.
        """
        adoption = self.adoption
        return UserCodeUsed(
            found=tuple(StageFound(stage=w.stage, path=w.path, calls=w.calls) for w in adoption.wrapped),
            missing=tuple(StageMissing(stage=m.stage, path=m.path, near=m.near) for m in adoption.missing),
            hidden=adoption.hidden,
            replaced=tuple(with_answers(self.model, each) for each in self.replaced) if counted else self.replaced,
            no_inference=self.no_inference,
            no_loss_test=no_loss_test,
        )

    def release(self) -> None:
        """Unwrap what was wrapped."""
        self.adoption.undo()


def build_user_step(
    workload: Workload, device: torch.device, data: ImageData | None = None, given: Given | None = None
) -> tuple[TrainingStep, Workload, UserParts]:
    """Build what a workload names, and try it once.

    Args:
        data: its images; None for synthetic ones, or those that are given.

    Raises:
        UsageError: it cannot be built, or is no PaCo-2 step: it takes other arguments, returns no total, changes its
            inputs, or has fewer classes than the images.
        MeasurementError: it raises.
    """
    given = given or Given()
    model, replaced = _model(workload, given)
    workload = workload.model_copy(
        update={
            "told": tuple(found_settings(model).items()),
            "workers": workload.workers if data is None else num_workers(workload, device),
        }
    )
    _check_classes(workload, data)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UsageError(f"{workload.model} has no parameter that could be trained.")
    try:
        step, built = assemble_step(model, workload, device, data, call_of(workload, model, given), given.batch)
    except (NotImplementedError, ValueError) as error:
        # What is on no device at all, or has no shapes yet (lazy modules).
        raise UsageError(f"{workload.model} cannot be moved to {device}: {told(error)}.") from error
    adoption = adopt(model, dict(workload.stages))
    try:
        no_inference = _try(step, workload)
    except BaseException:
        adoption.undo()
        raise
    return step, built, UserParts(model, adoption, replaced, no_inference, given)


def build_again(workload: Workload, given: Given) -> nn.Module:
    """The model once more, as it is before its first step, on the CPU."""
    return _model(workload, given)[0]


def _model(workload: Workload, given: Given) -> tuple[nn.Module, tuple[Replacement, ...]]:
    model = build_user_model(workload, given.model)
    return model, replace_components(model, dict(workload.replace)) if workload.replace else ()


def call_of(workload: Workload, model: nn.Module, given: Given) -> Callable[[Tensor, Tensor, Tensor], Any] | None:
    """How a step is computed, where it is not by calling the model."""
    function = given.step or (None if workload.step is None else find_named(workload.step))
    if function is None:
        return None
    if not callable(function):
        raise UsageError(f"{workload.step} is a {type(function).__name__}, and cannot be called.", HOW)
    return functools.partial(function, model)


def _check_classes(workload: Workload, data: ImageData | None) -> None:
    """Targets that the model does not know would be an error deep inside of its loss.

    Raises:
        UsageError: there are some.
    """
    known = dict(workload.told).get("num_classes")
    asked = workload.num_classes
    is_asked = data is not None or asked != Workload.model_fields["num_classes"].default
    if known is not None and is_asked and asked > known:
        source = f"{data.name} has" if data is not None else "--num-classes says"
        raise UsageError(
            f"{workload.model} has {known} classes, and {source} {asked}.",
            f"Give its factory as many, for example --model-arg num_classes={asked}.",
        )


def _try(step: TrainingStep, workload: Workload) -> str:
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

"""The training step of a model of the user's own: built, given its drop-ins, made to announce its stages, and tried.

Nothing of their files is changed, and what is wrapped is unwrapped by `UserParts.release`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from paco_prof.data.batch import Batch
from paco_prof.data.images import ImageData
from paco_prof.errors import UsageError
from paco_prof.measure.user.adoption import Adoption, adopt
from paco_prof.measure.user.model import Factory, build_user_model, find_named, found_settings
from paco_prof.measure.user.place import told
from paco_prof.measure.user.replacing import replace_components, with_answers
from paco_prof.measure.user.trial import HOW, try_step
from paco_prof.measure.workload import ALONE, TrainingStep, assemble_step, num_workers
from paco_prof.ranks import Place
from paco_prof.records import Replacement, StageFound, StageMissing, UserCodeUsed
from paco_prof.settings import Workload

__all__ = ["Given", "UserParts", "build_again", "build_user_step", "call_of"]


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
    workload: Workload,
    device: torch.device,
    data: ImageData | None = None,
    given: Given | None = None,
    place: Place = ALONE,
) -> tuple[TrainingStep, Workload, UserParts]:
    """Build what a workload names, and try it once.

    Args:
        data: its images; None for synthetic ones, or those that are given.
        place: among the ranks that train the same model, each on images of its own.

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
        call = call_of(workload, model, given)
        step, built = assemble_step(model, workload, device, data, call, given.batch, place)
    except (NotImplementedError, ValueError) as error:
        # What is on no device at all, or has no shapes yet (lazy modules).
        raise UsageError(f"{workload.model} cannot be moved to {device}: {told(error)}.") from error
    adoption = adopt(model, dict(workload.stages))
    try:
        no_inference = try_step(step, workload)
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

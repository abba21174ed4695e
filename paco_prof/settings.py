"""What can be set: the model and its objective, the forms of its stages, and how a step is carried out.

A `Workload` is all of it, and `with_settings` is the one way in which a variant, a file or `--set` changes it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from paco_prof.errors import UsageError
from paco_prof.forms import Forms, Metric

__all__ = [
    "ALIASES",
    "OF_ANY_MODEL",
    "Argument",
    "Precision",
    "Schedule",
    "Settings",
    "Workload",
    "canonical",
    "changed_settings",
    "restored",
    "settable",
    "with_settings",
]

Precision = Literal["float32", "bfloat16", "float16"]
Schedule = Literal["constant", "cosine"]
Settings = Mapping[str, Any]
# What a command line or a file can say to a factory.
Argument = bool | int | float | str | None
Pairs = tuple[tuple[str, str], ...]

# What PaCo-2 code and the analysis call them.
ALIASES = {
    "K": "num_parts",
    "r": "window",
    "d": "dim",
    "backbone_name": "backbone",
    "max_negatives_per_sample": "max_negatives",
    "use_hard_negative_mining": "hard_negative_mining",
    "lr": "learning_rate",
}


class Workload(BaseModel):
    """What is run: the model, its input, its objective, and how a step of it is carried out.

    Attributes:
        model: `module:factory` of a model of the user's own, called with `model_args`, names and values; None is PaCo-2
            itself, which all settings of the model and its objective are of.
        python_path: folders, relative to where the command runs, that its module is looked for in first.
        step: `module:function`, called with the model, two views and targets in the place of the model; None calls the
            model itself.
        stages: of the user's configuration: dotted paths of their code, and the stages that they are to be.
        replace: components of the model, by role or dotted path, and the `module:factory` that each is replaced by.
        batch_size: images per step; each has two views.
        image_size: side of the square input, in pixels; None where a quoted source does not tell.
        num_parts, window, dim: K, r and d of PaCo-2.
        lambda_pac, eta_soc, alpha, beta, gamma, epsilon, tau, metric, warmup_epochs, proto_momentum, use_semi_hard,
            use_weighted_ce, use_class_proto: see `PaCoModel`.
        forms: the form of each stage.
        precision: type that the backbone computes in, under autocast where it is not float32; float16 with a gradient
            scaler.
        channels_last: keep images and feature maps with their channels last in memory.
        compile: run the backbone through torch.compile.
        fused_optimizer: update all parameters in one kernel.
        tf32: TensorFloat-32 for matrix products and convolutions.
        cudnn_benchmark: let cuDNN try its algorithms and keep the fastest.
        learning_rate: of AdamW.
        schedule: of the learning rate, a step at a time; `cosine` warms up first.
        clip_norm: largest norm of the whole gradient; None does not clip.
        epoch: the epoch that the model believes it is in; it decides how parts are matched.
        threads: intra-operator CPU threads; None leaves them as torch chooses.
        data: `synthetic` (the same batch of random images in every step), `digits`, or `folder:` and a path; a record
            of steps on a batch that somebody handed over says `the caller's`.
        workers: processes that load images; None is none on a CPU, whose cores the step needs, and up to eight beside
            an accelerator.
        drop_last: leave out an epoch's last batch where it is not full.
        world_size: devices that train one model together, each with a batch of its own.
        gather_negatives: contrast every anchor with the parts of all ranks' images; with those of its own rank it is
            another objective.
        matching_cost: the cost of the matching in that epoch, where known.
        feature_map: channels, height and width of the backbone's output, where known.
        told: what a model of the user's own tells of its settings, by their names here, once it has been built.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str | None = None
    model_args: tuple[tuple[str, Argument], ...] = ()
    python_path: tuple[str, ...] = ()
    step: str | None = None
    stages: Pairs = ()
    replace: Pairs = ()
    backbone: str = "resnet50"
    batch_size: int = Field(default=8, ge=1)
    image_size: int | None = Field(default=224, ge=1)
    num_classes: int = Field(default=200, ge=1)
    num_parts: int = Field(default=4, ge=1)
    window: int = Field(default=5, ge=1)
    dim: int = Field(default=64, ge=1)

    lambda_pac: float = 1.0
    eta_soc: float = 0.1
    alpha: float = 0.2
    beta: float = 0.05
    gamma: float = Field(default=0.1, ge=0, le=1)
    epsilon: float = Field(default=1e-5, ge=0)
    tau: float = Field(default=1e-5, ge=0)
    metric: Metric = "fro"
    warmup_epochs: int = Field(default=3, ge=0)
    proto_momentum: float = Field(default=0.9, ge=0, le=1)
    use_semi_hard: bool = True
    use_weighted_ce: bool = True
    use_class_proto: bool = True

    forms: Forms = Forms()
    precision: Precision = "float32"
    channels_last: bool = False
    compile: bool = False
    fused_optimizer: bool = False
    tf32: bool = False
    cudnn_benchmark: bool = False

    optimizer: str = "AdamW"
    learning_rate: float = Field(default=1e-3, gt=0)
    schedule: Schedule = "constant"
    clip_norm: float | None = Field(default=None, gt=0)

    device: str = "cpu"
    seed: int = Field(default=0, ge=0)
    epoch: int = Field(default=0, ge=0)
    threads: int | None = Field(default=None, ge=1)
    data: str = "synthetic"
    workers: int | None = Field(default=None, ge=0, le=1024)
    drop_last: bool = False
    world_size: int = Field(default=1, ge=1)
    gather_negatives: bool = False
    matching_cost: str = ""
    feature_map: tuple[int, int, int] | None = None
    num_parameters: int | None = None
    told: tuple[tuple[str, int | float], ...] = ()

    def known(self, name: str) -> Any:
        """The value of a setting: as the user's own model tells it, else as it was set."""
        return dict(self.told).get(name, getattr(self, name))

    @field_validator("replace", mode="before")
    @classmethod
    def _written_replacements(cls, value: Any) -> Any:
        """As a file (a table) or a command line (`criterion=module:factory,...`) has them."""
        if isinstance(value, str):
            value = dict(part.strip().partition("=")[::2] for part in value.split(",") if part.strip())
        if not isinstance(value, Mapping):
            return value
        if not all(name and by for name, by in value.items()):
            raise ValueError("should be of the form component=module:factory")
        return tuple(value.items())


# Known from building the model, or chosen by options of their own.
_NOT_SETTABLE = {
    "model",
    "model_args",
    "python_path",
    "step",
    "stages",
    "forms",
    "optimizer",
    "device",
    "seed",
    "threads",
    "data",
    "world_size",
    "matching_cost",
    "feature_map",
    "num_parameters",
    "told",
}
_FORMS = tuple(field.name for field in fields(Forms))
# What can be set of a step whatever its model is. All else is of PaCo-2 as this package has it.
OF_ANY_MODEL = frozenset(
    {
        "backbone",
        "batch_size",
        "channels_last",
        "clip_norm",
        "cudnn_benchmark",
        "drop_last",
        "epoch",
        "fused_optimizer",
        "image_size",
        "learning_rate",
        "num_classes",
        "precision",
        "replace",
        "schedule",
        "tf32",
        "workers",
    }
)


def settable() -> tuple[str, ...]:
    """Every name that `with_settings` knows, aliases aside."""
    return (*(name for name in Workload.model_fields if name not in _NOT_SETTABLE), *_FORMS)


def with_settings(workload: Workload, settings: Settings) -> Workload:
    """The workload with other settings; values may be text, as a command line has them (`none` for none).

    Raises:
        UsageError: a name that is not known, or a value that the setting cannot have.
    """
    given = {canonical(name): _value(value) for name, value in settings.items()}
    data = workload.model_dump()
    data["forms"] |= {name: value for name, value in given.items() if name in _FORMS}
    data |= {name: value for name, value in given.items() if name not in _FORMS}
    try:
        return Workload.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Input ").removeprefix("Value error, ").rstrip(".")
        name = next((str(part) for part in reversed(first["loc"]) if str(part) in given), None)
        # What the forms check by themselves names the setting.
        raise UsageError(f"{message}." if name is None else f"{name}={given[name]!r} {message}.") from error


def restored(workload: Workload, base: Workload, names: Iterable[str]) -> Workload:
    """The workload with some settings as another one has them."""
    return with_settings(workload, {name: _flat(base)[name] for name in names})


def changed_settings(workload: Workload, base: Workload) -> dict[str, Any]:
    """The settable names in which a workload differs from another, with its values."""
    mine, theirs = _flat(workload), _flat(base)
    return {name: mine[name] for name in settable() if mine[name] != theirs[name]}


def _flat(workload: Workload) -> dict[str, Any]:
    return workload.model_dump() | asdict(workload.forms)


def canonical(name: str) -> str:
    """A setting's own name, from an alias or with dashes.

    Raises:
        UsageError: there is no such setting.
    """
    canonical = ALIASES.get(name, name.replace("-", "_"))
    known = settable()
    if canonical not in known:
        near = difflib.get_close_matches(canonical, [*known, *ALIASES], n=3)
        raise UsageError(
            f"{name!r} is not a setting.",
            f"Did you mean {', '.join(near)}?" if near else f"There are {', '.join(known)}.",
        )
    return canonical


def _value(value: Any) -> Any:
    return None if isinstance(value, str) and value.lower() == "none" else value

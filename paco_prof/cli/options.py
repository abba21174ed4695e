"""Options that several commands have, each written once; and those of them that go together, as groups."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from paco_prof.cli.groups import OptionGroup
from paco_prof.cli.outputs import Outputs
from paco_prof.cli.own_model import OwnModel

__all__ = [
    "Address",
    "Backbone",
    "BaselineOptions",
    "BatchSize",
    "CodeOptions",
    "CpusPerLaunch",
    "Data",
    "Device",
    "Dim",
    "EngineName",
    "Epoch",
    "GatherNegatives",
    "GpusPerLaunch",
    "ImageSize",
    "Launches",
    "Markdown",
    "MaxMinutes",
    "Model",
    "ModelArgs",
    "NoFidelity",
    "NoProgress",
    "NumClasses",
    "Output",
    "OutputOptions",
    "Pairs",
    "Parts",
    "Plot",
    "Quiet",
    "Replace",
    "Resume",
    "RetrySmaller",
    "Seed",
    "Sequential",
    "Settings",
    "Step",
    "Threads",
    "Timeout",
    "Window",
    "Workers",
    "auto_or_count",
    "variant_option",
]


def _model_option(default: int, text: str, *names: str) -> Any:
    """An option for a whole number from 1 that chooses the baseline; not given, it is the default and no choice."""
    return typer.Option(*names, min=1, help=f"{text} [default: {default}]", show_default=False)


# The baseline's model and batch.
BatchSize = Annotated[int | None, _model_option(8, "Images per step; each has two views.")]
Backbone = Annotated[str | None, typer.Option(help="A timm model. [default: resnet50]", show_default=False)]
ImageSize = Annotated[int | None, _model_option(224, "Side of the input in pixels.")]
NumClasses = Annotated[int | None, _model_option(200, "Classes.")]
Parts = Annotated[int | None, _model_option(4, "Parts per view.", "-K", "--parts")]
Window = Annotated[int | None, _model_option(5, "Odd side of a part's window.", "-r", "--window")]
Dim = Annotated[int | None, _model_option(64, "Dimension that parts are reduced to.", "-d", "--dim")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change any setting; may be repeated.")
]


def variant_option(default: str) -> Any:
    """The variant of one measurement; which it is where nobody says depends on the model."""
    text = f"A variant of paco-prof variants, or several. [default: {default}; of --model baseline, or drop-in with "
    return typer.Option("--variant", metavar="NAME[+NAME]", help=f"{text}--replace]", show_default=False)


# A model of the user's own in the place of PaCo-2.
Model = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:FACTORY", help="A model of your own; path/to/FILE.py:FACTORY as well.", show_default=False
    ),
]
ModelArgs = Annotated[
    list[str] | None,
    typer.Option("--model-arg", metavar="NAME=VALUE", help="What its factory is called with; may be repeated."),
]
Step = Annotated[
    str | None,
    typer.Option(
        "--step",
        metavar="MODULE:FUNCTION",
        help="function(model, x1, x2, targets) that computes a step's losses. [default: the model itself]",
        show_default=False,
    ),
]
Replace = Annotated[
    list[str] | None,
    typer.Option(
        "--replace",
        metavar="COMPONENT=MODULE:FACTORY",
        help="What the variant drop-in puts in a component's place: criterion, matcher, sampler, pool, or a dotted "
        "path; may be repeated. [default: criterion=paco_prof:OptimizedPaCoLoss]",
    ),
]

# Where and how it runs.
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda[:n]|mps|xpu", help="Where to run.")]
Epoch = Annotated[int, typer.Option(min=0, help="Epoch to measure: matching changes cost after the warm-up.")]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of weights, data and the order of steps.")]
Threads = Annotated[int | None, typer.Option(min=1, max=4096, help="CPU threads; torch's choice by default.")]
GatherNegatives = Annotated[
    bool,
    typer.Option(
        "--gather-negatives",
        help="Contrast every part with those of all ranks' images (torchrun): another objective than without.",
    ),
]
NoFidelity = Annotated[
    bool, typer.Option("--no-fidelity", help="Do not compare loss and gradient with a float64 reference.")
]

# What it is trained on.
Data = Annotated[str | None, typer.Option(metavar="synthetic|digits|folder:PATH", help="Images.", show_default=False)]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=1024,
        show_default=False,
        help="Processes that load images. [default: none on a CPU, up to 8 beside an accelerator]",
    ),
]

# How much of a comparison is measured.
Launches = Annotated[
    int | None,
    typer.Option(
        min=1, max=1000, help="Launches of fresh processes for each variant. [default: 3]", show_default=False
    ),
]
Pairs = Annotated[
    str,
    typer.Option(metavar="auto|N", help="Pairs of steps a launch; auto: until it is precise, or its time is up."),
]
MaxMinutes = Annotated[
    float | None,
    typer.Option(
        min=0.01,
        max=100_000.0,
        show_default=False,
        help="Minutes for everything. [default: 4.5 a variant; 3 a row of ablate]",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        min=0.1, help="Seconds that a process may take to start, or for a step. [default: 600]", show_default=False
    ),
]
Sequential = Annotated[
    bool, typer.Option("--sequential", help="One process at a time, where two do not fit into memory together.")
]
RetrySmaller = Annotated[
    bool, typer.Option("--retry-smaller", help="Halve the batch of both sides where memory runs out.")
]
Resume = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Go on with the comparison that --output wrote, into the same file."),
]

# Who takes the launches.
EngineName = Annotated[
    str,
    typer.Option(
        "--engine", metavar="local|ray", help="Who takes the launches: this machine, or a Ray cluster (paco-prof[ray])."
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="auto|HOST:PORT",
        help="With --engine ray: the cluster; auto is the one that runs here. [default: $RAY_ADDRESS, or one that is "
        "started on this machine]",
        show_default=False,
    ),
]
CpusPerLaunch = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=100_000,
        help="With --engine ray: cores of a node that a launch has for itself. [default: all; one launch a node]",
        show_default=False,
    ),
]
GpusPerLaunch = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=1000,
        help="With --engine ray: GPUs of a node that a launch has for itself. [default: 1 where it runs on one]",
        show_default=False,
    ),
]

# Where the results go.
Output = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the record as JSON.")]
Markdown = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as Markdown.")]
Plot = Annotated[Path | None, typer.Option(metavar="FILE", help="Draw it: .png, .svg or .pdf.")]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="Show no progress bar.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


@dataclass(frozen=True)
class BaselineOptions(OptionGroup):
    """What the baseline is: its model and batch, and every other setting."""

    batch_size: BatchSize = None
    backbone: Backbone = None
    image_size: ImageSize = None
    num_classes: NumClasses = None
    parts: Parts = None
    window: Window = None
    dim: Dim = None
    settings: Settings = None

    @property
    def explicit(self) -> dict[str, Any]:
        """What has an option of its own and was given, by the settings' names."""
        called = {"parts": "num_parts"}
        values = {called.get(each.name, each.name): getattr(self, each.name) for each in fields(self)}
        del values["settings"]
        return {name: value for name, value in values.items() if value is not None}

    def overrides(self, *, gather_negatives: bool = False) -> tuple[str, ...]:
        """What `--set` changes, and `--gather-negatives`, which sets something too."""
        return (*(self.settings or ()), *(["gather_negatives=true"] if gather_negatives else []))


@dataclass(frozen=True)
class CodeOptions(OptionGroup):
    """A model of the user's own in the place of PaCo-2."""

    model: Model = None
    model_args: ModelArgs = None
    step: Step = None
    replace: Replace = None

    @property
    def own_model(self) -> OwnModel:
        return OwnModel(self.model, tuple(self.model_args or ()), self.step, tuple(self.replace or ()))


@dataclass(frozen=True)
class OutputOptions(OptionGroup):
    """Where the results go, and what is shown meanwhile."""

    output: Output = None
    markdown: Markdown = None
    plot: Plot = None
    no_progress: NoProgress = False
    quiet: Quiet = False

    @property
    def files(self) -> Outputs:
        return Outputs(self.output, self.markdown, self.plot)

    @property
    def silent(self) -> bool:
        """Whether there is no progress bar."""
        return self.quiet or self.no_progress


def auto_or_count(option: str, text: str, least: int) -> int | None:
    """None for `auto`, else a whole number of at least `least`."""
    if text == "auto":
        return None
    if not text.isascii() or not text.isdecimal() or int(text) < least:
        raise typer.BadParameter(f"{text!r} is neither auto nor a whole number from {least}.", param_hint=option)
    return int(text)

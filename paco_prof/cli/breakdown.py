"""`paco-prof breakdown`: where a training step's time goes."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from paco_prof.cli.outputs import Outputs
from paco_prof.errors import ExitCode, InterruptedRunError, MeasurementError, PacoProfError

__all__ = ["breakdown"]


def _model_option(default: int, text: str, *names: str) -> Any:
    """An option for a whole number from 1 that chooses the baseline; not given, it is the default and no choice."""
    return typer.Option(*names, min=1, help=f"{text} [default: {default}]", show_default=False)


def _auto_or_count(option: str, text: str, least: int) -> int | None:
    """None for `auto`, else a whole number of at least `least`."""
    if text == "auto":
        return None
    if not text.isascii() or not text.isdecimal() or int(text) < least:
        raise typer.BadParameter(f"{text!r} is neither auto nor a whole number from {least}.", param_hint=option)
    return int(text)


def breakdown(
    variant: Annotated[
        str, typer.Option("--variant", metavar="NAME[+NAME]", help="A variant of paco-prof variants, or several.")
    ] = "baseline",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change any setting; may be repeated.")
    ] = None,
    batch_size: Annotated[int | None, _model_option(8, "Images per step; each has two views.")] = None,
    backbone: Annotated[str | None, typer.Option(help="A timm model. [default: resnet50]", show_default=False)] = None,
    image_size: Annotated[int | None, _model_option(224, "Side of the input in pixels.")] = None,
    num_classes: Annotated[int | None, _model_option(200, "Classes.")] = None,
    parts: Annotated[int | None, _model_option(4, "Parts per view.", "-K", "--parts")] = None,
    window: Annotated[int | None, _model_option(5, "Odd side of a part's window.", "-r", "--window")] = None,
    dim: Annotated[int | None, _model_option(64, "Dimension that parts are reduced to.", "-d", "--dim")] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda[:n]|mps|xpu", help="Where to run.")] = "auto",
    warmup: Annotated[
        str, typer.Option(metavar="auto|N", help="Steps to leave out; auto: until they stop getting faster.")
    ] = "auto",
    steps: Annotated[
        str,
        typer.Option(metavar="auto|N", help="Steps to measure; auto: until intervals are within 5 % or time is up."),
    ] = "auto",
    max_seconds: Annotated[
        float,
        typer.Option(
            min=0.001, max=86_400.0, help="Time for all that is timed; the least that makes a measurement is taken."
        ),
    ] = 60.0,
    no_fidelity: Annotated[
        bool, typer.Option("--no-fidelity", help="Do not compare loss and gradient with a float64 reference.")
    ] = False,
    epoch: Annotated[int, typer.Option(min=0, help="Epoch to measure: matching changes cost after the warm-up.")] = 0,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of weights, data and the order of steps.")] = 0,
    threads: Annotated[
        int | None, typer.Option(min=1, max=4096, help="CPU threads; torch's choice by default.")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the record as JSON.")] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as Markdown.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw it: .png, .svg or .pdf.")] = None,
    trace: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a Chrome/Perfetto trace of one more step (.json or .json.gz)."),
    ] = None,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="Show no progress bar.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> int:
    """Measure where the time of a PaCo-2 training step goes, forward and backward, stage by stage.

    The model is PaCo-2 on any timm backbone, in its reference form or in that of a variant; the data are synthetic. On
    screen: the machine, inference, the loss alone, training, the bottleneck table, loss and gradient against a float64
    reference, and what follows from the numbers.

    Exit codes: 0 done, 2 bad input, 4 the measured code failed, 130 interrupted; whatever was measured until then is
    shown and written all the same.
    """
    plan_warmup, plan_steps = _auto_or_count("--warmup", warmup, 0), _auto_or_count("--steps", steps, 1)
    outputs = Outputs(output, markdown, plot, trace)
    outputs.check()
    chosen = {
        "batch_size": batch_size,
        "backbone": backbone,
        "image_size": image_size,
        "num_classes": num_classes,
        "num_parts": parts,
        "window": window,
        "dim": dim,
    }
    explicit = {name: value for name, value in chosen.items() if value is not None}

    # Imported here, so that --help need not wait for pydantic, nor bad input for torch.
    from paco_prof.settings import Workload, with_settings
    from paco_prof.variants.resolve import parse_overrides, plan_variant
    from paco_prof.variants.user_file import own_variants

    base = with_settings(Workload(device=device, epoch=epoch, seed=seed, threads=threads), explicit)
    planned = plan_variant(base, variant, parse_overrides(settings or []), own_variants(Path.cwd()), tuple(explicit))

    # The profiler's library is told before it is loaded that its notes are not for our users.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    from paco_prof.cli.progress import BarProgress, SilentProgress
    from paco_prof.measure.job import Job
    from paco_prof.measure.session import Plan, measure_breakdown
    from paco_prof.measure.shareable import shareable_command

    job = Job(planned.workload, planned.base, planned.used, planned.optional)
    plan = Plan(plan_warmup, plan_steps, max_seconds, trace, not no_fidelity)
    command = shareable_command(["paco-prof", *sys.argv[1:]])
    with SilentProgress() if quiet or no_progress else BarProgress(max_seconds) as progress:
        outcome = measure_breakdown(job, plan, progress, outputs.save_record, command)
    training = outcome.record.training
    if training is None:
        # A run that ended before its first step has no bars to draw.
        outputs = replace(outputs, plot=None)
    if training is not None or outcome.record.inference is not None:
        outputs.render(outcome.record, on_screen=not quiet)
    if isinstance(outcome.error, KeyboardInterrupt):
        num_steps = 0 if training is None else len(training.steps)
        raise InterruptedRunError(f"Interrupted after {num_steps} measured step{'s' if num_steps != 1 else ''}.")
    if isinstance(outcome.error, PacoProfError):
        raise outcome.error
    if outcome.error is not None:
        detail = next((note.detail for note in outcome.record.notes if note.code == "failed"), "")
        raise MeasurementError(f"The measured code failed: {detail}.")
    return ExitCode.DONE

"""`paco-prof breakdown`: where a training step's time goes."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from paco_prof.cli.outputs import Outputs
from paco_prof.errors import ExitCode, InterruptedRunError, MeasurementError, PacoProfError

__all__ = ["breakdown"]


def _auto_or_count(option: str, text: str, least: int) -> int | None:
    """None for `auto`, else a whole number of at least `least`."""
    if text == "auto":
        return None
    if not text.isascii() or not text.isdecimal() or int(text) < least:
        raise typer.BadParameter(f"{text!r} is neither auto nor a whole number from {least}.", param_hint=option)
    return int(text)


def breakdown(
    batch_size: Annotated[int, typer.Option(min=1, help="Images per step; each has two views.")] = 8,
    backbone: Annotated[str, typer.Option(help="A timm model.")] = "resnet50",
    image_size: Annotated[int, typer.Option(min=1, help="Side of the input in pixels.")] = 224,
    num_classes: Annotated[int, typer.Option(min=1, help="Classes.")] = 200,
    parts: Annotated[int, typer.Option("-K", "--parts", min=1, help="Parts per view.")] = 4,
    window: Annotated[int, typer.Option("-r", "--window", min=1, help="Odd side of a part's window.")] = 5,
    dim: Annotated[int, typer.Option("-d", "--dim", min=1, help="Dimension that parts are reduced to.")] = 64,
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

    The model is PaCo-2 in its reference form on any timm backbone; the data are synthetic. On screen: the machine,
    inference, the loss alone, training, the bottleneck table, and what follows from the numbers.

    Exit codes: 0 done, 2 bad input, 4 the measured code failed, 130 interrupted; whatever was measured until then is
    shown and written all the same.
    """
    plan_warmup, plan_steps = _auto_or_count("--warmup", warmup, 0), _auto_or_count("--steps", steps, 1)
    outputs = Outputs(output, markdown, plot, trace)
    outputs.check()

    # The profiler's library is told before it is loaded that its notes are not for our users.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    # Imported here, so that --help and bad input need not wait for torch.
    from paco_prof.cli.progress import BarProgress, SilentProgress
    from paco_prof.measure.environment import shareable_command
    from paco_prof.measure.session import Plan, measure_breakdown
    from paco_prof.settings import Workload

    workload = Workload(
        backbone=backbone,
        batch_size=batch_size,
        image_size=image_size,
        num_classes=num_classes,
        num_parts=parts,
        window=window,
        dim=dim,
        device=device,
        epoch=epoch,
        seed=seed,
        threads=threads,
    )
    plan = Plan(plan_warmup, plan_steps, max_seconds, trace)
    command = shareable_command(["paco-prof", *sys.argv[1:]])
    with SilentProgress() if quiet or no_progress else BarProgress(max_seconds) as progress:
        outcome = measure_breakdown(workload, plan, progress, outputs.save_record, command)
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

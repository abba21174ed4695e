"""`paco-prof breakdown`: where a training step's time goes."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from paco_prof.cli.options import (
    Backbone,
    BatchSize,
    Data,
    Device,
    Dim,
    Epoch,
    ImageSize,
    Markdown,
    NoFidelity,
    NoProgress,
    NumClasses,
    Output,
    Parts,
    Plot,
    Quiet,
    Seed,
    Settings,
    Threads,
    Window,
    Workers,
    auto_or_count,
    chosen,
)
from paco_prof.cli.outputs import Outputs
from paco_prof.cli.planning import base_workload, job_of, planned_variant
from paco_prof.errors import ExitCode, InterruptedRunError, MeasurementError, PacoProfError

__all__ = ["breakdown"]

DEFAULT_DATA = "synthetic"


def breakdown(
    variant: Annotated[
        str, typer.Option("--variant", metavar="NAME[+NAME]", help="A variant of paco-prof variants, or several.")
    ] = "baseline",
    settings: Settings = None,
    data: Data = None,
    workers: Workers = None,
    batch_size: BatchSize = None,
    backbone: Backbone = None,
    image_size: ImageSize = None,
    num_classes: NumClasses = None,
    parts: Parts = None,
    window: Window = None,
    dim: Dim = None,
    device: Device = "auto",
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
    no_fidelity: NoFidelity = False,
    epoch: Epoch = 0,
    seed: Seed = 0,
    threads: Threads = None,
    output: Output = None,
    markdown: Markdown = None,
    plot: Plot = None,
    trace: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a Chrome/Perfetto trace of one more step (.json or .json.gz)."),
    ] = None,
    no_progress: NoProgress = False,
    quiet: Quiet = False,
) -> int:
    """Measure where the time of a PaCo-2 training step goes, forward and backward, stage by stage.

    The model is PaCo-2 on any timm backbone, in its reference form or in that of a variant; the data are synthetic
    unless --data names others, and waiting for them is then a stage. On screen: the machine, inference, the loss alone,
    training, the bottleneck table, loss and gradient against a float64 reference, and what follows from the numbers.

    Exit codes: 0 done, 2 bad input, 4 the measured code failed, 130 interrupted; whatever was measured until then is
    shown and written all the same.
    """
    plan_warmup, plan_steps = auto_or_count("--warmup", warmup, 0), auto_or_count("--steps", steps, 1)
    outputs = Outputs(output, markdown, plot, trace)
    outputs.check()
    explicit = chosen(
        batch_size=batch_size,
        backbone=backbone,
        image_size=image_size,
        num_classes=num_classes,
        num_parts=parts,
        window=window,
        dim=dim,
    )

    placed = {"device": device, "epoch": epoch, "seed": seed, "threads": threads, "workers": workers}
    base = base_workload(explicit, data=data or DEFAULT_DATA, **placed)
    planned = planned_variant(base, variant, settings or [], explicit)

    # The profiler's library is told before it is loaded that its notes are not for our users.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    from paco_prof.cli.progress import BarProgress, SilentProgress
    from paco_prof.measure.session import Plan, measure_breakdown
    from paco_prof.measure.shareable import shareable_command

    plan = Plan(plan_warmup, plan_steps, max_seconds, trace, not no_fidelity)
    command = shareable_command(["paco-prof", *sys.argv[1:]])
    with SilentProgress() if quiet or no_progress else BarProgress(max_seconds) as progress:
        outcome = measure_breakdown(job_of(planned), plan, progress, outputs.save_record, command)
    training = outcome.record.training
    if training is None:
        # A run that ended before its first step has no bars to draw.
        outputs = replace(outputs, plot=None)
    if training is not None or outcome.record.inference is not None:
        is_saved = not isinstance(outcome.error, PacoProfError)
        outputs.render(outcome.record, on_screen=not quiet, is_saved=is_saved)
    if isinstance(outcome.error, KeyboardInterrupt):
        num_steps = 0 if training is None else len(training.steps)
        raise InterruptedRunError(f"Interrupted after {num_steps} measured step{'s' if num_steps != 1 else ''}.")
    if isinstance(outcome.error, PacoProfError):
        raise outcome.error
    if outcome.error is not None:
        detail = next((note.detail for note in outcome.record.notes if note.code == "failed"), "")
        raise MeasurementError(f"The measured code failed: {detail}.")
    return ExitCode.DONE

"""`paco-prof breakdown`: where a training step's time goes."""

from __future__ import annotations

import os
import sys
from dataclasses import replace as replaced
from pathlib import Path
from typing import Annotated, Any

import typer

from paco_prof.cli.options import (
    BaselineOptions,
    CodeOptions,
    Data,
    Device,
    Epoch,
    GatherNegatives,
    NoFidelity,
    OutputOptions,
    Seed,
    Threads,
    Workers,
    auto_or_count,
    variant_option,
)
from paco_prof.cli.planning import base_workload, job_of, planned_variant
from paco_prof.errors import ExitCode, PacoProfError, RankError
from paco_prof.ranks import started_by, this_place

__all__ = ["breakdown"]

DEFAULT_DATA = "synthetic"


def breakdown(
    *,
    variant: Annotated[str | None, variant_option("baseline")] = None,
    code: CodeOptions,
    data: Data = None,
    workers: Workers = None,
    baseline: BaselineOptions,
    gather_negatives: GatherNegatives = False,
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
    trace: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a Chrome/Perfetto trace of one more step (.json or .json.gz)."),
    ] = None,
    nvtx: Annotated[
        bool,
        typer.Option(
            "--nvtx",
            help="Take a few more steps with NVTX ranges, for Nsight (NVIDIA GPUs): nsys profile "
            "--capture-range=cudaProfilerApi --capture-range-end=stop paco-prof breakdown --nvtx.",
        ),
    ] = False,
    results: OutputOptions,
) -> int:
    """Measure where the time of a PaCo-2 training step goes, forward and backward, stage by stage.

    The model is PaCo-2 on any timm backbone, in its reference form or in that of a variant, or one of your own
    (--model), whose stages are found by their usual names without an edit. The data are synthetic unless --data names
    others, and waiting for them is then a stage. On screen: the machine, inference, the loss alone,
    training, the bottleneck table, loss and gradient against a float64 reference, and what follows from the numbers.

    Started by torchrun, every process trains the same model on images of its own, gradients are averaged, and the table
    of the first is followed by one of all: torchrun --nproc-per-node 2 -m paco_prof breakdown.

    Exit codes: 0 done, 2 bad input, 4 the measured code failed, 130 interrupted; whatever was measured until then is
    shown and written all the same.
    """
    plan_warmup, plan_steps = auto_or_count("--warmup", warmup, 0), auto_or_count("--steps", steps, 1)
    place = this_place()
    outputs = replaced(results.files, trace=trace).of_rank(place)
    outputs.check()
    quiet = results.quiet or not place.is_first

    placed: dict[str, Any] = {"device": device, "epoch": epoch, "seed": seed, "threads": threads, "workers": workers}
    placed["world_size"] = place.world_size
    own = code.own_model
    base = base_workload(baseline.explicit, data=data or DEFAULT_DATA, own_model=own, **placed)
    overrides = baseline.overrides(gather_negatives=gather_negatives)
    planned = planned_variant(base, own.variant(variant, "baseline"), overrides, baseline.explicit, own)

    # The profiler's library is told before it is loaded that its notes are not for our users.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    from paco_prof.measure.endings import ending
    from paco_prof.measure.session import Plan, measure_breakdown
    from paco_prof.measure.shareable import shareable_command

    plan = Plan(plan_warmup, plan_steps, max_seconds, trace, not no_fidelity, nvtx)
    command = shareable_command([*started_by(place), *sys.argv[1:]])
    with own.measuring(max_seconds, silent=quiet or results.silent) as measuring:
        job, progress = job_of(planned), measuring.progress
        outcome = measure_breakdown(
            job, plan, progress, outputs.save_record, command, place=place, stderr=measuring.stderr
        )
    outcome = replaced(outcome, record=measuring.counted(outcome.record))
    training = outcome.record.training
    if training is None:
        # A run that ended before its first step has no bars to draw.
        outputs = replaced(outputs, plot=None)
    if training is not None or outcome.record.inference is not None:
        is_saved = not isinstance(outcome.error, PacoProfError) or isinstance(outcome.error, RankError)
        if own.is_given and is_saved:
            outputs.save_record(outcome.record)
        outputs.render(outcome.record, on_screen=not quiet, is_saved=is_saved)
    error = ending(outcome.error, outcome.record.notes, len(training.steps) if training else 0, "measured step")
    if error is not None:
        raise error
    return ExitCode.DONE

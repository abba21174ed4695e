"""`paco-prof scale`: how time and memory grow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paco_prof.cli.engines import EngineChoice
from paco_prof.cli.options import (
    BaselineOptions,
    CodeOptions,
    Device,
    Epoch,
    OutputOptions,
    Seed,
    Threads,
    Timeout,
    auto_or_count,
)
from paco_prof.cli.scaling import ScaleOptions, scale_or_resume

__all__ = ["scale"]


def scale(
    *,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary",
            metavar="NAME=SIZE,SIZE,...",
            help="What grows, and its sizes: batch-size, K, r, d, image-size or num-classes. Twice gives a grid.",
        ),
    ] = None,
    variants: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            metavar="NAME[+NAME]",
            help="May be repeated. [default: baseline and exact; of --model baseline, and drop-in with --replace]",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="N[,M]", help="A size of each factor that times are predicted for, unmeasured.", show_default=False
        ),
    ] = None,
    find_largest: Annotated[
        bool,
        typer.Option("--find-largest", help="Search for the largest batch that fits, in processes that may fail."),
    ] = False,
    largest_up_to: Annotated[
        int | None,
        typer.Option(
            min=1, max=10**6, help="With --find-largest: search no further. [default: 4096]", show_default=False
        ),
    ] = None,
    memory_limit: Annotated[
        str | None,
        typer.Option(
            metavar="4GB",
            help="That a process may use, or its device be used of. [default: for --find-largest what is available]",
            show_default=False,
        ),
    ] = None,
    launches: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            help="Launches of fresh processes at each size, of each variant. [default: 2]",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        str,
        typer.Option(metavar="auto|N", help="Steps a launch; auto: until it is precise, or its time is up."),
    ] = "auto",
    max_minutes: Annotated[
        float | None,
        typer.Option(min=0.01, max=100_000.0, show_default=False, help="Minutes for everything. [default: 10]"),
    ] = None,
    baseline: BaselineOptions,
    code: CodeOptions,
    device: Device = "auto",
    epoch: Epoch = 0,
    seed: Seed = 0,
    threads: Threads = None,
    timeout: Timeout = None,
    engine: EngineChoice,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Go on with the measurement that --output wrote, into the same file."),
    ] = None,
    outputs: OutputOptions,
) -> int:
    """Measure how time and memory grow, stage by stage, and predict what was not run.

    Each size of each variant has fresh processes of its own, small sizes first; what is not likely to end in time is
    left away. On screen: the power that each stage grows with, where it has one, which stage is the bottleneck at which
    size, and the prediction for --target, all with intervals.

    --find-largest doubles the batch until memory does not suffice, closes in on the last one that fits, and takes 20
    steps with it. On a CPU each process limits its own memory first, so that nothing else has to make room for it.

    Exit codes: 0 done, 2 bad input, 4 a measured process failed, 130 interrupted; whatever was measured until then is
    shown and written all the same, and --resume goes on from there.
    """
    options = ScaleOptions(
        vary=tuple(vary or ()),
        variants=tuple(variants or ()),
        target=target,
        find_largest=find_largest,
        largest_up_to=largest_up_to,
        memory_limit=memory_limit,
        launches=launches,
        steps=auto_or_count("--steps", steps, 1),
        max_minutes=max_minutes,
        timeout=timeout,
        explicit=baseline.explicit,
        overrides=baseline.overrides(),
        device=device,
        epoch=epoch,
        seed=seed,
        threads=threads,
        own_model=code.own_model,
        engine=engine,
    )
    return scale_or_resume(options, resume=resume, outputs=outputs.files, silent=outputs.silent, quiet=outputs.quiet)

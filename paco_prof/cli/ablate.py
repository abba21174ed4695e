"""`paco-prof ablate`: what each change brings, alone and beside others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from paco_prof.cli.comparison import Choices, compare_or_resume
from paco_prof.cli.engines import EngineChoice
from paco_prof.cli.options import (
    Address,
    Backbone,
    BatchSize,
    CpusPerLaunch,
    Data,
    Device,
    Dim,
    EngineName,
    Epoch,
    GatherNegatives,
    GpusPerLaunch,
    ImageSize,
    Launches,
    Markdown,
    MaxMinutes,
    Model,
    ModelArgs,
    NoFidelity,
    NoProgress,
    NumClasses,
    Output,
    Pairs,
    Parts,
    Plot,
    Quiet,
    Replace,
    Resume,
    RetrySmaller,
    Seed,
    Sequential,
    Settings,
    Step,
    Threads,
    Timeout,
    Window,
    Workers,
    auto_or_count,
    chosen,
    gathering,
)
from paco_prof.cli.outputs import Outputs
from paco_prof.cli.own_model import OwnModel
from paco_prof.errors import UsageError

if TYPE_CHECKING:
    from paco_prof.records import Contestant, Design

__all__ = ["ablate"]

MINUTES_EACH = 3.0
MODES: tuple[Design, ...] = ("one-at-a-time", "leave-one-out", "cumulative", "factorial")


def ablate(
    base: Annotated[str, typer.Option(metavar="VARIANT", help="What toggles are added to.")] = "baseline",
    toggles: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...|all", help="Variants to switch on. [default: the mode's own]", show_default=False
        ),
    ] = None,
    mode: Annotated[str, typer.Option(metavar="|".join(MODES), help="Which combinations.")] = "one-at-a-time",
    launches: Launches = None,
    pairs: Pairs = "auto",
    max_minutes: MaxMinutes = None,
    batch_size: BatchSize = None,
    backbone: Backbone = None,
    image_size: ImageSize = None,
    num_classes: NumClasses = None,
    parts: Parts = None,
    window: Window = None,
    dim: Dim = None,
    settings: Settings = None,
    model: Model = None,
    model_args: ModelArgs = None,
    step: Step = None,
    replace: Replace = None,
    data: Data = None,
    workers: Workers = None,
    device: Device = "auto",
    epoch: Epoch = 0,
    seed: Seed = 0,
    threads: Threads = None,
    gather_negatives: GatherNegatives = False,
    sequential: Sequential = False,
    retry_smaller: RetrySmaller = False,
    timeout: Timeout = None,
    no_fidelity: NoFidelity = False,
    engine: EngineName = "local",
    address: Address = None,
    cpus_per_launch: CpusPerLaunch = None,
    gpus_per_launch: GpusPerLaunch = None,
    resume: Resume = None,
    output: Output = None,
    markdown: Markdown = None,
    plot: Plot = None,
    no_progress: NoProgress = False,
    quiet: Quiet = False,
) -> int:
    """Measure what each change brings: one row a toggle, as believable as paco-prof compare.

    one-at-a-time: the base with each toggle alone (all of the catalogue by default). leave-one-out: all toggles
    together, and without each of them (those of the preset exact by default). cumulative: one more each time (the
    phases of the analysis's checklist by default, beside what it expects of each). factorial: every combination of two
    to four toggles, and whether they get in each other's way (fused-loss and max-negatives-16 by default).

    With --model the defaults are others: drop-in, where --replace says what it is, and the variants drop-in-* of other
    components; one at a time also what can be set of any model. --toggles all is all of these in every mode, where they
    go together without the second of two that exclude each other.

    With --engine ray the nodes of a Ray cluster take the launches, as many at once as there is room for; launches of
    unlike machines are never judged together.

    Started by torchrun, every variant trains on all devices together, a process on each: torchrun --nproc-per-node 2
    -m paco_prof ablate. With --engine ray launches are taken by a cluster.

    Exit codes: 0 done, 2 bad input, 4 a measured process failed, 130 interrupted; whatever was measured until then is
    shown and written all the same, and --resume goes on from there.
    """
    design = next((name for name in MODES if name == mode), None)
    if design is None:
        raise UsageError(f"--mode {mode!r} is unknown.", f"Use {', '.join(MODES)}.")
    from paco_prof.variants.contestants import Field, ablated

    named = None if toggles is None else [name.strip() for name in toggles.split(",") if name.strip()]
    choices = Choices(
        explicit=chosen(
            batch_size=batch_size,
            backbone=backbone,
            image_size=image_size,
            num_classes=num_classes,
            num_parts=parts,
            window=window,
            dim=dim,
        ),
        overrides=(*(settings or ()), *gathering(gather_negatives)),
        device=device,
        epoch=epoch,
        seed=seed,
        threads=threads,
        launches=launches,
        pairs=auto_or_count("--pairs", pairs, 1),
        max_minutes=max_minutes,
        timeout=timeout,
        sequential=sequential,
        retry_smaller=retry_smaller,
        fidelity=not no_fidelity,
        data=data,
        workers=workers,
        own_model=OwnModel(model, tuple(model_args or ()), step, tuple(replace or ())),
        engine=EngineChoice(engine, address, cpus_per_launch, gpus_per_launch),
    )

    def contestants(field: Field) -> tuple[Design, tuple[Contestant, ...]]:
        return design, ablated(field, design, base, named)

    return compare_or_resume(
        choices,
        contestants,
        resume=resume,
        names_given=toggles is not None or base != "baseline" or mode != MODES[0],
        minutes_each=MINUTES_EACH,
        outputs=Outputs(output, markdown, plot),
        no_progress=no_progress,
        quiet=quiet,
    )

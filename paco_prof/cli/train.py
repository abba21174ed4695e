"""`paco-prof train`: the training run that estimates are about."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace as replaced
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paco_prof.cli.options import (
    BaselineOptions,
    CodeOptions,
    Data,
    Device,
    GatherNegatives,
    NoFidelity,
    NoProgress,
    Quiet,
    Seed,
    Threads,
    Workers,
    variant_option,
)
from paco_prof.cli.own_model import OwnModel
from paco_prof.cli.planning import base_workload, job_of, planned_variant, refuse_synthetic
from paco_prof.cli.run_folder import RunFolder
from paco_prof.errors import ExitCode, InterruptedRunError, MeasurementError, PacoProfError
from paco_prof.ranks import started_by, this_place

if TYPE_CHECKING:
    from paco_prof.measure.progress import Progress
    from paco_prof.records import RunPlan
    from paco_prof.training.checkpoint import Checkpoint
    from paco_prof.training.run import RunOutcome
    from paco_prof.variants.resolve import Planned

__all__ = ["train"]

DEFAULT_DATA = "digits"
DEFAULT_EPOCHS = 5


def train(
    *,
    variant: Annotated[str | None, variant_option("exact")] = None,
    code: CodeOptions,
    data: Data = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1, max=1_000_000, help="Epochs. [default: 5, or those of the run that goes on]", show_default=False
        ),
    ] = None,
    eval_every: Annotated[int, typer.Option(min=1, help="Epochs between two evaluations.")] = 1,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the run is written: created, and never overwritten.")
    ] = Path("paco-prof-run"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in --out, with the same options.")
    ] = False,
    checkpoint_minutes: Annotated[
        float, typer.Option(min=0.0001, help="Longest time between two checkpoints within an epoch.")
    ] = 10.0,
    drop_last: Annotated[bool, typer.Option("--drop-last", help="Leave out a last batch that is not full.")] = False,
    baseline: BaselineOptions,
    workers: Workers = None,
    device: Device = "auto",
    seed: Seed = 0,
    threads: Threads = None,
    gather_negatives: GatherNegatives = False,
    no_fidelity: NoFidelity = False,
    no_progress: NoProgress = False,
    quiet: Quiet = False,
) -> int:
    """Train a PaCo-2 model: two views, mixed precision, clipping, schedule, evaluation, checkpoints.

    The variant is exact by default: the baseline's training with fast forms of its stages. With --model it is a model
    of your own that is trained, as it is or with the drop-ins that --replace names. The data are scikit-learn's
    handwritten digits by default; --data folder:PATH takes a folder with a folder of images for each class. --out
    holds run.json (the record: show and estimate read it), metrics.csv, curves.png and checkpoint.pt. Everything random
    depends on --seed, the epoch and the batch alone, so that a run that was killed and resumed learns what it would
    have learned. So does a model of your own, if torch draws all that is random in it and its state is all in weights
    and buffers; the report names tensors that are not.

    Started by torchrun, every process trains the same model on images of its own, and gradients are averaged: torchrun
    --nproc-per-node 2 -m paco_prof train. Images of an epoch and of an evaluation are dealt to all of them, and the
    first writes. A run goes on with as many as it began with; of several machines that of rank 0 has to hold the
    checkpoint.

    Exit codes: 0 done, 2 bad input, 4 the training failed, 130 interrupted; --resume goes on from there.
    """
    place = this_place()
    folder = RunFolder(out, place)
    folder.check(resume=resume)

    placed: dict[str, Any] = {
        "device": device,
        "seed": seed,
        "threads": threads,
        "workers": workers,
        "drop_last": drop_last,
        "world_size": place.world_size,
    }
    own = code.own_model
    base = base_workload(baseline.explicit, data=data or DEFAULT_DATA, own_model=own, **placed)
    refuse_synthetic(base)
    overrides = baseline.overrides(gather_negatives=gather_negatives)
    planned = planned_variant(base, own.variant(variant, "exact"), overrides, baseline.explicit, own)

    def plan_after(checkpoint: Checkpoint | None) -> RunPlan:
        from paco_prof.records import RunPlan

        known = DEFAULT_EPOCHS if checkpoint is None else checkpoint.record.plan.epochs
        return RunPlan(epochs=epochs or known, eval_every=eval_every, checkpoint_minutes=checkpoint_minutes)

    silent = quiet or no_progress or not place.is_first
    outcome = _trained(planned, plan_after, folder, own, resume=resume, fidelity=not no_fidelity, silent=silent)
    folder.finish(outcome.record, on_screen=not quiet)
    return _exit_code(outcome)


def _trained(
    planned: Planned,
    plan_after: Callable[[Checkpoint | None], RunPlan],
    folder: RunFolder,
    own: OwnModel,
    *,
    resume: bool,
    fidelity: bool,
    silent: bool,
) -> RunOutcome:
    from paco_prof.measure.building import build
    from paco_prof.measure.device import resolve_device
    from paco_prof.measure.distributed.group import Group, device_name, in_group
    from paco_prof.measure.shareable import shareable_command
    from paco_prof.training.began import process_began
    from paco_prof.training.checkpoint import read_checkpoint
    from paco_prof.training.run import TrainingRun
    from paco_prof.training.trainer import Trainer

    job = job_of(planned)
    device = resolve_device(device_name(folder.place, job.workload.device))

    def trained(group: Group, progress: Progress) -> RunOutcome:
        checkpoint = read_checkpoint(folder.checkpoint, group) if resume else None
        progress.begin("building the model")
        trainer = Trainer(build(job, group=group))
        run = TrainingRun(
            trainer,
            plan_after(checkpoint),
            progress,
            folder.save,
            folder.checkpoint,
            shareable_command([*started_by(folder.place), *sys.argv[1:]]),
            process_began(trainer.built.clock),
            fidelity,
        )
        folder.create()
        if checkpoint is not None:
            run.resume(checkpoint)
        return run.run()

    with own.measuring(0.0, silent=silent) as measuring:
        outcome, late = in_group(
            folder.place, device, lambda group: trained(group, measuring.progress), measuring.stderr
        )
    return outcome if late is None else replaced(outcome, error=outcome.error or late)


def _exit_code(outcome: RunOutcome) -> int:
    number = len(outcome.record.epochs)
    if isinstance(outcome.error, KeyboardInterrupt):
        raise InterruptedRunError(f"Interrupted after {number} epoch{'s' if number != 1 else ''}; --resume goes on.")
    if isinstance(outcome.error, PacoProfError):
        raise outcome.error
    if outcome.error is not None:
        from paco_prof.measure.user.place import told

        detail = next((note.detail for note in outcome.record.notes if note.code == "failed"), told(outcome.error))
        raise MeasurementError(f"The training failed: {detail}.")
    return ExitCode.DONE

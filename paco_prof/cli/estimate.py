"""`paco-prof estimate`: what a whole training run takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from paco_prof.cli.estimating import (
    Measurement,
    estimate_from_records,
    measure_estimate,
    raise_what_ended_it,
)
from paco_prof.cli.options import BaselineOptions, CodeOptions, Data, Device, OutputOptions, Seed, Threads, Workers
from paco_prof.errors import ExitCode, PacoProfError, UsageError

__all__ = ["estimate"]

# More of anything than this is a slip of the hand.
MOST = 10**12


def _count(text: str, *, least: int = 1) -> Any:
    return typer.Option(min=least, max=MOST, help=text, show_default=False)


def estimate(
    *,
    epochs: Annotated[int | None, _count("Epochs of the run. [default: 100]")] = None,
    batches_per_epoch: Annotated[
        int | None, _count("Batches of the baseline in an epoch, on one device. [default: 1000, or the size of --data]")
    ] = None,
    dataset_size: Annotated[int | None, _count("Images of an epoch, in place of --batches-per-epoch.")] = None,
    drop_last: Annotated[bool, typer.Option("--drop-last", help="Leave out a last batch that is not full.")] = False,
    variants: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            metavar="NAME",
            help="May be repeated; the first is what others are held against. [default: baseline and exact; of --model "
            "baseline and drop-in; with --from all that the records hold]",
            show_default=False,
        ),
    ] = None,
    records: Annotated[
        list[Path] | None,
        typer.Option(
            "--from", metavar="RUN.JSON", help="Project a saved record, and measure nothing; may be repeated."
        ),
    ] = None,
    eval_size: Annotated[
        int | None, _count("Images of an evaluation; 0 for none. [default: as --data has, else 0]", least=0)
    ] = None,
    eval_every: Annotated[
        int | None, _count("Epochs between two evaluations; the last is always evaluated. [default: 1]")
    ] = None,
    gpus: Annotated[
        int | None, _count("Devices that share an epoch's images. [default: as many as the first record has, else 1]")
    ] = None,
    price_per_hour: Annotated[
        float | None, typer.Option(min=0, help="Of one device, in your currency.", show_default=False)
    ] = None,
    watts: Annotated[float | None, typer.Option(min=0.001, help="Power of one device.", show_default=False)] = None,
    steps: Annotated[int | None, _count("Steps to measure of each variant. [default: 20]")] = None,
    max_seconds: Annotated[
        float | None,
        typer.Option(min=0.001, max=86_400.0, help="Time to measure each variant. [default: 120]", show_default=False),
    ] = None,
    data: Data = None,
    workers: Workers = None,
    baseline: BaselineOptions,
    code: CodeOptions,
    device: Device = "auto",
    seed: Seed = 0,
    threads: Threads = None,
    results: OutputOptions,
) -> int:
    """Tell how long a whole training run takes, before and after: per batch, per epoch, in total, with intervals.

    From a saved record (--from what breakdown, compare, train or estimate wrote), at once; or from a short pilot run of
    each variant on real data, made now. Records of one variant on one and on several devices tell how it scales, which
    --gpus then uses. Training, data loading, evaluation, checkpoints and start-up are separate
    terms; cost and energy are told where a price and a power are known. What was not measured is left out, and said.

    Exit codes: 0 done, 2 bad input, 4 the measured code failed, 130 interrupted; whatever was measured until then is
    shown and written all the same.
    """
    inputs = tuple(records or ())
    outputs = results.files
    outputs.check(inputs)

    from paco_prof.analysis.estimates import RunSize

    size = RunSize(
        epochs=epochs,
        batches_per_epoch=batches_per_epoch,
        dataset_size=dataset_size,
        drop_last=drop_last or None,
        eval_size=eval_size,
        eval_every=eval_every,
        gpus=gpus,
        price_per_hour=price_per_hour,
        watts=watts,
    )
    options = Measurement(
        baseline.explicit,
        baseline.overrides(),
        device,
        seed,
        threads,
        steps,
        max_seconds,
        data,
        workers,
        code.own_model,
    )
    if inputs:
        if options.given():
            raise UsageError(
                f"{options.given()[0]} is for a measurement, and --from takes what was measured.",
                "Leave one of them away.",
            )
        record = estimate_from_records(inputs, variants or (), size)
        # A projection that cannot be made is found before anything is written.
        from paco_prof.analysis.projection import projection_view

        projection_view(record)
        outputs.save_record(record)
        outputs.render(record, on_screen=not results.quiet)
        return ExitCode.DONE
    measured, error = measure_estimate(variants or (), size, options, outputs, silent=results.silent)
    if measured is not None:
        outputs.render(measured, on_screen=not results.quiet, is_saved=not isinstance(error, PacoProfError))
    raise_what_ended_it(measured, error)
    return ExitCode.DONE

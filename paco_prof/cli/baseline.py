"""`paco-prof baseline save`: what `paco-prof check --baseline` holds a step against."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from paco_prof.cli.gate_options import GateChoices, configured
from paco_prof.cli.groups import spelled_out
from paco_prof.cli.options import CodeOptions, NoProgress, Quiet, Settings, Timeout
from paco_prof.cli.outputs import Outputs
from paco_prof.errors import ExitCode, InterruptedRunError, MeasurementError

__all__ = ["app"]

app = typer.Typer(help="Save what `check --baseline` holds a step against.")


@app.callback()
def _root() -> None:
    """Save what `paco-prof check --baseline` holds a step against."""


@app.command()
@spelled_out
def save(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; a baseline that is there is replaced.")],
    variant: Annotated[
        str | None, typer.Option(metavar="NAME[+NAME]", help="What is measured.", show_default=False)
    ] = None,
    settings: Settings = None,
    code: CodeOptions,
    launches: Annotated[
        int | None, typer.Option(min=7, max=1000, help="Launches. [default: 14]", show_default=False)
    ] = None,
    max_minutes: Annotated[
        float | None, typer.Option(min=0.01, max=100_000.0, help="Minutes. [default: 2.75]", show_default=False)
    ] = None,
    timeout: Timeout = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=4096, help="CPU threads. [default: all cores but one]", show_default=False),
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="auto|cpu|cuda[:n]|mps|xpu", help="Where to run.", show_default=False)
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=2**63 - 1, help="Of weights, data and the order of steps. [default: 0]", show_default=False
        ),
    ] = None,
    no_progress: NoProgress = False,
    quiet: Quiet = False,
) -> int:
    """Measure the step beside a plain two-view step, and save the launches as the baseline of this machine.

    What is measured stands in [tool.paco-prof.check] of pyproject.toml, or in these options. Nothing is saved where a
    process failed, fewer launches than a verdict needs could be taken, or a step used more threads than there are
    cores. A baseline is never replaced but by this command: an improvement that check reports does not move it.
    """
    choices = GateChoices(
        variant=variant,
        settings=tuple(settings or ()),
        own_model=code.own_model,
        launches=launches,
        max_minutes=max_minutes,
        timeout=timeout,
        threads=threads,
        device=device,
        seed=seed,
    )
    Outputs(record=file).check()
    table = configured(choices, Path.cwd())
    from paco_prof.cli.progress import BarProgress, SilentProgress
    from paco_prof.gate.baseline import measure_baseline, unfit
    from paco_prof.gate.plan import baseline_comparison
    from paco_prof.measure.shareable import shareable_command

    comparison = baseline_comparison(table, Path.cwd(), shareable_command(["paco-prof", *sys.argv[1:]]))
    with SilentProgress() if quiet or no_progress else BarProgress(60 * table.max_minutes) as progress:
        outcome = measure_baseline(comparison, table, Path.cwd(), progress)
    if isinstance(outcome.error, KeyboardInterrupt):
        raise InterruptedRunError(f"Interrupted; {file} was not written.")
    reason = unfit(outcome.record)
    if reason:
        raise MeasurementError(f"{file} was not written: {reason}.")
    outputs = Outputs(record=file)
    outputs.save_record(outcome.record)
    outputs.render(outcome.record, on_screen=not quiet)
    return ExitCode.DONE

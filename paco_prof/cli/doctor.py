"""`paco-prof doctor`: is this machine, this installation and this instrument as it should be?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from paco_prof.cli.options import Device, Markdown, NoProgress, Output, Quiet, Seed, Threads
from paco_prof.cli.outputs import Outputs
from paco_prof.errors import InterruptedRunError, PacoProfError

if TYPE_CHECKING:
    from paco_prof.records import DoctorRecord

__all__ = ["doctor"]


def doctor(
    device: Device = "auto",
    threads: Threads = None,
    seed: Seed = 0,
    max_seconds: Annotated[
        float,
        typer.Option(min=1.0, max=3600.0, help="Seconds for everything; what the tests leave goes to the noise floor."),
    ] = 40.0,
    output: Output = None,
    markdown: Markdown = None,
    no_progress: NoProgress = False,
    quiet: Quiet = False,
) -> int:
    """Examine this machine and this installation in under a minute; try the instrument on what is known.

    Versions and whether they fit, the device and what it computes in, threads, load and room. Then the instrument: its
    clock beside another clock, delays planted in stages, forward and backward, events beside host time, what it costs;
    and the smallest difference that can be told apart here, by launches of a step against itself. The report can be
    pasted into an issue.

    Exit codes: 0 as it should be, or with warnings; 1 the instrument, or what every measurement needs, has failed;
    2 bad input, 130 interrupted; what was found until then is shown all the same.
    """
    outputs = Outputs(output, markdown)
    outputs.check()
    from paco_prof.cli.progress import BarProgress, SilentProgress
    from paco_prof.measure.doctor import examination
    from paco_prof.measure.shareable import shareable_command

    plan = examination.DoctorPlan(device, threads, seed, max_seconds)
    command = shareable_command(["paco-prof", *sys.argv[1:]])
    with SilentProgress() if quiet or no_progress else BarProgress(max_seconds) as progress:
        outcome = examination.examine(plan, progress, outputs.save_record, command)
    outputs.render(outcome.record, on_screen=not quiet, is_saved=not isinstance(outcome.error, PacoProfError))
    if isinstance(outcome.error, KeyboardInterrupt):
        raise InterruptedRunError(f"Interrupted after {len(outcome.record.checks)} checks.")
    if outcome.error is not None:
        raise outcome.error
    return _verdict(outcome.record)


def _verdict(record: DoctorRecord) -> int:
    """What the shell sees; what has failed is said where it is seen even if nobody reads the report."""
    from paco_prof.analysis.doctor import doctor_view
    from paco_prof.render.doctor_text import one_line

    view = doctor_view(record)
    for check in view.of_status("failed"):
        print(f"paco-prof: {one_line(check)}", file=sys.stderr)
    return view.exit_code

"""`paco-prof check`: a gate for CI."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace as replaced
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from paco_prof.cli.gate_options import GateChoices, configured
from paco_prof.cli.options import CodeOptions, OutputOptions, Settings, Timeout
from paco_prof.cli.outputs import Outputs, print_text
from paco_prof.errors import InterruptedRunError, PacoProfError

if TYPE_CHECKING:
    from paco_prof.analysis.gate import GateView
    from paco_prof.gate.run import GateOutcome
    from paco_prof.records import CheckRecord

__all__ = ["check"]

Only = Literal["budgets", "revision", "record"]


def check(
    *,
    budgets: Annotated[
        list[str] | None,
        typer.Option("--budget", metavar="SENTENCE", help="For example 'loss <= 10 %'; may be repeated."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="REVISION", help="Hold the step beside that of a git revision.", show_default=False),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Hold it beside what baseline save has saved on this machine.", show_default=False
        ),
    ] = None,
    only: Annotated[
        Only | None, typer.Option(help="Of all that is configured, ask this alone.", show_default=False)
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(metavar="NAME[+NAME]", help="What is checked. [default: exact]", show_default=False),
    ] = None,
    settings: Settings = None,
    code: CodeOptions,
    smallest_effect: Annotated[
        str | None,
        typer.Option(
            metavar="PERCENT",
            help="The change that matters beside a revision or a record. [default: 3 %]",
            show_default=False,
        ),
    ] = None,
    launches: Annotated[
        int | None,
        typer.Option(
            min=1, max=1000, help="The most launches; the first look is after eight. [default: 14]", show_default=False
        ),
    ] = None,
    max_minutes: Annotated[
        float | None,
        typer.Option(min=0.01, max=100_000.0, help="Minutes for each pair. [default: 2.75]", show_default=False),
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
    inconclusive_ok: Annotated[
        bool, typer.Option("--inconclusive-ok", help="Let an inconclusive gate pass: exit code 0 for 3.")
    ] = False,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the verdicts as JUnit XML (GitLab reads it as well).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdicts as JSON, and no report.")] = False,
    results: OutputOptions,
) -> int:
    """Fail where a training step has become slower, or costs more than it may; and not for noise.

    What is checked stands in [tool.paco-prof.check] of pyproject.toml, or in these options, which count more. Budgets
    are relations within one run, which hold on any machine. --against builds another revision in a temporary worktree
    and takes steps of both trees in turns, in launches of fresh processes. --baseline holds the step against launches
    that were saved on this machine, both by the measure of a plain step.

    A check fails where its launches establish it (one-sided, p at most 1 %, at two planned looks together) and the
    estimate is beyond what matters; it passes where the whole interval is within. Anything else is inconclusive.

    Exit codes: 0 passed, 1 failed, 2 bad input, 3 inconclusive, 4 a measured process failed, 130 interrupted. Where
    GITHUB_ACTIONS is set, what is wrong is annotated; the report goes to GITHUB_STEP_SUMMARY.
    """
    outputs = replaced(results.files, junit=junit)
    table = configured(
        GateChoices(
            budgets=tuple(budgets or ()),
            against=against,
            baseline=baseline,
            only=only,
            variant=variant,
            settings=tuple(settings or ()),
            own_model=code.own_model,
            smallest_effect=smallest_effect,
            launches=launches,
            max_minutes=max_minutes,
            timeout=timeout,
            threads=threads,
            device=device,
            seed=seed,
        ),
        Path.cwd(),
    )
    outputs.check(() if table.baseline is None else (table.baseline.path,))
    from paco_prof.analysis.gate import gate_view
    from paco_prof.analysis.gate_figures import exit_code
    from paco_prof.gate.plan import plan_gate
    from paco_prof.gate.run import run_gate
    from paco_prof.measure.shareable import shareable_command

    gate = plan_gate(table, Path.cwd(), inconclusive_ok=inconclusive_ok)
    if outputs.junit is not None and outputs.junit.is_file():
        # A runner that keeps its folder must not hand on an earlier run's verdicts, whatever becomes of this one.
        outputs.junit.unlink()
    command = shareable_command(["paco-prof", *sys.argv[1:]])
    from paco_prof.cli.progress import BarProgress, SilentProgress

    with SilentProgress() if results.silent or as_json else BarProgress(60 * table.max_minutes) as progress:
        outcome = run_gate(gate, progress, outputs.save_record, command)
    view = gate_view(outcome.record)
    _tell(outcome, view, outputs, on_screen=not results.quiet, as_json=as_json)
    if isinstance(outcome.error, KeyboardInterrupt):
        num = sum(len(comparison.launches) for comparison in outcome.record.comparisons)
        raise InterruptedRunError(f"Interrupted after {num} launch{'es' if num != 1 else ''}.")
    if outcome.error is not None:
        raise outcome.error
    return exit_code(view)


def _tell(outcome: GateOutcome, view: GateView, outputs: Outputs, *, on_screen: bool, as_json: bool) -> None:
    """The report, where users of a CI look for it."""
    record = outcome.record
    if as_json:
        from paco_prof.render.gate_json import gate_json

        print_text(json.dumps(gate_json(record, view), indent=1) + "\n")
    if not any(launch.is_complete for comparison in record.comparisons for launch in comparison.launches):
        # There is nothing to draw.
        outputs = replaced(outputs, plot=None)
    is_saved = not isinstance(outcome.error, PacoProfError)
    try:
        outputs.render(record, on_screen=on_screen and not as_json, is_saved=is_saved)
    finally:
        # Whether or not there is a place for all files.
        _tell_github(record, view, sys.stderr if as_json else sys.stdout)


def _tell_github(record: CheckRecord, view: GateView, stream: object) -> None:
    """Annotations, and the report on the page of the run."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from paco_prof.render.github import annotations

        for line in annotations(view):
            print(line, file=stream)  # type: ignore[call-overload]
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        from paco_prof.render.markdown import to_markdown
        from paco_prof.render.reports import document_of

        try:
            with Path(summary).open("a", encoding="utf-8") as page:
                page.write(to_markdown(document_of(record)))
        except OSError as error:
            print(f"paco-prof: the step summary cannot be written: {error.strerror}.", file=sys.stderr)

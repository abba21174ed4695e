"""What a step will be held against: launches of it beside the yardstick, saved on request and never otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from paco_prof.analysis.gate import failure_line
from paco_prof.gate.run import launcher_in, own_launcher, refuse_what_cannot_be
from paco_prof.gate.table import CheckTable
from paco_prof.gate.trees import Tree
from paco_prof.measure.interrupts import terminations_interrupt
from paco_prof.measure.progress import Progress
from paco_prof.measure.referee import ComparisonOutcome, Referee
from paco_prof.measure.worker_handle import Launcher
from paco_prof.records import ComparisonRecord
from paco_prof.stats.bounds import LEAST_LAUNCHES

__all__ = ["measure_baseline", "unfit"]


def measure_baseline(
    comparison: ComparisonRecord,
    table: CheckTable,
    folder: Path,
    progress: Progress,
    launcher: Callable[[Tree], Launcher] = launcher_in,
) -> ComparisonOutcome:
    """Take all launches of a baseline; nothing is written.

    Raises:
        UsageError: what is to be measured cannot be here, as the first process said.
    """
    with terminations_interrupt():
        outcome = Referee(comparison, own_launcher(table, folder, launcher), progress, lambda record: None).run()
    refuse_what_cannot_be(outcome.record, table)
    return outcome


def unfit(record: ComparisonRecord) -> str:
    """Why launches are no baseline; empty where they are."""
    if record.failures:
        return failure_line(record, record.failures[0])
    number = len(record.launches_of(1))
    if number < LEAST_LAUNCHES:
        return f"there was time for {number} launches, and a verdict needs {LEAST_LAUNCHES}"
    environment = record.environment
    if environment is not None and environment.is_oversubscribed:
        return f"a step uses {environment.threads} threads on {environment.cores} cores"
    return ""

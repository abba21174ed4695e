"""What a step will be held against: launches of it beside the yardstick, saved on request and never otherwise."""

from __future__ import annotations

from pathlib import Path

from paco_prof.gate.run import own_launcher
from paco_prof.gate.table import CheckTable
from paco_prof.measure.interrupts import terminations_interrupt
from paco_prof.measure.progress import Progress
from paco_prof.measure.referee import ComparisonOutcome, Referee
from paco_prof.records import ComparisonRecord
from paco_prof.stats.bounds import LEAST_LAUNCHES

__all__ = ["measure_baseline", "unfit"]


def measure_baseline(
    comparison: ComparisonRecord, table: CheckTable, folder: Path, progress: Progress
) -> ComparisonOutcome:
    """Take all launches of a baseline; nothing is written."""
    with terminations_interrupt():
        return Referee(comparison, own_launcher(table, folder), progress, lambda record: None).run()


def unfit(record: ComparisonRecord) -> str:
    """Why launches are no baseline; empty where they are."""
    if record.failures:
        failure = record.failures[0]
        name = record.contestants[0 if failure.of_baseline else failure.contestant].name
        return f"{name}: {failure.kind} at its {failure.during}: {failure.detail.rstrip('.')}"
    number = len(record.launches_of(1))
    if number < LEAST_LAUNCHES:
        return f"there was time for {number} launches, and a verdict needs {LEAST_LAUNCHES}"
    environment = record.environment
    if environment is not None and environment.accelerator is None and environment.threads > environment.cores:
        return f"a step uses {environment.threads} threads on {environment.cores} cores"
    return ""

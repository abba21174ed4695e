"""Whether projections come true: a pilot run, then the real run that it projects, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from figures import Figure, median_figure

from paco_prof.analysis.projection import projection_view
from paco_prof.records import EstimateRecord, TrainingRunRecord
from paco_prof.stats.pace import Span
from paco_prof.store import read_kind

__all__ = ["projection_figures"]

RUNS = 10
EPOCHS = 3
STEPS = 20
# Small enough for ten runs, and large enough for steps that are no noise.
WORKLOAD = ["--data", "digits", "--backbone", "test_vit3", "--image-size", "64", "--batch-size", "32", "-r", "1"]


def projection_figures() -> list[Figure]:
    """Real runs of a few epochs beside their projection: training, evaluation, loading, start-up and checkpoints."""
    errors, covered = [], 0
    for number in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            projected, real = _projection(Path(folder)), _run(Path(folder))
        error = projected.value / real - 1
        low, high = projected.low or 0.0, projected.high or 0.0
        errors.append(error)
        covered += low <= real <= high
        interval = f"{low:.1f} to {high:.1f}"
        print(
            f"run {number}: projected {projected.value:.1f} s ({interval}), took {real:.1f} s, {error:+.1%}", flush=True
        )
    name = f"a run of {EPOCHS} epochs on digits projected from {STEPS} steps"
    return [
        median_figure(f"{name}: size of the error", [abs(error) * 100 for error in errors], "%", target=5.0),
        median_figure(f"{name}: error", [error * 100 for error in errors], "%"),
        Figure(f"{name}: share within 5 %", sum(abs(e) <= 0.05 for e in errors) / RUNS * 100, "%", samples=RUNS),
        Figure(
            f"{name}: real times inside the 95 % interval",
            covered,
            f"of {RUNS}",
            target=9,
            samples=RUNS,
            at_least=True,
        ),
    ]


def _projection(folder: Path) -> Span:
    saved = folder / "estimate.json"
    _call("estimate", "--variant", "exact", "--epochs", EPOCHS, "--steps", STEPS, "--output", saved)
    record = read_kind(saved, EstimateRecord)
    return projection_view(record).runs[0].total


def _run(folder: Path) -> float:
    """Wall seconds of the real run, from the start of its process to its last checkpoint."""
    _call("train", "--variant", "exact", "--epochs", EPOCHS, "--no-fidelity", "--out", folder / "run")
    return read_kind(folder / "run" / "run.json", TrainingRunRecord).total_seconds


def _call(command: str, *arguments: object) -> None:
    line = [sys.executable, "-m", "paco_prof", command, *WORKLOAD, "--quiet", *map(str, arguments)]
    subprocess.run(line, check=True)

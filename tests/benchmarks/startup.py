"""How long a user waits for `--help` and for a saved record."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from figures import Figure, median_figure

__all__ = ["startup_figures"]

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {
    "paco-prof --help": (["--help"], 0.3),
    "paco-prof variants": (["variants"], 1.0),
    "paco-prof estimate --from examples/analysis_batch8.json": (
        ["estimate", "--from", "examples/analysis_batch8.json"],
        1.0,
    ),
    "paco-prof show examples/analysis_batch8.json": (["show", "examples/analysis_batch8.json"], 1.0),
}


def startup_figures(repeats: int = 11) -> list[Figure]:
    """Wall seconds of fresh processes."""
    figures = []
    for name, (arguments, target) in COMMANDS.items():
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-m", "paco_prof", *arguments], cwd=ROOT, capture_output=True, check=True)
            times.append(time.perf_counter() - start)
        figures.append(median_figure(name, times, "s", target))
    return figures

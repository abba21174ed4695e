"""Whether a small backbone learns the digits on a CPU, and how long that takes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from figures import Figure

from paco_prof.records import TrainingRunRecord
from paco_prof.store import read_kind

__all__ = ["learning_figures"]

COMMAND = (
    "train --data digits --epochs 5 --backbone resnet10t --image-size 64 --batch-size 16 -r 1 "
    "--variant exact+cosine-schedule --set learning_rate=2e-3"
)


def learning_figures() -> list[Figure]:
    """Accuracy after five epochs, and the wall time of the whole process."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        line = [sys.executable, "-m", "paco_prof", *COMMAND.split(), "--quiet", "--no-fidelity", "--out", str(out)]
        subprocess.run(line, check=True)
        record = read_kind(out / "run.json", TrainingRunRecord)
    name = f"paco-prof {COMMAND}"
    return [
        Figure(f"{name}: accuracy", 100 * (record.accuracy or 0.0), "%", target=90, at_least=True),
        Figure(f"{name}: seconds", record.total_seconds, "s", target=180),
    ]

"""The installed command, run in a process of its own on a tiny model until it ends."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from paco_prof.analysis.breakdown import BreakdownView, breakdown_view
from paco_prof.records import BreakdownRecord, Training
from paco_prof.store import read_record

__all__ = ["COMMAND", "ENVIRONMENT", "MODEL", "PATIENCE", "TINY", "Finished", "breakdown"]

COMMAND = str(Path(sys.executable).with_name("paco-prof"))
MODEL = "--backbone test_resnet --image-size 96 -K 3 -r 3 -d 8 --num-classes 5 --device cpu --threads 1"
TINY = f"{MODEL} --batch-size 2 --steps 3 --max-seconds 3"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "80"}
PATIENCE = 90


@dataclass(frozen=True)
class Finished:
    """A run that is over, and where it left its files."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def record(self) -> BreakdownRecord:
        return read_record(self.folder / "run.json")

    @property
    def training(self) -> Training:
        assert self.record.training is not None
        return self.record.training

    @property
    def view(self) -> BreakdownView:
        view = breakdown_view(self.record)
        assert view is not None
        return view


def breakdown(folder: Path, arguments: str) -> Finished:
    """Run the command in a folder until it ends."""
    command = [COMMAND, "breakdown", *shlex.split(arguments)]
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    return Finished(done.returncode, done.stdout, done.stderr, folder)

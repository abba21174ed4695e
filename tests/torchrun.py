"""Commands on two processes that torchrun starts, with a model in which one of them can be slow."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from installed import ENVIRONMENT, PATIENCE, Finished

__all__ = ["TINY", "ended", "ours", "started"]

TORCHRUN = str(Path(sys.executable).with_name("torchrun"))
TINY = "--model planted.py:build --batch-size 2 --image-size 64 --threads 1 --device cpu --no-fidelity"
# In one stage rank 1 takes longer than all other stages together.
PLANTED = """
import os
import time

from paco_prof.paco2 import PaCoModel


def build(seconds: float = 0.0, num_classes: int = 5):
    model = PaCoModel("test_resnet", num_classes=num_classes, K=3, r=1, d=8, image_size=64)
    assign = model.matcher._assign

    def slowly(cost):
        time.sleep(seconds if os.environ["RANK"] == "1" else 0.0)
        return assign(cost)

    model.matcher._assign = slowly
    print("built")
    return model
"""


@contextmanager
def started(folder: Path, arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Two ranks at work in a folder, and none afterwards."""
    (folder / "planted.py").write_text(PLANTED)
    command = [TORCHRUN, "--nproc-per-node", "2", "--standalone", "-m", "paco_prof", *shlex.split(arguments)]
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=out, stderr=err, text=True)
        try:
            yield process
        finally:
            with suppress(psutil.NoSuchProcess):
                for left in psutil.Process(process.pid).children(recursive=True):
                    left.kill()
            process.kill()
            process.wait(PATIENCE)


def ended(process: subprocess.Popen[str], folder: Path) -> Finished:
    """What has become of a run, once it is over."""
    code = process.wait(PATIENCE)
    return Finished(code, (folder / "out").read_text(), (folder / "err").read_text(), folder)


def ours(done: Finished) -> list[str]:
    """What the tool says on standard error, among what torchrun says."""
    return [line for line in done.err.splitlines() if line.startswith("paco-prof")]

"""Several processes of torch that meet as torchrun's do, and what each of them finds out."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["run_ranks"]

PATIENCE = 240


def run_ranks(folder: Path, module: str, function: str, number: int = 2) -> tuple[list[Any], list[int], str]:
    """What `module.function()` returns in each of several processes, their exit codes, and all that they say.

    A process that does not come to its end returns None.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for rank in range(number):
        place = {
            "RANK": rank,
            "LOCAL_RANK": rank,
            "WORLD_SIZE": number,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
        }
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **{name: str(value) for name, value in place.items()}}
        call = f"import ranks_of_torch as r; r._run({module!r}, {function!r}, {str(folder / f'{rank}.json')!r})"
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", call],
                cwd=Path(__file__).parent,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    try:
        said = "".join(process.communicate(timeout=PATIENCE)[0] for process in processes)
    finally:
        for process in processes:
            process.kill()
    paths = [folder / f"{rank}.json" for rank in range(number)]
    results = [json.loads(path.read_text()) if path.exists() else None for path in paths]
    return results, [process.returncode for process in processes], said


def _run(module: str, function: str, path: str) -> None:
    import importlib

    result = getattr(importlib.import_module(module), function)()
    Path(path).write_text(json.dumps(result))


def die() -> None:
    """Be killed."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)

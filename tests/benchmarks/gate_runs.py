"""Live runs of the gate on a repository of known work, and the launches that they took, kept to be judged again.

    python tests/benchmarks/gate_runs.py equal 20      # identical code on both sides; about 100 s a run
    python tests/benchmarks/gate_runs.py slower-10 10  # 22 passes over the network where the other side has 20
    python tests/benchmarks/gate_runs.py slower-5 8    # 21

Every run is the installed command in a fresh repository of its own. In every third one of identical code a process
beside it keeps a core busy. What each run said, and the times of its steps, go to tests/data/gate_launches.json.gz as
soon as it is over.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
# What the tests use as well.
sys.path.append(str(TESTS))

from gate_project import GateProject, model_source  # noqa: E402
from paco_prof.records import CheckRecord, ComparisonRecord  # noqa: E402
from paco_prof.store import read_kind  # noqa: E402
from recorded_gates import GATE_LAUNCHES  # noqa: E402

__all__ = ["PASSES", "run_gate"]

COMMAND = str(Path(sys.executable).with_name("paco-prof"))
BASE_PASSES = 20
# Passes over the network in a step of the side that is checked.
PASSES = {"equal": BASE_PASSES, "slower-5": 21, "slower-10": 22}
BUSY_EVERY = 3


@contextlib.contextmanager
def busy_core(is_busy: bool) -> Iterator[None]:
    """Something else that keeps one core busy as long as the block runs."""
    if not is_busy:
        yield
        return
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        neighbour.kill()
        neighbour.wait()


def run_gate(kind: str, number: int) -> dict[str, Any]:
    """One run: the exit code, how long it took, and the launches."""
    is_busy = kind == "equal" and number % BUSY_EVERY == BUSY_EVERY - 1
    with tempfile.TemporaryDirectory() as folder:
        project = GateProject(Path(folder) / "project", source=model_source(BASE_PASSES))
        project.git("branch", "before")
        # At least a comment is another one, so that there is another commit to compare.
        project.write("parts_model.py", model_source(PASSES[kind]) + f"\n# Run {number}.\n")
        project.commit("A change")
        output = Path(folder) / "check.json"
        command = [COMMAND, "check", "--against", "before", "--quiet", "--output", str(output)]
        start = time.perf_counter()
        with busy_core(is_busy):
            # Another seed is another order within pairs.
            done = subprocess.run([*command, "--seed", str(number)], cwd=project.folder, check=False)
        seconds = time.perf_counter() - start
        record = read_kind(output, CheckRecord)
    return {
        "kind": kind,
        "number": number,
        "busy": is_busy,
        "code": done.returncode,
        "seconds": round(seconds, 1),
        "launches": _launches(record.comparisons[0]),
        "environment": None if record.environment is None else record.environment.model_dump(mode="json"),
    }


def _launches(record: ComparisonRecord) -> list[dict[str, Any]]:
    """Only what is judged: the wall seconds of the pairs, and which side of each took its step first."""
    return [
        {
            "before": [round(s, 6) for s in launch.baseline.training.steps],
            "after": [round(s, 6) for s in launch.variant.training.steps],
            "before_first": "".join("01"[is_first] for is_first in launch.baseline_first),
        }
        for launch in record.launches_of(1)
    ]


def main(kind: str, num: int) -> None:
    """Take runs, and add each to the file at once."""
    for _ in range(num):
        data = json.loads(gzip.decompress(GATE_LAUNCHES.read_bytes())) if GATE_LAUNCHES.exists() else {"runs": []}
        number = sum(1 for run in data["runs"] if run["kind"] == kind)
        run = run_gate(kind, number)
        data["environment"] = run.pop("environment")
        data["runs"].append(run)
        GATE_LAUNCHES.write_bytes(gzip.compress(json.dumps(data).encode(), mtime=0))
        beside = " beside a busy core" if run["busy"] else ""
        print(
            f"{kind} {number}: exit code {run['code']}, {len(run['launches'])} launches, {run['seconds']:g} s{beside}",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

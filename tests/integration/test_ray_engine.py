"""A sweep on a real Ray cluster of two nodes, one of which is killed; in a process of its own, and short."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "ray_sweep.py"


@pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray")
def test_a_node_that_is_killed_costs_no_launch() -> None:
    command = [sys.executable, str(SCRIPT), "--quick"]
    quiet = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False, env=quiet)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "3 launches, none lost and none twice" in done.stdout

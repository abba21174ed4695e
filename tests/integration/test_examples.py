"""The scripts under examples/ run as they stand."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("one_step.py", "logits of one view: (4, 10)"),
        ("read_record.py", "backbone"),
        ("read_comparison.py", "established"),
        ("drop_in.py", "drop-in: loss 12.910"),
        ("project_hours.py", "exact: "),
        ("api_breakdown.py", "adds up: 1.000000 of the step"),
        ("api_compare.py", "drop-in"),
        ("api_estimate.py", "<Estimate: 100 epochs: baseline "),
    ],
)
def test_an_example_runs(script: str, words: str) -> None:
    done = subprocess.run([sys.executable, str(EXAMPLES / script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout


def test_every_script_is_tested_here() -> None:
    scripts = {"one_step.py", "read_record.py", "read_comparison.py", "drop_in.py", "project_hours.py"}
    scripts |= {"api_breakdown.py", "api_compare.py", "api_estimate.py"}
    assert {path.name for path in EXAMPLES.glob("*.py")} == scripts

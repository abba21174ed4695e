"""What only reads never waits for torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from builders import EXAMPLES
from comparisons import comparison_record
from gates import LOSS, TAX, gate_record, revision, saved
from paco_prof.store import write_record

HEAVY = ("torch", "timm", "torchvision")
RUN = f"""
import sys
from paco_prof.cli.app import run
code = run(sys.argv[1:])
found = [name for name in {HEAVY!r} if name in sys.modules]
sys.exit(f"{{found}} imported" if found else code)
"""
ANALYSIS = str(EXAMPLES / "analysis_batch8.json")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--help",), 0),
        (("--version",), 0),
        (("breakdown", "--help"), 0),
        (("show", ANALYSIS), 0),
        (("show", ANALYSIS, "--quiet", "--markdown", "out.md", "--plot", "out.svg"), 0),
        (("breakdown", "--batch-size", "0"), 2),
        (("breakdown", "--output", "nowhere/run.json"), 2),
        (("variants",), 0),
        (("variants", "--json"), 0),
        (("breakdown", "--variant", "nope"), 2),
        (("breakdown", "--set", "d=0"), 2),
        (("breakdown", "-d", "64", "--variant", "d32"), 2),
        (("estimate", "--help"), 0),
        (("estimate", "--from", ANALYSIS), 0),
        (("estimate", "--from", ANALYSIS, "--output", "out.json", "--markdown", "out.md", "--plot", "out.png"), 0),
        (("estimate", "--from", ANALYSIS, "--epochs", "0"), 2),
        (("estimate", "--from", ANALYSIS, "--variant", "nope"), 2),
        (("estimate", "--variant", "nope"), 2),
    ],
)
def test_torch_stays_out(arguments: tuple[str, ...], code: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr


def test_records_are_read_where_torch_is_not_installed(tmp_path: Path) -> None:
    """An import that fails stands for a machine without it."""
    absent = f"import sys; sys.modules.update(dict.fromkeys({HEAVY!r})); from paco_prof.cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", absent, "show", ANALYSIS, "--plot", str(tmp_path / "out.png")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Loss Computation" in done.stdout
    assert (tmp_path / "out.png").exists()


def torch_stays_out_of(arguments: tuple[str, ...], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("compare", "--help"), 0),
        (("ablate", "--help"), 0),
        (("show", "run.json", "--markdown", "out.md"), 0),
        (("compare", "baseline", "nope"), 2),
        (("compare", "--resume", "none.json"), 2),
        (("ablate", "--toggles", "d32,d32"), 2),
        (("estimate", "--from", "run.json", "--plot", "out.svg"), 0),
        (("history", ".", "--markdown", "out.md", "--plot", "out.svg"), 0),
        (("history", "--json"), 0),
        (("history", "nowhere"), 2),
        (("history", "--help"), 0),
        (("check", "--help"), 0),
        (("check", "--budget", "nonsense"), 2),
        (("check", "--baseline", "run.json"), 2),
        (("show", "check.json", "--markdown", "out.md", "--plot", "out.svg"), 0),
        (("baseline", "--help"), 0),
        (("scale", "--help"), 0),
        (("scale", "--vary", "batch-size=4"), 2),
        (("scale", "--vary", "d=8,16", "--variant", "d32"), 2),
        (("scale", "--resume", "run.json"), 2),
    ],
)
def test_torch_stays_out_of_comparisons(arguments: tuple[str, ...], code: int, tmp_path: Path) -> None:
    write_record(tmp_path / "run.json", comparison_record(launches=1))
    write_record(tmp_path / "check.json", gate_record([revision(), saved(), LOSS, TAX]))
    done = torch_stays_out_of(arguments, tmp_path)
    assert done.returncode == code, done.stderr


def test_the_referees_process_never_imports_torch() -> None:
    names = ["referee", "ledger", "launch", "worker_process", "machine", "comparing", "steps", "shareable", "surveyor"]
    imports = "; ".join(f"import paco_prof.measure.{name}" for name in names)
    check = f"import sys; {imports}; sys.exit(str([name for name in {HEAVY!r} if name in sys.modules] or 0))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "0"

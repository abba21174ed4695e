"""What is shipped runs: the wheel, away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import paco_prof

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, as an installer would lay it out."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_it_holds_the_package_its_types_and_its_command_and_nothing_else(unpacked: Path) -> None:
    assert (unpacked / "paco_prof" / "py.typed").exists()
    assert {path.name.split("-")[0] for path in unpacked.iterdir()} == {"paco_prof"}
    (entry_points,) = unpacked.glob("*.dist-info/entry_points.txt")
    assert "paco-prof = paco_prof.cli.app:main" in entry_points.read_text()
    (metadata,) = unpacked.glob("*.dist-info/METADATA")
    assert f"Version: {paco_prof.__version__}" in metadata.read_text()


def test_it_runs_as_a_module_from_anywhere(unpacked: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "paco_prof", "show", str(ROOT / "examples" / "analysis_batch8.json")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Loss Computation" in done.stdout
    where = subprocess.run(
        [sys.executable, "-c", "import paco_prof; print(paco_prof.__file__)"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(unpacked))

"""A regression inside one stage, planted in a repository of somebody's own, and the gate's report of it under reports/.

    python tests/benchmarks/gate_example.py      # about two minutes

The project is that of `tests/gate_project.py`: a model of its own that knows no more of this tool than
`paco_prof.stage`. Its main branch passes over the parts once; the working tree does so twice.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parents[1]
# What the tests use as well.
sys.path.append(str(TESTS))

from gate_project import GateProject, model_source  # noqa: E402

COMMAND = str(Path(sys.executable).with_name("paco-prof"))
REPORTS = TESTS.parent / "reports"
NAME = "check_planted"


def main() -> int:
    """Plant it, run the gate, and keep what it wrote; the gate's exit code, which is to be 1."""
    with tempfile.TemporaryDirectory() as folder:
        project = GateProject(Path(folder) / "project")
        project.write("parts_model.py", model_source(part_passes=2))
        files = [project.folder.parent / f"{NAME}{suffix}" for suffix in (".json", ".md", ".png")]
        outputs = [f"{option}={path}" for option, path in zip(("--output", "--markdown", "--plot"), files, strict=True)]
        done = subprocess.run(
            [COMMAND, "check", "--against", "main", "--no-progress", *outputs], cwd=project.folder, check=False
        )
        for path in files:
            shutil.copyfile(path, REPORTS / path.name)
    return done.returncode


if __name__ == "__main__":
    sys.exit(0 if main() == 1 else 1)

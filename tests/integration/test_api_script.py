"""A script that compares as it is imported, in real processes: told so, and no process starts others without end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import own_models

SCRIPT = """
import paco_prof
from own_models import Tiny


def build():
    return Tiny()


paco_prof.compare("baseline", "channels-last", model=build, image_size=32, batch_size=2, launches=1, pairs=2)
"""


def test_a_script_without_a_guard_is_told_to_have_one(tmp_path: Path) -> None:
    path = f"import sys; sys.path.append({str(Path(own_models.__file__).parent)!r})\n"
    (tmp_path / "unguarded.py").write_text(path + SCRIPT)
    done = subprocess.run(
        [sys.executable, "unguarded.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "unguarded:build cannot be imported: paco_prof.compare is called while a process" in last
    assert 'Put the call below if __name__ == "__main__": (unguarded.py, line 11).' in last

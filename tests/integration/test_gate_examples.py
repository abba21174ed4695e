"""The examples of the gate: a hook that git really runs, and a workflow whose command the tool really has."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gate_project import GateProject
from installed import COMMAND

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# Stands for the tool: keeps what it was called with, and where, and ends with the exit code that the test asks for.
PLAYED = """#!/bin/sh
echo "$PWD $*" >> "$CALLS"
[ -z "$(cat)" ] || exit 99
exit $CODE
"""


class Pusher:
    """A project with a remote, the hook, and a played paco-prof before the real one on the path."""

    def __init__(self, folder: Path) -> None:
        self.calls = folder / "calls"
        subprocess.run(["git", "init", "--quiet", "--bare", str(folder / "remote.git")], check=True)
        self.project = GateProject(folder / "project")
        self.project.git("remote", "add", "origin", str(folder / "remote.git"))
        hook = self.project.folder / ".git" / "hooks" / "pre-push"
        hook.parent.mkdir(exist_ok=True)
        hook.write_bytes((EXAMPLES / "pre-push").read_bytes())
        hook.chmod(0o755)
        tool = folder / "bin" / "paco-prof"
        tool.parent.mkdir()
        tool.write_text(PLAYED)
        tool.chmod(0o755)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "PATH": f"{tool.parent}{os.pathsep}{os.environ['PATH']}",
            "CALLS": str(self.calls),
        }

    def push(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """`git push origin ...`, with a tool that ends with an exit code."""
        return subprocess.run(
            ["git", "push", "origin", *arguments],
            cwd=self.project.folder,
            env={**self.environment, "CODE": str(code)},
            capture_output=True,
            text=True,
            check=False,
        )

    def told(self) -> list[str]:
        """What the tool was called with, since the last time."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        self.calls.unlink(missing_ok=True)
        return lines


@pytest.fixture
def pusher(tmp_path: Path) -> Pusher:
    pusher = Pusher(tmp_path)
    assert pusher.push("main").returncode == 0
    assert pusher.told() == []
    return pusher


def test_a_push_is_held_beside_what_the_remote_has(pusher: Pusher) -> None:
    before = pusher.project.git("rev-parse", "HEAD")
    pusher.project.commit("A change")
    assert pusher.push("main").returncode == 0
    folder = pusher.project.folder
    assert pusher.told() == [f"{folder} check --against {before} --no-progress --inconclusive-ok"]


def test_a_regression_is_not_pushed(pusher: Pusher) -> None:
    pusher.project.commit("A change")
    assert pusher.push("main", code=1).returncode != 0
    assert pusher.project.git("rev-parse", "origin/main") != pusher.project.git("rev-parse", "main")
    assert pusher.push("main").returncode == 0


def test_a_new_branch_is_held_beside_where_it_left_the_main_line(pusher: Pusher) -> None:
    before = pusher.project.git("rev-parse", "HEAD")
    pusher.project.git("remote", "set-head", "origin", "main")
    pusher.project.git("checkout", "--quiet", "-b", "topic")
    pusher.project.commit("A change")
    assert pusher.push("topic", code=1).returncode != 0
    assert pusher.told() == [f"{pusher.project.folder} check --against {before} --no-progress --inconclusive-ok"]


def test_what_is_not_checked_out_and_what_is_deleted_is_not_measured(pusher: Pusher) -> None:
    pusher.project.git("branch", "topic")
    pusher.project.commit("A change")
    assert "was not measured" in pusher.push("topic", code=1).stderr
    assert pusher.push("--delete", "topic", code=1).returncode == 0
    assert pusher.told() == []


def test_a_commit_beside_which_there_are_changes_is_not_measured(pusher: Pusher) -> None:
    """They may hold what makes it fast."""
    pusher.project.commit("A change")
    pusher.project.write("parts_model.py", "PASSES = 1\n")
    assert "was not measured" in pusher.push("main", code=1).stderr
    assert pusher.told() == []


def workflow() -> dict[str, Any]:
    """The workflow, in which YAML reads the key `on` as true."""
    loaded: dict[str, Any] = yaml.safe_load((EXAMPLES / "github-actions.yml").read_text(encoding="utf-8"))
    return loaded


def test_the_workflows_checkout_has_the_revision_that_it_compares_with() -> None:
    checkout = next(step for step in workflow()["jobs"]["gate"]["steps"] if "checkout" in step.get("uses", ""))
    assert checkout["with"]["fetch-depth"] == 0


def test_the_workflows_command_is_one_that_the_tool_understands(tmp_path: Path) -> None:
    """In a folder of no repository it comes as far as that: every option was understood."""
    (script,) = [
        step["run"] for step in workflow()["jobs"]["gate"]["steps"] if "check --against" in step.get("run", "")
    ]
    name, *arguments = shlex.split(script.replace("${{ github.base_ref }}", "main"))
    assert name == "paco-prof"
    done = subprocess.run([COMMAND, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "git finds no repository here" in done.stderr

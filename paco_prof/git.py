"""git, asked about a folder without changing anything in it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

__all__ = ["ask_git", "git_environment"]

# What git hands to hooks, which is of the command that runs the hook (`git rev-parse --local-env-vars`, but for the
# settings that a runner gives by GIT_CONFIG_COUNT).
_OF_ONE_COMMAND = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_CONFIG_PARAMETERS",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_QUARANTINE_PATH",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)


def git_environment() -> dict[str, str]:
    """Environment variables with which git is asked about the folder that it is asked about, and writes no index."""
    kept = {name: value for name, value in os.environ.items() if name not in _OF_ONE_COMMAND}
    return {**kept, "GIT_OPTIONAL_LOCKS": "0"}


def ask_git(folder: Path, *arguments: str, timeout: float | None = None) -> str:
    """What git prints, without white space around it. A Ctrl-C in the terminal is not for it.

    Raises:
        OSError: there is no git.
        subprocess.SubprocessError: it says no, or takes longer than `timeout` seconds.
    """
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=git_environment(),
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=True,
        timeout=timeout,
        start_new_session=True,
    ).stdout.strip()

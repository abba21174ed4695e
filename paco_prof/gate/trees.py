"""The two trees that a gate compares: the working tree as it stands, and a revision in a worktree that is temporary."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from paco_prof.errors import MeasurementError, UsageError
from paco_prof.git import ask_git, git_environment
from paco_prof.measure.interrupts import held_interrupts
from paco_prof.measure.shareable import scrub

__all__ = ["WORKING_TREE", "Repository", "Tree"]

WORKING_TREE = "working tree"
PREPARE_SECONDS = 1800.0
# A folder of ours says whose it is, so that what a killed run has left can be told from what another one uses.
OURS = re.compile(r"paco-prof-(\d+)-")


@dataclass(frozen=True)
class Tree:
    """A state of the code.

    Attributes:
        name: as reports call it.
        folder: of the project.
        root: of the repository's files, which the project may be a folder of.
        revision: its commit, 12 hex digits, with `+` where it has changes.
        python_path: folders of it in which modules are looked for.
    """

    name: str
    folder: Path
    root: Path
    revision: str
    python_path: tuple[Path, ...]

    def holds(self, module: str) -> bool:
        """Whether this tree has a module of that name, whatever else is installed."""
        path = Path(*module.split("."))
        return any((root / path).is_dir() or (root / path.with_suffix(".py")).is_file() for root in self.python_path)


class Repository:
    """A project's git repository, asked without changing it.

    Args:
        project: the folder of the project: the root of a working tree, or a folder inside of it.

    Raises:
        UsageError: it is in no repository, or there is no git.
    """

    def __init__(self, project: Path) -> None:
        self._project = project.resolve()
        try:
            self._root = Path(ask_git(self._project, "rev-parse", "--show-toplevel")).resolve()
        except FileNotFoundError as error:
            raise UsageError("--against needs git, and there is none on this machine.") from error
        except subprocess.CalledProcessError as error:
            raise UsageError(
                f"--against compares with a revision, and git finds no repository here ({_last_line(error)}).",
                "Start it inside of one, or compare with a saved baseline: --baseline FILE.",
            ) from error
        self._inside = self._project.relative_to(self._root)

    def commit_of(self, revision: str) -> str:
        """The commit that a revision names, 40 hex digits.

        Raises:
            UsageError: there is none of that name.
        """
        try:
            # What begins with a dash is an option to git, and no name of a commit.
            name = "" if revision.startswith("-") else revision
            return ask_git(self._project, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        except subprocess.CalledProcessError as error:
            raise UsageError(
                f"There is no revision {revision!r} in this repository.", self._how_to_get(revision)
            ) from error

    def state(self) -> str:
        """What changes when somebody commits, checks out, or edits a file that git knows, or a Python file that it does
        not; equal for equal states.
        """
        head = self._head()
        parts = [head, self._git("diff", "HEAD", "--binary", "--no-ext-diff") if head else ""]
        for name in self._git("ls-files", "--others", "--exclude-standard", "--full-name", "*.py").splitlines():
            with contextlib.suppress(OSError):
                parts.append(f"{name} {hashlib.sha256((self._root / name).read_bytes()).hexdigest()}")
        return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()

    def working_tree(self, python_path: Sequence[str]) -> Tree:
        """The files as they are, changes included."""
        is_dirty = bool(self._git("status", "--porcelain"))
        revision = self._head()[:12] + ("+" if is_dirty else "")
        paths = tuple(self._project / part for part in python_path)
        return Tree(WORKING_TREE, self._project, self._root, revision, paths)

    @contextlib.contextmanager
    def worktree(self, revision: str, python_path: Sequence[str], prepare: str = "") -> Iterator[Tree]:
        """A revision's files in a temporary folder, which is gone afterwards, however the block ends.

        Other worktrees of the repository, and what git knows of them, are left alone.

        Args:
            revision: any name of a commit.
            python_path: folders in which modules are looked for, relative to the project's.
            prepare: a command line that is run in the folder before anything is measured.

        Raises:
            UsageError: there is no such revision.
            MeasurementError: its files cannot be put there, or `prepare` fails.
        """
        commit = self.commit_of(revision)
        with held_interrupts():
            self._remove_what_killed_runs_left()
        parent = Path(tempfile.mkdtemp(prefix=f"paco-prof-{os.getpid()}-")).resolve()
        folder = parent / commit[:12]
        try:
            # Not cut in half by Ctrl-C, since half a worktree is nobody's to remove.
            with held_interrupts():
                # Hooks are the user's, for the user's own checkouts.
                no_hooks = f"core.hooksPath={os.devnull}"
                self._git("-c", no_hooks, "worktree", "add", "--detach", "--quiet", str(folder), commit)
            project = folder / self._inside
            if not project.is_dir():
                raise MeasurementError(f"There is no folder {self._inside} in {revision}.")
            if prepare:
                _prepare(prepare, project)
            yield Tree(revision, project, folder, commit[:12], tuple(project / part for part in python_path))
        finally:
            with held_interrupts():
                self._remove(folder)

    def _remove(self, folder: Path) -> None:
        """Remove a worktree of ours, and what git knows of it, whatever state it was left in."""
        shutil.rmtree(folder.parent, ignore_errors=True)
        # `git worktree prune` would forget others as well, whose folders are on a drive that is not there just now.
        common = (self._project / self._git("rev-parse", "--git-common-dir")).resolve()
        for known in (common / "worktrees").glob("*/gitdir"):
            with contextlib.suppress(OSError):
                if Path(known.read_text().strip()) == folder / ".git":
                    shutil.rmtree(known.parent, ignore_errors=True)
        with contextlib.suppress(OSError):
            # Empty again, where there was none before.
            (common / "worktrees").rmdir()

    def _remove_what_killed_runs_left(self) -> None:
        for line in self._git("worktree", "list", "--porcelain").splitlines():
            folder = Path(line.removeprefix("worktree "))
            owner = OURS.match(folder.parent.name) if line.startswith("worktree ") else None
            if owner is not None and not psutil.pid_exists(int(owner[1])):
                self._remove(folder)

    def _how_to_get(self, revision: str) -> str:
        """What brings a revision that is not there."""
        if self._git("rev-parse", "--is-shallow-repository") != "true":
            return "git branch -a and git tag list what there is."
        remotes = self._git("remote").splitlines()
        remote, _, branch = revision.partition("/")
        if remote not in remotes or not branch:
            return "This clone is shallow: git fetch --unshallow brings it (actions/checkout: fetch-depth: 0)."
        fetch = f"git fetch --depth=1 {remote} {branch}:refs/remotes/{revision}"
        return f"This clone is shallow: {fetch} brings it (actions/checkout: fetch-depth: 0)."

    def _head(self) -> str:
        try:
            return ask_git(self._project, "rev-parse", "--verify", "--quiet", "HEAD")
        except subprocess.CalledProcessError:
            return ""

    def _git(self, *arguments: str) -> str:
        try:
            return ask_git(self._project, *arguments)
        except subprocess.CalledProcessError as error:
            what = " ".join(word for word in arguments[:4] if not word.startswith(("-", "core.")))
            raise MeasurementError(f"git {what} failed: {_last_line(error)}.") from error


def _last_line(error: subprocess.CalledProcessError) -> str:
    lines = (error.stderr or "").strip().splitlines()
    return scrub(lines[-1]).rstrip(".") if lines else f"git ended with exit code {error.returncode}"


def _prepare(command: str, folder: Path) -> None:
    """Run the user's command; what it prints goes to standard error, and its end decides."""
    process = subprocess.Popen(
        command, cwd=folder, shell=True, stdout=sys.stderr, env=git_environment(), start_new_session=True
    )
    try:
        code = process.wait(PREPARE_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"prepare ({command}) took more than {PREPARE_SECONDS:g} s.") from error
    finally:
        # With all that it has started: a compiler that goes on would write into a folder that is being removed.
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
    if code != 0:
        raise MeasurementError(f"prepare ({command}) ended with exit code {code} in the other revision.")

"""The two trees that a gate compares: the working tree as it stands, and a revision in a worktree that is temporary."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from paco_prof.errors import MeasurementError, UsageError
from paco_prof.measure.interrupts import held_interrupts
from paco_prof.measure.shareable import scrub
from paco_prof.measure.worker_process import with_python_path

__all__ = ["Repository", "Tree"]

PREPARE_SECONDS = 1800.0
# What a user, or a runner, tells git by variables that are not of one command.
GIT_SETTINGS = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")
# Where a module would be imported from, without importing it; nothing where it is nowhere, or cannot be told.
PROBE = """
import importlib.util, sys
try:
    spec = importlib.util.find_spec(sys.argv[1])
except Exception:
    spec = None
print(spec.origin if spec is not None and spec.origin else "")
"""


@dataclass(frozen=True)
class Tree:
    """A state of the code.

    Attributes:
        name: as reports call it.
        folder: the root of its files.
        revision: its commit, 12 hex digits, with `+` where it has changes.
        python_path: folders of it in which modules are looked for.
    """

    name: str
    folder: Path
    revision: str
    python_path: tuple[Path, ...]

    def holds(self, module: str) -> bool:
        """Whether this tree has a module of that name, whatever else is installed."""
        path = Path(*module.split("."))
        return any((root / path).is_dir() or (root / path.with_suffix(".py")).is_file() for root in self.python_path)

    def origin_of(self, module: str) -> Path | None:
        """The file that a process working in this tree would import a module from; None where there is none."""
        done = subprocess.run(
            [sys.executable, "-P", "-c", PROBE, module],
            cwd=self.folder,
            env=with_python_path(os.environ, self.python_path),
            capture_output=True,
            text=True,
            check=False,
        )
        lines = done.stdout.strip().splitlines()
        return Path(lines[-1]) if lines else None

    def check_origin(self, module: str) -> None:
        """Find out whether a module that this tree has would really be imported from it.

        Raises:
            UsageError: it would not, so that both sides of a comparison would run the same code.
        """
        origin = self.origin_of(module)
        if self.holds(module) and (origin is None or not origin.resolve().is_relative_to(self.folder.resolve())):
            raise UsageError(
                f"{self.name} has a module {module}, and Python imports it from elsewhere"
                f"{'' if origin is None else f' ({scrub(str(origin))})'}: both sides would run the same code.",
                "python_path names the folders of your tree that modules are imported from.",
            )


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
            root = Path(self._git("rev-parse", "--show-toplevel"))
        except FileNotFoundError as error:
            raise UsageError("--against needs git, and there is none on this machine.") from error
        except subprocess.CalledProcessError as error:
            raise UsageError(
                f"--against compares with a revision, and git finds no repository here ({_last_line(error)}).",
                "Start it inside of one, or compare with a saved baseline: --baseline FILE.",
            ) from error
        self._inside = self._project.relative_to(root.resolve())

    def commit_of(self, revision: str) -> str:
        """The commit that a revision names, 40 hex digits.

        Raises:
            UsageError: there is none of that name.
        """
        try:
            return self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        except subprocess.CalledProcessError as error:
            hint = "git branch -a and git tag list what there is."
            if self._git("rev-parse", "--is-shallow-repository") == "true":
                hint = (
                    f"This clone is shallow: git fetch --depth=1 origin {revision} brings it "
                    "(actions/checkout: fetch-depth: 0)."
                )
            raise UsageError(f"There is no revision {revision!r} in this repository.", hint) from error

    def state(self) -> str:
        """What changes when somebody commits, checks out or edits a file that git knows; equal for equal states."""
        text = f"{self._head()}\n{self._git('diff', 'HEAD', '--binary', '--no-ext-diff') if self._head() else ''}"
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()

    def working_tree(self, python_path: Sequence[str]) -> Tree:
        """The files as they are, changes included."""
        revision = self._head()[:12]
        is_dirty = bool(self._git("status", "--porcelain"))
        return Tree(
            name="working tree",
            folder=self._project,
            revision=revision + ("+" if is_dirty else ""),
            python_path=tuple(self._project / part for part in python_path),
        )

    @contextlib.contextmanager
    def worktree(self, revision: str, python_path: Sequence[str], prepare: str = "") -> Iterator[Tree]:
        """A revision's files in a temporary folder, which is gone afterwards, however the block ends.

        Args:
            revision: any name of a commit.
            python_path: folders in which modules are looked for, relative to the root.
            prepare: a command line that is run in the folder before anything is measured.

        Raises:
            UsageError: there is no such revision.
            MeasurementError: its files cannot be put there, or `prepare` fails.
        """
        commit = self.commit_of(revision)
        # What is left of a run that was killed together with its cleaning up.
        self._git("worktree", "prune")
        parent = Path(tempfile.mkdtemp(prefix="paco-prof-"))
        folder = parent / commit[:12]
        try:
            # Not cut in half by Ctrl-C, since half a worktree is nobody's to remove.
            with held_interrupts():
                self._add(folder, commit)
            project = folder / self._inside
            if not project.is_dir():
                raise MeasurementError(f"There is no folder {self._inside} in {revision}.")
            if prepare:
                _prepare(prepare, project)
            yield Tree(revision, project, commit[:12], tuple(project / part for part in python_path))
        finally:
            with held_interrupts():
                with contextlib.suppress(subprocess.CalledProcessError):
                    self._git("worktree", "remove", "--force", str(folder))
                shutil.rmtree(parent, ignore_errors=True)
                with contextlib.suppress(subprocess.CalledProcessError):
                    self._git("worktree", "prune")

    def _add(self, folder: Path, commit: str) -> None:
        try:
            # Hooks are the user's, for the user's own checkouts.
            self._git(
                "-c", f"core.hooksPath={os.devnull}", "worktree", "add", "--detach", "--quiet", str(folder), commit
            )
        except subprocess.CalledProcessError as error:
            raise MeasurementError(f"{commit[:12]} cannot be checked out: {_last_line(error)}.") from error

    def _head(self) -> str:
        try:
            return self._git("rev-parse", "--verify", "--quiet", "HEAD")
        except subprocess.CalledProcessError:
            return ""

    def _git(self, *arguments: str) -> str:
        """What git prints; a Ctrl-C in the terminal is not for it."""
        return subprocess.run(
            ["git", *arguments],
            cwd=self._project,
            env=_environment(),
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=True,
            start_new_session=True,
        ).stdout.strip()


def _environment() -> dict[str, str]:
    """Environment variables for git: none that it hands to a hook, which are of the command that runs the hook, and
    none that lets `status` write an index.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in GIT_SETTINGS}
    return {**kept, "GIT_OPTIONAL_LOCKS": "0"}


def _last_line(error: subprocess.CalledProcessError) -> str:
    lines = (error.stderr or "").strip().splitlines()
    return scrub(lines[-1]).rstrip(".") if lines else f"git ended with exit code {error.returncode}"


def _prepare(command: str, folder: Path) -> None:
    """Run the user's command; what it prints goes to standard error, and its end decides."""
    try:
        done = subprocess.run(
            command, cwd=folder, shell=True, check=False, timeout=PREPARE_SECONDS, stdout=sys.stderr, env=_environment()
        )
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"prepare ({command}) took more than {PREPARE_SECONDS:g} s.") from error
    if done.returncode != 0:
        raise MeasurementError(f"prepare ({command}) ended with exit code {done.returncode} in the other revision.")

"""A revision in a temporary worktree, and a checkout that is afterwards what it was before."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gate_project import GateProject
from paco_prof.errors import MeasurementError, UsageError
from paco_prof.gate.trees import Repository

HERE = (".", "src")


@pytest.fixture
def project(tmp_path: Path) -> GateProject:
    """Two commits; `before` is the first."""
    project = GateProject(tmp_path / "project")
    project.git("branch", "before")
    project.write("parts_model.py", "PASSES = 1\n")
    project.commit("Another model")
    return project


def test_a_revisions_files_are_there_and_gone_afterwards(project: GateProject) -> None:
    before = project.everything()
    with Repository(project.folder).worktree("before", HERE) as tree:
        assert "PASSES = 20" in (tree.folder / "parts_model.py").read_text()
        assert (tree.name, tree.revision) == ("before", project.git("rev-parse", "before")[:12])
        assert tree.python_path == (tree.folder, tree.folder / "src")
        folder = tree.folder
    assert not folder.exists()
    assert not folder.parent.exists()
    assert project.everything() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_they_are_gone_however_the_block_ends(project: GateProject, error: type[BaseException]) -> None:
    before = project.everything()
    folders: list[Path] = []

    def fail() -> None:
        with Repository(project.folder).worktree("before", HERE) as tree:
            folders.append(tree.folder)
            raise error

    with pytest.raises(error):
        fail()
    assert not folders[0].parent.exists()
    assert project.everything() == before


def test_a_worktree_that_a_killed_run_left_is_removed_by_the_next(project: GateProject) -> None:
    """SIGKILL leaves nobody to clean up; that its folder is still there says so as little as that it is gone."""
    before = project.everything()
    script = (
        "import os, sys; from pathlib import Path; from paco_prof.gate.trees import Repository\n"
        "with Repository(Path(sys.argv[1])).worktree('before', ['.']) as tree:\n"
        " print(tree.folder, flush=True); os.kill(os.getpid(), 9)"
    )
    left = []
    for is_gone in (False, True):
        done = subprocess.run(
            [sys.executable, "-c", script, str(project.folder)], capture_output=True, text=True, check=False
        )
        left.append(Path(done.stdout.strip()))
        assert left[-1].is_dir()
        assert str(left[-1]) in project.git("worktree", "list")
        if is_gone:
            shutil.rmtree(left[-1].parent)
        with Repository(project.folder).worktree("before", HERE):
            pass
        assert not left[-1].parent.exists()
    assert project.everything() == before


def test_what_another_run_uses_and_other_worktrees_are_left_alone(project: GateProject, tmp_path: Path) -> None:
    """A worktree on a drive that is not there just now looks to git as if nobody wanted it any more."""
    project.git("worktree", "add", "--detach", str(tmp_path / "theirs"))
    (tmp_path / "theirs").rename(tmp_path / "unplugged")
    with Repository(project.folder).worktree("before", HERE) as one:
        with Repository(project.folder).worktree("before", HERE) as other:
            assert one.folder != other.folder
        assert (one.folder / "parts_model.py").is_file()
    (tmp_path / "unplugged").rename(tmp_path / "theirs")
    done = subprocess.run(["git", "status"], cwd=tmp_path / "theirs", capture_output=True, check=False)
    assert done.returncode == 0


def test_a_worktree_that_git_had_locked_is_removed_as_well(project: GateProject) -> None:
    """As git leaves one that it was killed in while it made it."""
    before = project.everything()
    with Repository(project.folder).worktree("before", HERE) as tree:
        project.git("worktree", "lock", str(tree.folder))
    assert project.everything() == before


def test_a_project_that_is_itself_a_linked_worktree(project: GateProject, tmp_path: Path) -> None:
    linked = tmp_path / "a linked wörktree"
    project.git("worktree", "add", "--detach", str(linked))
    with Repository(linked).worktree("before", HERE) as tree:
        assert "PASSES = 20" in (tree.folder / "parts_model.py").read_text()
    assert project.git("worktree", "list").count("\n") == 1


@pytest.mark.parametrize("name", ["before", "HEAD~1", "main~1", "v1"])
def test_a_revision_has_many_names(project: GateProject, name: str) -> None:
    project.git("tag", "-a", "v1", "-m", "A tag", "before")
    assert Repository(project.folder).commit_of(name) == project.git("rev-parse", "before")


@pytest.mark.parametrize("name", ["nowhere", "", "-q", "--all", "HEAD:parts_model.py", "HEAD~99"])
def test_a_revision_that_is_not_there_is_told_in_one_line(project: GateProject, name: str) -> None:
    with pytest.raises(UsageError, match="There is no revision") as told:
        Repository(project.folder).commit_of(name)
    assert str(told.value) == (
        f"There is no revision {name!r} in this repository. git branch -a and git tag list what there is."
    )


def test_in_a_shallow_clone_the_line_says_how_to_get_the_revision(project: GateProject, tmp_path: Path) -> None:
    url = f"file://{project.folder}"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", url, str(tmp_path / "shallow")], check=True)
    repository = Repository(tmp_path / "shallow")
    for name, command in (
        ("HEAD~1", "git fetch --unshallow"),
        ("origin/before", "git fetch --depth=1 origin before:refs/remotes/origin/before"),
    ):
        shutil.rmtree(tmp_path / "shallow")
        subprocess.run(["git", "clone", "--quiet", "--depth=1", url, str(tmp_path / "shallow")], check=True)
        with pytest.raises(UsageError, match="This clone is shallow") as told:
            repository.commit_of(name)
        assert f": {command} brings it (actions/checkout: fetch-depth: 0)." in str(told.value)
        # What is there can be compared with, and what it says helps.
        with repository.worktree("HEAD", HERE) as tree:
            assert (tree.folder / "parts_model.py").is_file()
        subprocess.run([*command.split(), "--quiet"], cwd=tmp_path / "shallow", check=True)
        assert repository.commit_of(name) == project.git("rev-parse", "before")


def test_outside_of_a_repository_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="finds no repository here"):
        Repository(tmp_path)


def test_without_git_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="needs git"):
        Repository(tmp_path)


def test_the_working_tree_is_measured_as_it_is_changes_included(project: GateProject) -> None:
    repository = Repository(project.folder)
    commit = project.git("rev-parse", "HEAD")[:12]
    assert repository.working_tree(HERE).revision == commit
    project.write("parts_model.py", "PASSES = 2\n")
    tree = repository.working_tree(HERE)
    assert (tree.revision, tree.folder) == (f"{commit}+", project.folder)
    project.git("checkout", "--quiet", "parts_model.py")
    # A module that git does not know is code all the same.
    project.write("another.py", "")
    assert repository.working_tree(HERE).revision == f"{commit}+"


def test_edits_and_commits_change_the_state_and_looking_does_not(project: GateProject) -> None:
    repository = Repository(project.folder)
    before = repository.state()
    with repository.worktree("before", HERE):
        pass
    (project.folder / "__pycache__").mkdir()
    assert repository.state() == before
    project.write("parts_model.py", "PASSES = 2\n")
    edited = repository.state()
    assert edited != before
    project.commit("Edited")
    committed = repository.state()
    assert committed not in (before, edited)
    # A module that git does not know is code; what the gate itself writes is none.
    project.write("check.json", "{}")
    assert repository.state() == committed
    project.write("another.py", "A = 1\n")
    another = repository.state()
    project.write("another.py", "A = 2\n")
    assert len({committed, another, repository.state()}) == 3


def test_a_project_inside_of_a_repository_is_found_in_the_revision_as_well(tmp_path: Path) -> None:
    outer = GateProject(tmp_path / "outer")
    outer.write("inner/model.py", "A = 1\n")
    outer.commit("A project inside")
    with Repository(tmp_path / "outer" / "inner").worktree("HEAD", HERE) as tree:
        assert (tree.folder / "model.py").is_file()
        assert tree.folder.name == "inner"
    with (
        pytest.raises(MeasurementError, match="There is no folder inner in HEAD~1"),
        Repository(tmp_path / "outer" / "inner").worktree("HEAD~1", HERE),
    ):
        pass
    assert outer.git("worktree", "list").count("\n") == 0


def test_what_makes_a_tree_ready_is_run_in_it(project: GateProject) -> None:
    with Repository(project.folder).worktree("before", HERE, "echo built > built.txt") as tree:
        assert (tree.folder / "built.txt").read_text() == "built\n"
    assert not (project.folder / "built.txt").exists()
    with (
        pytest.raises(MeasurementError, match=r"prepare \(exit 3\) ended with exit code 3"),
        Repository(project.folder).worktree("before", HERE, "exit 3"),
    ):
        pass
    assert project.git("worktree", "list").count("\n") == 0


def test_inside_of_a_hook_git_is_asked_about_the_project_and_not_about_the_hooks_repository(
    project: GateProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git sets these for hooks; with them every other command would be about the hook's repository and index."""
    other = GateProject(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.folder))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.folder / ".git" / "index"))
    before = project.everything(), other.everything()
    with Repository(project.folder).worktree("before", HERE) as tree:
        assert tree.revision == project.git("rev-parse", "before")[:12]
    assert (project.everything(), other.everything()) == before


def test_a_users_hooks_do_not_run(project: GateProject) -> None:
    hook = project.folder / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ntouch "$(git rev-parse --git-common-dir)/ran"\n')
    hook.chmod(0o755)
    with Repository(project.folder).worktree("before", HERE):
        pass
    assert not (project.folder / ".git" / "ran").exists()


def test_a_tree_says_whether_it_has_a_module(project: GateProject) -> None:
    project.write("src/package/part.py", "")
    tree = Repository(project.folder).working_tree(HERE)
    assert tree.holds("parts_model")
    assert tree.holds("package")
    assert tree.holds("package.part")
    assert not tree.holds("package.another")
    assert not tree.holds("paco_prof")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_terminated_process_leaves_the_checkout_as_it_was(project: GateProject) -> None:
    """SIGTERM is what a runner sends that cancels a job; in the background, where Ctrl-C is ignored, as well."""
    before = project.everything()
    script = (
        "import sys, time; from pathlib import Path; from paco_prof.gate.trees import Repository; "
        "from paco_prof.measure.interrupts import terminations_interrupt\n"
        "with terminations_interrupt(), Repository(Path(sys.argv[1])).worktree('before', ['.']) as tree:\n"
        " print(tree.folder, flush=True); time.sleep(100)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(project.folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    assert folder.is_dir()
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=30) != 0
    process.stdout.close()
    assert not folder.parent.exists()
    assert project.everything() == before

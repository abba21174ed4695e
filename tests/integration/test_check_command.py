"""The installed `paco-prof check` in somebody's repository, with a torch model of theirs."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from gate_project import GateProject, model_source
from installed import COMMAND, ENVIRONMENT, PATIENCE
from paco_prof.records import CheckRecord
from paco_prof.store import read_kind

# A step of a few milliseconds.
CONFIGURATION = """
[tool.paco-prof.check]
model = "parts_model:PartsModel"
set = { batch_size = 2, image_size = 32, num_classes = 5 }
device = "cpu"
"""
SOURCE = model_source(passes=2, width=8)
# What a runner of a CI sets is of the tests, and not of what they run.
ALONE = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("GITHUB_")}
# Seconds after which a worker must be gone.
SOON = 5.0

not_windows = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@dataclass(frozen=True)
class Checked:
    """A gate that is over; its record is outside of the checkout."""

    code: int
    out: str
    err: str
    project: GateProject
    before: dict[str, object]

    @property
    def record(self) -> CheckRecord:
        return read_kind(record_path(self.project), CheckRecord)

    @property
    def words(self) -> str:
        """What is on screen, without its line breaks."""
        return " ".join(self.out.split())


def project_in(folder: Path) -> GateProject:
    """A repository whose first commit is `before`."""
    project = GateProject(folder / "project", CONFIGURATION, SOURCE)
    project.git("branch", "before")
    return project


def record_path(project: GateProject) -> Path:
    return project.folder.parent / "check.json"


def start(project: GateProject, arguments: str, on_interrupt: signal.Handlers | None = None) -> subprocess.Popen[str]:
    """Start a check; a child inherits what is ignored, as a job in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, on_interrupt or signal.default_int_handler)
    try:
        return subprocess.Popen(
            [COMMAND, "check", *shlex.split(arguments), "--output", str(record_path(project))],
            cwd=project.folder,
            env=ALONE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)


def finish(process: subprocess.Popen[str], project: GateProject, before: dict[str, object]) -> Checked:
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return Checked(process.returncode, out, err, project, before)


def check(project: GateProject, arguments: str) -> Checked:
    """Check a project until that is over."""
    before = project.everything()
    return finish(start(project, arguments), project, before)


@pytest.fixture(scope="module")
def equal(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """Two trees with the same model, in `src`, which nobody has said."""
    project = GateProject(tmp_path_factory.mktemp("equal") / "project", CONFIGURATION, SOURCE)
    (project.folder / "src").mkdir()
    project.git("mv", "parts_model.py", "src/parts_model.py")
    project.commit("A folder for the sources")
    project.git("branch", "before")
    project.write("README", "Another commit.\n")
    project.commit("Something to read")
    return check(project, "--against before --launches 7 --max-minutes 0.4")


def test_equal_code_is_never_slower_and_never_an_error(equal: Checked) -> None:
    assert equal.code in (0, 3), equal.out + equal.err
    assert "against before" in equal.words
    assert f"Exit code {equal.code}" in equal.words
    assert max(map(len, equal.out.splitlines())) <= 80


def test_a_model_in_src_is_found_without_being_told(equal: Checked) -> None:
    (comparison,) = equal.record.comparisons
    assert comparison.failures == ()
    assert comparison.launches
    paths = {samples.path for samples in comparison.launches[0].baseline.training.stages}
    assert {"backbone", "part_sampling", "loss", "optimizer"} <= paths


def test_the_record_holds_both_revisions(equal: Checked) -> None:
    (comparison,) = equal.record.comparisons
    commits = [equal.project.git("rev-parse", name)[:12] for name in ("before", "HEAD")]
    assert [contestant.name for contestant in comparison.contestants] == ["before", "working tree"]
    assert [contestant.revision for contestant in comparison.contestants] == commits
    assert equal.record.status == "complete"
    assert str(equal.project.folder.parent) not in record_path(equal.project).read_text()


def test_the_checkout_is_afterwards_what_it_was_before(equal: Checked) -> None:
    assert equal.project.everything() == equal.before


def test_a_revision_that_cannot_be_imported_is_an_error_with_its_place(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    project.write("parts_model.py", "import torch\n\nraise RuntimeError('there are no kernels')\n")
    project.commit("Broken")
    project.git("branch", "broken")
    project.write("parts_model.py", SOURCE)
    project.commit("Mended")
    done = check(project, "--against broken")
    assert done.code == 4, done.out + done.err
    assert "against broken: broken: " in done.words
    assert "cannot be imported: RuntimeError: there are no kernels (parts_model.py, line 3)." in done.words
    assert "Traceback" not in done.out + done.err
    assert project.everything() == done.before


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait as long as it takes, or as the process that is to bring it about lives."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that take its steps; git is none of them."""
    return [child for child in psutil.Process(process.pid).children(recursive=True) if is_worker(child)]


def is_worker(process: psutil.Process) -> bool:
    try:
        return "paco_prof.measure.worker" in process.cmdline()
    except psutil.Error:
        # It has ended meanwhile.
        return False


def num_launches(project: GateProject) -> int:
    path = record_path(project)
    return sum(len(one.launches) for one in read_kind(path, CheckRecord).comparisons) if path.exists() else 0


@not_windows
@pytest.mark.parametrize(
    ("number", "on_interrupt", "launches"),
    [(signal.SIGINT, signal.default_int_handler, 1), (signal.SIGTERM, signal.SIG_IGN, 0)],
    ids=["ctrl-c after a launch", "sigterm at the first start, in the background"],
)
def test_what_is_ended_from_outside_leaves_a_record_and_nothing_else(
    tmp_path: Path, number: signal.Signals, on_interrupt: signal.Handlers, launches: int
) -> None:
    project = project_in(tmp_path)
    before = project.everything()
    process = start(project, "--against before --launches 14 --max-minutes 0.5", on_interrupt)
    try:
        wait_until(lambda: num_launches(project) >= launches and len(workers_of(process)) == 2, process)
        workers = workers_of(process)
        process.send_signal(number)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    done = finish(process, project, before)
    assert done.code == 130, done.out + done.err
    assert psutil.wait_procs(workers, timeout=SOON)[1] == []
    assert project.everything() == before
    assert done.record.status == "interrupted"
    (comparison,) = done.record.comparisons
    assert len(comparison.launches) >= launches
    assert done.err.splitlines()[-1].startswith("paco-prof: Interrupted after ")
    assert "The gate was interrupted" in done.words
    assert "Traceback" not in done.err

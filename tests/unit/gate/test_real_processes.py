"""Whole gates on real processes that measure nothing real: suspended, killed, hung, and talking nonsense."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from gate_project import GateProject
from paco_prof.analysis.gate import CheckResult, gate_view
from paco_prof.gate.plan import plan_gate
from paco_prof.gate.run import run_gate
from paco_prof.gate.table import Against, CheckTable
from paco_prof.gate.trees import Tree
from paco_prof.measure.worker_handle import Launcher
from paco_prof.measure.worker_process import ProcessLauncher, WorkerProcess
from paco_prof.records import CheckRecord, Contestant
from played import Silent

TESTS = Path(__file__).parent.parent.parent
SIDES = ["before", "working tree"]
# Seconds for what ought to happen at once.
PATIENCE = 10.0
RAISING = "raise ImportError('no kernels were built')\n"
WELL = "from subjects import paced as make\n"

# The subject of a process, from its tree's name and how many of that tree came before it.
SubjectOf = Callable[[str, int], str]


class Processes:
    """Starts real processes, each with a subject of its own."""

    def __init__(self, subject: SubjectOf) -> None:
        self._subject = subject
        self.workers: dict[str, list[WorkerProcess]] = {name: [] for name in SIDES}

    def launcher(self, tree: Tree) -> Launcher:
        """Starts processes that work in a tree."""
        there = self.workers[tree.name]

        def launch(contestant: Contestant, *, keep_initial: bool) -> WorkerProcess:
            name = self._subject(tree.name, len(there))
            subject = name if ":" in name else f"subjects:{name}"
            start = ProcessLauncher(subject, [tree.folder, TESTS], tree.folder)
            there.append(start(contestant, keep_initial=keep_initial))
            return there[-1]

        return launch

    @property
    def pids(self) -> set[int]:
        """All that were started."""
        return {worker.pid for there in self.workers.values() for worker in there}

    def left(self) -> list[psutil.Process]:
        """Those that live, and whatever they have started."""
        return [process for process in psutil.process_iter() if self._is_of_ours(process)]

    def _is_of_ours(self, process: psutil.Process) -> bool:
        try:
            return os.getpgid(process.pid) in self.pids and process.status() != psutil.STATUS_ZOMBIE
        except (OSError, psutil.Error):
            return False


@pytest.fixture
def project(tmp_path: Path) -> GateProject:
    """A step of 10 ms in both trees."""
    project = GateProject(tmp_path / "project", source="# What is measured are the subjects of these tests.\n")
    project.write("pace.txt", "1.0")
    project.commit("A pace")
    project.git("branch", "before")
    return project


def take(project: GateProject, subject: SubjectOf, launches: int = 7, **table: Any) -> tuple[CheckRecord, CheckResult]:
    """Compare the working tree with the other one; nothing is left of it but its record."""
    model = {"model": "parts_model:PartsModel", "variant": "baseline", "against": Against("before", 0.03)}
    settings = CheckTable(root=project.folder, file="pyproject.toml", launches=launches, **model, **table)
    processes = Processes(subject)
    outcome = run_gate(plan_gate(settings, project.folder), Silent(), lambda record: None, (), processes.launcher)
    assert outcome.error is None
    end = time.monotonic() + PATIENCE
    while processes.left() and time.monotonic() < end:
        time.sleep(0.02)
    assert processes.left() == []
    assert project.git("worktree", "list").count("\n") == 0
    (result,) = gate_view(outcome.record).results
    return outcome.record, result


def only(side: str, subject: str, number: int | None = None) -> SubjectOf:
    """One side has that subject, in one launch or in all of them; everybody else takes their steps."""
    return lambda tree, count: subject if tree == side and number in (None, count) else "paced"


@pytest.mark.parametrize(("pace", "verdict"), [("1.0", "pass"), ("1.1", "fail")])
def test_a_process_that_was_suspended_changes_no_verdict(project: GateProject, pace: str, verdict: str) -> None:
    project.write("pace.txt", pace)
    record, result = take(project, only("before" if verdict == "fail" else "working tree", "suspended", 3))
    assert result.verdict == verdict, result
    (comparison,) = record.comparisons
    sides = [(launch.baseline, launch.variant)[verdict == "pass"] for launch in comparison.launches]
    longest = [max(*side.training.steps, *side.training.warmup) for side in sides]
    # It was really away, in that launch alone.
    assert [seconds > 0.9 for seconds in longest] == [number == 3 for number in range(7)]


def test_a_process_that_does_not_come_back_is_an_error_after_the_time_out(project: GateProject) -> None:
    _, result = take(project, only("before", "suspended_for_good"), timeout=4.0)
    assert (result.verdict, result.reason) == ("error", "failed")
    assert result.detail == "before: hung at its step: no answer within 4 s"
    assert result.hint == "A larger --timeout waits longer."


@pytest.mark.parametrize("side", SIDES)
def test_a_process_that_is_killed_in_mid_step_is_an_error_of_its_side(project: GateProject, side: str) -> None:
    record, result = take(project, only(side, "killed_in_the_fifth_step", 1))
    assert (result.verdict, result.reason) == ("error", "failed")
    assert result.detail == f"{side}: died at its step: killed by SIGKILL"
    # The launch before it is kept, and none is taken after it.
    assert [launch.round for launch in record.comparisons[0].launches if launch.is_complete] == [0]
    assert [failure.round for failure in record.comparisons[0].failures] == [1]


@pytest.mark.parametrize(
    ("subject", "seconds"),
    [
        ("taking_nan", "nan"),
        ("taking_for_ever", "inf"),
        ("taking_nothing", "0"),
        ("taking_less_than_nothing", "-1"),
    ],
)
def test_a_step_that_takes_what_no_step_does_is_an_error(project: GateProject, subject: str, seconds: str) -> None:
    record, result = take(project, only("working tree", subject))
    assert (result.verdict, result.reason) == ("error", "failed")
    assert result.detail == f"working tree: raised at its step: a step took {seconds} s, which is no time"
    assert record.comparisons[0].launches == ()


@pytest.mark.parametrize("side", SIDES)
def test_code_that_cannot_be_imported_on_one_side_is_an_error_of_that_revision(project: GateProject, side: str) -> None:
    """Each tree has the module that its processes measure."""
    project.write("measured.py", RAISING if side == "before" else WELL)
    project.commit("What is measured")
    project.git("branch", "--force", "before")
    project.write("measured.py", WELL if side == "before" else RAISING)
    record, result = take(project, lambda tree, count: "measured:make")
    assert (result.verdict, result.reason) == ("error", "failed")
    assert result.detail == f"{side}: raised at its start: ImportError: no kernels were built (measured.py, line 1)"
    assert record.comparisons[0].launches == ()


def test_trees_measure_their_own_code(project: GateProject) -> None:
    """What the other revision has, and not what is in the working tree, is what its processes import."""
    project.write("measured.py", WELL)
    project.commit("What is measured")
    project.git("branch", "--force", "before")
    slow = (
        "import subjects\n\ndef make(contestant, keep_initial):\n    made = subjects.paced(contestant, keep_initial)\n"
    )
    project.write("measured.py", f"{slow}    made._pace *= 1.1\n    return made\n")
    _, result = take(project, lambda tree, count: "measured:make")
    assert result.verdict == "fail", result
    assert result.test is not None
    assert result.test.value == pytest.approx(0.0953, abs=0.005)

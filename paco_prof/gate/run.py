"""Runs a gate: what has to be measured, in launches, until every check is decided or the planned looks are over.

Never exits, never prints. Whatever ends it early, the record holds what had been measured until then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from paco_prof import __version__
from paco_prof.analysis.gate import check_result
from paco_prof.errors import MeasurementError, OtherMachineError, PacoProfError, UsageError
from paco_prof.gate.plan import GatePlan
from paco_prof.gate.table import CheckTable
from paco_prof.gate.trees import Repository, Tree
from paco_prof.measure.interrupts import terminations_interrupt
from paco_prof.measure.progress import Progress
from paco_prof.measure.referee import Referee
from paco_prof.measure.worker_process import Launcher, ProcessLauncher, WorkerHandle
from paco_prof.records import Check, CheckPlan, CheckRecord, ComparisonRecord, Contestant, Note

__all__ = ["GateOutcome", "launcher_in", "own_launcher", "run_gate"]

WORKING_TREE = "working tree"


@dataclass(frozen=True)
class GateOutcome:
    """How a gate ended.

    Attributes:
        record: everything that was measured.
        error: what ended it early, or else kept the record from being written.
    """

    record: CheckRecord
    error: BaseException | None = None


def launcher_in(tree: Tree) -> Launcher:
    """Starts processes that work in a tree, and import from it first."""
    return ProcessLauncher(python_path=tree.python_path, folder=tree.folder)


def own_launcher(table: CheckTable, folder: Path, launcher: Callable[[Tree], Launcher] = launcher_in) -> Launcher:
    """Starts processes in the working tree of a configuration, or, where there is none, in a folder."""
    project = table.root or folder
    return launcher(Tree(WORKING_TREE, project, "", table.import_folders(project)))


class _ByName:
    """Starts every contestant in its own tree."""

    def __init__(self, launchers: dict[str, Launcher]) -> None:
        self._launchers = launchers

    def __call__(self, contestant: Contestant, *, keep_initial: bool) -> WorkerHandle:
        return self._launchers[contestant.name](contestant, keep_initial=keep_initial)


def run_gate(
    gate: GatePlan,
    progress: Progress,
    save: Callable[[CheckRecord], None],
    command: Sequence[str] = (),
    launcher: Callable[[Tree], Launcher] = launcher_in,
) -> GateOutcome:
    """Ask all questions.

    Args:
        gate: what to ask.
        progress: told what is going on.
        save: given the record after every launch.
        command: for the record.
        launcher: starts processes in a tree.

    Raises:
        UsageError: there is no such revision or no repository, the saved baseline is another machine's, or what is to
            be measured cannot be here, as the first process said; nothing was measured then.
    """
    run = _GateRun(gate, progress, save, command, launcher)
    error: BaseException | None = None
    with terminations_interrupt():
        try:
            run.take_all()
        except KeyboardInterrupt as interrupt:
            error = interrupt
    run.update(status="complete" if error is None else "interrupted")
    return GateOutcome(run.record, error or run.unwritten)


class _GateRun:
    """A gate while it runs."""

    def __init__(
        self,
        gate: GatePlan,
        progress: Progress,
        save: Callable[[CheckRecord], None],
        command: Sequence[str],
        launcher: Callable[[Tree], Launcher],
    ) -> None:
        self._gate = gate
        self._progress = progress
        self._save = save
        self._launcher = launcher
        self._start = time.monotonic()
        self.unwritten: BaseException | None = None
        self.record = CheckRecord(
            tool_version=__version__,
            command=tuple(command),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            plan=gate.plan,
            checks=gate.checks,
            comparisons=() if gate.own is None else (gate.own,),
        )

    def take_all(self) -> None:
        """The questions about one tree, then those about two."""
        gate = self._gate
        # Found out first: a revision that is not there must not cost the time of all other checks.
        repository = Repository(gate.project) if gate.revision else None
        if repository is not None:
            repository.commit_of(gate.revision)
        if gate.own is not None:
            self._take_own()
        if repository is not None:
            self._take_revision(repository)

    def _take_own(self) -> None:
        gate = self._gate
        assert gate.own is not None
        here = own_launcher(gate.table, gate.project, self._launcher)
        comparison = gate.own
        saved = next((check.saved for check in gate.checks if check.saved is not None), None)
        if saved is not None and saved.environment is not None:
            # Whoever turns out to be on another machine is refused before a step is taken.
            environment = saved.environment.model_copy(update={"load_average": None, "commit": None})
            comparison = comparison.model_copy(update={"environment": environment})
        try:
            self._take(0, comparison, here)
        except OtherMachineError as error:
            name = gate.table.baseline.record if gate.table.baseline is not None else "the baseline"
            raise UsageError(
                f"{name} is of another machine: {', '.join(error.differences)}.",
                "Times of two machines are never compared; --against REVISION compares two revisions on this one.",
            ) from error
        self._refuse_what_cannot_be()

    def _take_revision(self, repository: Repository) -> None:
        gate = self._gate
        place = next(number for number, check in enumerate(gate.checks) if check.kind == "revision")
        folders = gate.table.python_path or (".", "src")
        before = repository.state()
        try:
            with repository.worktree(gate.revision, folders, gate.table.prepare) as old:
                new = repository.working_tree(folders)
                _check_that_they_differ([old, new], gate.table.model)
                comparison = gate.of_two_trees(old.revision, new.revision, old.name, new.name)
                number = len(self.record.comparisons)
                self._answer(place, comparison=number, subject=new.name, other=old.name)
                self.update(comparisons=(*self.record.comparisons, comparison))
                launchers = {tree.name: self._launcher(tree) for tree in (old, new)}
                self._take(number, comparison, _ByName(launchers))
        except MeasurementError as error:
            self._answer(place, trouble=error.message.rstrip("."), hint=error.hint)
        if repository.state() != before:
            self.update(notes=(*self.record.notes, Note(code="changed")))

    def _take(self, number: int, comparison: ComparisonRecord, launcher: Launcher) -> None:
        """Take a comparison's launches; an interruption goes on to whoever called."""

        def save(grown: ComparisonRecord) -> None:
            comparisons = [*self.record.comparisons]
            comparisons[number] = grown
            self.update(comparisons=tuple(comparisons))

        checks = [check for check in self.record.checks if check.comparison == number]
        referee = Referee(
            comparison,
            launcher,
            self._progress,
            save,
            is_enough=lambda grown: _is_decided(checks, grown, self.record.plan),
        )
        outcome = referee.run()
        if isinstance(outcome.error, KeyboardInterrupt):
            raise KeyboardInterrupt

    def _refuse_what_cannot_be(self) -> None:
        """Where nothing could be built because the configuration asks for what cannot be, the input was bad."""
        own = self.record.comparisons[0]
        if own.launches or not own.failures or any(failure.kind != "not applicable" for failure in own.failures):
            return
        failure = own.failures[0]
        of_users_model = own.contestants[0 if failure.of_baseline else failure.contestant].name != "yardstick"
        if not (of_users_model and self._gate.table.model is not None):
            raise UsageError(failure.detail, failure.hint)

    def _answer(self, place: int, **changes: object) -> None:
        checks = [*self.record.checks]
        checks[place] = checks[place].model_copy(update=changes)
        self.update(checks=tuple(checks))

    def update(self, **changes: object) -> None:
        """Change the record, and save it; a disk that is full costs nothing that has been measured."""
        seconds = time.monotonic() - self._start
        self.record = self.record.model_copy(update={**changes, "measuring_seconds": seconds})
        try:
            self._save(self.record)
            self.unwritten = None
        except PacoProfError as error:
            self.unwritten = error


def _check_that_they_differ(trees: Sequence[Tree], model: str | None) -> None:
    """Find out whether there is anything in the trees that would be measured.

    Raises:
        UsageError: both sides would run the same code, from wherever it is installed.
    """
    module = "paco_prof" if model is None else model.partition(":")[0]
    if not any(tree.holds(module) for tree in trees):
        what = "paco_prof itself is not in it" if model is None else f"there is no module {module}"
        raise UsageError(
            f"--against would run the same code twice: {what}.",
            "Name the model of your project: model = 'module:factory', and python_path where it is in a folder.",
        )
    for tree in trees:
        tree.check_origin(module)


def _is_decided(checks: Sequence[Check], comparison: ComparisonRecord, plan: CheckPlan) -> bool:
    """Whether no further launch could change an answer, or may: between the planned looks nobody looks.

    What failed is no question of noise, and neither is a machine with more threads than cores.
    """
    results = [check_result(check, comparison, plan) for check in checks]
    if all(result.reason == "oversubscribed" or result.verdict == "error" for result in results):
        return True
    rounds = min((len(comparison.launches_of(place)) for place in range(1, len(comparison.contestants))), default=0)
    undecided = [result for result in results if result.verdict == "inconclusive" and result.reason != "oversubscribed"]
    looks_now = plan.first_look == rounds or all(result.test is None for result in results)
    return looks_now and not undecided

"""Runs a gate: what has to be measured, in launches, until every check is decided or the planned looks are over.

Never exits, never prints. Whatever ends it early, the record holds what had been measured until then.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from paco_prof import __version__
from paco_prof.analysis.gate import check_result
from paco_prof.errors import MeasurementError, OtherMachineError, PacoProfError, UsageError
from paco_prof.gate.imports import OWN_MODULE, check_imports
from paco_prof.gate.plan import GatePlan
from paco_prof.gate.table import CheckTable
from paco_prof.gate.trees import WORKING_TREE, Repository, Tree
from paco_prof.measure.interrupts import terminations_interrupt
from paco_prof.measure.progress import Progress
from paco_prof.measure.referee import Referee
from paco_prof.measure.worker_handle import Launcher, WorkerHandle
from paco_prof.measure.worker_process import ProcessLauncher
from paco_prof.records import YARDSTICK, Check, CheckPlan, CheckRecord, ComparisonRecord, Contestant, Note

__all__ = ["GateOutcome", "launcher_in", "own_launcher", "refuse_what_cannot_be", "run_gate"]


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
    """Starts processes that work in a tree, and import from it first; they leave nothing in the user's own."""
    variables = {"PYTHONDONTWRITEBYTECODE": "1"} if tree.name == WORKING_TREE else {}
    return ProcessLauncher(python_path=tree.python_path, folder=tree.folder, variables=variables)


def own_launcher(table: CheckTable, folder: Path, launcher: Callable[[Tree], Launcher] = launcher_in) -> Launcher:
    """Starts processes in the working tree of a configuration, or, where there is none, in a folder."""
    project = table.root or folder
    tree = Tree(WORKING_TREE, project, project, "", table.import_folders(project))
    # Only for code that is there: any other file of that folder could stand in a library's place.
    is_code_there = table.model is not None or tree.holds(OWN_MODULE)
    return launcher(tree if is_code_there else replace(tree, python_path=()))


def refuse_what_cannot_be(comparison: ComparisonRecord, table: CheckTable) -> None:
    """Where nothing could be built because the configuration asks for what cannot be, the input was bad.

    Raises:
        UsageError: that is so. What a model of the user's own says is none of it: their code has failed.
    """
    failures = comparison.failures
    if comparison.launches or not failures or any(failure.kind != "not applicable" for failure in failures):
        return
    name = comparison.contestants[0 if failures[0].of_baseline else failures[0].contestant].name
    if table.model is None or name == YARDSTICK:
        raise UsageError(failures[0].detail, failures[0].hint)


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
        repository = _repository(gate)
        with contextlib.ExitStack() as until_the_end:
            before = _state(repository)
            # What is wrong with a revision is found out first: it must not cost the time of all other checks.
            trees = None
            if repository is not None and gate.revision:
                trees = self._trees(repository, until_the_end)
            if gate.own is not None:
                self._take_own()
            if trees is not None:
                self._take_revision(*trees)
            if _state(repository) != before:
                self.note("changed")

    def _trees(self, repository: Repository, until_the_end: contextlib.ExitStack) -> tuple[Tree, Tree] | None:
        """The revision and the working tree; None where one of them cannot be measured, which its check says then."""
        gate, measured = self._gate, self._gate.subject.workload
        folders = gate.table.folders
        try:
            old = until_the_end.enter_context(repository.worktree(gate.revision, folders, gate.table.prepare))
            new = repository.working_tree(folders)
            check_imports((old, new), measured.model, [measured.step, *dict(measured.replace).values()])
        except MeasurementError as error:
            self._answer(self._place_of_revision, trouble=error.message.rstrip("."), hint=error.hint)
            return None
        return old, new

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
        refuse_what_cannot_be(self.record.comparisons[0], gate.table)

    def _take_revision(self, old: Tree, new: Tree) -> None:
        if old.revision == new.revision:
            self.note("same revision")
        comparison = self._gate.of_two_trees(old.revision, new.revision, old.name, new.name)
        number = len(self.record.comparisons)
        # In this order: a check whose comparison is not there would make a record that nobody can read.
        self.update(comparisons=(*self.record.comparisons, comparison))
        self._answer(self._place_of_revision, comparison=number, subject=new.name, other=old.name)
        launchers = {tree.name: self._launcher(tree) for tree in (old, new)}
        self._take(number, comparison, _ByName(launchers))

    @property
    def _place_of_revision(self) -> int:
        return next(number for number, check in enumerate(self.record.checks) if check.kind == "revision")

    def _take(self, number: int, comparison: ComparisonRecord, launcher: Launcher) -> None:
        """Take a comparison's launches; an interruption goes on to whoever called."""

        def save(grown: ComparisonRecord) -> None:
            comparisons = [*self.record.comparisons]
            comparisons[number] = _of_the_new_tree(grown)
            self.update(comparisons=tuple(comparisons))

        checks = [check for check in self.record.checks if check.comparison == number]
        referee = Referee(
            comparison,
            launcher,
            self._progress,
            save,
            is_enough=_Looks(checks, self.record.plan).are_over,
        )
        outcome = referee.run()
        if isinstance(outcome.error, KeyboardInterrupt):
            raise KeyboardInterrupt

    def note(self, code: str) -> None:
        """Something that a reader of the verdicts has to know."""
        self.update(notes=(*self.record.notes, Note(code=code)))

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


def _of_the_new_tree(comparison: ComparisonRecord) -> ComparisonRecord:
    """The first process says where it ran, and at which commit; that of two trees is the one that is checked."""
    environment, revision = comparison.environment, comparison.contestants[1].revision
    if environment is None or revision is None:
        return comparison
    return comparison.model_copy(update={"environment": environment.model_copy(update={"commit": revision})})


def _repository(gate: GatePlan) -> Repository | None:
    """The project's repository; None where it is in none, and none is needed.

    Raises:
        UsageError: a revision is asked for, and it is in none.
    """
    if gate.revision:
        return Repository(gate.project)
    with contextlib.suppress(UsageError):
        return Repository(gate.project)
    return None


def _state(repository: Repository | None) -> str:
    """See `Repository.state`; nothing where it cannot be told."""
    if repository is not None:
        with contextlib.suppress(MeasurementError):
            return repository.state()
    return ""


class _Looks:
    """Decides whether a comparison has said enough, at the planned looks and at no other time.

    Args:
        checks: that it answers.
        plan: when to look.
    """

    def __init__(self, checks: Sequence[Check], plan: CheckPlan) -> None:
        self._checks = checks
        self._plan = plan
        self._has_looked = False

    def are_over(self, comparison: ComparisonRecord) -> bool:
        """Asked after every round. What failed is no question of noise, and neither is a machine with more threads than
        cores: these are seen at once.
        """
        results = [check_result(check, comparison, self._plan) for check in self._checks]
        if all(result.reason == "oversubscribed" or result.verdict == "error" for result in results):
            return True
        if all(result.test is None for result in results):
            return True
        others = range(1, len(comparison.contestants))
        rounds = min(len(comparison.launches_of(place)) for place in others)
        if self._has_looked or rounds != self._plan.first_look:
            return False
        self._has_looked = True
        return all(result.verdict != "inconclusive" or result.reason == "oversubscribed" for result in results)

"""Whole gates on played processes: what is measured, when it is looked at, and what becomes of what fails."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from builders import CPU, RESNET50
from gate_project import GateProject
from paco_prof.analysis.gate import GateView, gate_view
from paco_prof.errors import UsageError
from paco_prof.gate.budgets import parse_budget
from paco_prof.gate.plan import baseline_comparison, plan_gate
from paco_prof.gate.run import GateOutcome, run_gate
from paco_prof.gate.table import Against, Baseline, CheckTable
from paco_prof.measure.referee import Referee
from paco_prof.records import CheckRecord, FailureKind
from paco_prof.store import write_record
from played import Players, Silent, steady

MODEL = {"model": "parts_model:PartsModel", "variant": "baseline"}
AGAINST = Against("before", 0.03)


@pytest.fixture
def project(tmp_path: Path) -> GateProject:
    # Nothing of it runs, and it takes no time to import.
    project = GateProject(tmp_path / "project", source="PASSES = 20\n")
    project.git("branch", "before")
    return project


def take(project: GateProject, table: dict[str, Any], players: Players, **options: Any) -> GateOutcome:
    """Run a gate; its worktree is gone afterwards, and every process closed."""
    gate = plan_gate(CheckTable(root=project.folder, file="pyproject.toml", **table), project.folder, **options)
    saved: list[CheckRecord] = []
    outcome = run_gate(gate, Silent(), saved.append, ("paco-prof", "check"), players.launcher)
    assert all(worker.closed for worker in players.workers)
    assert project.git("worktree", "list").count("\n") == 0
    assert saved[-1] == outcome.record
    return outcome


def view_of(project: GateProject, table: dict[str, Any], players: Players, **options: Any) -> GateView:
    return gate_view(take(project, table, players, **options).record)


def test_an_equal_revision_passes_at_the_first_look(project: GateProject) -> None:
    players = Players(steady())
    outcome = take(project, {**MODEL, "against": AGAINST}, players)
    assert outcome.error is None
    record = outcome.record
    assert (gate_view(record).verdict, record.status) == ("pass", "complete")
    (comparison,) = record.comparisons
    assert [contestant.name for contestant in comparison.contestants] == ["before", "working tree"]
    assert [contestant.revision for contestant in comparison.contestants] == [project.git("rev-parse", "HEAD")[:12]] * 2
    assert len(comparison.launches) == 8
    assert {(worker.tree, worker.contestant.name) for worker in players.workers} == {
        ("before", "before"),
        ("working tree", "working tree"),
    }


@pytest.mark.parametrize("by", [0.05, 0.10])
def test_a_slower_working_tree_fails(project: GateProject, by: float) -> None:
    (result,) = view_of(project, {**MODEL, "against": AGAINST}, Players(steady(by))).results
    assert result.verdict == "fail"
    assert result.explanation is not None


def test_a_stage_that_became_slower_is_named(project: GateProject) -> None:
    even = steady()

    def seconds(tree: str, name: str, is_first: bool) -> dict[str, float]:
        stages = even(tree, name, is_first)
        return {**stages, "part_sampling": stages["part_sampling"] * (1.5 if name == "working tree" else 1.0)}

    (result,) = view_of(project, {**MODEL, "against": AGAINST}, Players(seconds)).results
    assert result.verdict == "fail"
    assert result.explanation is not None
    assert result.explanation.path == "part_sampling"


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("advantage", [0.1, -0.1])
def test_a_bias_of_the_position_is_no_regression(project: GateProject, advantage: float, seed: int) -> None:
    """Whoever goes first is faster, or slower, by a tenth."""
    even = steady(seed=seed)

    def seconds(tree: str, name: str, is_first: bool) -> dict[str, float]:
        return {path: s * (1 - advantage if is_first else 1.0) for path, s in even(tree, name, is_first).items()}

    view = view_of(project, {**MODEL, "against": AGAINST, "seed": seed}, Players(seconds))
    assert view.verdict == "pass"
    test = view.results[0].test
    assert test is not None
    assert abs(test.value) < 0.01


def test_a_bias_of_the_position_hides_no_regression(project: GateProject) -> None:
    slower = steady(0.1)

    def seconds(tree: str, name: str, is_first: bool) -> dict[str, float]:
        return {path: s * (0.9 if is_first else 1.0) for path, s in slower(tree, name, is_first).items()}

    assert view_of(project, {**MODEL, "against": AGAINST}, Players(seconds)).verdict == "fail"


def test_what_the_first_look_cannot_tell_gets_the_second(project: GateProject) -> None:
    """Every other launch is slower by six per cent: eight of them cannot exclude that the step is by three."""
    draw = random.Random(1)
    players = Players(lambda tree, name, is_first: {})

    def seconds(tree: str, name: str, is_first: bool) -> dict[str, float]:
        is_unlucky = len(players.workers) // 2 % 2 and name == "working tree"
        return {"backbone": (0.106 if is_unlucky else 0.1) * draw.lognormvariate(0, 0.003)}

    players.seconds = seconds
    outcome = take(project, {**MODEL, "against": AGAINST}, players)
    assert len(outcome.record.comparisons[0].launches) == 14
    (result,) = gate_view(outcome.record).results
    assert result.test is not None
    assert result.test.level == 0.005


def test_nobody_looks_between_the_looks(project: GateProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate that looked after every launch would stop at any of them."""
    numbers: list[int] = []
    real = Referee.run

    def run(self: Referee) -> Any:
        outcome = real(self)
        numbers.append(len(outcome.record.launches))
        return outcome

    monkeypatch.setattr(Referee, "run", run)
    for seed in range(6):
        take(project, {**MODEL, "against": AGAINST, "seed": seed}, Players(steady(0.02, 0.02, seed)))
    assert set(numbers) <= {8, 14}


@pytest.mark.parametrize("launches", [1, 3, 6])
def test_few_launches_are_inconclusive_and_are_let_pass_where_that_was_asked_for(
    project: GateProject, launches: int
) -> None:
    table = {**MODEL, "against": AGAINST, "launches": launches}
    view = view_of(project, table, Players(steady(0.5)))
    assert (view.verdict, view.results[0].reason, view.inconclusive_ok) == ("inconclusive", "few launches", False)
    assert view_of(project, table, Players(steady(0.5)), inconclusive_ok=True).inconclusive_ok


def test_more_threads_than_cores_end_the_gate_after_one_launch(project: GateProject) -> None:
    players = Players(steady(0.5), CPU.model_copy(update={"threads": 8}))
    view = view_of(project, {**MODEL, "against": AGAINST, "threads": 8}, players)
    assert (view.verdict, view.results[0].reason) == ("inconclusive", "oversubscribed")
    assert len(players.workers) == 2


@pytest.mark.parametrize("tree", ["before", "working tree"])
@pytest.mark.parametrize(
    ("kind", "what"),
    [("raised", "start"), ("not applicable", "start"), ("died", "step"), ("hung", "step"), ("raised", "step")],
)
def test_a_side_that_fails_is_an_error(project: GateProject, tree: str, kind: FailureKind, what: str) -> None:
    players = Players(
        steady(), trouble=lambda where, name, asked, steps: kind if (where, asked) == (tree, what) else None
    )
    view = view_of(project, {**MODEL, "against": AGAINST}, players)
    (result,) = view.results
    assert (result.verdict, result.reason) == ("error", "failed")
    assert f"{tree}: {kind}" in result.detail
    # There is nothing left that launches could tell.
    assert len(players.workers) == 2


def test_a_crash_late_in_the_run_is_an_error_too(project: GateProject) -> None:
    players = Players(steady())

    def trouble(tree: str, name: str, what: str, steps: int) -> FailureKind | None:
        return "died" if len(players.workers) == 12 and what == "step" and steps == 4 else None

    players.trouble = trouble
    outcome = take(project, {**MODEL, "against": AGAINST}, players)
    assert gate_view(outcome.record).verdict == "error"
    assert len([launch for launch in outcome.record.comparisons[0].launches if launch.is_complete]) == 5


def test_a_revision_that_cannot_be_made_ready_is_an_error(project: GateProject) -> None:
    players = Players(steady())
    view = view_of(project, {**MODEL, "against": AGAINST, "prepare": "exit 7"}, players)
    (result,) = view.results
    assert (result.verdict, result.reason) == ("error", "trouble")
    assert "exit code 7" in result.detail
    assert players.workers == []


def test_a_revision_that_is_not_there_is_found_out_before_anything_is_measured(project: GateProject) -> None:
    players = Players(steady())
    table = {**MODEL, "against": Against("nowhere", 0.03), "budgets": (parse_budget("loss <= 50 %"),)}
    with pytest.raises(UsageError, match="There is no revision 'nowhere'"):
        take(project, table, players)
    assert players.workers == []


def test_a_dirty_working_tree_is_what_is_measured(project: GateProject) -> None:
    project.write("parts_model.py", "PASSES = 3\n")
    outcome = take(project, {**MODEL, "against": AGAINST}, Players(steady()))
    commit = project.git("rev-parse", "HEAD")[:12]
    assert [one.revision for one in outcome.record.comparisons[0].contestants] == [commit, f"{commit}+"]
    assert gate_view(outcome.record).verdict == "pass"
    assert (project.folder / "parts_model.py").read_text() == "PASSES = 3\n"


def test_a_working_tree_that_is_edited_meanwhile_is_inconclusive(project: GateProject) -> None:
    even = steady()

    def seconds(tree: str, name: str, is_first: bool) -> dict[str, float]:
        project.write("parts_model.py", "PASSES = 4\n")
        return even(tree, name, is_first)

    view = view_of(project, {**MODEL, "against": AGAINST}, Players(seconds))
    assert (view.verdict, view.results[0].reason) == ("inconclusive", "changed")


def test_code_that_is_in_neither_tree_would_be_the_same_on_both_sides(project: GateProject) -> None:
    with pytest.raises(UsageError, match="would run the same code twice: paco_prof itself is not in it"):
        take(project, {"against": AGAINST}, Players(steady()))
    with pytest.raises(UsageError, match="would run the same code twice: there is no module other_model"):
        take(project, {**MODEL, "model": "other_model:build", "against": AGAINST}, Players(steady()))


@pytest.mark.parametrize(
    "own",
    [{"step": "other_step:losses"}, {"replace": {"neck": "other_step:Fast"}, "variant": "drop-in"}],
    ids=["step", "drop-in"],
)
def test_steps_and_drop_ins_are_looked_for_in_both_trees(project: GateProject, own: dict[str, Any]) -> None:
    project.write("other_step.py", "")
    players = Players(steady())
    (result,) = view_of(project, {**MODEL, **own, "against": AGAINST}, players).results
    assert (result.verdict, result.detail) == ("error", "before has no module other_step")
    assert players.workers == []


def test_ctrl_c_keeps_the_launches_and_puts_the_worktree_away(project: GateProject) -> None:
    players = Players(steady())

    def trouble(tree: str, name: str, what: str, steps: int) -> None:
        if len(players.workers) == 6 and what == "step":
            raise KeyboardInterrupt

    players.trouble = trouble
    outcome = take(project, {**MODEL, "against": AGAINST}, players)
    assert isinstance(outcome.error, KeyboardInterrupt)
    assert outcome.record.status == "interrupted"
    assert len(outcome.record.comparisons[0].launches) == 2
    assert gate_view(outcome.record).verdict == "inconclusive"


BUDGETS = ("loss <= 12 %", "paco-tax <= 40 %", "exact over baseline >= 2x", "memory <= 3 GB", "fidelity")


def test_budgets_of_one_tree_share_their_launches(project: GateProject) -> None:
    players = Players(steady())
    outcome = take(project, {"budgets": tuple(map(parse_budget, BUDGETS))}, players)
    view = gate_view(outcome.record)
    assert [result.verdict for result in view.results] == ["pass"] * 5, view.results
    (comparison,) = outcome.record.comparisons
    assert [contestant.name for contestant in comparison.contestants] == ["exact", "yardstick", "baseline"]
    assert len(comparison.launches_of(1)) == len(comparison.launches_of(2)) == 8


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("loss <= 8 %", "fail"),
        ("paco-tax <= 20 %", "fail"),
        ("exact over baseline >= 3x", "fail"),
        ("memory <= 1 GB", "fail"),
        ("unattributed <= 2 %", "pass"),
        ("stage blur <= 2 %", "error"),
    ],
)
def test_a_budget_that_is_exceeded_fails_the_gate(project: GateProject, text: str, verdict: str) -> None:
    table = {"budgets": (*map(parse_budget, BUDGETS[:1]), parse_budget(text).__class__(**vars_of(text)))}
    if text.startswith("loss"):
        table = {"budgets": (parse_budget(text),)}
    assert view_of(project, table, Players(steady())).verdict == verdict


def vars_of(text: str) -> dict[str, Any]:
    budget = parse_budget(text)
    return {name: getattr(budget, name) for name in budget.__dataclass_fields__}


def test_fidelity_alone_takes_one_launch(project: GateProject) -> None:
    players = Players(steady())
    assert view_of(project, {"budgets": (parse_budget("fidelity"),)}, players).verdict == "pass"
    assert len(players.workers) == 2


def test_what_cannot_be_built_because_of_the_configuration_is_bad_input(project: GateProject) -> None:
    players = Players(steady(), trouble=lambda tree, name, what, steps: "not applicable" if what == "start" else None)
    with pytest.raises(UsageError, match="is not applicable"):
        take(project, {"budgets": (parse_budget("loss <= 10 %"),)}, players)


def save_baseline(project: GateProject, players: Players, **table: Any) -> Baseline:
    """A baseline of the project's own, by the same processes."""
    settings = CheckTable(root=project.folder, **table)
    comparison = baseline_comparison(settings, project.folder)
    from paco_prof.gate.run import own_launcher

    launcher = own_launcher(settings, project.folder, players.launcher)
    path = project.folder / "baseline.json"
    write_record(path, Referee(comparison, launcher, Silent(), lambda record: None).run().record)
    return Baseline("baseline.json", path, 0.03)


def test_beside_a_saved_baseline_nothing_else_is_measured_than_for_budgets(project: GateProject) -> None:
    baseline = save_baseline(project, Players(steady()))
    players = Players(steady(seed=1))
    outcome = take(project, {"baseline": baseline, "budgets": (parse_budget("loss <= 12 %"),)}, players)
    assert [result.verdict for result in gate_view(outcome.record).results] == ["pass", "pass"]
    assert len(outcome.record.comparisons) == 1


@pytest.mark.parametrize(("by", "verdict"), [(0.0, "pass"), (0.1, "fail"), (-0.1, "pass")])
@pytest.mark.parametrize("pace", [1.0, 1.4])
def test_a_slower_step_than_the_saved_one_fails_and_a_slower_machine_does_not(
    project: GateProject, by: float, verdict: str, pace: float
) -> None:
    baseline = save_baseline(project, Players(steady()))
    even = steady(seed=1)

    def seconds(tree: str, name: str, is_first: bool) -> dict[str, float]:
        factor = pace * (1 + by if name == "exact" else 1.0)
        return {path: factor * s for path, s in even(tree, name, is_first).items()}

    before = baseline.path.read_bytes()
    (result,) = view_of(project, {"baseline": baseline}, Players(seconds)).results
    assert result.verdict == verdict
    assert result.improved == (by < 0)
    # An improvement never moves the baseline by itself.
    assert baseline.path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cores": 64}, "cores 64 here and 2 there"),
        ({"processor": "Another"}, "processor Another here and AMD EPYC 7B13 there"),
        ({"versions": {**CPU.versions, "torch": "3.0"}}, "torch 3.0 here and 2.13.0+cpu there"),
        ({"flags": {}}, "OMP_NUM_THREADS None here and 2 there"),
        ({"accelerator": "NVIDIA H200"}, "accelerator NVIDIA H200 here and None there"),
    ],
)
def test_a_baseline_of_another_machine_is_refused_and_says_in_what(
    project: GateProject, change: dict[str, Any], words: str
) -> None:
    baseline = save_baseline(project, Players(steady()))
    players = Players(steady(), CPU.model_copy(update=change))
    with pytest.raises(UsageError, match="is of another machine") as told:
        take(project, {"baseline": baseline}, players)
    assert words in str(told.value)
    assert "--against" in str(told.value)
    assert all(worker.num_steps == 0 for worker in players.workers)


def test_load_and_commit_are_no_part_of_a_machine(project: GateProject) -> None:
    baseline = save_baseline(project, Players(steady()))
    later = CPU.model_copy(update={"load_average": 17.0, "commit": "f" * 12})
    assert view_of(project, {"baseline": baseline}, Players(steady(seed=1), later)).verdict == "pass"


def test_a_baseline_of_something_else_is_refused(project: GateProject) -> None:
    baseline = save_baseline(project, Players(steady()))
    with pytest.raises(UsageError, match=r"measures something else: .* there"):
        take(project, {"baseline": baseline, "set": {"batch_size": 2}}, Players(steady()))
    with pytest.raises(UsageError, match="measures something else: model is None there"):
        take(project, {**MODEL, "baseline": baseline}, Players(steady()))


def test_a_disk_that_is_full_costs_no_verdict(project: GateProject) -> None:
    gate = plan_gate(CheckTable(root=project.folder, against=AGAINST, **MODEL), project.folder)

    def save(record: CheckRecord) -> None:
        raise UsageError("check.json cannot be written: No space left on device.")

    outcome = run_gate(gate, Silent(), save, (), Players(steady()).launcher)
    assert isinstance(outcome.error, UsageError)
    assert gate_view(outcome.record).verdict == "pass"


def test_a_gate_that_is_killed_at_any_moment_leaves_a_record_that_can_be_read(project: GateProject) -> None:
    table = {**MODEL, "against": AGAINST, "budgets": (parse_budget("loss <= 50 %"),), "launches": 2}
    gate = plan_gate(CheckTable(root=project.folder, file="pyproject.toml", **table), project.folder)
    saved: list[str] = []
    run_gate(gate, Silent(), lambda record: saved.append(record.model_dump_json()), (), Players(steady()).launcher)
    records = [CheckRecord.model_validate_json(text) for text in saved]
    assert [len(record.comparisons) for record in records] == sorted(len(record.comparisons) for record in records)
    # A check is answered by nothing as long as nothing answers it.
    assert all(gate_view(record).verdict == "error" for record in records[:2])
    assert records[-1].status == "complete"


def test_where_modules_are_to_be_looked_for_nowhere_they_are_not_found(project: GateProject) -> None:
    with pytest.raises(UsageError, match="would run the same code twice: there is no module parts_model"):
        take(project, {**MODEL, "against": AGAINST, "python_path": ()}, Players(steady()))


def test_the_record_of_a_gate_is_read_back_as_it_was(project: GateProject, tmp_path: Path) -> None:
    from paco_prof.store import read_record

    baseline = save_baseline(project, Players(steady()))
    table = {"baseline": baseline, "budgets": (parse_budget("loss <= 12 %"),)}
    outcome = take(project, table, Players(steady(seed=1)))
    write_record(tmp_path / "check.json", outcome.record)
    back = read_record(tmp_path / "check.json")
    assert back == outcome.record
    assert str(project.folder) not in (tmp_path / "check.json").read_text()
    assert RESNET50.backbone in (tmp_path / "check.json").read_text()

"""`paco-prof baseline save`: what is saved, what is not, and what a check says of it. The processes are played."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from builders import CPU
from gate_project import GateProject
from paco_prof import __version__
from paco_prof.cli.app import run
from paco_prof.records import ComparisonRecord, Environment, FailureKind
from paco_prof.store import read_kind
from played import Players, StageSeconds, steady

SAVE = ["baseline", "save", "baseline.json"]
CHECK = ["check", "--baseline", "baseline.json", "--quiet"]

Capture = pytest.CaptureFixture[str]


def saved(path: str = "baseline.json") -> ComparisonRecord:
    return read_kind(Path(path), ComparisonRecord)


def scaled(by: float, seed: int = 1) -> StageSeconds:
    """Every stage of the step that is checked takes so many times as long."""
    even = steady(seed=seed)

    def seconds(tree: str, name: str, is_first: bool) -> dict[str, float]:
        factor = by if name == "exact" else 1.0
        return {path: factor * s for path, s in even(tree, name, is_first).items()}

    return seconds


def test_the_step_beside_the_yardstick_is_saved(players: Players, capsys: Capture) -> None:
    assert run(SAVE) == 0
    record = saved()
    assert (record.status, record.tool_version) == ("complete", __version__)
    assert [contestant.name for contestant in record.contestants] == ["exact", "yardstick"]
    # All launches, since nobody looks at them before they are needed.
    assert len(record.launches_of(1)) == 14
    captured = capsys.readouterr()
    assert captured.err == "Wrote baseline.json.\n"
    assert "yardstick" in captured.out
    assert max(map(len, captured.out.splitlines())) <= 80


def test_options_arrive(players: Players, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/home/jane/paco-prof", *SAVE[:2], "/home/jane/baseline.json"])
    options = "--variant optimized --set batch_size=2 --launches 9 --max-minutes 2 --timeout 7 --threads 2 --seed 5"
    assert run([*SAVE, *options.split(), "--quiet", "--device", "cpu"]) == 0
    record = saved()
    w, plan = record.baseline.workload, record.plan
    assert (record.baseline.name, w.batch_size, w.threads, w.seed, w.device) == ("optimized", 2, 2, 5, "cpu")
    assert (plan.launches, plan.max_seconds, plan.timeout, plan.seed) == (9, 120.0, 7.0, 5)
    assert record.command == ("paco-prof", "baseline", "save", "baseline.json")


def test_the_configuration_says_what_is_measured(
    players: Players, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = GateProject(tmp_path / "project")
    monkeypatch.chdir(project.folder)
    assert run([*SAVE, "--quiet"]) == 0
    assert saved().baseline.workload.model == "parts_model:PartsModel"
    assert str(project.folder) not in Path("baseline.json").read_text()


def test_a_baseline_is_replaced(players: Players) -> None:
    assert run([*SAVE, "--quiet"]) == 0
    before = saved()
    players.seconds = scaled(2.0)
    assert run([*SAVE, "--quiet"]) == 0
    assert saved() != before
    assert [path.name for path in Path().iterdir()] == ["baseline.json"]


@pytest.mark.parametrize("there_before", [False, True])
@pytest.mark.parametrize(
    ("kind", "what", "environment", "options", "code", "message"),
    [
        ("died", "step", CPU, [], 4, "baseline.json was not written: exact: died at its step: working tree is died."),
        ("raised", "start", CPU, [], 4, "baseline.json was not written: exact: raised at its start"),
        (
            None,
            "",
            CPU.model_copy(update={"threads": 8}),
            [],
            4,
            "baseline.json was not written: a step uses 8 threads on 2 cores.",
        ),
        ("interrupt", "step", CPU, [], 130, "Interrupted; baseline.json was not written."),
        (None, "", CPU, ["--launches", "6"], 2, "--launches '6'"),
        (None, "", CPU, ["--variant", "nothing"], 2, "There is no variant 'nothing'."),
    ],
)
def test_what_is_no_baseline_is_not_written(
    players: Players,
    there_before: bool,
    kind: FailureKind | None,
    what: str,
    environment: Environment,
    options: list[str],
    code: int,
    message: str,
    capsys: Capture,
) -> None:
    if there_before:
        Path("baseline.json").write_text("{}\n")

    def trouble(tree: str, name: str, asked: str, steps: int) -> FailureKind | None:
        if (name, asked) != ("exact", what) or len(players.workers) < 8:
            return None
        if kind == "interrupt":
            raise KeyboardInterrupt
        return kind

    players.trouble, players.environment = trouble, environment
    if what == "start":
        players.trouble = lambda tree, name, asked, steps: "raised" if (name, asked) == ("exact", what) else None
    assert run([*SAVE, *options]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith(f"paco-prof: {message}")
    found = {path.name: path.read_text() for path in Path().iterdir()}
    assert found == ({"baseline.json": "{}\n"} if there_before else {})


def test_fewer_launches_than_a_verdict_needs_are_no_baseline(players: Players, capsys: Capture) -> None:
    """Every launch takes a quarter of the time that there is for all of them."""
    Path("baseline.json").write_text("{}\n")

    def trouble(tree: str, name: str, what: str, steps: int) -> None:
        if (name, what) == ("exact", "start"):
            time.sleep(0.15)

    players.trouble = trouble
    assert run([*SAVE, "--max-minutes", "0.01"]) == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith("paco-prof: baseline.json was not written: there was time for ")
    assert captured.err.endswith(" launches, and a verdict needs 7.\n")
    assert Path("baseline.json").read_text() == "{}\n"


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 2, "working tree is not applicable"),
        # What somebody's own model says, their code has failed at.
        (["--model", "parts_model:PartsModel"], 4, "baseline.json was not written: baseline: not applicable at its"),
    ],
)
def test_what_cannot_be_done_here_is_bad_input(
    players: Players, options: list[str], code: int, message: str, capsys: Capture
) -> None:
    players.trouble = lambda tree, name, what, steps: "not applicable" if what == "start" else None
    assert run([*SAVE, *options]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith(f"paco-prof: {message}")
    assert list(Path().iterdir()) == []


def test_a_file_that_cannot_be_written_is_found_out_before(players: Players, capsys: Capture) -> None:
    assert run(["baseline", "save", "nowhere/baseline.json"]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert players.num_steps == 0


def test_what_was_saved_is_kept_by_the_same_step(players: Players) -> None:
    assert run([*SAVE, "--quiet"]) == 0
    players.seconds = steady(seed=1)
    assert run(CHECK) == 0


@pytest.mark.parametrize("by", [1.05, 1.1])
def test_a_slower_step_fails(players: Players, by: float) -> None:
    assert run([*SAVE, "--quiet"]) == 0
    players.seconds = scaled(by)
    assert run(CHECK) == 1


def test_an_improvement_is_told_and_moves_no_baseline(
    players: Players, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run([*SAVE, "--quiet"]) == 0
    path = Path("baseline.json")
    before = path.read_bytes(), path.stat().st_mtime_ns
    players.seconds = scaled(0.9)
    assert run(CHECK[:3]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "pass, faster" in told
    assert "paco-prof baseline save makes it the new baseline." in told
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert run([*CHECK, "--output", "check.json"]) == 0
    assert "::notice" in capsys.readouterr().out
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_a_baseline_that_was_cut_short_is_refused(players: Players, capsys: Capture) -> None:
    assert run([*SAVE, "--quiet"]) == 0
    data = json.loads(Path("baseline.json").read_text())
    Path("baseline.json").write_text(json.dumps({**data, "launches": data["launches"][:6]}))
    players.num_steps = 0
    assert run(CHECK) == 2
    assert "baseline.json has 6 launches; a verdict needs 7." in capsys.readouterr().err
    assert players.num_steps == 0


@pytest.mark.parametrize(
    ("saved_with", "checked_with", "message"),
    [
        (["--variant", "optimized"], [], "measures something else: "),
        (["--set", "batch_size=2"], [], "measures something else: batch_size is 2 there."),
        (["--seed", "3"], [], "measures something else: seed is 3 there."),
        ([], ["--model", "parts_model:PartsModel"], "measures something else: model is None there."),
    ],
)
def test_a_baseline_of_another_step_is_refused(
    players: Players, saved_with: list[str], checked_with: list[str], message: str, capsys: Capture
) -> None:
    assert run([*SAVE, *saved_with, "--quiet"]) == 0
    players.num_steps = 0
    assert run([*CHECK, *checked_with]) == 2
    told = capsys.readouterr().err
    assert f"baseline.json {message}" in told
    assert "paco-prof baseline save baseline.json makes one." in told
    assert players.num_steps == 0

"""`paco-prof check` from its arguments to its exit code, with processes that are played."""

from __future__ import annotations

import json
import shutil
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from builders import CPU, EXAMPLES
from gate_project import GateProject
from paco_prof.cli.app import run
from paco_prof.records import CheckRecord, FailureKind
from paco_prof.store import read_kind
from played import Players, steady

# A step of a gate that is played: its loss has 10 %, a plain step is faster by a quarter, memory has 2 GB.
KEPT = ("--budget", "loss <= 12 %")
BROKEN = ("--budget", "loss <= 8 %")
UNKNOWN_STAGE = ("--budget", "stage blur <= 2 %")
ON_THE_EDGE = ("--budget", "paco-tax <= 25 %")
FEW = ("--launches", "3")

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def project(players: Players, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GateProject:
    """A repository with a model of its own; `before` is what the working tree is."""
    project = GateProject(tmp_path / "project", source="# Nothing of it runs.\n")
    project.git("branch", "before")
    monkeypatch.chdir(project.folder)
    return project


def configure(text: str) -> None:
    Path("paco-prof.toml").write_text(text, encoding="utf-8")


def slower_sampling(players: Players) -> None:
    """In the working tree part sampling takes half as long again, which is a tenth of the step."""
    even = steady()

    def seconds(tree: str, name: str, is_first: bool) -> dict[str, float]:
        stages = even(tree, name, is_first)
        return {**stages, "part_sampling": stages["part_sampling"] * (1.5 if name == "working tree" else 1.0)}

    players.seconds = seconds


def crash(tree: str, name: str, what: str, steps: int) -> FailureKind | None:
    return "died" if what == "step" and steps == 2 else None


def record_of(path: str = "check.json") -> CheckRecord:
    return read_kind(Path(path), CheckRecord)


def words(text: str) -> str:
    """A text without its line breaks."""
    return " ".join(text.split())


def refused(arguments: list[str], players: Players, capsys: Capture) -> str:
    """The one line that a command line is refused with before anything is measured."""
    code = run(["check", *arguments])
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("paco-prof: ")
    assert players.num_steps == 0
    return captured.err


# Exit codes


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (KEPT, 0),
        (BROKEN, 1),
        ((), 2),
        ((*KEPT, *FEW), 3),
        ((*KEPT, *FEW, "--inconclusive-ok"), 0),
        (UNKNOWN_STAGE, 4),
        ((*KEPT, *BROKEN[:1], "backbone <= 60 %"), 1),
        # What is surely bad goes before what is not known, and that before what is not known for certain.
        ((*UNKNOWN_STAGE, *BROKEN, *ON_THE_EDGE), 1),
        ((*UNKNOWN_STAGE, *ON_THE_EDGE, *KEPT), 4),
        ((*ON_THE_EDGE, *KEPT), 3),
        ((*ON_THE_EDGE, *BROKEN, "--inconclusive-ok"), 1),
        ((*UNKNOWN_STAGE, *KEPT, "--inconclusive-ok"), 4),
    ],
)
def test_the_exit_code_is_the_worst_of_all_verdicts(players: Players, options: tuple[str, ...], code: int) -> None:
    assert run(["check", *options, "--quiet"]) == code


def test_a_process_that_fails_has_its_exit_code(players: Players, capsys: Capture) -> None:
    players.trouble = crash
    assert run(["check", *KEPT]) == 4
    told = words(capsys.readouterr().out)
    assert "paco-prof check: error" in told
    assert "exact: died at its step: working tree is died." in told


def test_ctrl_c_is_130_with_the_report_and_the_record_of_what_there_is(players: Players, capsys: Capture) -> None:
    def trouble(tree: str, name: str, what: str, steps: int) -> None:
        if len(players.workers) == 6 and what == "step":
            raise KeyboardInterrupt

    players.trouble = trouble
    assert run(["check", *KEPT, "--output", "check.json"]) == 130
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1] == "paco-prof: Interrupted after 2 launches."
    assert "The gate was interrupted" in captured.out
    assert record_of().status == "interrupted"
    assert len(record_of().comparisons[0].launches) == 2


@pytest.mark.parametrize("outputs", [(), ("--json",), ("--plot", "out.svg", "--junit", "j.xml", "--markdown", "a.md")])
def test_ctrl_c_before_the_first_step_is_130_whatever_was_asked_for(players: Players, outputs: tuple[str, ...]) -> None:
    def trouble(tree: str, name: str, what: str, steps: int) -> None:
        raise KeyboardInterrupt

    players.trouble = trouble
    assert run(["check", *KEPT, "--quiet", *outputs]) == 130


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("option", ["--output", "--markdown", "--junit"])
def test_a_disk_that_is_full_costs_neither_report_nor_annotations(
    players: Players, option: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert run(["check", *BROKEN, option, "/dev/full"]) == 2
    captured = capsys.readouterr()
    assert "paco-prof check: fail" in captured.out
    assert "::error" in captured.out
    assert captured.err.splitlines()[-1] == "paco-prof: /dev/full cannot be written: No space left on device."
    assert "Wrote" not in captured.err


@pytest.mark.parametrize("output", ["--plot", "--junit", "--markdown"])
def test_where_nothing_was_measured_there_is_nothing_to_draw_and_the_exit_code_is_the_same(
    players: Players, output: str
) -> None:
    players.trouble = lambda tree, name, what, steps: "raised" if what == "start" else None
    assert run(["check", *KEPT, "--quiet", output, "out.svg"]) == 4
    assert Path("out.svg").exists() == (output != "--plot")


# The report


def test_the_report_fits_a_terminal_and_says_which_stage_it_was(
    project: GateProject, players: Players, capsys: Capture
) -> None:
    slower_sampling(players)
    assert run(["check", "--against", "before"]) == 1
    captured = capsys.readouterr()
    assert max(map(len, captured.out.splitlines())) <= 80
    told = words(captured.out)
    assert "check measured allowed verdict" in told
    assert "against before: the step is 10." in told
    assert "Part Sampling explains" in told
    assert "Before and after: against before" in told
    assert "Exit code 1" in told
    assert captured.err == ""


def test_long_names_fit_as_well(project: GateProject, players: Players, capsys: Capture) -> None:
    branch = "feature/" + "-".join(["a", "very", "long", "name", "of", "a", "branch"] * 3)
    project.git("branch", branch)
    budget = "stage my_own_head_of_the_model/with_a_rather_long_name <= 12.5 %"
    configure('[check]\nmodel = "parts_model:PartsModel"\n')
    assert run(["check", "--against", branch, "--budget", budget]) == 4
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_quiet_prints_nothing_and_writes_all_the_same(players: Players, capsys: Capture) -> None:
    assert run(["check", *KEPT, "--quiet", "--output", "check.json"]) == 0
    assert capsys.readouterr() == ("", "")
    assert record_of().status == "complete"


def test_everything_that_is_written_is_named(players: Players, capsys: Capture) -> None:
    options = ["--output", "check.json", "--markdown", "report.md", "--plot", "out.svg", "--junit", "junit.xml"]
    assert run(["check", *KEPT, *options]) == 0
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [f"Wrote {path}." for path in options[1::2]]
    assert Path("report.md").read_text().startswith("# paco-prof check: pass")
    assert "<svg" in Path("out.svg").read_text()


def test_show_says_the_same_of_the_record(project: GateProject, players: Players, capsys: Capture) -> None:
    slower_sampling(players)
    assert run(["check", "--against", "before", *BROKEN, "--output", "check.json"]) == 1
    there = capsys.readouterr().out
    assert run(["show", "check.json"]) == 0
    assert capsys.readouterr().out == there


def test_the_record_names_no_folder(project: GateProject, players: Players) -> None:
    run(["check", "--against", "before", *BROKEN, "--output", "check.json", "--quiet"])
    assert str(project.folder.parent) not in Path("check.json").read_text()


def test_the_command_in_the_record_names_nobody(players: Players, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/home/jane/paco-prof", "check", *KEPT, "--output=/home/jane/check.json"])
    run(["check", *KEPT, "--quiet", "--output", "check.json"])
    assert record_of().command == ("paco-prof", "check", *KEPT, "--output=check.json")


# For programs


@pytest.mark.parametrize("in_actions", [False, True])
@pytest.mark.parametrize(
    ("options", "verdict", "code"), [(KEPT, "pass", 0), (BROKEN, "fail", 1), ((*KEPT, *FEW), "inconclusive", 3)]
)
def test_json_is_all_that_is_printed(
    players: Players,
    options: tuple[str, ...],
    verdict: str,
    code: int,
    in_actions: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    if in_actions:
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert run(["check", *options, "--json"]) == code
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert (told["verdict"], told["exit_code"]) == (verdict, code)
    (check,) = told["checks"]
    assert (check["name"], check["stage"], check["subject"]) == (
        options[1],
        "loss",
        "exact",
    )
    assert ("::" in captured.err) == (in_actions and code > 0)


def test_json_of_what_failed_is_valid_as_well(players: Players, capsys: Capture) -> None:
    players.trouble = crash
    assert run(["check", *KEPT, "--json", "--output", "check.json"]) == 4
    (check,) = json.loads(capsys.readouterr().out)["checks"]
    assert (check["verdict"], check["reason"], check["value"]) == ("error", "failed", None)


def test_junit_has_a_case_for_each_check(players: Players) -> None:
    code = run(["check", *KEPT, *UNKNOWN_STAGE, *ON_THE_EDGE, "--junit", "junit.xml", "--quiet"])
    assert code == 4
    cases = list(ET.parse("junit.xml").getroot().iter("testcase"))
    assert [case.get("name") for case in cases] == [KEPT[1], UNKNOWN_STAGE[1], ON_THE_EDGE[1]]
    assert [[child.tag for child in case if child.tag != "system-out"] for case in cases] == [[], ["error"], ["error"]]


def test_a_failed_check_is_a_junit_failure_and_what_is_let_pass_is_skipped(players: Players) -> None:
    assert run(["check", *BROKEN, *ON_THE_EDGE, "--junit", "junit.xml", "--quiet", "--inconclusive-ok"]) == 1
    root = ET.parse("junit.xml").getroot()
    assert len(list(root.iter("failure"))) == len(list(root.iter("skipped"))) == 1


@pytest.mark.parametrize(
    ("by", "options", "line"),
    [
        (0.1, (), "::error title=paco-prof check%3A fail::against before: the step is 10."),
        (0.0, FEW, "::warning title=paco-prof check%3A inconclusive::against before: 3 launches"),
        (-0.1, (), "::notice title=paco-prof check%3A faster::against before: the step is 10."),
        (0.0, (), ""),
    ],
)
def test_what_is_not_as_it_should_be_is_annotated_on_github(
    project: GateProject,
    players: Players,
    by: float,
    options: tuple[str, ...],
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    players.seconds = steady(by)
    run(["check", "--against", "before", *options])
    assert "::" not in capsys.readouterr().out
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    run(["check", "--against", "before", *options])
    found = [told for told in capsys.readouterr().out.splitlines() if told.startswith("::")]
    assert len(found) == (1 if line else 0)
    assert all(told.startswith(line) for told in found)


def test_annotations_are_made_where_a_check_is_quiet_too(
    players: Players, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert run(["check", *BROKEN, "--quiet"]) == 1
    assert capsys.readouterr().out.startswith("::error title=paco-prof check%3A fail::loss <= 8 %25: ")


def test_the_step_summary_is_added_to(players: Players, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path("summary.md")
    page.write_text("# Of another step\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page.absolute()))
    run(["check", *KEPT, "--quiet"])
    run(["check", *BROKEN, "--quiet"])
    headings = [line for line in page.read_text().splitlines() if line.startswith("# ")]
    assert headings == ["# Of another step", "# paco-prof check: pass", "# paco-prof check: fail"]


@pytest.mark.parametrize(("options", "code"), [(KEPT, 0), (BROKEN, 1)])
def test_a_summary_that_cannot_be_written_changes_no_exit_code(
    players: Players, options: tuple[str, ...], code: int, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "nowhere/summary.md")
    assert run(["check", *options, "--quiet"]) == code
    assert capsys.readouterr().err == ("paco-prof: the step summary cannot be written: No such file or directory.\n")


# What is asked for


def test_nothing_to_check_is_one_line(players: Players, capsys: Capture) -> None:
    message = refused([], players, capsys)
    assert "There is nothing to check. Say --against REVISION, --baseline FILE or --budget" in message
    configure('[check]\nvariant = "optimized"\n')
    assert "There is nothing to check." in refused([], players, capsys)
    configure('[check]\nbudgets = ["loss <= 10 %"]\n')
    assert "There is nothing to check." in refused(["--only", "revision"], players, capsys)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--budget", "nonsense"], "'nonsense'"),
        (["--budget", "loss < 10 %"], "Write 'loss <= 10 %'."),
        (["--budget", "loss <= 10"], "may mean a share or percent"),
        (["--budget", "exact: loss <= 1 %", "--budget", "loss <= 2 %"], "is about the same as 'exact: loss <= 1 %'"),
        (["--budget", "loss <= 1 %", "--budget", "loss <= 1 %"], "stands twice"),
        ([*KEPT, "--variant", "exactt"], "There is no variant 'exactt'. Did you mean exact"),
        (["--budget", "fidelity of optimised"], "Did you mean optimized"),
        ([*KEPT, "--smallest-effect", "3"], "3 may be a share or percent. Write '3 %'."),
        ([*KEPT, "--smallest-effect", "much"], "'much' is no change that could matter."),
        ([*KEPT, "--smallest-effect", "0"], "not between 0 and 100 %"),
        ([*KEPT, "--set", "nope=1"], "'nope' is not a setting."),
        ([*KEPT, "--set", "d"], "name=value"),
        ([*KEPT, "--set", "d=none"], "dim="),
        ([*KEPT, "--model", "my_models"], "'my_models' is not of the form module:factory."),
        ([*KEPT, "--model", "nets.py:build"], "--model 'nets.py:build': there is no file nets.py."),
        ([*KEPT, "--model", "a:b", "--step", "c"], "--step 'c' is not of the form module:function."),
        ([*KEPT, "--model", "a:b", "--replace", "neck=c"], "--replace neck 'c' is not of the form module:factory."),
        ([*KEPT, "--model", "a:b", "--model-arg", "w=~/x.pth"], "--model-arg w: '~/x.pth' is an absolute path"),
        ([*KEPT, "--model", "a:b", "--replace", "neck=c:d", "--variant", "baseline"], "drop-in is not among what is"),
        ([*KEPT, "--replace", "neck=c:d"], "--replace goes with --model."),
        (["--budget", "fidelity", "--model", "a:b"], "of a model of your own fidelity is of a drop-in"),
        ([*KEPT, "--only", "nothing"], "--only 'nothing'"),
        ([*KEPT, "--launches", "0"], "--launches '0'"),
        ([*KEPT, "--max-minutes", "0"], "--max-minutes '0'"),
        ([*KEPT, "--timeout", "0"], "--timeout '0'"),
        ([*KEPT, "--threads", "0"], "--threads '0'"),
        ([*KEPT, "--output", "nowhere/check.json"], "does not exist"),
        ([*KEPT, "--junit", "nowhere/junit.xml"], "does not exist"),
        ([*KEPT, "--plot", "out.gif"], ".png"),
        ([*KEPT, "--output", "a.svg", "--junit", "a.svg"], "same file"),
        (["--against", "main"], "finds no repository here"),
        (["--baseline", "missing.json"], "missing.json cannot be read"),
        ([*KEPT, "now"], "now"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_measured(
    players: Players, arguments: list[str], told: str, capsys: Capture
) -> None:
    assert told in refused(arguments, players, capsys)
    assert list(Path().iterdir()) == []


def test_a_revision_that_is_not_there_is_one_line(project: GateProject, players: Players, capsys: Capture) -> None:
    message = refused(["--against", "nowhere", *KEPT], players, capsys)
    assert "There is no revision 'nowhere' in this repository." in message


def test_a_mistake_in_the_file_is_one_line_with_its_place(players: Players, capsys: Capture) -> None:
    configure('[check]\nbudgets = [\n "loss <= 10 %",\n "memory < 3 GB",\n]\n')
    assert "paco-prof.toml, line 4: check: budgets: 'memory < 3 GB' has '<'" in refused([], players, capsys)
    configure("[check]\ntimeout = 0\n")
    assert "paco-prof.toml, line 2: check: timeout" in refused(list(KEPT), players, capsys)


def names_of(path: str = "check.json") -> list[str]:
    return [check.name for check in record_of(path).checks]


def test_budgets_of_the_options_stand_beside_those_of_the_file(players: Players) -> None:
    configure('[check]\nbudgets = ["loss <= 12 %", "memory <= 3 GB"]\n')
    assert run(["check", "--budget", "backbone <= 80 %", "--output", "check.json", "--quiet"]) == 0
    assert names_of() == ["loss <= 12 %", "memory <= 3 GB", "backbone <= 80 %"]


@pytest.mark.parametrize("text", ["loss <= 8 %", "exact: loss <= 8 %"])
def test_a_budget_of_the_options_takes_the_place_of_the_files_about_the_same(players: Players, text: str) -> None:
    configure('[check]\nbudgets = ["loss <= 12 %", "memory <= 3 GB"]\n')
    assert run(["check", "--budget", text, "--output", "check.json", "--quiet"]) == 1
    assert names_of() == ["memory <= 3 GB", text]


def test_options_count_more_than_the_file(players: Players) -> None:
    configure(
        '[check]\nvariant = "optimized"\nset = { d = 32, batch_size = 2 }\nbudgets = ["loss <= 12 %"]\n'
        'launches = 8\nmax_minutes = 9\ntimeout = 9\nthreads = 1\ndevice = "cpu"\nseed = 3\n'
    )
    run(["check", "--output", "file.json", "--quiet"])
    options = "--variant exact --set batch_size=4 --launches 10 --max-minutes 2 --timeout 5 --threads 2 --device auto"
    run(["check", *options.split(), "--seed", "4", "--output", "options.json", "--quiet"])
    found = []
    for path in ("file.json", "options.json"):
        (comparison,) = record_of(path).comparisons
        own, plan = comparison.contestants[0], comparison.plan
        w = own.workload
        found.append((own.name, w.dim, w.batch_size, w.threads, w.device, w.seed))
        found.append((plan.launches, plan.max_seconds, plan.timeout, plan.seed))
    assert found == [
        ("optimized", 32, 2, 1, "cpu", 3),
        (8, 540.0, 9.0, 3),
        ("exact", 32, 4, 2, "auto", 4),
        (10, 120.0, 5.0, 4),
    ]


def test_a_smallest_effect_of_the_options_holds_beside_what_the_file_names(project: GateProject) -> None:
    configure('[check]\nmodel = "parts_model:PartsModel"\nagainst = { revision = "before", smallest_effect = "5 %" }\n')
    options = ["--launches", "1", "--quiet"]
    run(["check", *options, "--output", "file.json"])
    run(["check", *options, "--output", "options.json", "--smallest-effect", "8 %"])
    effects = [record_of(path).checks[0].smallest_effect for path in ("file.json", "options.json")]
    assert effects == [0.05, 0.08]


def test_a_model_of_the_options_is_checked_as_it_is(project: GateProject, players: Players) -> None:
    project.write("pyproject.toml", "")
    run(["check", "--model", "parts_model:PartsModel", "--against", "before", "--output", "check.json", "--quiet"])
    contestants = record_of().comparisons[0].contestants
    assert {contestant.workload.model for contestant in contestants} == {"parts_model:PartsModel"}
    assert {contestant.workload.forms.contrast for contestant in contestants} == {"loop"}


def test_a_drop_in_from_a_file_is_looked_for_in_its_folder(project: GateProject, players: Players) -> None:
    project.write("drops/fast.py", "raise ValueError('of the working tree')\n")
    project.commit("A drop-in")
    project.git("branch", "--force", "before")
    replaced = ["--model", "parts_model:PartsModel", "--replace", "neck=drops/fast.py:Fast", "--launches", "1"]
    run(["check", *KEPT, *replaced, "--output", "check.json", "--quiet"])
    (comparison,) = record_of().comparisons
    assert dict(comparison.contestants[0].workload.replace) == {"neck": "fast:Fast"}
    # Both sides import it, from where it was named.
    assert run(["check", "--against", "before", *replaced, "--output", "check.json", "--quiet"]) == 4
    assert "before: fast cannot be imported: ValueError: of the working tree" in record_of().checks[0].trouble


def test_drop_ins_of_the_options_may_be_what_a_budget_is_about(project: GateProject, players: Players) -> None:
    replaced = ["--model", "parts_model:PartsModel", "--replace", "neck=fast:Fast", "--variant", "baseline"]
    budget = ["--budget", "drop-in over baseline >= 0.1x", "--output", "check.json", "--quiet"]
    assert run(["check", *replaced, *budget]) == 0
    assert dict(record_of().comparisons[0].contestants[1].workload.replace) == {"neck": "fast:Fast"}


def test_a_file_elsewhere_is_checked_but_beside_no_revision(
    project: GateProject, players: Players, capsys: Capture
) -> None:
    (project.folder.parent / "other.py").write_text("")
    model = ["--model", "../other.py:build"]
    message = refused([*KEPT, *model, "--against", "before"], players, capsys)
    assert "--model '../other.py:build' is the same file whichever revision is measured." in message
    assert run(["check", *KEPT, *model, "--output", "check.json", "--quiet"]) == 0
    assert record_of().comparisons[0].contestants[0].workload.model == "other:build"
    assert str(project.folder.parent) not in Path("check.json").read_text()
    configure('[check]\nagainst = "before"\nmodel = "../other.py:build"\n')
    players.num_steps = 0
    assert "paco-prof.toml, line 3: check: model: '../other.py:build' is the same file" in refused([], players, capsys)
    assert run(["check", *KEPT, "--only", "budgets", "--quiet"]) == 0


@pytest.mark.parametrize(
    ("only", "names"),
    [
        ((), ["loss <= 30 %", "against baseline.json", "against before"]),
        (("--only", "budgets"), ["loss <= 30 %"]),
        (("--only", "record"), ["against baseline.json"]),
        (("--only", "revision"), ["against before"]),
    ],
)
def test_only_one_kind_of_question_is_asked(project: GateProject, only: tuple[str, ...], names: list[str]) -> None:
    model = '[check]\nmodel = "parts_model:PartsModel"\n'
    configure(model)
    assert run(["baseline", "save", "baseline.json", "--quiet", "--launches", "7"]) == 0
    configure(f'{model}budgets = ["loss <= 30 %"]\nagainst = "before"\nbaseline = "baseline.json"\n')
    assert run(["check", *only, "--output", "check.json", "--quiet"]) == 0
    assert names_of() == names
    assert len(record_of().comparisons) == (1 if only else 2)


# A saved baseline


def test_no_output_is_written_over_the_baseline(players: Players, capsys: Capture) -> None:
    assert run(["baseline", "save", "baseline.json", "--quiet", "--launches", "7"]) == 0
    before, players.num_steps = Path("baseline.json").read_bytes(), 0
    for option in ("--output", "--junit", "--markdown"):
        message = refused(["--baseline", "baseline.json", option, "./baseline.json"], players, capsys)
        assert "./baseline.json".removeprefix("./") in message
    assert Path("baseline.json").read_bytes() == before


@pytest.mark.parametrize("place", ["--baseline", "the file"])
def test_a_record_of_another_kind_is_no_baseline(players: Players, place: str, capsys: Capture) -> None:
    shutil.copy(EXAMPLES / "analysis_batch8.json", "baseline.json")
    options = ["--baseline", "baseline.json"]
    if place == "the file":
        configure('[check]\nbaseline = "baseline.json"\n')
        options = []
    message = refused(options, players, capsys)
    assert "baseline.json is the record of a breakdown, and not of a comparison." in message


def test_a_baseline_of_another_machine_is_refused(players: Players, capsys: Capture) -> None:
    assert run(["baseline", "save", "baseline.json", "--quiet", "--launches", "7"]) == 0
    players.environment, players.num_steps = CPU.model_copy(update={"cores": 64}), 0
    message = refused(["--baseline", "baseline.json"], players, capsys)
    assert "baseline.json is of another machine: cores 64 here and 2 there." in message


def test_what_cannot_be_done_here_is_bad_input(players: Players, capsys: Capture) -> None:
    def trouble(tree: str, name: str, what: str, steps: int) -> FailureKind | None:
        return "not applicable" if what == "start" else None

    players.trouble = trouble
    assert "working tree is not applicable" in refused(list(KEPT), players, capsys)


def test_more_threads_than_cores_are_inconclusive(players: Players, capsys: Capture) -> None:
    players.environment = CPU.model_copy(update={"threads": 8})
    assert run(["check", *BROKEN, "--threads", "8"]) == 3
    assert "a step uses 8 threads on 2 cores" in words(capsys.readouterr().out)

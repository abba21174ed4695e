"""`paco-prof compare` from its arguments to its exit code, with a measurement that is not one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from comparisons import comparison_record, unmeasured_record
from paco_prof import __version__
from paco_prof.cli.app import run
from paco_prof.errors import UsageError
from paco_prof.measure import referee
from paco_prof.measure.engines import local
from paco_prof.records import ComparisonPlan, ComparisonRecord, Failure
from paco_prof.store import read_kind, write_record


@dataclass
class Stand:
    """Stands for the referee: remembers what it was asked for, and comes back with what it was told to."""

    result: Callable[[ComparisonRecord], ComparisonRecord] = lambda _: comparison_record(launches=1)
    error: BaseException | None = None
    asked: list[ComparisonRecord] = field(default_factory=list)

    def __call__(
        self, record: ComparisonRecord, _launcher: Any, _progress: Any, save: Callable[[ComparisonRecord], None]
    ) -> Stand:
        self.asked.append(record)
        self._save = save
        return self

    def run(self) -> referee.ComparisonOutcome:
        found = self.result(self.asked[-1])
        self._save(found)
        return referee.ComparisonOutcome(found, self.error)


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stand:
    stand = Stand()
    monkeypatch.setattr(local, "Referee", stand)
    monkeypatch.setattr(sys, "argv", ["paco-prof", "compare"])
    monkeypatch.chdir(tmp_path)
    return stand


def kept(path: Path, **changes: object) -> ComparisonRecord:
    record = comparison_record(tool_version=__version__, **changes)
    write_record(path, record)
    return record


def test_defaults(stand: Stand) -> None:
    assert run(["compare", "baseline", "exact"]) == 0
    (record,) = stand.asked
    assert record.plan == ComparisonPlan(launches=3, max_seconds=270.0)
    assert (record.design, record.launches, record.status) == ("compare", (), "running")
    assert [contestant.name for contestant in record.contestants] == ["baseline", "exact"]
    workload = record.baseline.workload
    assert (workload.backbone, workload.batch_size, workload.image_size, workload.device) == (
        "resnet50",
        8,
        224,
        "auto",
    )


def test_every_variant_gets_its_time(stand: Stand) -> None:
    run(["compare", "baseline", "exact", "d32", "r3"])
    assert stand.asked[0].plan.max_seconds == pytest.approx(3 * 270.0)


def test_every_option_arrives(stand: Stand) -> None:
    options = (
        "--launches 9 --pairs 5 --max-minutes 2.5 --timeout 7 --sequential --retry-smaller --no-fidelity --seed 4 "
        "--batch-size 2 --backbone test_vit --image-size 96 --num-classes 5 -K 3 -r 7 -d 8 --device cuda:1 --epoch 2 "
        "--threads 3 --set gamma=0 --set lr=0.1 --no-progress"
    )
    assert run(["compare", "baseline", "fused-loss", *options.split()]) == 0
    (record,) = stand.asked
    assert record.plan == ComparisonPlan(
        launches=9,
        pairs=5,
        max_seconds=150.0,
        timeout=7.0,
        sequential=True,
        retry_smaller=True,
        fidelity=False,
        seed=4,
    )
    for contestant in record.contestants:
        w = contestant.workload
        assert (w.batch_size, w.backbone, w.image_size, w.num_classes) == (2, "test_vit", 96, 5)
        assert (w.num_parts, w.window, w.dim, w.device, w.epoch, w.threads, w.seed) == (3, 7, 8, "cuda:1", 2, 3, 4)
        assert (w.gamma, w.learning_rate) == (0.0, 0.1)


def test_own_variants_take_part(stand: Stand, tmp_path: Path) -> None:
    (tmp_path / "paco-prof.toml").write_text('[variants.mine]\nuse = ["fused-loss"]\nset = { d = 16 }\n')
    assert run(["compare", "mine", "baseline"]) == 0
    assert stand.asked[0].baseline.variant.settings == {"contrast": "fused", "dim": 16}


def test_the_command_in_the_record_names_nobody(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sys, "argv", ["/home/jane/paco-prof", "compare", "baseline", "d32", "--output=/home/jane/a.json"]
    )
    run(["compare", "baseline", "d32", "--quiet"])
    assert stand.asked[0].command == ("paco-prof", "compare", "baseline", "d32", "--output=a.json")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "baseline"),
        ("baseline", "at least one variant"),
        ("baseline optimised", "optimized"),
        ("baseline exact exact", "twice"),
        ("baseline exact --pairs 0", "--pairs"),
        ("baseline exact --pairs many", "many"),
        ("baseline exact --launches 0", "--launches"),
        ("baseline exact --launches 1.5", "--launches"),
        ("baseline exact --max-minutes 0", "--max-minutes"),
        ("baseline exact --timeout 0", "--timeout"),
        ("baseline exact --batch-size 0", "--batch-size"),
        ("baseline d32 -d 64", "dim"),
        ("baseline exact --set nope=1", "nope"),
        ("baseline exact --set d", "name=value"),
        ("baseline exact --output nowhere/run.json", "nowhere"),
        ("baseline exact --plot run.gif", "run.gif"),
        ("baseline exact --output a.svg --plot a.svg", "same file"),
        ("--resume none.json", "none.json"),
    ],
)
def test_bad_usage_is_one_line_and_nothing_is_measured(
    stand: Stand, arguments: str, words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code = run(["compare", *arguments.split()])
    captured = capsys.readouterr()
    if "-d 64" in arguments:
        # 64 is the default, and a choice all the same.
        assert code == 2
    assert (code, captured.out) == (2, "")
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("paco-prof: ")
    assert words in captured.err
    assert stand.asked == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [("colour = 1", "colour"), ("use = 3", "use"), ('set = { d = "many" }', "dim"), ("set = { nope = 1 }", "nope")],
)
def test_a_wrong_key_or_type_in_the_users_file_names_file_variant_and_key(
    stand: Stand, text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "paco-prof.toml").write_text(f"[variants.mine]\n{text}\n")
    assert run(["compare", "baseline", "mine"]) == 2
    message = capsys.readouterr().err
    assert all(part in message for part in ("paco-prof.toml", "mine", words))
    assert message.count("\n") == 1


def test_a_wrong_key_in_the_users_file_names_its_line(
    stand: Stand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "paco-prof.toml").write_text("\n\n[variants.mine]\n\ncolour = 1\n")
    run(["compare", "baseline", "mine"])
    message = capsys.readouterr().err
    assert any(line in message for line in ("line 3", "line 5", ":3", ":5"))


def test_results_go_where_they_were_asked_to(stand: Stand, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--output", "run.json", "--markdown", "report.md"]
    assert run(["compare", "baseline", "exact", "optimized", *files]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"run.json", "report.md"}
    assert read_kind(tmp_path / "run.json", ComparisonRecord) == comparison_record(launches=1)
    assert "Speed" in capsys.readouterr().out


def test_quiet_prints_nothing(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", "baseline", "exact", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_an_interrupted_comparison_shows_what_there_is(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    stand.result, stand.error = lambda _: comparison_record(launches=1, status="interrupted"), KeyboardInterrupt()
    assert run(["compare", "baseline", "exact", "--output", "run.json"]) == 130
    captured = capsys.readouterr()
    assert "Speed" in captured.out
    assert captured.err.splitlines()[-1] == "paco-prof: Interrupted after 2 launches."
    assert Path("run.json").exists()


def test_interrupted_before_the_first_launch_there_is_nothing_to_draw(stand: Stand) -> None:
    stand.result, stand.error = lambda _: unmeasured_record(), KeyboardInterrupt()
    assert run(["compare", "baseline", "exact", "--quiet", "--plot", "a.svg"]) == 130


def test_interrupted_in_the_first_launch_there_is_nothing_to_draw_either(stand: Stand) -> None:
    whole = comparison_record(launches=1)
    first = whole.launches[0]
    training = first.variant.training.model_copy(update={"stop_reason": "interrupted"})
    cut = first.model_copy(update={"variant": first.variant.model_copy(update={"training": training})})
    stand.result, stand.error = lambda _: whole.model_copy(update={"launches": (cut,)}), KeyboardInterrupt()
    assert run(["compare", "baseline", "exact", "--quiet", "--plot", "a.svg"]) == 130


def failed(kind: str, **changes: object) -> Failure:
    settings = {"contestant": 1, "round": 0, "kind": kind, "during": "step", "detail": "RuntimeError: x"}
    return Failure.model_validate(settings | changes)


@pytest.mark.parametrize("kind", ["raised", "died", "hung", "out of memory"])
def test_a_process_that_failed_has_its_exit_code(stand: Stand, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    stand.result = lambda _: comparison_record(launches=1, failures=(failed(kind),))
    assert run(["compare", "baseline", "exact"]) == 4
    captured = capsys.readouterr()
    assert "Speed" in captured.out
    assert captured.err.splitlines()[-1] == f"paco-prof: exact: {kind}: RuntimeError: x."


def test_memory_that_ran_out_and_sufficed_for_half_the_batch_is_no_failure(stand: Stand) -> None:
    whole = comparison_record(launches=1, failures=(failed("out of memory"),))
    halved = tuple(x.model_copy(update={"halvings": 1}) for x in whole.launches)
    stand.result = lambda _: whole.model_copy(update={"launches": halved})
    assert run(["compare", "baseline", "exact", "--quiet"]) == 0


def test_one_variant_of_several_that_cannot_be_done_here_is_no_failure(stand: Stand) -> None:
    stand.result = lambda _: comparison_record(launches=1, failures=(failed("not applicable", contestant=2),))
    assert run(["compare", "baseline", "exact", "optimized", "--quiet"]) == 0


def test_where_nothing_can_be_done_the_input_was_bad(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    only = failed("not applicable", detail="There is no cuda.", hint="Use --device cpu.")
    stand.result = lambda _: comparison_record(launches=0, failures=(only,))
    assert run(["compare", "baseline", "exact"]) == 2
    assert capsys.readouterr() == ("", "paco-prof: There is no cuda. Use --device cpu.\n")


def test_an_error_of_the_run_is_shown_after_what_there_is(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    stand.error = UsageError("The record's launches are of another machine.")
    assert run(["compare", "baseline", "exact"]) == 2
    captured = capsys.readouterr()
    assert "Speed" in captured.out
    assert captured.err == "paco-prof: The record's launches are of another machine.\n"


def test_a_failures_full_stop_is_not_doubled(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    stand.result = lambda _: comparison_record(launches=1, failures=(failed("raised", detail="It failed."),))
    run(["compare", "baseline", "exact", "--quiet"])
    assert ".." not in capsys.readouterr().err


# --resume


def test_a_comparison_goes_on_into_its_own_file(stand: Stand, tmp_path: Path) -> None:
    before = kept(tmp_path / "run.json", status="interrupted", launches=1, plan=ComparisonPlan(launches=3))
    assert run(["compare", "--resume", "run.json", "--quiet"]) == 0
    (asked,) = stand.asked
    assert (asked.launches, asked.contestants, asked.plan) == (before.launches, before.contestants, before.plan)
    assert asked.status == "running"
    assert read_kind(tmp_path / "run.json", ComparisonRecord) == comparison_record(launches=1)


def test_a_comparison_goes_on_into_another_file_where_that_is_named(stand: Stand, tmp_path: Path) -> None:
    kept(tmp_path / "run.json", status="interrupted", launches=1, plan=ComparisonPlan(launches=3))
    before = (tmp_path / "run.json").read_bytes()
    assert run(["compare", "--resume", "run.json", "--output", "new.json", "--quiet"]) == 0
    assert (tmp_path / "run.json").read_bytes() == before
    assert (tmp_path / "new.json").exists()


def test_what_may_change_is_changed(stand: Stand, tmp_path: Path) -> None:
    kept(tmp_path / "run.json")
    options = "--launches 9 --max-minutes 2 --timeout 5 --retry-smaller --quiet"
    assert run(["compare", "--resume", "run.json", *options.split()]) == 0
    plan = stand.asked[0].plan
    assert (plan.launches, plan.max_seconds, plan.timeout, plan.retry_smaller) == (9, 120.0, 5.0, True)
    assert [(note.code, note.number) for note in stand.asked[0].notes] == [("extended", 9)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("baseline exact", "variants"),
        ("--batch-size 4", "--batch-size"),
        ("-K 3", "--parts"),
        ("--set d=4", "--set"),
        ("--pairs 4", "--pairs"),
        ("--seed 3", "--seed"),
        ("--device cpu", "--device"),
        ("--sequential", "--sequential"),
        ("--threads 2", "--threads"),
        ("--epoch 4", "--epoch"),
        ("--no-fidelity", "--no-fidelity"),
        ("--launches 1", "fewer"),
        ("", "All that was planned"),
    ],
)
def test_what_may_not_change_is_refused(
    stand: Stand, arguments: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # One launch is left, but where the test is about there being none.
    kept(
        tmp_path / "run.json",
        **({} if not arguments else {"status": "interrupted", "plan": ComparisonPlan(launches=4)}),
    )
    assert run(["compare", "--resume", "run.json", *arguments.split()]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert words in message.replace("With it go", "")
    assert stand.asked == []


def test_another_versions_record_is_not_gone_on_with(
    stand: Stand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(tmp_path / "run.json", comparison_record(tool_version="0.0.1", status="interrupted"))
    assert run(["compare", "--resume", "run.json"]) == 2
    assert "0.0.1" in capsys.readouterr().err


# A model of the user's own


OWN = "--model nets:build"


def test_a_drop_in_from_a_file_is_found_by_whoever_goes_on(stand: Stand, tmp_path: Path) -> None:
    (tmp_path / "drops").mkdir()
    (tmp_path / "drops" / "fast.py").write_text("")
    assert run(["compare", "baseline", "drop-in", *OWN.split(), "--replace", "neck=drops/fast.py:Fast", "-q"]) == 0
    assert [contestant.workload.python_path for contestant in stand.asked[0].contestants] == [("drops",)] * 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("baseline bfloat16 --replace neck=my:Fast", "drop-in is not among what is measured. Add drop-in"),
        ("baseline drop-in-pool --replace neck=my:Fast", "drop-in is not among what is measured"),
        ("baseline baseline --replace neck=my:Fast --accuracy --data digits", "drop-in is not among what is measured"),
        ("baseline bfloat16 --set backbone=resnet18", "--backbone is for PaCo-2 itself"),
        ("baseline bfloat16 --set d=3", "-d is for PaCo-2 itself"),
        ("baseline efficientnet-b0", "efficientnet-b0: backbone is a setting of PaCo-2 here"),
    ],
)
def test_what_would_change_nothing_is_refused(
    stand: Stand, arguments: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", *arguments.split(), *OWN.split()]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert words in message
    assert stand.asked == []


def test_what_is_not_found_where_a_comparison_goes_on_is_said(
    stand: Stand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = comparison_record(tool_version=__version__, status="interrupted", plan=ComparisonPlan(launches=4))
    own = [
        one.model_copy(update={"workload": one.workload.model_copy(update={"model": "nets_of_mine:build"})})
        for one in record.contestants
    ]
    write_record(tmp_path / "run.json", record.model_copy(update={"contestants": tuple(own)}))
    assert run(["compare", "--resume", "run.json"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("paco-prof: nets_of_mine:build: there is no module nets_of_mine here")
    assert "PYTHONPATH" in message
    assert message.count("\n") == 1
    assert stand.asked == []
    (tmp_path / "nets_of_mine.py").write_text("")
    assert run(["compare", "--resume", "run.json", "-q"]) == 0

"""`paco-prof breakdown` from its arguments to its exit code, with a measurement that is not one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import Bench
from builders import cpu_record
from paco_prof.cli.app import run
from paco_prof.measure import session
from paco_prof.records import Note
from paco_prof.settings import Workload


def test_defaults_are_the_analysiss_run(bench: Bench) -> None:
    assert run(["breakdown"]) == 0
    ((job, plan, _),) = bench.calls
    workload = job.workload
    assert job.base == workload
    assert workload == Workload(device="auto", backbone="resnet50", batch_size=8, image_size=224, num_classes=200)
    assert (workload.num_parts, workload.window, workload.dim) == (4, 5, 64)
    assert plan == session.Plan(warmup=None, steps=None, max_seconds=60.0, trace=None)


def test_every_setting_arrives(bench: Bench) -> None:
    arguments = (
        "--batch-size 2 --backbone test_vit --image-size 96 --num-classes 5 -K 3 -r 7 -d 8 --device cuda:1 --warmup 0 "
        "--steps 9 --max-seconds 2.5 --seed 4 --threads 3 --trace t.json --no-progress"
    )
    assert run(["breakdown", *arguments.split()]) == 0
    ((job, plan, _),) = bench.calls
    workload = job.workload
    assert job.base == workload
    assert workload == Workload(
        batch_size=2,
        backbone="test_vit",
        image_size=96,
        num_classes=5,
        num_parts=3,
        window=7,
        dim=8,
        device="cuda:1",
        seed=4,
        threads=3,
    )
    assert plan == session.Plan(0, 9, 2.5, Path("t.json"))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--batch-size", "0"),
        ("--batch-size", "-1"),
        ("--batch-size", "eight"),
        ("--batch-size", "2.5"),
        ("--image-size", "0"),
        ("--num-classes", "0"),
        ("-K", "0"),
        ("-r", "-3"),
        ("-d", "0"),
        ("--steps", "0"),
        ("--steps", "many"),
        ("--steps", "-3"),
        ("--steps", "1.5"),
        ("--steps", "²"),
        ("--warmup", "-1"),
        ("--warmup", ""),
        ("--max-seconds", "0"),
        ("--max-seconds", "nan"),
        ("--max-seconds", "soon"),
        ("--seed", "-1"),
        ("--seed", "99999999999999999999999"),
        ("--threads", "0"),
        ("--output", "nowhere/run.json"),
        ("--output", "."),
        ("--markdown", "nowhere/report.md"),
        ("--trace", "nowhere/trace.json"),
        ("--plot", "picture.gif"),
    ],
)
def test_bad_values_are_one_line_and_nothing_is_measured(
    bench: Bench, option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["breakdown", option, value]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("paco-prof: ")
    assert bench.calls == []


@pytest.mark.parametrize(
    ("option", "value"), [("--batch-size", "0"), ("--batch-size", "eight"), ("--steps", "0"), ("--max-seconds", "soon")]
)
def test_the_line_names_the_option_and_the_value(
    bench: Bench, option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["breakdown", option, value])
    message = capsys.readouterr().err
    assert option in message
    assert value in message.replace(option, "")


def test_results_go_where_they_were_asked_to(bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["breakdown", "--output", "run.json", "--markdown", "report.md", "--plot", "out.svg"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"run.json", "report.md", "out.svg"}
    assert "Loss Computation" in capsys.readouterr().out


def test_quiet_prints_nothing(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["breakdown", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


INTERRUPTED = cpu_record(notes=(Note(code="interrupted"),))


def test_an_interrupted_run_shows_what_there_is(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.record, bench.error = INTERRUPTED, KeyboardInterrupt()
    assert run(["breakdown", "--output", "run.json"]) == 130
    captured = capsys.readouterr()
    assert "Loss Computation" in captured.out
    assert "interrupted" in captured.out
    assert captured.err.splitlines()[-1].startswith("paco-prof: Interrupted")
    assert Path("run.json").exists()


@pytest.mark.parametrize("option", ["--markdown=report.md", "--plot=out.png"])
def test_a_run_interrupted_before_its_first_step_exits_with_130_whatever_was_asked_for(
    bench: Bench, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.record, bench.error = INTERRUPTED.model_copy(update={"training": None}), KeyboardInterrupt()
    assert run(["breakdown", option]) == 130
    assert "Inference" in capsys.readouterr().out


def test_a_quiet_run_does_not_point_at_a_table_that_is_not_there(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.record, bench.error = INTERRUPTED, KeyboardInterrupt()
    assert run(["breakdown", "--quiet"]) == 130
    assert "above" not in capsys.readouterr().err


def test_a_failure_of_what_is_measured_has_its_own_exit_code(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.record = cpu_record(notes=(Note(code="failed", detail="RuntimeError: out of memory"),))
    bench.error = RuntimeError("out of memory")
    assert run(["breakdown"]) == 4
    captured = capsys.readouterr()
    assert "Loss Computation" in captured.out
    assert captured.err == "paco-prof: The measured code failed: RuntimeError: out of memory.\n"


@pytest.mark.parametrize(
    "path",
    [
        "/home/jane/run.json",
        "/home/jane doe/run.json",
        "/Users/jane/My Runs/run.json",
        "../jane/run.json",
        "C:\\Users\\jane\\run.json",
    ],
)
@pytest.mark.parametrize("form", ["--output {}", "--output={}"])
def test_the_command_in_a_record_names_nobody(
    bench: Bench, path: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    option = form.replace(" ", "\0").format(path).split("\0")
    monkeypatch.setattr("sys.argv", ["/home/jane/.venv/bin/paco-prof", "breakdown", *option])
    run(["breakdown"])
    ((_, _, command),) = bench.calls
    assert command[:2] == ("paco-prof", "breakdown")
    assert "run.json" in command[-1]
    for private in ("jane", "doe", "Users", "home", "Runs"):
        assert not any(private in argument for argument in command)

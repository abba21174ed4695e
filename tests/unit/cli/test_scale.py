"""`paco-prof scale` from its arguments to its exit code, with a measurement that is played."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from paco_prof.cli.app import run
from paco_prof.measure import surveyor
from paco_prof.measure.engines import local
from paco_prof.records import ScaleRecord
from paco_prof.store import read_kind
from surveyed import Lab, PlayedMonitor, PlayedSize

TINY = "--backbone test_resnet --image-size 64 -K 3 -r 3"


@dataclass
class Stand:
    """Stands for the surveyor: plays its processes, and remembers what it was asked for."""

    lab: Lab = field(default_factory=Lab)
    asked: list[ScaleRecord] = field(default_factory=list)

    def __call__(self, record: ScaleRecord, _launcher: Any, progress: Any, save: Any) -> surveyor.Surveyor:
        self.asked.append(record)
        now = lambda: self.lab.clock  # noqa: E731 - the lab may be another one by then
        return surveyor.Surveyor(record, self.lab.launch, progress, save, now, PlayedMonitor)  # type: ignore[arg-type]


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stand:
    stand = Stand()
    monkeypatch.setattr(local, "Surveyor", stand)
    monkeypatch.setattr(sys, "argv", ["paco-prof", "scale"])
    monkeypatch.chdir(tmp_path)
    return stand


def scale(arguments: str) -> int:
    return run(["scale", *shlex.split(arguments), "--quiet"])


def saved() -> ScaleRecord:
    return read_kind(Path("run.json"), ScaleRecord)


def test_defaults(stand: Stand) -> None:
    assert scale("--vary batch-size=2,4") == 0
    (record,) = stand.asked
    assert [contestant.name for contestant in record.contestants] == ["baseline", "exact"]
    plan = record.plan
    assert [(factor.name, factor.sizes) for factor in plan.factors] == [("batch_size", (2, 4))]
    assert (plan.launches, plan.steps, plan.max_seconds, plan.timeout) == (2, None, 600.0, 600.0)
    assert (plan.target, plan.find_largest, plan.largest_up_to, plan.memory_limit_bytes) == (None, False, 4096, None)
    assert record.command == ("paco-prof", "scale")


def test_every_option_reaches_the_plan(stand: Stand) -> None:
    options = "--target 64,5 --find-largest --largest-up-to 32 --memory-limit 4GiB --launches 1 --steps 5 --seed 3"
    assert scale(f"--vary d=8,16 --vary r=3,5 --variant exact {options} --max-minutes 100 --timeout 7 --threads 1") == 0
    (record,) = stand.asked
    plan = record.plan
    assert [factor.name for factor in plan.factors] == ["dim", "window"]
    assert (plan.target, plan.find_largest, plan.largest_up_to, plan.memory_limit_bytes) == ((64, 5), True, 32, 2**32)
    assert (plan.launches, plan.steps, plan.max_seconds, plan.timeout, plan.seed) == (1, 5, 6000.0, 7.0, 3)
    assert [contestant.name for contestant in record.contestants] == ["exact"]
    assert record.contestants[0].workload.threads == 1


def test_of_a_model_of_ones_own_it_is_measured_as_it_is(stand: Stand) -> None:
    Path("mine.py").write_text("")
    assert scale("--vary batch-size=2,4 --model mine.py:build") == 0
    assert [contestant.name for contestant in stand.asked[-1].contestants] == ["baseline"]
    assert scale("--vary batch-size=2,4 --model mine.py:build --replace criterion=mine:Loss") == 0
    assert [contestant.name for contestant in stand.asked[-1].contestants] == ["baseline", "drop-in"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "Nothing is varied. For example --vary batch-size=2,4,8,16."),
        ("--vary batchsize=2,4", "'batchsize' is nothing that can be varied. Did you mean batch-size? There are"),
        ("--vary batch-size=4", "--vary batch-size=4 is one size"),
        ("--vary batch-size=8,4", "4 comes after 8"),
        ("--vary batch-size=2,two", "'two' is no whole number from 1"),
        ("--vary r=3,4", "4 is even"),
        ("--vary d=2,4 --vary d=8,16", "d stands there twice"),
        ("--vary d=2,4 --vary K=2,3 --vary r=3,5", "3 factors are varied"),
        ("--vary batch-size=2,4 --batch-size 4", "batch-size is varied, and an option sets it"),
        ("--vary d=8,16 --set d=4", "d is varied, and an option sets it"),
        ("--vary d=8,16 --variant d32", "Variant 'd32' sets d to 32, and it is varied"),
        ("--vary d=8,16 --variant nope", "There is no variant 'nope'"),
        ("--vary d=8,16 --target 4,5", "--target '4,5' has 2 sizes, and d is varied"),
        ("--vary d=8,16 --target many", "--target: 'many' is no whole number from 1"),
        ("--vary d=8,16 --largest-up-to 4", "--largest-up-to goes with --find-largest"),
        ("--vary d=8,16 --memory-limit much", "--memory-limit 'much' is no memory. Write 4GB"),
        ("--vary d=8,16 --memory-limit 0GB", "--memory-limit '0GB' is no memory"),
        ("--vary d=8,16 --steps 0", "'0' is neither auto nor a whole number from 1"),
        ("--vary d=8,16 --launches 0", "--launches '0'"),
        ("--vary d=8,16 --set batch_size=0", "batch_size='0' should be greater than or equal to 1"),
        ("--vary d=8,16 --output nowhere/run.json", "nowhere"),
        ("--vary d=8,16 --plot out.txt", "out.txt"),
        ("--vary d=8,16 --replace criterion=mine:Loss", "--replace goes with --model"),
        ("--vary d=8,16 --engine grid", "--engine 'grid' is unknown"),
        ("--vary K=2,9999", "K=9999 parts do not fit on the feature map of resnet50 at 224 px: 7 x 7 = 49 pixels"),
        ("--resume none.json", "none.json"),
    ],
)
def test_bad_input_is_one_line(stand: Stand, arguments: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert scale(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert message in told.err
    assert "Traceback" not in told.err


def test_what_decides_a_model_of_ones_own_cannot_be_varied(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.py").write_text("")
    assert scale("--vary K=2,4 --model mine.py:build") == 2
    assert "K is of PaCo-2 itself; mine:build decides by what makes it." in capsys.readouterr().err
    assert stand.asked == []


def test_an_interrupted_measurement_goes_on(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(process: PlayedSize, what: str) -> None:
        if len(process.lab.started) == 3:
            raise KeyboardInterrupt

    stand.lab = Lab(trouble=interrupt)
    assert scale("--vary batch-size=2,4 --launches 1 --output run.json") == 130
    assert capsys.readouterr().err == "paco-prof: Interrupted after 2 launches.\n"
    assert (saved().status, len(saved().points)) == ("interrupted", 2)

    stand.lab = Lab()
    assert scale("--resume run.json --target 16 --max-minutes 5") == 0
    assert (saved().status, len(saved().points)) == ("complete", 4)
    assert (saved().plan.target, saved().plan.max_seconds) == ((16,), 300.0)
    assert scale("--resume run.json") == 2
    assert "All that was planned has been measured." in capsys.readouterr().err
    # A prediction needs no measuring.
    taken = len(stand.lab.started)
    assert scale("--resume run.json --target 64") == 0
    assert (saved().status, saved().plan.target, len(stand.lab.started)) == ("complete", (64,), taken)


def test_a_search_goes_further_only_where_there_is_one(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    assert scale("--vary batch-size=2,4 --launches 1 --output run.json") == 0
    assert scale("--resume run.json --largest-up-to 20") == 2
    assert "--largest-up-to goes with --find-largest." in capsys.readouterr().err
    assert scale("--resume run.json --find-largest --largest-up-to 20") == 0
    assert scale("--resume run.json --largest-up-to 30") == 0
    assert [largest.size for largest in saved().largest] == [30, 30]


@pytest.mark.parametrize(
    "option", ["--vary d=8,16", "--variant exact", "-d 8", "--set d=8", "--steps 3", "--memory-limit 4GB", "--seed 1"]
)
def test_what_was_decided_is_not_chosen_once_more(
    stand: Stand, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scale("--vary batch-size=2,4 --launches 1 --output run.json") == 0
    assert scale(f"--resume run.json {option}") == 2
    assert "--resume takes what to measure from run.json; " in capsys.readouterr().err
    assert len(stand.asked) == 1


@pytest.mark.parametrize(
    ("kind", "batch", "code", "message"),
    [
        ("out of memory", 4, 0, ""),
        ("not applicable", 4, 0, ""),
        ("out of memory", 2, 4, "exact: out of memory: it is out of memory."),
        ("not applicable", 2, 2, "it is not applicable Do something."),
        ("raised", 4, 4, "exact: raised: it is raised."),
        ("died", 4, 4, "exact: died: it is died."),
    ],
)
def test_what_fails_decides_the_exit_code(
    stand: Stand, kind: Any, batch: int, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def trouble(process: PlayedSize, what: str) -> None:
        if what == "start" and process.batch == batch:
            raise process.failure(kind, what)

    stand.lab = Lab(trouble=trouble)
    assert scale("--vary batch-size=2,4 --variant exact --launches 1") == code
    told = capsys.readouterr().err
    assert told == (f"paco-prof: {message}\n" if message else "")


def test_a_search_that_fails_is_told(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    def trouble(process: PlayedSize, what: str) -> None:
        if process.batch == 8:
            raise process.failure("raised", what)

    stand.lab = Lab(trouble=trouble)
    assert scale("--vary batch-size=2,4 --variant exact --launches 1 --find-largest --output run.json") == 4
    told = capsys.readouterr().err
    assert told == "paco-prof: exact: the search for the largest batch failed: it is raised.\n"
    assert saved().largest[0].size == 4

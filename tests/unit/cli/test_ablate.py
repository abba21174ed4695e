"""`paco-prof ablate` from its arguments to its contestants, with a measurement that is not one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from comparisons import ablation_record
from paco_prof import __version__
from paco_prof.cli.app import run
from paco_prof.measure import referee
from paco_prof.measure.engines import local
from paco_prof.records import ComparisonPlan, ComparisonRecord
from paco_prof.store import write_record
from paco_prof.variants.catalogue import TOGGLES


@dataclass
class Stand:
    """Stands for the referee: remembers what it was asked for."""

    asked: list[ComparisonRecord] = field(default_factory=list)

    def __call__(
        self, record: ComparisonRecord, _launcher: Any, _progress: Any, _save: Callable[[ComparisonRecord], None]
    ) -> Stand:
        self.asked.append(record)
        return self

    def run(self) -> referee.ComparisonOutcome:
        return referee.ComparisonOutcome(ablation_record("factorial", launches=1))

    @property
    def names(self) -> list[str]:
        return [contestant.name.replace(" + ", "+") for contestant in self.asked[-1].contestants]


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stand:
    stand = Stand()
    monkeypatch.setattr(local, "Referee", stand)
    monkeypatch.setattr(sys, "argv", ["paco-prof", "ablate"])
    monkeypatch.chdir(tmp_path)
    return stand


def test_by_default_every_toggle_is_taken_alone(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ablate"]) == 0
    assert stand.names == ["baseline", *(toggle.name for toggle in TOGGLES)]
    assert stand.asked[0].design == "one-at-a-time"
    assert stand.asked[0].plan == ComparisonPlan(launches=3, max_seconds=180.0 * len(TOGGLES))
    assert "Interactions" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ("--toggles d32,r3", ["baseline", "d32", "r3", "all 2 together"]),
        ("--toggles d32,r3 --mode cumulative", ["baseline", "+ d32", "+ r3"]),
        ("--toggles d32,r3 --mode factorial", ["baseline", "d32", "r3", "d32+r3"]),
        ("--toggles d32,r3 --mode leave-one-out", ["all 2", "without d32", "without r3"]),
        ("--toggles d32 --base exact", ["exact", "d32"]),
        ("--mode cumulative", ["baseline", "phase1", "phase2", "phase3"]),
        ("--mode factorial", ["baseline", "fused-loss", "max-negatives-16", "fused-loss+max-negatives-16"]),
    ],
)
def test_base_toggles_and_mode_arrive(stand: Stand, options: str, names: list[str]) -> None:
    assert run(["ablate", *options.split(), "--quiet"]) == 0
    assert stand.names == names


def test_spaces_between_toggles_do_not_matter(stand: Stand) -> None:
    assert run(["ablate", "--toggles", " d32 , r3 ,", "--quiet"]) == 0
    assert stand.names[:3] == ["baseline", "d32", "r3"]


def test_all_toggles_are_all_of_the_catalogue(stand: Stand) -> None:
    assert run(["ablate", "--toggles", "all", "--quiet"]) == 0
    assert len(stand.names) == 1 + len(TOGGLES)


@pytest.mark.parametrize("mode", ["leave-one-out", "cumulative", "factorial"])
def test_all_toggles_are_all_or_refused_in_every_mode(stand: Stand, mode: str) -> None:
    code = run(["ablate", "--toggles", "all", "--mode", mode, "--quiet"])
    assert code == 2 or len(stand.names) > len(TOGGLES)


def test_options_reach_the_plan_and_the_contestants(stand: Stand) -> None:
    options = "--launches 8 --pairs 4 --max-minutes 5 --seed 2 --batch-size 2 --no-fidelity --sequential"
    assert run(["ablate", "--toggles", "d32,r3", *options.split(), "--quiet"]) == 0
    plan = stand.asked[0].plan
    assert (plan.launches, plan.pairs, plan.max_seconds, plan.seed) == (8, 4, 300.0, 2)
    assert (plan.fidelity, plan.sequential) == (False, True)
    assert {contestant.workload.batch_size for contestant in stand.asked[0].contestants} == {2}


@pytest.mark.parametrize("options", ["--image-size 96", "--backbone resnet18", "-d 48", "-r 7"])
def test_the_default_toggles_go_with_every_baseline(stand: Stand, options: str) -> None:
    assert run(["ablate", *options.split(), "--quiet"]) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--toggles ,", "empty"),
        ("--toggles=", "empty"),
        ("--toggles d32,d32", "twice"),
        ("--toggles fused-los", "fused-loss"),
        ("--base exacd", "exact"),
        ("--mode alone", "one-at-a-time"),
        ("--mode factorial --toggles d32", "2 toggles"),
        ("--mode factorial --toggles d32,r3,gamma0,192px,bfloat16", "at most 4"),
        ("--mode cumulative --toggles bfloat16,float16", "precision"),
        ("--base exact --toggles fused-loss", "changes nothing"),
        ("--toggles d32 -d 48", "dim"),
        ("--pairs 0", "--pairs"),
        ("--launches 0", "--launches"),
        ("d32", "d32"),
    ],
)
def test_bad_usage_is_one_line_and_nothing_is_measured(
    stand: Stand, options: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ablate", *options.split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("paco-prof: ")
    assert words in captured.err
    assert stand.asked == []


@pytest.mark.parametrize("options", ["--toggles d32", "--base exact", "--mode factorial"])
def test_an_ablation_that_goes_on_knows_what_it_is_about(
    stand: Stand, options: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = ablation_record(
        "factorial", tool_version=__version__, status="interrupted", plan=ComparisonPlan(launches=5)
    )
    write_record(tmp_path / "run.json", record)
    assert run(["ablate", "--resume", "run.json", *options.split()]) == 2
    assert "--resume takes what to measure from" in capsys.readouterr().err
    assert stand.asked == []


def test_an_ablation_goes_on_where_it_stopped(stand: Stand, tmp_path: Path) -> None:
    plan = ComparisonPlan(launches=5)
    record = ablation_record("factorial", tool_version=__version__, status="interrupted", plan=plan)
    write_record(tmp_path / "run.json", record)
    assert run(["ablate", "--resume", "run.json", "--quiet"]) == 0
    assert stand.asked[0].contestants == record.contestants


# A model of the user's own


DROP_INS = ["drop-in-criterion", "drop-in-matcher", "drop-in-sampler", "drop-in-pool"]
OF_ANY = ["bfloat16", "float16", "channels-last", "192px", "fused-optimizer", "tf32", "cudnn-benchmark"]
OF_ANY += ["gradient-clipping", "cosine-schedule"]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ("", ["baseline", *DROP_INS, *OF_ANY]),
        ("--toggles all", ["baseline", *DROP_INS, *OF_ANY]),
        ("--replace neck=my:Fast", ["baseline", "drop-in", *DROP_INS, *OF_ANY]),
        ("--replace matcher=my:Fast", ["baseline", "drop-in", DROP_INS[0], *DROP_INS[2:], *OF_ANY]),
        ("--mode leave-one-out", ["all 4", *(f"without {name}" for name in DROP_INS)]),
        ("--mode cumulative --replace criterion=my:Fast", ["baseline", "+ drop-in", *(f"+ {n}" for n in DROP_INS[1:])]),
        ("--base drop-in --toggles bfloat16 --replace neck=my:Fast", ["drop-in", "bfloat16"]),
    ],
)
def test_the_toggles_of_ones_own_model(stand: Stand, options: str, names: list[str]) -> None:
    assert run(["ablate", "--model", "nets:build", *options.split(), "--quiet"]) == 0
    assert stand.names == [name.replace("+ ", "+") if name.count("+") > 1 else name for name in names]


@pytest.mark.parametrize("replace", ["", "--replace criterion=my:Fast", "--replace neck=my:Fast --image-size 96"])
@pytest.mark.parametrize("mode", ["leave-one-out", "cumulative"])
def test_all_toggles_of_ones_own_model_go_together(stand: Stand, mode: str, replace: str) -> None:
    assert run(["ablate", *f"--toggles all --mode {mode} --model nets:build {replace} -q".split()]) == 0
    whole = stand.asked[0].contestants[0 if mode == "leave-one-out" else -1]
    assert {"drop-in-pool", "bfloat16", "channels-last"} < set(whole.toggles)
    # Of two that exclude each other the first is there, and what an option says counts more.
    assert not {"float16", "efficientnet-b0", "fused-loss"} & set(whole.toggles)
    assert ("192px" in whole.toggles) == ("--image-size" not in replace)
    assert ("drop-in" in whole.toggles) == bool(replace)
    assert ("drop-in-criterion" in whole.toggles) == ("criterion" not in replace)


@pytest.mark.parametrize("replace", ["neck=my:Fast", "pool=my:Fast"])
def test_drop_ins_by_default_are_no_more_than_have_all_combinations(stand: Stand, replace: str) -> None:
    assert run(["ablate", "--mode", "factorial", "--model", "nets:build", "--replace", replace, "-q"]) == 0
    assert stand.names[1:5] == ["drop-in", *DROP_INS[:3]]
    assert len(stand.names) == 16


def test_a_drop_in_that_is_not_ablated_is_refused(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    options = "--model nets:build --replace neck=my:Fast --toggles bfloat16,drop-in-pool"
    assert run(["ablate", *options.split()]) == 2
    assert "drop-in is not among what is measured" in capsys.readouterr().err
    assert stand.asked == []


def test_the_help_says_what_is_otherwise_with_ones_own_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ablate", "--help"]) == 0
    assert "With --model the defaults are others" in " ".join(capsys.readouterr().out.split())

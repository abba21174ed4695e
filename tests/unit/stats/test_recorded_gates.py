"""Gates that were really run on known work, and a thousand more of their launches.

`tests/benchmarks/gate_runs.py` took them; `make bench ONLY=gate` prints the same beside what other rules make of them.
"""

from __future__ import annotations

import pytest

from paco_prof.errors import ExitCode
from recorded_gates import GateRun, judged, launches_of, play, read_runs

GATES = 1000


@pytest.fixture(scope="module")
def runs() -> tuple[GateRun, ...]:
    return read_runs()


def of_kind(runs: tuple[GateRun, ...], kind: str) -> list[GateRun]:
    return [run for run in runs if run.kind == kind]


def test_there_are_runs_and_launches_enough(runs: tuple[GateRun, ...]) -> None:
    equal = of_kind(runs, "equal")
    assert len(equal) >= 20
    assert sum(run.busy for run in equal) >= len(equal) // 3
    assert len(launches_of(runs, "equal")) >= 60
    assert len(launches_of(runs, "slower-5")) >= 60
    assert len(of_kind(runs, "slower-10")) >= 10


def test_identical_code_failed_in_none_of_the_live_runs(runs: tuple[GateRun, ...]) -> None:
    assert [run.code for run in of_kind(runs, "equal") if run.code not in (ExitCode.DONE, ExitCode.INCONCLUSIVE)] == []


def test_a_tenth_more_work_failed_in_all_of_them(runs: tuple[GateRun, ...]) -> None:
    assert {run.code for run in of_kind(runs, "slower-10")} == {ExitCode.REGRESSION}


def test_the_launches_say_again_what_the_runs_had_said(runs: tuple[GateRun, ...]) -> None:
    """But for the order within pairs, which the first of them did not yet take into account."""
    words = {"pass": ExitCode.DONE, "fail": ExitCode.REGRESSION, "inconclusive": ExitCode.INCONCLUSIVE}
    again = [words[judged([launch.slowdown for launch in run.launches]).outcome] == run.code for run in runs]
    assert sum(again) >= 0.9 * len(runs)


def test_identical_code_fails_once_in_a_hundred_at_most(runs: tuple[GateRun, ...]) -> None:
    played = play(launches_of(runs, "equal"), GATES, equal=True)
    assert played.outcomes["fail"] <= GATES // 100
    # A gate that never decides anything would not fail either.
    assert played.outcomes["pass"] >= GATES // 2


def test_five_per_cent_more_work_fails(runs: tuple[GateRun, ...]) -> None:
    assert play(launches_of(runs, "slower-5"), GATES, equal=False).outcomes["fail"] >= 0.95 * GATES

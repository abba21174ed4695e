"""What each of several ranks prints, writes and returns; the measurement takes no time."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import Bench
from paco_prof.cli import app as cli
from paco_prof.cli.own_model import OwnModel
from paco_prof.errors import RankError, UsageError
from paco_prof.measure.comparing import new_comparison
from paco_prof.ranks import Place, is_first_rank, started_by, this_place
from paco_prof.records import ComparisonPlan, Contestant
from paco_prof.settings import Workload
from paco_prof.store import write_record

OPTIONS = ["breakdown", "--steps", "1", "--output", "run.json", "--markdown", "run.md", "--no-progress"]


class LeftError(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def as_rank(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes this process one of two ranks, which waits for nobody and whose end is an exception."""

    def leave(code: int) -> None:
        raise LeftError(code)

    def become(rank: int) -> None:
        for name, value in (("RANK", rank), ("WORLD_SIZE", 2), ("LOCAL_RANK", rank)):
            monkeypatch.setenv(name, str(value))

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(cli, "SECONDS_FOR_THE_FIRST", 0.0)
    monkeypatch.setattr(cli, "SECONDS_FOR_EACH", 0.0)
    return become


def test_the_first_rank_prints_and_writes_and_the_others_do_nothing(
    bench: Bench, as_rank: Callable[[int], None], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    as_rank(1)
    assert cli.run(OPTIONS) == 0
    assert capsys.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []
    as_rank(0)
    assert cli.run(OPTIONS) == 0
    assert capsys.readouterr().out.startswith("paco-prof breakdown")
    assert {path.name for path in tmp_path.iterdir()} == {"run.json", "run.md"}
    assert [job.workload.world_size for job, _, _ in bench.calls] == [2, 2]


@pytest.mark.parametrize("is_mine", [True, False])
def test_of_a_run_that_another_rank_ended_one_rank_tells(
    bench: Bench, as_rank: Callable[[int], None], capsys: pytest.CaptureFixture[str], is_mine: bool
) -> None:
    bench.error = RankError("Rank 1 of 2 died.", 4, is_mine=is_mine)
    as_rank(0)
    with pytest.raises(LeftError, match="4"):
        cli.run([*OPTIONS, "--quiet"])
    assert capsys.readouterr().err == ("paco-prof: Rank 1 of 2 died.\n" if is_mine else "")


def test_a_rank_that_fails_alone_says_which_it_is(
    bench: Bench, as_rank: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the first one fails as well, torchrun ends this one before it says anything."""
    as_rank(1)
    assert cli.run(["breakdown", "--variant", "exackt"]) == 2
    assert capsys.readouterr().err.startswith("paco-prof: rank 1: ")


def test_places_that_cannot_be_are_bad_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert cli.run(["breakdown"]) == 2
    assert "RANK='2', WORLD_SIZE='2'" in capsys.readouterr().err


def test_a_place_is_what_torchrun_says() -> None:
    assert this_place({}) == Place()
    assert this_place({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}) == Place(3, 4, 1)
    assert is_first_rank()
    with pytest.raises(UsageError):
        this_place({"RANK": "one", "WORLD_SIZE": "4"})


def test_a_command_line_begins_as_it_was_started() -> None:
    assert started_by(Place(), {}) == ["paco-prof"]
    one = started_by(Place(0, 2, 0), {"LOCAL_WORLD_SIZE": "2", "GROUP_WORLD_SIZE": "1"})
    assert one == ["torchrun", "--nproc-per-node", "2", "-m", "paco_prof"]
    two = started_by(Place(0, 16, 0), {"LOCAL_WORLD_SIZE": "8", "GROUP_WORLD_SIZE": "2"})
    assert two == ["torchrun", "--nnodes", "2", "--nproc-per-node", "8", "-m", "paco_prof"]


@pytest.mark.parametrize("command", ["scale --vary batch-size=2,4", "check", "doctor", "show run.json", "variants"])
def test_what_one_process_does_is_refused_to_several(
    command: str, as_rank: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    as_rank(0)
    assert cli.run(command.split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"paco-prof: {command.split()[0]} is one process's, and torchrun has started several.")


def test_variants_are_not_trained_for_their_accuracy_by_several_processes(
    as_rank: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    as_rank(0)
    assert cli.run(["compare", "baseline", "exact", "--accuracy"]) == 2
    assert "--accuracy trains every variant by itself" in capsys.readouterr().err


def test_a_comparison_goes_on_with_as_many_devices_as_it_began(
    tmp_path: Path, as_rank: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    workload = Workload()
    contestants = [Contestant(name=name, workload=workload, base=workload) for name in ("baseline", "exact")]
    path = tmp_path / "run.json"
    write_record(path, new_comparison(contestants, ComparisonPlan()))
    as_rank(0)
    assert cli.run(["compare", "--resume", str(path)]) == 2
    assert "is of 1 device, and here are 2. Go on without torchrun." in capsys.readouterr().err


def test_of_ranks_that_meet_the_same_error_the_first_of_each_machine_is_the_first_to_tell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Torchrun ends all others of its machine then; those of another machine it leaves alone."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    waited = []
    for rank, local in ((0, 0), (1, 1), (2, 0), (3, 1)):
        for name, value in (("RANK", rank), ("WORLD_SIZE", 4), ("LOCAL_RANK", local)):
            monkeypatch.setenv(name, str(value))
        assert cli.run(["breakdown", "--variant", "exackt"]) == 2
        waited.append(sum(slept))
        slept.clear()
    assert waited[0] == 0
    assert 0 < waited[2] < waited[3] == waited[1]
    assert capsys.readouterr().err.count("paco-prof: rank 2: ") == 1


@pytest.mark.parametrize("rank", [0, 1])
def test_other_ranks_than_the_first_print_nothing_but_what_c_code_says(
    rank: int, as_rank: Callable[[int], None], capfd: pytest.CaptureFixture[str]
) -> None:
    """Libraries warn on each of them, of PaCo-2 itself too; but an abort leaves no other trace than its own words."""
    as_rank(rank)
    with OwnModel().measuring(1.0, silent=True) as measuring:
        print("a line")
        print("a warning", file=sys.stderr)
        os.write(2, b"terminate called\n")
        os.write(measuring.stderr, b"the end\n")
    out, err = capfd.readouterr()
    assert out == ("a line\n" if rank == 0 else "")
    assert err == ("a warning\n" if rank == 0 else "") + "terminate called\nthe end\n"

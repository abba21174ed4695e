"""A worker on every rank, and rank 0's referee who takes them for one: the ranks are threads here."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from paco_prof.gate.trees import Tree
from paco_prof.measure.comparing import new_comparison
from paco_prof.measure.distributed.group import Group
from paco_prof.measure.distributed.team import leading, serve
from paco_prof.measure.referee import ComparisonOutcome, Referee
from paco_prof.measure.worker_handle import Launcher, WorkerError
from paco_prof.records import ComparisonPlan, Contestant, FailureKind
from paco_prof.settings import Workload
from played import Players, Silent, steady

Trouble = Callable[[str, str, str, int], FailureKind | None]


@dataclass
class Wire:
    """What rank 0 and rank 1 tell each other."""

    orders: queue.Queue[Any] = field(default_factory=queue.Queue)
    answers: queue.Queue[Any] = field(default_factory=queue.Queue)


@dataclass
class FakeGroup:
    """One of two ranks, whose calls have the meaning of a `Group`'s."""

    wire: Wire
    is_first: bool
    node: int = 0

    def agree(self, value: Any) -> Any:
        if self.is_first:
            self.wire.orders.put(value)
            return value
        return self.wire.orders.get(timeout=10)

    def gathered(self, value: Any) -> list[Any] | None:
        if self.is_first:
            return [value, self.wire.answers.get(timeout=10)]
        self.wire.answers.put(value)
        return None


@dataclass
class Rank:
    """The workers of one rank, and the environment variables that they were given."""

    players: Players
    variables: list[Mapping[str, str]] = field(default_factory=list)

    def launcher_with(self, variables: Mapping[str, str]) -> Launcher:
        self.variables.append(variables)
        return self.players.launcher(cast("Tree", _Tree()))


class _Tree:
    name = "working tree"


def never(tree: str, name: str, what: str, steps: int) -> FailureKind | None:
    return None


def compared(*troubles: Trouble) -> tuple[ComparisonOutcome, list[Rank]]:
    """A comparison on two ranks, whose workers fail as told."""
    ranks = [Rank(Players(steady(seed=seed), trouble=trouble)) for seed, trouble in enumerate(troubles)]
    wire = Wire()
    other = cast("Group", FakeGroup(wire, is_first=False))
    thread = threading.Thread(target=serve, args=(other, ranks[1].launcher_with), daemon=True)
    thread.start()
    workload = Workload(world_size=2)
    contestants = [Contestant(name=name, workload=workload, base=workload) for name in ("baseline", "exact")]
    record = new_comparison(contestants, ComparisonPlan(launches=2, pairs=3))
    first = cast("Group", FakeGroup(wire, is_first=True))
    with leading(first, ranks[0].launcher_with) as launch_worker:
        outcome = Referee(record, launch_worker, Silent(), lambda record: None, now=iter(range(10**6)).__next__).run()
    thread.join(timeout=10)
    assert not thread.is_alive(), "rank 1 was not told that nothing follows"
    return outcome, ranks


def test_every_rank_takes_the_steps_that_rank_0_asks_for() -> None:
    outcome, (first, second) = compared(never, never)
    assert outcome.error is None
    assert [launch.is_complete for launch in outcome.record.launches] == [True, True]
    assert first.players.num_steps == second.players.num_steps > 0
    assert [w.contestant.name for w in first.players.workers] == [w.contestant.name for w in second.players.workers]
    assert all(worker.closed for rank in (first, second) for worker in rank.players.workers)


def test_workers_of_a_team_meet_at_a_port_of_their_own() -> None:
    _, (first, second) = compared(never, never)
    assert [given["MASTER_PORT"] for given in first.variables] == [given["MASTER_PORT"] for given in second.variables]
    ports = {given["MASTER_PORT"] for given in first.variables}
    assert len(ports) > 1
    assert all(given["TORCHELASTIC_USE_AGENT_STORE"] == "False" for given in second.variables)


def test_the_other_workers_of_a_team_on_this_machine_are_no_strangers() -> None:
    wire = Wire()
    ranks = [Rank(Players(steady())), Rank(Players(steady()))]
    first, other = (cast("Group", FakeGroup(wire, is_first=is_first)) for is_first in (True, False))
    thread = threading.Thread(target=serve, args=(other, ranks[1].launcher_with), daemon=True)
    thread.start()
    workload = Workload(world_size=2)
    contestant = Contestant(name="baseline", workload=workload, base=workload)
    with leading(first, ranks[0].launcher_with) as launch_worker:
        team = launch_worker(contestant, keep_initial=False)
        # Both ranks' players count their processes from the same number.
        assert launch_worker.beside(team.pid) == [4_000_000]
        team.close()
    thread.join(timeout=10)


def test_only_rank_0_is_compared_with_float64() -> None:
    asked: list[str] = []

    def listening(tree: str, name: str, what: str, steps: int) -> FailureKind | None:
        asked.append(what)
        return None

    outcome, _ = compared(never, listening)
    assert all(contestant.fidelity is not None for contestant in outcome.record.contestants)
    assert "fidelity" not in asked
    assert "memory" in asked


@pytest.mark.parametrize("rank", [0, 1])
def test_a_worker_that_fails_ends_its_whole_team_and_is_named(rank: int) -> None:
    def trouble(tree: str, name: str, what: str, steps: int) -> FailureKind | None:
        return "out of memory" if name == "exact" and what == "step" and steps == 4 else None

    troubles = [never, never]
    troubles[rank] = trouble
    outcome, ranks = compared(*troubles)
    (failure,) = outcome.record.failures
    assert (failure.kind, failure.of_baseline) == ("out of memory", False)
    assert failure.detail.startswith(f"rank {rank}: ")
    assert all(worker.closed for one in ranks for worker in one.players.workers)


def test_what_follows_from_a_failure_elsewhere_is_not_named_as_the_cause() -> None:
    def lost(tree: str, name: str, what: str, steps: int) -> FailureKind | None:
        return "raised" if name == "exact" and what == "step" else None

    def died(tree: str, name: str, what: str, steps: int) -> FailureKind | None:
        return "died" if name == "exact" and what == "step" else None

    outcome, _ = compared(_saying(lost, "Connection closed by peer"), died)
    assert {failure.detail.split(":")[0] for failure in outcome.record.failures} == {"rank 1"}
    assert {failure.kind for failure in outcome.record.failures} == {"died"}


def _saying(trouble: Trouble, words: str) -> Trouble:
    def raising(tree: str, name: str, what: str, steps: int) -> FailureKind | None:
        kind = trouble(tree, name, what, steps)
        if kind is not None:
            raise WorkerError(4_000_000, kind, what, words)
        return None

    return raising


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("hung", "no answer within 300 s"),
        ("died", "killed by SIGABRT: NCCL error: remote process exited or there was a network error"),
    ],
)
def test_what_a_collective_without_an_end_comes_to_is_a_consequence(kind: FailureKind, words: str) -> None:
    """A worker that is left in the middle of an all-reduce waits for ever, or NCCL ends it."""

    def left(tree: str, name: str, what: str, steps: int) -> FailureKind | None:
        return kind if name == "exact" and what == "step" else None

    def full(tree: str, name: str, what: str, steps: int) -> FailureKind | None:
        return "out of memory" if name == "exact" and what == "step" else None

    outcome, _ = compared(_saying(left, words), full)
    (failure,) = outcome.record.failures
    assert (failure.kind, failure.detail.split(":")[0]) == ("out of memory", "rank 1")


@pytest.mark.parametrize(
    ("kind", "words", "other", "left"),
    [
        # Killed as its time is up, it is lost to the others.
        ("hung", "no answer within 300 s", "raised", "Connection closed by peer"),
        ("died", "killed by SIGSEGV: [W1 ProcessGroupNCCL.cpp:1] a warning", "hung", "no answer within 300 s"),
    ],
)
def test_what_hangs_or_crashes_is_the_cause_of_what_others_say(
    kind: FailureKind, words: str, other: FailureKind, left: str
) -> None:
    def failing(what_it_is: FailureKind) -> Trouble:
        def failed(tree: str, name: str, what: str, steps: int) -> FailureKind | None:
            return what_it_is if name == "exact" and what == "step" else None

        return failed

    outcome, _ = compared(_saying(failing(other), left), _saying(failing(kind), words))
    assert {(f.kind, f.detail.split(":")[0]) for f in outcome.record.failures} == {(kind, "rank 1")}

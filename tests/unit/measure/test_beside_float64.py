"""What cannot be compared with float64, when all else has been measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alone_in_a_group import in_a_group_of_one
from own_models import Tiny
from paco_prof.errors import RankError, UsageError
from paco_prof.measure import beside_float64
from paco_prof.measure.beside_float64 import compared
from paco_prof.measure.building import Built
from paco_prof.measure.clock import clock_for
from paco_prof.measure.job import Job
from paco_prof.measure.user.step import Given, build_user_step
from paco_prof.measure.workload import build_step
from paco_prof.records import Fidelity, Note
from paco_prof.settings import Workload
from tiny import CPU, TINY

ERRORS = [
    AssertionError("float32, please"),
    UsageError("BatchedMatcher cannot."),
    SystemExit(1),
    RuntimeError("no room"),
]
OWN = Workload(model="own_models:Tiny", batch_size=2, image_size=32)


def own() -> Built:
    step, workload, user = build_user_step(OWN, CPU, given=Given(Tiny))
    user.release()
    return Built(step, Job(workload, workload), clock_for(CPU), user=user)


def ours() -> Built:
    step, workload = build_step(TINY, CPU)
    return Built(step, Job(workload, workload), clock_for(CPU))


def fails(patched: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: object) -> None:
        raise error

    patched.setattr(beside_float64, "measure_fidelity", fail)
    patched.setattr(beside_float64, "measure_user_fidelity", fail)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_users_code_may_refuse_it_in_any_way(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    fails(monkeypatch, error)
    built = own()
    found = compared(built, built.job.workload, built.job.base)
    assert isinstance(found, Note)
    assert (found.code, str(error).rstrip(".") in found.detail) == ("no_fidelity", True)


def test_ours_may_lack_the_room_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    built = ours()
    for error in (RuntimeError("no room"), MemoryError()):
        fails(monkeypatch, error)
        assert isinstance(compared(built, built.job.workload, built.job.base), Note)
    fails(monkeypatch, AssertionError("a fault of ours"))
    with pytest.raises(AssertionError, match="ours"):
        compared(built, built.job.workload, built.job.base)


def test_what_can_be_compared_is() -> None:
    built = own()
    found = compared(built, built.job.workload, built.job.base)
    assert isinstance(found, Fidelity)
    assert found.oracle == "own model"


def test_an_interruption_is_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    fails(monkeypatch, KeyboardInterrupt())
    built = own()
    with pytest.raises(KeyboardInterrupt):
        compared(built, built.job.workload, built.job.base)


@pytest.mark.parametrize("make", [own, ours])
def test_the_loss_of_a_rank_is_none_of_it_either(monkeypatch: pytest.MonkeyPatch, make: Callable[[], Built]) -> None:
    built = make()
    fails(monkeypatch, RankError("Rank 1 of 2 died.", 4, is_mine=True))
    with pytest.raises(RankError, match="died"):
        compared(built, built.job.workload, built.job.base)
    closed = RuntimeError("Connection closed by peer")
    fails(monkeypatch, closed)
    assert isinstance(compared(built, built.job.workload, built.job.base), Note)
    with in_a_group_of_one(), pytest.raises(RuntimeError, match="closed"):
        compared(built, built.job.workload, built.job.base)

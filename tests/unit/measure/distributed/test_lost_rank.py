"""Which errors may follow from the loss of another rank."""

from __future__ import annotations

import pytest

from alone_in_a_group import in_a_group_of_one
from paco_prof.errors import MeasurementError, RankError
from paco_prof.measure.distributed.lost_rank import is_of_a_lost_rank, speaks_of_a_lost_rank

CLOSED = "[../gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:4711"


@pytest.mark.parametrize("text", [CLOSED, "NCCL error: remote process exited", "Broken pipe", "Timed out waiting"])
def test_collectives_speak_of_connections(text: str) -> None:
    assert speaks_of_a_lost_rank(text)


def test_nobody_else_does() -> None:
    assert not speaks_of_a_lost_rank("CUDA out of memory")


def test_what_ended_the_run_is_of_a_lost_rank_wherever_it_is_raised() -> None:
    assert is_of_a_lost_rank(RankError("Rank 1 of 2 died.", 4, is_mine=True))
    assert not is_of_a_lost_rank(MeasurementError(CLOSED))


def test_a_process_that_is_alone_loses_nobody() -> None:
    assert not is_of_a_lost_rank(RuntimeError(CLOSED))
    with in_a_group_of_one():
        assert is_of_a_lost_rank(RuntimeError(CLOSED))
        assert not is_of_a_lost_rank(RuntimeError("CUDA out of memory"))
        assert not is_of_a_lost_rank(ValueError(CLOSED))

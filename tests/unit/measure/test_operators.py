"""Counting operators and factorisations, by stage."""

from __future__ import annotations

import threading

import pytest
import torch
from torch.nn import functional

from paco_prof.measure.operators import OperatorCensus
from paco_prof.stages import stage

SPD = 2 * torch.eye(4).repeat(3, 2, 1, 1)


def factorizations(call: object) -> int:
    with OperatorCensus() as census:
        assert callable(call)
        call()
    return sum(count.factorizations for count in census.counts())


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.linalg.cholesky(SPD),
        lambda: torch.linalg.cholesky_ex(SPD),
        lambda: torch.linalg.inv(SPD),
        lambda: torch.linalg.solve(SPD, SPD),
        lambda: torch.linalg.eigh(SPD),
        lambda: torch.linalg.eigvalsh(SPD),
        lambda: torch.linalg.svd(SPD),
        lambda: torch.linalg.qr(SPD),
        lambda: torch.linalg.slogdet(SPD),
        lambda: torch.linalg.det(SPD),
        lambda: torch.linalg.lu_factor(SPD),
    ],
)
def test_every_matrix_of_a_batch_is_one_factorisation(call: object) -> None:
    assert factorizations(call) == 6


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.ones(8, 14, 14, 1).rsqrt(),
        lambda: torch.ones(8, 14).sqrt(),
        lambda: functional.rms_norm(torch.ones(8, 14), (14,)),
        lambda: torch._weight_norm(torch.ones(3, 3), torch.ones(3, 1)),
        lambda: torch.linalg.solve_triangular(SPD, SPD, upper=False),
        lambda: torch.cholesky_solve(SPD, SPD),
        lambda: SPD @ SPD,
    ],
)
def test_what_only_sounds_like_one_is_none(call: object) -> None:
    assert factorizations(call) == 0


def test_counts_belong_to_the_innermost_open_stage() -> None:
    x = torch.ones(2)
    with OperatorCensus() as census:
        with stage("outer"):
            x = x + 1
            with stage("inner"):
                x = x * 2
                x = x * 3
        x = x - 1
    assert {count.path: count.operators for count in census.counts()} == {"outer": 1, "outer/inner": 2, "": 1}


def test_a_stage_inside_of_itself_is_that_stage_and_other_threads_have_none() -> None:
    x = torch.ones(2)

    def elsewhere() -> None:
        with stage("elsewhere"):
            torch.ones(2) + 1

    with OperatorCensus() as census:
        with stage("a"), stage("a"):
            x = x + 1
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
            x = x + 1
        with stage("loss"), stage("loss/ce"):
            x = x + 1
    assert {count.path: count.operators for count in census.counts()} == {"a": 2, "loss/ce": 1}


def test_nothing_is_counted_once_the_block_has_ended() -> None:
    with OperatorCensus() as census:
        pass
    with stage("late"):
        torch.ones(2) + 1
    assert census.counts() == ()

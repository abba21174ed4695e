"""The drop-in for the negatives pool: each row once, and the same loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from foreign_components import draw_parts, loop_pool
from paco_prof.errors import UsageError
from paco_prof.paco2.drop_ins import FoldedPool
from paco_prof.paco2.losses import PaCLoss


class Model(nn.Module):
    """A model that builds its pool in a method, and counts its steps."""

    def __init__(self, write: Callable[[Tensor], Any] = lambda pool: pool) -> None:
        super().__init__()
        self.write, self.step, self.num_calls = write, 0, 0

    def _create_negatives_pool(self, Z1t: Tensor, Z2t: Tensor) -> Any:
        self.num_calls += 1
        return self.write(loop_pool(Z1t, Z2t))

    def forward(self, Z1: Tensor, Z2: Tensor, Sigma: Tensor) -> Tensor:
        self.step += 1
        pool = self._create_negatives_pool(Z1, Z2)
        return PaCLoss(alpha=2.0)(Z1, Z2, torch.arange(Z1.shape[1]).expand(Z1.shape[:2]), pool, Sigma)


@pytest.mark.parametrize("B", [1, 2, 4])
def test_the_loss_and_its_gradients_are_the_same(B: int) -> None:
    """The method of an instance is replaced in one line, and is asked once."""
    model, twin = Model(), Model()
    twin._create_negatives_pool = FoldedPool.in_place_of(twin._create_negatives_pool)
    for seed in range(3):
        Z1, Z2, _, Sigma_plus = (tensor.requires_grad_() for tensor in draw_parts(seed, B=B))
        one, other = (one(Z1, Z2, Sigma_plus) for one in (model, twin))
        assert other.item() == pytest.approx(one.item(), rel=1e-12)
        if B > 1:
            assert one.item() > 0
            torch.testing.assert_close(
                torch.autograd.grad(other, [Z1, Z2, Sigma_plus]),
                torch.autograd.grad(one, [Z1, Z2, Sigma_plus]),
                rtol=1e-10,
                atol=1e-10,
            )
    assert twin.num_calls == 1
    assert twin.step == 3


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (lambda pool: pool[torch.randperm(len(pool), generator=torch.Generator().manual_seed(0))], lambda pool: pool),
        (lambda pool: {"negatives": pool.detach().float()}, lambda answer: answer["negatives"]),
        (lambda pool: (pool, None), lambda answer: answer[0]),
    ],
)
def test_order_structure_and_types_are_the_originals_business(
    write: Callable[[Tensor], Any], read: Callable[[Any], Tensor]
) -> None:
    model = Model(write)
    drop_in = FoldedPool.in_place_of(model._create_negatives_pool)
    for seed in range(2):
        Z1, Z2, *_ = (tensor.requires_grad_() for tensor in draw_parts(seed))
        expected, given = write(loop_pool(Z1, Z2)), drop_in(Z2t=Z2, Z1t=Z1)
        assert type(given) is type(expected)
        assert read(given).dtype == read(expected).dtype
        assert read(given).requires_grad == read(expected).requires_grad
        assert torch.equal(read(given).unique(dim=0), read(expected).unique(dim=0))
    assert len(read(given)) == 2 * Z1.shape[0] * Z1.shape[1]


@pytest.mark.parametrize(
    "write",
    [
        lambda pool: pool[:5],
        lambda pool: nn.functional.normalize(pool, dim=1),
        lambda pool: torch.cat([pool, pool.new_zeros(1, pool.shape[1])]),
        lambda pool: pool.view(4, -1, pool.shape[1]),
    ],
)
def test_another_pool_is_refused(write: Callable[[Tensor], Any]) -> None:
    Z1, Z2, *_ = draw_parts(0)
    with pytest.raises(
        UsageError, match=r"FoldedPool cannot take the place of \S+_create_negatives_pool: its answer \("
    ):
        FoldedPool.in_place_of(Model(write)._create_negatives_pool)(Z1, Z2)


def test_a_pool_of_which_a_view_has_no_gradient_is_refused() -> None:
    Z1, Z2, *_ = (tensor.requires_grad_() for tensor in draw_parts(0))
    with pytest.raises(UsageError, match="PaCo-2's pool"):
        FoldedPool.in_place_of(lambda Z1, Z2: loop_pool(Z1, Z2.detach()))(Z1, Z2)

"""The shared negatives pool against the oracle: which rows stand in it, how often, and their gradient."""

from collections import Counter

import numpy as np
import pytest
import torch

import oracle
from paco_prof.paco2.negatives import shared_pool


@pytest.mark.parametrize("num_images", [1, 2, 3, 8])
@pytest.mark.parametrize("num_parts", [1, 2, 5])
def test_pool_holds_the_oracles_rows(num_images: int, num_parts: int) -> None:
    """The same rows, bit by bit and as often, in whatever order; each part stands in the pool B - 1 times."""
    z1, z2 = np.random.default_rng(0).normal(size=(2, num_images, num_parts, 3))
    pool = shared_pool(torch.from_numpy(z1), torch.from_numpy(z2))
    assert pool.shape == (num_images * (num_images - 1) * 2 * num_parts, 3)
    counted = Counter(map(tuple, pool.tolist()))
    assert counted == Counter(map(tuple, oracle.shared_pool(z1, z2).tolist()))
    assert set(counted.values()) <= {num_images - 1}


def test_equal_parts_are_counted_each() -> None:
    """A part that two images share stands there once for each of them."""
    z1, z2 = np.random.default_rng(1).normal(size=(2, 3, 2, 3))
    z2[2, 1] = z1[0, 0]
    pool = shared_pool(torch.from_numpy(z1), torch.from_numpy(z2))
    assert Counter(map(tuple, pool.tolist()))[tuple(z1[0, 0].tolist())] == 4


@pytest.mark.parametrize("num_images", [2, 3, 8])
def test_gradient_of_the_pool(num_images: int) -> None:
    """A function summed over the pool's rows has B - 1 times its gradient at each part."""
    z1, z2 = (torch.from_numpy(z).requires_grad_() for z in np.random.default_rng(2).normal(size=(2, num_images, 2, 3)))
    shared_pool(z1, z2).square().sum().backward()
    for z in (z1, z2):
        assert z.grad is not None
        torch.testing.assert_close(z.grad, 2 * (num_images - 1) * z.detach())


def test_a_single_image_has_an_empty_pool_in_the_graph() -> None:
    """B = 1: no rows, d columns, and the parts' type."""
    z = torch.ones(1, 4, 3, dtype=torch.float64, requires_grad=True)
    pool = shared_pool(z, z)
    assert pool.shape == (0, 3)
    assert pool.dtype == torch.float64

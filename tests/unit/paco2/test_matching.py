"""The matching against the oracle: the two costs, the optimal permutation and the warm-up switch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

import oracle
from paco_prof.paco2.matching import HungarianMatcher, cosine_cost, mahalanobis_cost

SIZES = [(b, k) for b in (1, 2, 3, 8) for k in (1, 2, 3, 4, 5)]


def draw(num_images: int, num_parts: int, seed: int) -> tuple[oracle.Array, oracle.Array, oracle.Array]:
    """Random parts of two views and their Sigma_plus, d = 5, epsilon = tau = 1e-2."""
    rng = np.random.default_rng(seed)
    z1, z2 = rng.normal(size=(2, num_images, num_parts, 5))
    sigmas = [oracle.part_covariance(z, 1e-2) for z in (z1, z2)]
    return z1, z2, oracle.sigma_plus(sigmas[0], sigmas[1], 1e-2)


def match(z1: oracle.Array, z2: oracle.Array, plus: oracle.Array, warmup_epochs: int, epoch: int) -> oracle.Indices:
    """The package's matching of numpy parts."""
    matching = HungarianMatcher(warmup_epochs)(*map(torch.from_numpy, (z1, z2, plus)), epoch)
    assert matching.dtype == torch.long
    assert not matching.requires_grad
    return np.asarray(matching.numpy())


@pytest.mark.parametrize(("num_images", "num_parts"), SIZES)
def test_costs_are_the_oracles(num_images: int, num_parts: int) -> None:
    """Rows are view 1's parts and columns view 2's, for both costs."""
    z1, z2, plus = draw(num_images, num_parts, 0)
    t1, t2, tplus = map(torch.from_numpy, (z1, z2, plus))
    np.testing.assert_allclose(cosine_cost(t1, t2).numpy(), oracle.cosine_cost(z1, z2), rtol=1e-11)
    np.testing.assert_allclose(
        mahalanobis_cost(t1, t2, tplus).numpy(), oracle.mahalanobis_cost(z1, z2, plus), rtol=1e-11
    )


def test_the_cosine_of_a_zero_vector_is_zero() -> None:
    """A zero part is at cosine distance 1 from every part, another zero part included."""
    z1, z2, _ = draw(2, 3, 1)
    z1[0, 1], z2[0, 1], z2[1, 2] = 0, 0, 0
    cost = cosine_cost(torch.from_numpy(z1), torch.from_numpy(z2)).numpy()
    np.testing.assert_allclose(cost, oracle.cosine_cost(z1, z2), rtol=1e-11)
    assert cost[0, 1].tolist() == [1, 1, 1]


def test_a_part_is_at_no_distance_from_itself() -> None:
    """Equal parts have Mahalanobis cost 0, not the rounding of a difference of squares."""
    z1, _, plus = draw(3, 4, 2)
    cost = mahalanobis_cost(*map(torch.from_numpy, (z1, z1.copy(), plus))).numpy()
    np.testing.assert_allclose(np.diagonal(cost, axis1=1, axis2=2), 0, atol=1e-12)


@pytest.mark.parametrize(("num_images", "num_parts"), SIZES)
@pytest.mark.parametrize("epoch", [0, 3])
def test_matching_is_the_brute_force_optimum(num_images: int, num_parts: int, epoch: int) -> None:
    """Without ties there is one optimal permutation under each cost, and the matcher returns it."""
    z1, z2, plus = draw(num_images, num_parts, 3)
    cost = oracle.cosine_cost(z1, z2) if epoch < 3 else oracle.mahalanobis_cost(z1, z2, plus)
    assert match(z1, z2, plus, 3, epoch).tolist() == oracle.best_assignment(cost).tolist()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(1, 3), st.integers(1, 5), st.integers(0, 2**31), st.integers(1, 4), st.booleans())
def test_matching_cost_equals_brute_force(
    num_images: int, num_parts: int, seed: int, num_different: int, warm: bool
) -> None:
    """With repeated parts several permutations are optimal: any of them will do, and only those."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(num_different, 5))
    vectors[0] = 0
    z1, z2 = vectors[rng.integers(0, num_different, size=(2, num_images, num_parts))]
    sigmas = [oracle.part_covariance(z, 1e-2) for z in (z1, z2)]
    plus = oracle.sigma_plus(sigmas[0], sigmas[1], 1e-2)
    cost = oracle.cosine_cost(z1, z2) if warm else oracle.mahalanobis_cost(z1, z2, plus)
    matching, best = match(z1, z2, plus, 1, 0 if warm else 1), oracle.best_assignment(cost)
    for b in range(num_images):
        assert sorted(matching[b]) == list(range(num_parts))
        expected = oracle.assignment_cost(cost[b], best[b])
        assert oracle.assignment_cost(cost[b], matching[b]) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("num_parts", [6, 7, 9, 12])
def test_many_parts(num_parts: int) -> None:
    """More parts than permutations can be tried for: the optimum is scipy's."""
    z1, z2, plus = draw(2, num_parts, 4)
    cost = oracle.mahalanobis_cost(z1, z2, plus)
    expected = [linear_sum_assignment(one)[1].tolist() for one in cost]
    assert match(z1, z2, plus, 0, 0).tolist() == expected


def test_warmup_switch() -> None:
    """Cosine while epoch < warmup_epochs, Mahalanobis from that epoch on; never cosine without a warm-up."""
    z1, z2, plus = draw(8, 4, 5)
    cosine = oracle.best_assignment(oracle.cosine_cost(z1, z2)).tolist()
    mahalanobis = oracle.best_assignment(oracle.mahalanobis_cost(z1, z2, plus)).tolist()
    assert cosine != mahalanobis
    for epoch in (0, 1, 2):
        assert match(z1, z2, plus, 3, epoch).tolist() == cosine
    for epoch in (3, 4, 100):
        assert match(z1, z2, plus, 3, epoch).tolist() == mahalanobis
    assert match(z1, z2, plus, 0, 0).tolist() == mahalanobis


@pytest.mark.parametrize("epoch", [0, 3])
def test_matching_carries_no_gradient(epoch: int) -> None:
    """Parts that require a gradient are matched all the same, outside the graph."""
    z1, z2, plus = (torch.from_numpy(x).requires_grad_() for x in draw(2, 3, 6))
    assert not HungarianMatcher(3)(z1, z2, plus, epoch).requires_grad


def test_matching_indexes_view_2() -> None:
    """matching[b, k] is the part of view 2 that part k of view 1 is matched with."""
    z1, _, plus = draw(3, 4, 7)
    order = np.array([2, 0, 3, 1])
    z2 = z1[:, order] + 1e-3  # part k of view 2 is part order[k] of view 1
    expected = np.argsort(order).tolist()
    assert match(z1, z2, plus, 0, 0).tolist() == [expected] * 3

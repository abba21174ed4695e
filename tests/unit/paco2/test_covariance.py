"""The covariances of the parts against the oracle, in value and gradient, and their Cholesky factor."""

import numpy as np
import pytest
import torch

import oracle
from paco_prof.paco2.covariance import cholesky_factor, joint_covariance, part_covariance

SIZES = [(1, 1), (1, 4), (2, 2), (3, 3), (8, 5)]


@pytest.mark.parametrize(("num_images", "num_parts"), SIZES)
def test_part_covariance_value(num_images: int, num_parts: int) -> None:
    """Centred over the parts, divided by K - 1 (by 1 for a single part), plus epsilon I."""
    parts = np.random.default_rng(0).normal(size=(num_images, num_parts, 5)) + 3
    result = part_covariance(torch.from_numpy(parts), 1e-3)
    np.testing.assert_allclose(result.numpy(), oracle.part_covariance(parts, 1e-3), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(("num_images", "num_parts"), [(1, 1), (2, 2), (3, 4)])
def test_part_covariance_gradient(num_images: int, num_parts: int) -> None:
    """The gradient of a weighted sum of the entries, the weights not symmetric."""
    rng = np.random.default_rng(1)
    parts, weights = rng.normal(size=(num_images, num_parts, 5)), rng.normal(size=(num_images, 5, 5))
    given = torch.from_numpy(parts).requires_grad_()
    (part_covariance(given, 1e-3) * torch.from_numpy(weights)).sum().backward()
    assert given.grad is not None
    if num_parts == 1:  # a single part is its own mean
        np.testing.assert_allclose(given.grad.numpy(), 0, atol=1e-12)
        return
    expected = oracle.gradient(lambda x: float((oracle.part_covariance(x, 1e-3) * weights).sum()), parts)
    assert oracle.relative_error(given.grad, expected) < 1e-8


@pytest.mark.parametrize("num_parts", [1, 2, 3, 5])
def test_identical_parts_leave_epsilon(num_parts: int) -> None:
    """Parts that are all equal have the covariance epsilon I, and so have parts of zeros."""
    part = np.random.default_rng(2).normal(size=5)
    for value in (part, np.zeros(5)):
        parts = torch.from_numpy(np.broadcast_to(value, (2, num_parts, 5)).copy())
        expected = np.broadcast_to(1e-5 * np.eye(5), (2, 5, 5))
        np.testing.assert_allclose(part_covariance(parts, 1e-5).numpy(), expected, rtol=1e-12, atol=1e-30)


def test_joint_covariance_value_and_gradient() -> None:
    """The mean of the views' covariances plus tau I; half of the gradient goes to each."""
    rng = np.random.default_rng(3)
    sigma1, sigma2, weights = (rng.normal(size=(3, 4, 4)) for _ in range(3))
    given1, given2 = (torch.from_numpy(sigma).requires_grad_() for sigma in (sigma1, sigma2))
    result = joint_covariance(given1, given2, 0.25)
    np.testing.assert_allclose(result.detach().numpy(), oracle.sigma_plus(sigma1, sigma2, 0.25), rtol=1e-13)
    (result * torch.from_numpy(weights)).sum().backward()
    for given in (given1, given2):
        assert given.grad is not None
        np.testing.assert_allclose(given.grad.numpy(), weights / 2, rtol=1e-13)


def test_cholesky_factor_value() -> None:
    """L is lower triangular and L L^T is the matrix, at epsilon = tau = 1e-5 as well."""
    parts = np.random.default_rng(4).normal(size=(4, 3, 6))
    sigma = torch.from_numpy(oracle.part_covariance(parts, 1e-5))
    factor = cholesky_factor(sigma)
    assert torch.equal(factor, factor.tril())
    np.testing.assert_allclose((factor @ factor.mT).numpy(), sigma.numpy(), rtol=1e-12, atol=1e-14)


def test_cholesky_factor_gradient() -> None:
    """The gradient of a weighted sum of L's entries, through Sigma."""
    rng = np.random.default_rng(5)
    root = rng.normal(size=(2, 4, 4))
    weights = rng.normal(size=(2, 4, 4))

    def function(x: oracle.Array) -> float:
        sigma = x @ x.transpose(0, 2, 1) + 0.1 * np.eye(4)
        return float((np.linalg.cholesky(sigma) * weights).sum())

    given = torch.from_numpy(root).requires_grad_()
    sigma = given @ given.mT + 0.1 * torch.eye(4, dtype=torch.float64)
    (cholesky_factor(sigma) * torch.from_numpy(weights)).sum().backward()
    assert given.grad is not None
    assert oracle.relative_error(given.grad, oracle.gradient(function, root)) < 1e-7


def test_cholesky_factor_of_a_matrix_that_is_not_positive_definite() -> None:
    """No exception: NaN for that matrix, and the other matrices of the batch keep their factor."""
    sigma = torch.stack([torch.eye(3), -torch.eye(3), 4 * torch.eye(3)]).double()
    factor = cholesky_factor(sigma)
    assert bool(torch.isnan(factor[1]).any())
    np.testing.assert_allclose(factor[0].numpy(), np.eye(3))
    np.testing.assert_allclose(factor[2].numpy(), 2 * np.eye(3))

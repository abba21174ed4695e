"""SoC against the oracle, in value and gradient, with and without class prototypes."""

import numpy as np
import pytest
import torch

import oracle
from paco_prof.paco2.covariance import part_covariance
from paco_prof.paco2.losses import SoCLoss
from paco_prof.paco2.spd import METRICS

EPSILON = 1e-2


def draw(num_images: int, num_parts: int, seed: int) -> tuple[oracle.Array, oracle.Array]:
    """Parts of both views, (2, B, K, 5), and a prototype for each image: the identity for every second."""
    rng = np.random.default_rng(seed)
    prototypes = oracle.part_covariance(rng.normal(size=(num_images, 4, 5)), 0.1)
    prototypes[::2] = np.eye(5)
    return rng.normal(size=(2, num_images, num_parts, 5)), prototypes


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("with_prototype", [True, False])
@pytest.mark.parametrize(("num_images", "num_parts"), [(1, 1), (1, 4), (2, 2), (3, 5), (8, 3)])
def test_value(num_images: int, num_parts: int, with_prototype: bool, metric: str) -> None:
    """The batch mean between the views, plus beta times the batch mean to the prototypes."""
    parts, prototypes = draw(num_images, num_parts, 0)
    sigmas = [oracle.part_covariance(view, EPSILON) for view in parts]
    given = [torch.from_numpy(sigma) for sigma in sigmas]
    if with_prototype:
        given.append(torch.from_numpy(prototypes))
    loss = SoCLoss(metric, 0.3)(*given)
    assert loss.shape == ()
    expected = oracle.soc(sigmas[0], sigmas[1], prototypes if with_prototype else None, metric, 0.3)
    assert loss.item() == pytest.approx(expected, rel=1e-10, abs=1e-14)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("num_images", "num_parts"), [(1, 2), (2, 3), (3, 4)])
@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_gradient(num_images: int, num_parts: int, beta: float, metric: str) -> None:
    """The gradient in the parts of both views, through both terms."""
    parts, prototypes = draw(num_images, num_parts, 1)

    def function(x: oracle.Array) -> float:
        sigmas = [oracle.part_covariance(view, EPSILON) for view in x]
        return oracle.soc(sigmas[0], sigmas[1], prototypes, metric, beta)

    given = torch.from_numpy(parts).requires_grad_()
    sigmas = [part_covariance(view, EPSILON) for view in given]
    loss = SoCLoss(metric, beta)(*sigmas, Sigma_proto=torch.from_numpy(prototypes))
    (gradient,) = torch.autograd.grad(loss, given)
    assert oracle.relative_error(gradient, oracle.gradient(function, parts)) < 1e-6


@pytest.mark.parametrize("metric", METRICS)
def test_equal_views(metric: str) -> None:
    """Views with one covariance, that of identical parts: zero loss and a zero gradient."""
    given = torch.ones(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    loss = SoCLoss(metric, 0.05)(*(part_covariance(view, 1e-5) for view in given))
    (gradient,) = torch.autograd.grad(loss, given)
    assert loss.item() == pytest.approx(0, abs=1e-20)
    np.testing.assert_allclose(gradient.numpy(), 0, atol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_identical_parts_against_the_identity(metric: str) -> None:
    """Epsilon I against a prototype not seen: a large distance, the oracle's, and a finite gradient."""
    given = torch.ones(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    prototypes = np.broadcast_to(np.eye(5), (3, 5, 5)).copy()
    sigmas = [part_covariance(view, 1e-5) for view in given]
    loss = SoCLoss(metric, 0.05)(*sigmas, torch.from_numpy(prototypes))
    (gradient,) = torch.autograd.grad(loss, given)
    arrays = [sigma.detach().numpy() for sigma in sigmas]
    expected = oracle.soc(arrays[0], arrays[1], prototypes, metric, 0.05)
    assert loss.item() == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(gradient.numpy(), 0, atol=1e-9)

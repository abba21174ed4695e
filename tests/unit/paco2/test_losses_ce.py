"""The weighted cross-entropy against the oracle, in value and gradient."""

import numpy as np
import pytest
import torch

import oracle
from paco_prof.paco2.losses import WeightedCELoss

Case = tuple[oracle.Array, oracle.Indices, oracle.Array, oracle.Indices]


def draw(num_images: int, num_parts: int) -> Case:
    """Logits of six classes, targets, a channel norm of 7 x 6 pixels, and peaks, corners among them."""
    rng = np.random.default_rng(num_images + 10 * num_parts)
    peaks = rng.integers(0, [7, 6], (num_images, num_parts, 2))
    peaks[0, 0] = 0, 5
    targets = rng.integers(0, 6, num_images)
    return rng.normal(size=(num_images, 6)) * 3, targets, rng.random((num_images, 7, 6)) * 4, peaks


@pytest.mark.parametrize("num_images", [1, 2, 3, 8])
@pytest.mark.parametrize("num_parts", [1, 3, 5])
@pytest.mark.parametrize("gamma", [0.0, 0.1, 1.0])
def test_value(num_images: int, num_parts: int, gamma: float) -> None:
    """(1 - gamma) CE + gamma mean(w) CE over 5 x 5 windows clipped at the border; plain CE at gamma 0."""
    case = draw(num_images, num_parts)
    loss = WeightedCELoss(gamma, True)(*map(torch.from_numpy, case))
    assert loss.shape == ()
    assert loss.item() == pytest.approx(oracle.weighted_ce(*case, gamma), rel=1e-11)
    if gamma == 0:
        assert loss.item() == pytest.approx(oracle.cross_entropy(case[0], case[1]), rel=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.7])
def test_gradient(gamma: float) -> None:
    """The gradient in the logits and, at gamma > 0, in the channel norm, repeated peaks included."""
    logits, targets, norms, peaks = draw(3, 4)
    peaks[1, 2] = peaks[1, 3]
    tensors = [torch.from_numpy(x).requires_grad_() for x in (logits, norms)]
    loss = WeightedCELoss(gamma, True)(
        tensors[0], torch.from_numpy(targets), saliency_map=tensors[1], peaks=torch.from_numpy(peaks)
    )
    gradients = torch.autograd.grad(loss, tensors, allow_unused=True, materialize_grads=True)
    in_logits = oracle.gradient(lambda x: oracle.weighted_ce(x, targets, norms, peaks, gamma), logits)
    in_norms = oracle.gradient(lambda x: oracle.weighted_ce(logits, targets, x, peaks, gamma), norms)
    assert oracle.relative_error(gradients[0], in_logits) < 1e-8
    np.testing.assert_allclose(gradients[1].numpy(), in_norms, rtol=1e-7, atol=1e-10)
    assert bool(gradients[1].any()) == (gamma > 0)


def test_weighting_switched_off() -> None:
    """Plain cross-entropy where the weighting is off, whatever gamma is, and where no map is given."""
    case = draw(3, 2)
    plain = oracle.cross_entropy(case[0], case[1])
    logits, targets, norms, peaks = map(torch.from_numpy, case)
    assert WeightedCELoss(0.5, False)(logits, targets, norms, peaks).item() == pytest.approx(plain, rel=1e-12)
    assert WeightedCELoss(0.5, True)(logits, targets).item() == pytest.approx(plain, rel=1e-12)


def test_large_logits() -> None:
    """Logits of a thousand do not overflow."""
    case = draw(3, 2)
    loss = WeightedCELoss(0.1, True)(torch.from_numpy(case[0] * 1000), *map(torch.from_numpy, case[1:]))
    assert loss.item() == pytest.approx(oracle.weighted_ce(case[0] * 1000, *case[1:], 0.1), rel=1e-11)

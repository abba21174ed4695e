"""PaC against the oracle, in value and by finite differences in gradient; against a plain loop on ties."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from paco_prof.paco2.covariance import joint_covariance, part_covariance
from paco_prof.paco2.losses import PaCLoss
from paco_prof.paco2.negatives import shared_pool

EPSILON = TAU = 1e-2
ALPHA = 0.2


def draw(num_images: int, num_parts: int, seed: int) -> tuple[oracle.Array, oracle.Indices]:
    """The parts of both views, (2, B, K, 5), positives nearer than negatives, and a random matching."""
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(num_images, num_parts, 5))
    matching = np.stack([rng.permutation(num_parts) for _ in range(num_images)])
    second = np.empty_like(first)
    for b in range(num_images):
        second[b, matching[b]] = first[b] + 0.7 * rng.normal(size=(num_parts, 5))
    return np.stack([first, second]), matching


def oracle_pac(parts: oracle.Array, matching: oracle.Indices, use_semi_hard: bool, alpha: float = ALPHA) -> float:
    """The oracle's PaC of both views' parts (2, B, K, d), covariances and pool included."""
    sigmas = [oracle.part_covariance(view, EPSILON) for view in parts]
    pool, plus = oracle.shared_pool(*parts), oracle.sigma_plus(sigmas[0], sigmas[1], TAU)
    return oracle.pac(parts[0], parts[1], matching, pool, plus, alpha, use_semi_hard)


def package_pac(
    parts: oracle.Array, matching: oracle.Indices, use_semi_hard: bool, alpha: float = ALPHA
) -> tuple[float, oracle.Array]:
    """The package's PaC of the same, and its gradient (2, B, K, d): zeros where the loss is a constant."""
    given_parts = torch.from_numpy(parts).requires_grad_()
    z1, z2 = given_parts
    plus = joint_covariance(part_covariance(z1, EPSILON), part_covariance(z2, EPSILON), TAU)
    loss = PaCLoss(alpha, use_semi_hard)(z1, z2, torch.from_numpy(matching), shared_pool(z1, z2), plus)
    assert loss.shape == ()
    if not loss.requires_grad:
        return loss.item(), np.zeros_like(parts)
    (gradient,) = torch.autograd.grad(loss, given_parts)
    return loss.item(), gradient.numpy()


def loop_pac(
    z1: torch.Tensor,
    z2: torch.Tensor,
    matching: oracle.Indices,
    pool: torch.Tensor,
    plus: torch.Tensor,
    use_semi_hard: bool,
) -> torch.Tensor:
    """The reference loop in torch, one distance at a time: its autograd says how ties share the gradient."""
    hinges = []
    for b in range(len(z1)):
        factor = torch.linalg.cholesky(plus[b])

        def distance(u: torch.Tensor, v: torch.Tensor, factor: torch.Tensor = factor) -> torch.Tensor:
            return torch.linalg.solve_triangular(factor, (u - v)[:, None], upper=False).norm()

        for k in range(z1.shape[1]):
            d_pos = distance(z1[b, k], z2[b, int(matching[b, k])])
            candidates = torch.stack([distance(z1[b, k], row) for row in pool])
            harder = candidates[candidates > d_pos]
            d_neg = torch.min(harder if use_semi_hard and len(harder) else candidates)
            hinges.append(torch.relu(d_pos - d_neg + ALPHA))
    return torch.stack(hinges).mean()


def loop_gradient(parts: oracle.Array, matching: oracle.Indices, use_semi_hard: bool) -> tuple[float, oracle.Array]:
    """The loop's PaC of both views' parts and its gradient, with pool and covariances written out again."""
    given_parts = torch.from_numpy(parts).requires_grad_()
    num_images, num_parts, dim = parts.shape[1:]
    others = [[j for j in range(num_images) if j != i] for i in range(num_images)]
    pool = torch.cat([given_parts[:, rest].reshape(-1, dim) for rest in others])
    centred = given_parts - given_parts.mean(dim=2, keepdim=True)
    sigmas = torch.einsum("vbki,vbkj->vbij", centred, centred) / max(1, num_parts - 1)
    plus = sigmas.mean(dim=0) + (EPSILON + TAU) * torch.eye(dim, dtype=torch.float64)
    loss = loop_pac(given_parts[0], given_parts[1], matching, pool, plus, use_semi_hard)
    return loss.item(), torch.autograd.grad(loss, given_parts)[0].numpy()


@pytest.mark.parametrize("use_semi_hard", [True, False])
@pytest.mark.parametrize("num_images", [1, 2, 3])
@pytest.mark.parametrize("num_parts", [1, 2, 3, 4, 5])
def test_value(num_images: int, num_parts: int, use_semi_hard: bool) -> None:
    """The loss of several draws for every small B and K; no gradient and zero for an empty pool."""
    for seed in range(4):
        parts, matching = draw(num_images, num_parts, seed)
        value, gradient = package_pac(parts, matching, use_semi_hard)
        assert value == pytest.approx(oracle_pac(parts, matching, use_semi_hard), rel=1e-10, abs=1e-14)
        if num_images == 1:
            assert value == 0
            assert not gradient.any()


@pytest.mark.parametrize("use_semi_hard", [True, False])
@pytest.mark.parametrize(("num_images", "num_parts"), [(2, 1), (2, 2), (3, 1), (3, 2), (2, 3)])
def test_gradient(num_images: int, num_parts: int, use_semi_hard: bool) -> None:
    """Every entry of the gradient, through parts, pool and Sigma."""
    parts, matching = draw(num_images, num_parts, 10)
    value, gradient = package_pac(parts, matching, use_semi_hard, 50.0)  # no hinge is at rest
    expected = oracle.gradient(lambda x: oracle_pac(x, matching, use_semi_hard, 50.0), parts)
    assert value > 0
    assert expected.any()
    assert oracle.relative_error(gradient, expected) < 1e-6


@pytest.mark.parametrize("use_semi_hard", [True, False])
@pytest.mark.parametrize(("num_images", "num_parts"), [(2, 4), (2, 5), (3, 4), (3, 5)])
def test_slope(num_images: int, num_parts: int, use_semi_hard: bool) -> None:
    """The slope along random directions, for more parts than every entry is worth."""
    parts, matching = draw(num_images, num_parts, 11)
    value, gradient = package_pac(parts, matching, use_semi_hard)
    rng = np.random.default_rng(12)
    for _ in range(4):
        along = rng.normal(size=parts.shape)
        slope = oracle.directional_derivative(lambda x: oracle_pac(x, matching, use_semi_hard), parts, along, 1e-6)
        assert float((gradient * along).sum()) == pytest.approx(slope, rel=1e-6, abs=1e-7)
    assert value > 0


def test_a_batch_of_eight_with_five_parts() -> None:
    """B = 8, K = 5: the value, a slope, and the whole gradient of the loop, where each part is seven rows."""
    parts, matching = draw(8, 5, 20)
    value, gradient = package_pac(parts, matching, True)
    assert value == pytest.approx(oracle_pac(parts, matching, True), rel=1e-10)
    along = np.random.default_rng(21).normal(size=parts.shape)
    slope = oracle.directional_derivative(lambda x: oracle_pac(x, matching, True), parts, along, 1e-6)
    assert float((gradient * along).sum()) == pytest.approx(slope, rel=1e-6)
    expected, expected_gradient = loop_gradient(parts, matching, True)
    assert value == pytest.approx(expected, rel=1e-10)
    assert oracle.relative_error(gradient, expected_gradient) < 1e-9


@pytest.mark.parametrize("use_semi_hard", [True, False])
def test_gradient_of_each_argument(use_semi_hard: bool) -> None:
    """Parts, pool and Sigma_plus given apart from each other: each has its own gradient."""
    parts, matching = draw(2, 3, 30)
    rng = np.random.default_rng(31)
    root = rng.normal(size=(2, 5, 5))
    arrays = [parts[0], parts[1], rng.normal(size=(9, 5)), root]
    tensors = [torch.from_numpy(x).requires_grad_() for x in arrays]

    def function(*args: oracle.Array) -> float:
        plus = args[3] @ args[3].transpose(0, 2, 1) + 0.1 * np.eye(5)
        return oracle.pac(args[0], args[1], matching, args[2], plus, 3.0, use_semi_hard)

    plus = tensors[3] @ tensors[3].mT + 0.1 * torch.eye(5, dtype=torch.float64)
    loss = PaCLoss(3.0, use_semi_hard)(tensors[0], tensors[1], torch.from_numpy(matching), tensors[2], plus)
    gradients = torch.autograd.grad(loss, tensors)
    assert loss.item() == pytest.approx(function(*arrays), rel=1e-11)
    for i, gradient in enumerate(gradients):
        expected = oracle.gradient(lambda x, i=i: function(*arrays[:i], x, *arrays[i + 1 :]), arrays[i])
        assert oracle.relative_error(gradient, expected) < 1e-6


@pytest.mark.parametrize("use_semi_hard", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_equal_minima_share_the_gradient(seed: int, use_semi_hard: bool) -> None:
    """The nearest negative stands in a pool of leaves three times: a third of its gradient goes to each."""
    parts, matching = draw(2, 2, 40 + seed)
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(4, 5))[[0, 1, 0, 2, 3, 0, 1, 2, 2]]
    root = rng.normal(size=(2, 5, 5))
    plus = torch.from_numpy(root @ root.transpose(0, 2, 1) + 0.1 * np.eye(5))
    z1, z2, pool, loop_pool = (torch.from_numpy(x).requires_grad_() for x in (*parts, rows, rows.copy()))
    PaCLoss(ALPHA, use_semi_hard)(z1, z2, torch.from_numpy(matching), pool, plus).backward()
    loop_pac(z1.detach(), z2.detach(), matching, loop_pool, plus, use_semi_hard).backward()
    assert pool.grad is not None
    assert loop_pool.grad is not None
    np.testing.assert_allclose(pool.grad.numpy(), loop_pool.grad.numpy(), rtol=1e-9, atol=1e-12)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(2, 3),
    st.integers(1, 3),
    st.integers(2, 6),
    st.integers(0, 2**31),
    st.booleans(),
)
def test_duplicate_parts(num_images: int, num_parts: int, num_different: int, seed: int, use_semi_hard: bool) -> None:
    """Parts drawn from a few vectors: positives, anchors and negatives coincide bit by bit."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(num_different, 5))
    parts = vectors[rng.integers(0, num_different, size=(2, num_images, num_parts))]
    matching = np.stack([rng.permutation(num_parts) for _ in range(num_images)])
    value, gradient = package_pac(parts, matching, use_semi_hard)
    assert value == pytest.approx(oracle_pac(parts, matching, use_semi_hard), rel=1e-10, abs=1e-14)
    expected, expected_gradient = loop_gradient(parts, matching, use_semi_hard)
    assert value == pytest.approx(expected, rel=1e-10, abs=1e-14)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-7, atol=1e-9)


def test_the_positive_in_the_pool_is_never_its_own_negative() -> None:
    """It stands there at exactly d_pos: at no scale or offset does rounding make it greater."""
    for seed in range(30):
        parts, matching = draw(2, 4, 100 + seed)
        parts = parts * 10.0 ** (seed % 5 - 2) + seed % 3
        value = package_pac(parts, matching, True)[0]
        assert value == pytest.approx(oracle_pac(parts, matching, True), rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("use_semi_hard", [True, False])
@pytest.mark.parametrize("num_parts", [1, 3])
def test_equal_parts_and_zero_parts(num_parts: int, use_semi_hard: bool) -> None:
    """All distances are zero: the loss is alpha and the gradient zero, not NaN."""
    part = np.random.default_rng(50).normal(size=5)
    matching = np.tile(np.arange(num_parts), (2, 1))
    for value in (part, np.zeros(5)):
        parts = np.broadcast_to(value, (2, 2, num_parts, 5)).copy()
        loss, gradient = package_pac(parts, matching, use_semi_hard)
        assert loss == pytest.approx(ALPHA, rel=1e-12)
        assert np.isfinite(gradient).all()
        np.testing.assert_allclose(gradient, 0, atol=1e-12)


def test_hardest_meets_the_anchor_itself() -> None:
    """The pool holds the anchor, at distance zero: the loss is mean d_pos + alpha."""
    parts, matching = draw(3, 2, 60)
    sigmas = [oracle.part_covariance(view, EPSILON) for view in parts]
    cost = oracle.mahalanobis_cost(parts[0], parts[1], oracle.sigma_plus(sigmas[0], sigmas[1], TAU))
    d_pos = np.mean([cost[b, k, matching[b, k]] for b in range(3) for k in range(2)])
    assert package_pac(parts, matching, False)[0] == pytest.approx(d_pos + ALPHA, rel=1e-11)


def test_far_negatives_leave_no_loss() -> None:
    """Where d_neg exceeds d_pos + alpha for all anchors, loss and gradient are zero."""
    parts, matching = draw(2, 3, 70)
    z1, z2 = (torch.from_numpy(view).requires_grad_() for view in parts)
    pool = torch.full((4, 5), 100.0, dtype=torch.float64)
    plus = torch.eye(5, dtype=torch.float64).expand(2, 5, 5)
    loss = PaCLoss(ALPHA, True)(z1, z2, torch.from_numpy(matching), pool, plus)
    gradients = torch.autograd.grad(loss, (z1, z2))
    assert loss.item() == 0
    assert not any(gradient.any() for gradient in gradients)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.booleans())
def test_the_order_of_the_pool_does_not_matter(seed: int, use_semi_hard: bool) -> None:
    """A shuffled pool gives the same loss."""
    parts, matching = draw(3, 3, seed)
    z1, z2 = torch.from_numpy(parts)
    plus = joint_covariance(part_covariance(z1, EPSILON), part_covariance(z2, EPSILON), TAU)
    pool, loss = shared_pool(z1, z2), PaCLoss(ALPHA, use_semi_hard)
    shuffled = pool[torch.from_numpy(np.random.default_rng(seed).permutation(len(pool)))]
    values = [loss(z1, z2, torch.from_numpy(matching), rows, plus).item() for rows in (pool, shuffled)]
    assert values[0] == pytest.approx(values[1], rel=1e-12)

"""The squared distances of SPD matrices against the oracle; their gradient where eigenvalues coincide."""

import warnings

import numpy as np
import pytest
import torch
from scipy.linalg import logm

import oracle
from paco_prof.paco2.spd import METRICS, squared_distance


def random_spd(rng: np.random.Generator, eigenvalues: list[float]) -> oracle.Array:
    """A matrix with these eigenvalues and random eigenvectors."""
    vectors = np.linalg.qr(rng.normal(size=(len(eigenvalues), len(eigenvalues))))[0]
    matrix = (vectors * np.array(eigenvalues)) @ vectors.T
    return np.asarray((matrix + matrix.T) / 2)


def random_symmetric(rng: np.random.Generator, dim: int) -> oracle.Array:
    """A symmetric direction of unit scale."""
    matrix = rng.normal(size=(dim, dim))
    return (matrix + matrix.T) / 2


def package_gradients(a: oracle.Array, b: oracle.Array, metric: str) -> tuple[oracle.Array, oracle.Array]:
    """The package's gradients with respect to both matrices."""
    given_a, given_b = (torch.from_numpy(x[None]).requires_grad_() for x in (a, b))
    squared_distance(given_a, given_b, metric).sum().backward()
    assert given_a.grad is not None
    assert given_b.grad is not None
    return given_a.grad[0].numpy(), given_b.grad[0].numpy()


def log_euclidean_slope(a: oracle.Array, b: oracle.Array, along: oracle.Array) -> float:
    """The slope of || log a - log b ||^2 in a, with the logarithm's derivative read off a block matrix.

    log [[a, h], [0, a]] = [[log a, Dlog(a)[h]], [0, log a]] (Higham, Functions of Matrices, theorem 3.6).
    """
    dim = len(a)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="logm result may be inaccurate")  # by 1e-12
        logarithm = logm(np.block([[a, along], [np.zeros_like(a), a]]))
    return float(2 * ((logarithm[:dim, :dim] - logm(b)) * logarithm[:dim, dim:]).sum())


def test_the_metrics_have_the_names_users_write() -> None:
    """METRICS names the three of PACO2.md."""
    assert set(METRICS) == {"fro", "log-euclidean", "stein"}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("num_images", [1, 3])
def test_value(metric: str, num_images: int) -> None:
    """One squared distance an image; symmetric; zero from a matrix to itself."""
    rng = np.random.default_rng(0)
    a, b = (np.stack([random_spd(rng, [0.02, 0.1, 1, 1, 3]) for _ in range(num_images)]) for _ in range(2))
    expected = [oracle.spd_squared_distance(x, y, metric) for x, y in zip(a, b, strict=True)]
    ta, tb = torch.from_numpy(a), torch.from_numpy(b)
    np.testing.assert_allclose(squared_distance(ta, tb, metric).numpy(), expected, rtol=1e-10)
    np.testing.assert_allclose(squared_distance(tb, ta, metric).numpy(), expected, rtol=1e-10)
    np.testing.assert_allclose(squared_distance(ta, ta, metric).numpy(), 0, atol=1e-13)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("num_parts", [1, 2, 3, 5])
def test_gradient_through_the_covariance_of_few_parts(metric: str, num_parts: int) -> None:
    """K parts in d = 5: Sigma has the eigenvalue epsilon d - K + 1 times over, up to rounding."""
    rng = np.random.default_rng(1)
    z1, z2 = rng.normal(size=(2, 2, num_parts, 5))
    eye = torch.eye(5, dtype=torch.float64)

    def function(z: oracle.Array) -> float:
        sigmas = oracle.part_covariance(z, 1e-2), oracle.part_covariance(z2, 1e-2)
        return sum(oracle.spd_squared_distance(a, b, metric) for a, b in zip(*sigmas, strict=True))

    def covariance(z: torch.Tensor) -> torch.Tensor:
        centred = z - z.mean(dim=1, keepdim=True)
        return centred.mT @ centred / max(1, num_parts - 1) + 1e-2 * eye

    given = torch.from_numpy(z1).requires_grad_()
    squared_distance(covariance(given), covariance(torch.from_numpy(z2)), metric).sum().backward()
    assert given.grad is not None
    assert bool(torch.isfinite(given.grad).all())
    if num_parts == 1:  # a single part has no spread: the covariance does not move
        np.testing.assert_allclose(given.grad.numpy(), 0, atol=1e-12)
        return
    assert oracle.relative_error(given.grad, oracle.gradient(function, z1)) < 1e-7


SPECTRA = [
    [2.0, 2.0, 2.0, 2.0, 2.0],  # a multiple of the identity
    [1.0, 1.0, 1.0, 1.0, 1.0],  # the prototype of a class not seen
    [2.0, 2.0, 0.5, 0.5, 0.5],
    [1.0, 1.0 + 1e-14, 1.0 + 1e-12, 1.0 + 1e-10, 3.0],
    [1.0, 1.0 + 1e-9, 1.0 + 1e-8, 1.0 + 1e-7, 1.0 + 1e-5],
    [0.1, 0.2, 0.5, 1.0, 4.0],
]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_gradient_where_eigenvalues_coincide(metric: str, spectrum: list[float]) -> None:
    """Equal and nearly equal eigenvalues: the slope along symmetric directions, in both arguments."""
    rng = np.random.default_rng(2)
    a, b = random_spd(rng, spectrum), random_spd(rng, [0.3, 0.3, 0.9, 0.9, 2.0])
    if len(set(spectrum)) == 1:
        a = spectrum[0] * np.eye(5)  # exactly, not up to rounding
    for first, second in ((a, b), (b, a)):
        gradients = package_gradients(first, second, metric)
        for _ in range(3):
            along = random_symmetric(rng, 5)
            slopes = (
                oracle.directional_derivative(
                    lambda x, y=second: oracle.spd_squared_distance(x, y, metric), first, along
                ),
                oracle.directional_derivative(
                    lambda y, x=first: oracle.spd_squared_distance(x, y, metric), second, along
                ),
            )
            for gradient, slope in zip(gradients, slopes, strict=True):
                assert float((gradient * along).sum()) == pytest.approx(slope, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("low", [[1e-2] * 3, [1e-5] * 3, [1e-5, 1e-5 * (1 + 1e-12), 1e-5 * (1 + 1e-6)]])
def test_log_euclidean_gradient_at_small_epsilon(low: list[float]) -> None:
    """A spectrum of 1e-5 and 1: finite differences fail there, the block matrix's logarithm does not."""
    rng = np.random.default_rng(3)
    a, b = random_spd(rng, [*low, 0.7, 1.5]), random_spd(rng, [*low, 0.4, 2.0])
    gradient = package_gradients(a, b, "log-euclidean")[0]
    for _ in range(4):
        along = random_symmetric(rng, 5)
        expected = log_euclidean_slope(a, b, along)
        scale = float(np.linalg.norm(gradient) * np.linalg.norm(along))
        assert abs(float((gradient * along).sum()) - expected) < 1e-7 * scale


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_gradient_between_equal_matrices_is_zero(metric: str, spectrum: list[float]) -> None:
    """Distance zero is a minimum: the gradient there is zero, not NaN."""
    a = random_spd(np.random.default_rng(4), spectrum)
    for gradient in package_gradients(a, a.copy(), metric):
        np.testing.assert_allclose(gradient, 0, atol=1e-11)


@pytest.mark.parametrize("metric", METRICS)
def test_swapping_the_matrices_swaps_the_gradients(metric: str) -> None:
    """The distances are symmetric, so are their gradients."""
    rng = np.random.default_rng(5)
    a, b = random_spd(rng, [0.1, 0.2, 1, 2, 3]), random_spd(rng, [0.5, 0.5, 0.5, 1, 2])
    there, back = package_gradients(a, b, metric), package_gradients(b, a, metric)
    np.testing.assert_allclose(there[0], back[1], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(there[1], back[0], rtol=1e-9, atol=1e-11)


def test_an_unknown_metric_is_refused() -> None:
    """A name that is no metric is an error, not a default."""
    eye = torch.eye(2)[None]
    with pytest.raises((ValueError, KeyError)):
        squared_distance(eye, eye, "euclid")

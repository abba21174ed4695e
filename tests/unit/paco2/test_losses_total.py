"""The whole criterion against the oracle: its four entries, its gradient and its symmetries."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from paco_prof.paco2.covariance import joint_covariance, part_covariance
from paco_prof.paco2.criterion import PaCoLoss
from paco_prof.paco2.negatives import shared_pool
from paco_prof.paco2.spd import METRICS

EPSILON = TAU = 1e-2
SETTINGS: dict[str, Any] = {
    "lambda_pac": 0.7,
    "eta_soc": 0.3,
    "alpha": 0.2,
    "beta": 0.4,
    "gamma": 0.1,
    "metric": "fro",
    "use_semi_hard": True,
    "use_weighted_ce": True,
}


def draw(num_images: int, num_parts: int, seed: int) -> dict[str, Any]:
    """One batch of numpy arrays, named as the criterion names its arguments; `Z` is (2, B, K, 5)."""
    rng = np.random.default_rng(seed)
    return {
        "logits": rng.normal(size=(num_images, 4)),
        "targets": rng.integers(0, 4, num_images),
        "Z": rng.normal(size=(2, num_images, num_parts, 5)),
        "matching": np.stack([rng.permutation(num_parts) for _ in range(num_images)]),
        "Sigma_proto": oracle.part_covariance(rng.normal(size=(num_images, 4, 5)), 0.1),
        "saliency_map": rng.random((num_images, 7, 7)),
        "peaks": rng.integers(0, 7, (num_images, num_parts, 2)),
    }


def expected_losses(batch: dict[str, Any], settings: dict[str, Any]) -> dict[str, float]:
    """The oracle's four entries."""
    z1, z2 = batch["Z"]
    sigma1, sigma2 = (oracle.part_covariance(z, EPSILON) for z in (z1, z2))
    plus, pool = oracle.sigma_plus(sigma1, sigma2, TAU), oracle.shared_pool(z1, z2)
    gamma = settings["gamma"] if settings["use_weighted_ce"] else 0.0
    ce = oracle.weighted_ce(batch["logits"], batch["targets"], batch["saliency_map"], batch["peaks"], gamma)
    pac = oracle.pac(z1, z2, batch["matching"], pool, plus, settings["alpha"], settings["use_semi_hard"])
    soc = oracle.soc(sigma1, sigma2, batch["Sigma_proto"], settings["metric"], settings["beta"])
    total = ce + settings["lambda_pac"] * pac + settings["eta_soc"] * soc
    return {"total": total, "ce": ce, "pac": pac, "soc": soc}


def package_losses(batch: dict[str, Any], settings: dict[str, Any]) -> tuple[dict[str, float], oracle.Array]:
    """The package's four entries, and the total's gradient in the parts."""
    tensors = {name: torch.from_numpy(value) for name, value in batch.items() if value is not None}
    parts = tensors.pop("Z").requires_grad_()
    z1, z2 = parts
    sigma1, sigma2 = (part_covariance(z, EPSILON) for z in (z1, z2))
    losses = PaCoLoss(**settings)(
        Z1t=z1,
        Z2t=z2,
        negatives_pool=shared_pool(z1, z2),
        Sigma1=sigma1,
        Sigma2=sigma2,
        Sigma_plus=joint_covariance(sigma1, sigma2, TAU),
        **tensors,
    )
    gradient = torch.autograd.grad(losses["total"], parts)[0].numpy()
    return {name: value.item() for name, value in losses.items()}, gradient


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("use_semi_hard", [True, False])
@pytest.mark.parametrize(("num_images", "num_parts"), [(1, 1), (1, 3), (2, 4), (3, 2)])
def test_entries(num_images: int, num_parts: int, use_semi_hard: bool, metric: str) -> None:
    """total, ce, pac and soc, and nothing else; total adds the three with their weights."""
    settings = SETTINGS | {"metric": metric, "use_semi_hard": use_semi_hard}
    batch = draw(num_images, num_parts, 0)
    losses, expected = package_losses(batch, settings)[0], expected_losses(batch, settings)
    assert losses == pytest.approx(expected, rel=1e-10, abs=1e-14)


@pytest.mark.parametrize("changed", [{"use_weighted_ce": False}, {"gamma": 0.0}, {"beta": 0.0}, {"alpha": 2.0}])
def test_switches(changed: dict[str, Any]) -> None:
    """Each setting reaches the loss that it names."""
    batch = draw(2, 3, 1)
    losses = package_losses(batch, SETTINGS | changed)[0]
    assert losses == pytest.approx(expected_losses(batch, SETTINGS | changed), rel=1e-10)


def test_without_prototypes() -> None:
    """Sigma_proto None leaves the prototype term out."""
    batch = draw(2, 3, 2) | {"Sigma_proto": None}
    assert package_losses(batch, SETTINGS)[0] == pytest.approx(expected_losses(batch, SETTINGS), rel=1e-10)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("num_images", [1, 2])
def test_gradient_of_the_total(num_images: int, metric: str) -> None:
    """The total's gradient in the parts: PaC's and SoC's with their weights; SoC's alone for one image."""
    settings, batch = SETTINGS | {"metric": metric}, draw(num_images, 3, 3)
    gradient = package_losses(batch, settings)[1]
    expected = oracle.gradient(lambda x: expected_losses(batch | {"Z": x}, settings)["total"], batch["Z"])
    assert oracle.relative_error(gradient, expected) < 1e-6


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    st.permutations(range(4)),
    st.integers(1, 4),
    st.integers(0, 2**31),
    st.sampled_from(METRICS),
    st.booleans(),
)
def test_the_order_of_the_batch_does_not_matter(
    order: list[int], num_parts: int, seed: int, metric: str, use_semi_hard: bool
) -> None:
    """Permuting the images leaves every entry and permutes the gradient."""
    settings, batch = SETTINGS | {"metric": metric, "use_semi_hard": use_semi_hard}, draw(4, num_parts, seed)
    permuted = {name: value[:, order] if name == "Z" else value[order] for name, value in batch.items()}
    (losses, gradient), (again, permuted_gradient) = (package_losses(b, settings) for b in (batch, permuted))
    assert again == pytest.approx(losses, rel=1e-10, abs=1e-13)
    np.testing.assert_allclose(permuted_gradient, gradient[:, order], rtol=1e-7, atol=1e-9)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.permutations(range(3)), st.integers(0, 2**31))
def test_the_order_of_the_parts_does_not_matter(order: list[int], seed: int) -> None:
    """Permuting view 1's parts together with matching and peaks leaves every entry."""
    batch = draw(3, 3, seed)
    permuted = batch | {name: batch[name][:, order] for name in ("matching", "peaks")}
    permuted["Z"] = np.stack([batch["Z"][0][:, order], batch["Z"][1]])
    losses, again = (package_losses(b, SETTINGS)[0] for b in (batch, permuted))
    assert again == pytest.approx(losses, rel=1e-10, abs=1e-13)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.sampled_from(METRICS))
def test_a_rotation_of_the_reduced_space_does_not_matter(seed: int, metric: str) -> None:
    """Distances and spectra are those of the parts: an orthogonal change of basis leaves every entry."""
    batch = draw(2, 3, seed) | {"Sigma_proto": None}
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))[0]
    settings = SETTINGS | {"metric": metric}
    losses, again = (package_losses(b, settings)[0] for b in (batch, batch | {"Z": batch["Z"] @ rotation}))
    assert again == pytest.approx(losses, rel=1e-8, abs=1e-11)

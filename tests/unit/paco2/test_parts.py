"""The part sampler against the oracle: saliency, peaks, window means and their gradient."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from paco_prof.errors import UsageError
from paco_prof.paco2.parts import PartSampler, find_peaks, saliency_map
from paco_prof.paco2.windows import pool_windows


@pytest.mark.parametrize("weight", [1.0, 0.3, -2.0])
def test_saliency_map_is_the_oracles(weight: float) -> None:
    """Channel attention times spatial attention, for any weight of the 1-to-1 convolution."""
    feature_map = np.random.default_rng(0).normal(size=(3, 6, 4, 7)) * 2
    result = saliency_map(torch.from_numpy(feature_map), torch.tensor(weight, dtype=torch.float64))
    np.testing.assert_allclose(result.numpy(), oracle.saliency(feature_map, weight), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("size", [(7, 7), (1, 5), (2, 3), (10, 9), (14, 14), (20, 31), (9, 40)])
@pytest.mark.parametrize("num_parts", [1, 2, 3, 4, 5])
def test_peaks_are_the_oracles(size: tuple[int, int], num_parts: int) -> None:
    """The suppressed square has its own radius in rows and columns; negative maps have peaks too."""
    salient = np.random.default_rng(1).normal(size=(8, *size)) - 3
    found = find_peaks(torch.from_numpy(salient), num_parts)
    assert found.dtype == torch.long
    assert found.numpy().tolist() == oracle.peaks(salient, num_parts).tolist()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(1, 24),
    st.integers(1, 24),
    st.integers(1, 5),
    st.integers(0, 2**31),
    st.integers(1, 4),
)
def test_equal_peaks_are_taken_in_reading_order(
    height: int, width: int, num_parts: int, seed: int, levels: int
) -> None:
    """Maps of few levels are full of equal maxima: the first of equals is taken."""
    num_parts = min(num_parts, height * width)
    salient = np.random.default_rng(seed).integers(-levels, 1, size=(2, height, width)).astype(np.float64)
    found = find_peaks(torch.from_numpy(salient), num_parts)
    assert found.numpy().tolist() == oracle.peaks(salient, num_parts).tolist()


def test_a_fully_suppressed_map_yields_the_first_pixel() -> None:
    """Squares of radius 1 and 2 cover a 10 x 20 map before the fortieth peak: the rest are pixel (0, 0)."""
    salient = np.random.default_rng(7).normal(size=(3, 10, 20))
    found = find_peaks(torch.from_numpy(salient), 40)
    assert found.numpy().tolist() == oracle.peaks(salient, 40).tolist()
    assert found[:, -1].tolist() == [[0, 0]] * 3


def test_more_parts_than_pixels_are_refused() -> None:
    """A 2 x 2 map has four peaks; a fifth part is an error that names both numbers."""
    salient = torch.tensor([[[1.0, 2.0], [4.0, 3.0]]])
    assert find_peaks(salient, 4).tolist() == [[[1, 0], [1, 1], [0, 1], [0, 0]]]
    with pytest.raises(UsageError, match=r"K=5 parts do not fit on a feature map of 2 x 2 = 4 pixels"):
        find_peaks(salient, 5)


@pytest.mark.parametrize("window", [1, 3, 5, 7])
def test_pool_windows_is_the_mean_clipped_at_the_border(window: int) -> None:
    """Corners, edges, the centre and a repeated peak; windows up to more than the map."""
    feature_map = np.random.default_rng(2).normal(size=(2, 3, 5, 6))
    peaks = np.array([[[0, 0], [4, 5], [2, 3], [0, 3], [4, 0]], [[2, 0], [1, 1], [1, 1], [0, 5], [3, 4]]])
    result = pool_windows(torch.from_numpy(feature_map), torch.from_numpy(peaks), window)
    np.testing.assert_allclose(result.numpy(), oracle.part_features(feature_map, peaks, window), rtol=1e-12, atol=1e-14)


def test_pool_windows_gradient() -> None:
    """The gradient of a weighted sum of parts, overlapping windows included."""
    rng = np.random.default_rng(3)
    feature_map, weights = rng.normal(size=(2, 2, 4, 5)), rng.normal(size=(2, 3, 2))
    peaks = np.array([[[0, 0], [1, 1], [3, 4]], [[2, 2], [2, 2], [0, 4]]])
    given_map = torch.from_numpy(feature_map).requires_grad_()
    (pool_windows(given_map, torch.from_numpy(peaks), 3) * torch.from_numpy(weights)).sum().backward()
    expected = oracle.gradient(lambda x: float((oracle.part_features(x, peaks, 3) * weights).sum()), feature_map)
    assert given_map.grad is not None
    assert oracle.relative_error(given_map.grad, expected) < 1e-9


@pytest.mark.parametrize("num_parts", [1, 3, 5])
def test_sampler_puts_the_pieces_together(num_parts: int) -> None:
    """Parts, peaks and saliency are the oracle's; the convolution starts at 1 and has no bias."""
    sampler = PartSampler(num_parts, 5).double()
    assert sampler.spatial_attention.weight.shape == (1, 1, 1, 1)
    assert sampler.spatial_attention.weight.item() == 1.0
    assert sampler.spatial_attention.bias is None
    feature_map = np.random.default_rng(4).normal(size=(3, 8, 7, 7))
    parts = sampler(torch.from_numpy(feature_map))
    salient = oracle.saliency(feature_map, 1.0)
    peaks = oracle.peaks(salient, num_parts)
    assert parts.peaks.numpy().tolist() == peaks.tolist()
    np.testing.assert_allclose(parts.saliency.detach().numpy(), salient, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(
        parts.features.detach().numpy(), oracle.part_features(feature_map, peaks, 5), rtol=1e-12, atol=1e-14
    )


def test_the_convolutions_weight_moves_the_peaks() -> None:
    """The sampler uses its convolution: another weight, other peaks, as in the oracle."""
    sampler = PartSampler(4, 3).double()
    feature_map = np.random.default_rng(5).normal(size=(4, 6, 7, 7))
    torch.nn.init.constant_(sampler.spatial_attention.weight, -3.0)
    expected = oracle.peaks(oracle.saliency(feature_map, -3.0), 4)
    assert expected.tolist() != oracle.peaks(oracle.saliency(feature_map, 1.0), 4).tolist()
    assert sampler(torch.from_numpy(feature_map)).peaks.numpy().tolist() == expected.tolist()


def test_peaks_carry_no_gradient() -> None:
    """The map gets the gradient of the window means alone, and the convolution none."""
    sampler = PartSampler(2, 3).double()
    feature_map = np.random.default_rng(6).normal(size=(1, 3, 5, 5))
    given_map = torch.from_numpy(feature_map).requires_grad_()
    parts = sampler(given_map)
    parts.features.square().sum().backward()
    peaks = parts.peaks.numpy()
    expected = oracle.gradient(lambda x: float((oracle.part_features(x, peaks, 3) ** 2).sum()), feature_map)
    assert given_map.grad is not None
    assert oracle.relative_error(given_map.grad, expected) < 1e-9
    weight_gradient = sampler.spatial_attention.weight.grad
    assert weight_gradient is None or weight_gradient.item() == 0.0

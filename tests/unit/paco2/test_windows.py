"""Window means and peaks found all at once against the loops: values, gradients, borders, ties, peaks that are kept."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import oracle
from paco_prof.errors import UsageError
from paco_prof.forms import Sampling
from paco_prof.paco2.parts import Parts, PartSampler, find_peaks, find_peaks_batched
from paco_prof.paco2.windows import WindowMeans, pool_windows, pool_windows_batched, pool_windows_separable

FORMS = [pool_windows_batched, pool_windows_separable]

seeds = st.integers(0, 2**31)


def draw(seed: int, num_images: int, channels: int, size: tuple[int, int], num_parts: int) -> tuple[Tensor, Tensor]:
    """A map (B, C, H, W) and peaks (B, K, 2) anywhere on it, a corner and a repeated one among them."""
    generator = torch.Generator().manual_seed(seed)
    F = torch.randn(num_images, channels, *size, dtype=torch.float64, generator=generator)
    sides = [torch.randint(side, (num_images, num_parts), generator=generator) for side in size]
    peaks = torch.stack(sides, dim=2)
    peaks[0, 0] = torch.tensor(size) - 1
    peaks[-1, -1] = peaks[-1, 0]
    return F, peaks


def mean_and_gradient(means: WindowMeans, F: Tensor, peaks: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """The window means, and the gradient of a sum in which each of them has a weight of its own."""
    leaf = F.clone(memory_format=torch.preserve_format).requires_grad_()
    result = means(leaf, peaks, window)
    weights = torch.linspace(-1, 2, result.numel(), dtype=result.dtype).view_as(result)
    (gradient,) = torch.autograd.grad((result * weights).sum(), leaf)
    return result.detach(), gradient


@settings(max_examples=60)
@given(
    seeds,
    st.integers(1, 3),
    st.integers(1, 4),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.integers(1, 5),
    st.sampled_from([1, 3, 5, 7, 15]),
    st.sampled_from(FORMS),
    st.sampled_from([torch.contiguous_format, torch.channels_last]),
)
def test_means_and_gradients_are_the_loops(
    seed: int,
    num_images: int,
    channels: int,
    size: tuple[int, int],
    num_parts: int,
    window: int,
    means: WindowMeans,
    memory_format: torch.memory_format,
) -> None:
    """Any map, square or not, in either memory format, windows that are clipped or larger than the map."""
    F, peaks = draw(seed, num_images, channels, size, num_parts)
    expected, expected_gradient = mean_and_gradient(pool_windows, F, peaks, window)
    result, gradient = mean_and_gradient(means, F.contiguous(memory_format=memory_format), peaks, window)
    assert result.shape == (num_images, num_parts, channels)
    torch.testing.assert_close(result, expected, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("means", FORMS)
@pytest.mark.parametrize("window", [1, 3, 5])
def test_every_pixel_of_a_map_has_the_oracles_mean(window: int, means: WindowMeans) -> None:
    """All borders and corners of a 4 x 7 map."""
    feature_map = np.random.default_rng(0).normal(size=(2, 3, 4, 7))
    peaks = np.stack(np.mgrid[:4, :7], axis=-1).reshape(1, 28, 2).repeat(2, axis=0)
    result = means(torch.from_numpy(feature_map), torch.from_numpy(peaks), window)
    np.testing.assert_allclose(result.numpy(), oracle.part_features(feature_map, peaks, window), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("means", FORMS)
@pytest.mark.parametrize("seed", range(3))
def test_means_in_bfloat16_are_right_to_rounding(seed: int, means: WindowMeans) -> None:
    """Of the sum of absolute values of a window, no more is lost than a few roundings; the type stays."""
    F, peaks = draw(seed, 3, 8, (7, 9), 4)
    F = F.bfloat16()
    result = means(F, peaks, 5)
    assert result.dtype == torch.bfloat16
    exact, scale = pool_windows(F.double(), peaks, 5), pool_windows(F.double().abs(), peaks, 5)
    assert ((result.double() - exact).abs() <= 2 * torch.finfo(torch.bfloat16).eps * scale).all()


@pytest.mark.parametrize("means", [pool_windows, pool_windows_separable])
def test_what_is_not_finite_stays_in_its_windows(means: WindowMeans) -> None:
    """The loop and the separable form; the batched form says that it does not keep to this."""
    F = torch.ones(1, 1, 5, 9)
    F[0, 0, 2, 1] = torch.nan
    result = means(F, torch.tensor([[[2, 0], [2, 7]]]), 3)[0, :, 0]
    assert result.isnan().tolist() == [True, False]
    assert pool_windows_batched(F, torch.tensor([[[2, 7]]]), 3).isnan().all()


# Peaks


@settings(max_examples=80)
@given(
    seeds,
    st.integers(1, 3),
    st.tuples(st.integers(1, 24), st.integers(1, 24)),
    st.integers(1, 9),
    st.sampled_from([0, 1, 3, 1000]),
    st.sampled_from([torch.float64, torch.float32, torch.bfloat16]),
)
def test_peaks_are_the_loops(
    seed: int, num_images: int, size: tuple[int, int], num_parts: int, levels: int, dtype: torch.dtype
) -> None:
    """Maps of few levels are full of equal maxima, those of one level are constant; all negative, or not."""
    num_parts = min(num_parts, size[0] * size[1])
    salient = np.random.default_rng(seed).integers(-levels, seed % 2 * levels + 1, (num_images, *size))
    M = torch.from_numpy(salient).to(dtype)
    found = find_peaks_batched(M, num_parts)
    assert found.dtype == torch.long
    assert torch.equal(found, find_peaks(M, num_parts))


@pytest.mark.parametrize("kind", ["random", "constant", "NaN", "all NaN", "infinite"])
@pytest.mark.parametrize("size", [(10, 20), (7, 7), (3, 40)])
def test_peaks_are_the_loops_where_there_are_none_left(size: tuple[int, int], kind: str) -> None:
    """More peaks than fit: everything is suppressed. A pixel that is NaN is taken before all others, in both."""
    M = torch.randn(3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    if kind == "constant":
        M.zero_()
    if kind == "NaN":
        M[1, size[0] // 2, size[1] // 2] = torch.nan
    if kind == "all NaN":
        M[1] = torch.nan
    if kind == "infinite":
        M[0, 1, 1], M[1] = torch.inf, -torch.inf
    num_parts = min(40, size[0] * size[1])
    found = find_peaks_batched(M, num_parts)
    assert torch.equal(found, find_peaks(M, num_parts))
    if size[0] >= 10:
        assert found[:, -1].tolist() == [[0, 0]] * 3
    if kind == "NaN":
        assert found[1, 0].tolist() == [size[0] // 2, size[1] // 2]


def test_the_map_is_left_as_it_was() -> None:
    M = torch.randn(2, 7, 9, generator=torch.Generator().manual_seed(0))
    before = M.clone()
    find_peaks_batched(M, 4)
    assert torch.equal(M, before)


def test_more_parts_than_pixels_are_refused() -> None:
    with pytest.raises(UsageError, match=r"K=5 parts do not fit on a feature map of 2 x 2 = 4 pixels"):
        find_peaks_batched(torch.zeros(1, 2, 2), 5)


# The sampler


@pytest.mark.parametrize("form", ["batched", "separable"])
@pytest.mark.parametrize("size", [(7, 7), (5, 11)])
def test_a_sampler_in_each_form_samples_the_loops_parts(size: tuple[int, int], form: Sampling) -> None:
    F = torch.randn(3, 8, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected, parts = (PartSampler(4, 3, one).double()(F) for one in ("loop", form))
    assert torch.equal(parts.peaks, expected.peaks)
    assert torch.equal(parts.saliency, expected.saliency)
    torch.testing.assert_close(parts.features, expected.features, rtol=1e-12, atol=1e-13)


def maps(num_calls: int, num_images: int = 2, size: int = 7) -> list[Tensor]:
    """A feature map for each call, all different."""
    generator = torch.Generator().manual_seed(num_calls)
    return [torch.randn(num_images, 6, size, size, dtype=torch.float64, generator=generator) for _ in range(num_calls)]


@pytest.mark.parametrize("form", ["loop", "batched"])
@pytest.mark.parametrize("every", [1, 2, 3])
def test_each_view_keeps_its_peaks_between_two_searches(every: int, form: Sampling) -> None:
    """Peaks are those of the view's last search, one step in so many; the means are of the map at hand."""
    kept, fresh = PartSampler(3, 3, form, every).double(), PartSampler(3, 3, form).double()
    searched: dict[int, Parts] = {}
    for call, F in enumerate(maps(14)):
        step, view = divmod(call, 2)
        parts, expected = kept(F), fresh(F)
        if step % every == 0:
            searched[view] = expected
        assert torch.equal(parts.peaks, searched[view].peaks)
        assert torch.equal(parts.saliency, searched[view].saliency)
        torch.testing.assert_close(parts.features, pool_windows(F, searched[view].peaks, 3), rtol=1e-12, atol=1e-13)
        assert torch.equal(parts.peaks, expected.peaks) == (step % every == 0)


@pytest.mark.parametrize("other", [{"num_images": 1}, {"size": 9}])
def test_peaks_are_searched_where_the_shape_of_the_map_changes(other: dict[str, int]) -> None:
    """A last batch that is smaller, or images of another size: for each view at once."""
    kept, fresh = PartSampler(3, 3, "batched", 100).double(), PartSampler(3, 3).double()
    changed = maps(4, **other)
    assert torch.equal(kept(maps(2)[0]).peaks, fresh(maps(2)[0]).peaks)
    kept(maps(2)[1])
    first = [kept(F) for F in changed[:2]]
    for parts, F in zip(first, changed, strict=False):
        assert torch.equal(parts.peaks, fresh(F).peaks)
    for parts, F in zip(first, changed[2:], strict=True):
        assert torch.equal(kept(F).peaks, parts.peaks)
        assert not torch.equal(fresh(F).peaks, parts.peaks)


def test_peaks_that_are_forgotten_are_searched_again() -> None:
    """As at the first call: view 1's and view 2's, and kept from then on; whichever view was sampled last."""
    kept, fresh = PartSampler(3, 3, "batched", 100).double(), PartSampler(3, 3).double()
    F = maps(7)
    for one in F[:3]:
        kept(one)
    kept.forget_peaks()
    first = [kept(one) for one in F[3:5]]
    for parts, one, later in zip(first, F[3:5], F[5:], strict=True):
        assert torch.equal(parts.peaks, fresh(one).peaks)
        assert torch.equal(kept(later).peaks, parts.peaks)


@pytest.mark.parametrize("every", [0, -1])
def test_peaks_are_searched_at_least_every_so_often(every: int) -> None:
    with pytest.raises(UsageError, match=f"peaks_every={every}"):
        PartSampler(3, 3, "batched", every)

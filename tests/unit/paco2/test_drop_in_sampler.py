"""The drop-in for a part sampler: whatever the original answers, and with its gradients."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from foreign_components import Found, Peaks, Sampler, Windows, draw_maps, sample
from paco_prof.errors import UsageError
from paco_prof.paco2.drop_ins import BatchedSampler
from same_answers import assert_same_answers, gradients


def coordinates(found: Found, axis: int) -> Tensor:
    """Rows (0) or columns (1) of the peaks, (B, K)."""
    return torch.tensor(found.peaks)[..., axis]


WAYS: dict[str, Callable[[Found], Any]] = {
    "parts alone": lambda found: found.parts,
    "a tuple": lambda found: (found.parts, torch.tensor(found.peaks), found.saliency),
    "a list without a graph": lambda found: [found.parts.detach(), found.saliency.detach()],
    "a dict": lambda found: {"parts": found.parts.mT, "xy": torch.tensor(found.peaks).flip(-1), "note": "peaks first"},
    "a named tuple": lambda found: Peaks(found.parts, np.array(found.peaks, np.int32), found.saliency[:, None]),
    "an object": lambda found: Windows(
        9 * coordinates(found, 0) + coordinates(found, 1), found.parts.flatten(0, 1), "windows"
    ),
    "lists of numbers": lambda found: ([list(map(list, image)) for image in found.peaks], found.parts),
    "rows and columns": lambda found: (found.parts, coordinates(found, 0), coordinates(found, 1)),
    "a pair of each image": lambda found: list(zip(found.parts, found.peaks, strict=True)),
    "parts of each image": lambda found: (list(found.parts), [np.array(peaks) for peaks in found.peaks]),
    "its sizes": lambda found: {"z": found.parts, "size": found.saliency.shape[1:], "B": len(found.peaks), 0: None},
    "peaks as floats": lambda found: (found.parts, torch.tensor(found.peaks).float(), []),
}  # fmt: skip


def held_to_original(original: Sampler, num_calls: int = 1, tolerance: float = 1e-10) -> BatchedSampler:
    """A drop-in that has answered as the original does, which it asked only so often."""
    drop_in = BatchedSampler.in_place_of(copy.deepcopy(original))
    for seed in range(4):
        F = draw_maps(seed, dtype=original.spatial.weight.dtype)
        expected, given = original(F), drop_in(F)
        assert_same_answers(expected, given, tolerance)
        one = gradients(expected, [F, original.spatial.weight])
        other = gradients(given, [F, drop_in.spatial.weight])
        np.testing.assert_allclose(other, one, atol=tolerance * max(1.0, abs(one).max()))
    assert drop_in.num_calls == num_calls
    return drop_in


@pytest.mark.parametrize("way", WAYS)
def test_later_answers_are_the_originals(way: str) -> None:
    """Structure, types, values and gradients, of other maps than those it learned from; it asked only once."""
    held_to_original(Sampler(WAYS[way]).double())


@pytest.mark.parametrize("way", ["a tuple", "a named tuple", "parts of each image"])
def test_float32(way: str) -> None:
    held_to_original(Sampler(WAYS[way]), tolerance=1e-5)


@pytest.mark.parametrize(("K", "r"), [(1, 1), (2, 5), (5, 7), (12, 3), (3, 17)])
def test_any_number_of_parts_and_any_window(K: int, r: int) -> None:
    held_to_original(Sampler(WAYS["a tuple"], K, r).double())


def test_what_nobody_tells_is_found_by_trying() -> None:
    """K and r stand nowhere, and the weight is a plain parameter beside another of one value."""

    class Sampler(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sharpness = nn.Parameter(torch.tensor(0.4, dtype=torch.float64))
            self.other = nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

        def forward(self, F: Tensor) -> list[Any]:
            parts, peaks, saliency = sample(F, 2, 5, self.sharpness)
            return [parts, peaks, saliency]

    original = Sampler()
    drop_in = BatchedSampler.in_place_of(copy.deepcopy(original))
    for seed in range(3):
        F = draw_maps(seed)
        assert_same_answers(original(F), drop_in(F))
        np.testing.assert_allclose(
            gradients(drop_in(F), list(drop_in.parameters())), gradients(original(F), list(original.parameters()))
        )


def test_a_function_and_two_maps_at_once() -> None:
    """Without a weight there is a constant 1; each view's parts are its own."""
    num_calls = 0

    def both(F1: Tensor, F2: Tensor, K: int = 4, r: int = 3) -> dict[str, Any]:
        nonlocal num_calls
        num_calls += 1
        return {"first": sample(F1, K, r).parts, "second": tuple(sample(F2, K, r))}

    drop_in = BatchedSampler.in_place_of(both)
    for seed in range(3):
        F1, F2 = draw_maps(seed), draw_maps(seed + 10)
        assert_same_answers(both(F1, F2=F2), drop_in(F1, F2=F2))
    assert num_calls == 4
    # Another K is another kind of call.
    assert_same_answers(both(F1, F2, 2), drop_in(F1, F2, 2))
    assert_same_answers(both(F2, F1, 2), drop_in(F2, F1, 2))
    assert num_calls == 7


def test_other_shapes_types_and_eval_mode_are_learned_by_themselves() -> None:
    original = Sampler(WAYS["a tuple"]).double()
    drop_in = BatchedSampler.in_place_of(copy.deepcopy(original))
    calls = [{"B": 4}, {"B": 3}, {"B": 1}, {"H": 14, "W": 14}, {"B": 4}, {"B": 1}]
    for seed, shape in enumerate(calls):
        assert_same_answers(original(draw_maps(seed, **shape)), drop_in(draw_maps(seed, **shape)))
    assert drop_in.num_calls == 4
    drop_in.eval()
    with torch.no_grad():
        for seed in range(2):
            assert_same_answers(original(draw_maps(seed)), drop_in(draw_maps(seed)))
    assert drop_in.num_calls == 5


def test_attributes_that_a_call_leaves_behind_are_those_of_the_last_call() -> None:
    class Leaving(Sampler):
        def forward(self, features: Tensor) -> Any:
            found = sample(features, self.K, self.r, self.spatial.weight.reshape(()))
            self.last = {"peaks": torch.tensor(found.peaks), "map": features}
            return found.parts

    original = Leaving(WAYS["parts alone"]).double()
    drop_in = BatchedSampler.in_place_of(copy.deepcopy(original))
    for seed in range(3):
        F = draw_maps(seed)
        assert_same_answers(original(F), drop_in(F))
        assert torch.equal(original.last["peaks"], drop_in.last["peaks"])
        assert drop_in.last["map"] is F


def test_the_copies_that_data_parallel_makes_of_it() -> None:
    """There the weight is no parameter, but an attribute."""
    original = Sampler(WAYS["a tuple"]).double()
    drop_in = BatchedSampler.in_place_of(copy.deepcopy(original))
    copied, spatial = (module._replicate_for_data_parallel() for module in (drop_in, drop_in.spatial))
    spatial.weight = drop_in.spatial.weight + 0
    spatial._parameters, spatial._former_parameters = {}, {"weight": spatial.weight}
    copied._modules = {"spatial": spatial}
    for seed in range(3):
        F = draw_maps(seed)
        expected, given = original(F), copied(F)
        assert_same_answers(expected, given)
        assert gradients(given, [drop_in.spatial.weight]) == pytest.approx(
            gradients(expected, [original.spatial.weight])
        )


def test_half_precision_under_autocast() -> None:
    """Types are the original's; values those of the same map in float32."""
    original = Sampler(WAYS["a tuple"])
    drop_in = BatchedSampler.in_place_of(copy.deepcopy(original))
    for seed in range(3):
        F = draw_maps(seed, dtype=torch.bfloat16)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            expected, given = original(F), drop_in(F)
        assert [one.dtype for one in given] == [one.dtype for one in expected]
    exact = sample(F.float(), 3, 3, original.spatial.weight.reshape(()))
    assert given[1].tolist() == [[list(peak) for peak in image] for image in exact.peaks]
    torch.testing.assert_close(given[0].float(), exact.parts, rtol=1e-2, atol=1e-2)


def test_a_map_that_is_equal_everywhere_teaches_nothing() -> None:
    """Whatever comes first of equals is the original's business, until there is something to see."""

    def last_of_equals(F: Tensor) -> tuple[Tensor, Tensor]:
        found = sample(F.flip(2, 3), 2, 3)
        peaks = torch.tensor([6, 8]) - torch.tensor(found.peaks)
        return found.parts, peaks

    drop_in = BatchedSampler.in_place_of(last_of_equals)
    flat = torch.ones(2, 4, 7, 9, dtype=torch.float64)
    assert_same_answers(last_of_equals(flat), drop_in(flat))
    for seed in range(2):
        F = draw_maps(seed)
        assert_same_answers(last_of_equals(F), drop_in(F))
    # From here on it is the first of equals.
    assert drop_in(flat.repeat(2, 1, 1, 1)[:, :, :, :])[1][0, 0].tolist() == [6, 8]
    assert drop_in(draw_maps(5).detach().requires_grad_() * 0)[1][0, 0].tolist() == [0, 0]


REFUSED: dict[str, tuple[Callable[[Found], Any], str]] = {
    "parts of another window": (
        lambda found: (2 * found.parts, torch.tensor(found.peaks)),
        r"its answer\[0\] \(float64, 4 x 3 x 6\) differs from PaCo-2's parts by up to \d\.\de",
    ),
    "other peaks": (
        lambda found: {"parts": found.parts, "peaks": torch.tensor(found.peaks) + 1},
        r"its answer\['peaks'\] \(int64, 4 x 3 x 2\) differs from PaCo-2's peaks",
    ),
    "something else": (
        lambda found: Peaks(found.parts, found.peaks, found.saliency.sum((1, 2))),
        r"its answer\.attention \(float64, 4\) is nothing that PaCo-2 computes there",
    ),
    "a number": (lambda found: (found.parts, 0.5), r"its answer\[1\] \(float\) is nothing that PaCo-2 computes there"),
    "nothing": (lambda found: None, r"its answer \(NoneType\) holds nothing that PaCo-2 computes there"),
    "parts without a gradient in the map": (
        lambda found: found.parts.detach() + 0 * found.saliency.sum(),
        r"its answer \(float64, 4 x 3 x 6\) has another gradient than PaCo-2's parts\.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_paco_2_is_refused_in_one_line(case: str) -> None:
    write, message = REFUSED[case]
    with pytest.raises(UsageError, match=message) as told:
        BatchedSampler.in_place_of(Sampler(write).double())(draw_maps(0))
    assert str(told.value).startswith("BatchedSampler cannot take the place of Sampler: ")
    assert str(told.value).endswith(" Leave this replacement away.")
    assert "\n" not in str(told.value)


def test_another_saliency_is_refused() -> None:
    with pytest.raises(UsageError, match="differs from PaCo-2's"):
        BatchedSampler.in_place_of(Sampler(WAYS["a tuple"], squared=True).double())(draw_maps(0))


def test_a_sampler_that_is_called_with_something_else_is_refused() -> None:
    with pytest.raises(UsageError, match=r"it is not called with a feature map \(B, C, H, W\)"):
        BatchedSampler.in_place_of(Sampler(WAYS["a tuple"]))(torch.ones(2, 49, 6))

"""Assignments without the host against scipy: optimal in one form, and a bounded approximation in the other."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from torch import Tensor

import oracle
from paco_prof.paco2 import matching
from paco_prof.paco2.matching import MAX_PERMUTED, HungarianMatcher, assign_batched, assign_by_scipy, assign_greedily

seeds = st.integers(0, 2**31)


def totals(cost: Tensor, permutation: Tensor) -> Tensor:
    """What each image's permutation costs, (B,)."""
    assert permutation.dtype == torch.long
    assert torch.equal(permutation.sort(dim=1).values, torch.arange(cost.shape[1]).expand(len(cost), -1))
    return cost.double().gather(2, permutation[..., None]).sum(dim=(1, 2))


def scipys(cost: Tensor) -> npt.NDArray[np.float64]:
    """The least total cost of each image, (B,)."""
    return np.array([one[linear_sum_assignment(one)].sum() for one in cost.double().numpy()])


@settings(max_examples=60)
@given(st.integers(1, 3), st.integers(1, 7), seeds, st.sampled_from([torch.float64, torch.float32]))
def test_the_batched_assignment_is_scipys(num_images: int, num_parts: int, seed: int, dtype: torch.dtype) -> None:
    """Costs without ties have one optimal permutation."""
    cost = torch.rand(num_images, num_parts, num_parts, generator=torch.Generator().manual_seed(seed)).to(dtype)
    assert torch.equal(assign_batched(cost), assign_by_scipy(cost))


@settings(max_examples=80)
@given(st.integers(1, 3), st.integers(1, 7), seeds, st.integers(1, 4))
def test_the_batched_assignment_is_optimal_where_costs_tie(
    num_images: int, num_parts: int, seed: int, levels: int
) -> None:
    """Costs of few levels, negative ones among them: a permutation of exactly the least cost."""
    costs = np.random.default_rng(seed).integers(-1, levels, (num_images, num_parts, num_parts))
    cost = torch.from_numpy(costs).double()
    assert totals(cost, assign_batched(cost)).tolist() == scipys(cost).tolist()


@settings(max_examples=40)
@given(st.integers(2, 5), seeds, st.integers(1, 3))
def test_the_first_of_equals_is_taken(num_parts: int, seed: int, levels: int) -> None:
    """Of several optimal permutations the first in lexicographic order, as the oracle tries them."""
    costs = np.random.default_rng(seed).integers(0, levels, (2, num_parts, num_parts)).astype(np.float64)
    assert assign_batched(torch.from_numpy(costs)).tolist() == oracle.best_assignment(costs).tolist()


@pytest.mark.parametrize("num_parts", range(1, 7))
@pytest.mark.parametrize("constant", [0.0, 0.3, -1.0])
def test_parts_that_all_cost_the_same_stay_in_order(constant: float, num_parts: int) -> None:
    """The identity, for the greedy form too."""
    cost = torch.full((2, num_parts, num_parts), constant)
    for assign in (assign_batched, assign_greedily):
        assert assign(cost).tolist() == [list(range(num_parts))] * 2


@pytest.mark.parametrize("above", [-1, 0, 1, 2])
def test_many_parts_are_left_to_scipy(above: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above MAX_PERMUTED parts, and not below."""
    asked: list[Tensor] = []
    cost = torch.rand(2, MAX_PERMUTED + above, MAX_PERMUTED + above, generator=torch.Generator().manual_seed(0))

    def recorded(given_cost: Tensor) -> Tensor:
        asked.append(given_cost)
        return assign_by_scipy(given_cost)

    monkeypatch.setattr(matching, "assign_by_scipy", recorded)
    assert totals(cost, assign_batched(cost)).tolist() == pytest.approx(scipys(cost).tolist(), rel=1e-12)
    assert len(asked) == (above > 0)


@pytest.mark.parametrize("form", ["batched", "greedy"])
@pytest.mark.parametrize("epoch", [0, 3])
@pytest.mark.parametrize("num_parts", [1, 4, 7])
def test_the_matcher_takes_the_form(num_parts: int, epoch: int, form: str) -> None:
    """Either cost reaches it, and NaN parts end nothing: a permutation comes out."""
    generator = torch.Generator().manual_seed(num_parts)
    Z1, Z2 = torch.randn(2, 3, num_parts, 5, generator=generator)
    plus = torch.eye(5).expand(3, 5, 5)
    cost = (matching.cosine_cost(Z1, Z2) if epoch == 0 else matching.mahalanobis_cost(Z1, Z2, plus)).double()
    expected = assign_greedily(cost) if form == "greedy" else assign_by_scipy(cost)
    assert torch.equal(HungarianMatcher(3, form)(Z1, Z2, plus, epoch), expected)
    broken = HungarianMatcher(3, form)(Z1 * torch.nan, Z2, plus, epoch)
    assert broken.tolist() == [list(range(num_parts))] * 3


# The greedy form


@settings(max_examples=60)
@given(st.integers(1, 4), st.integers(1, 9), seeds, st.sampled_from([2, 1000]))
def test_the_greedy_assignment_takes_the_cheapest_pair_that_is_left(
    num_images: int, num_parts: int, seed: int, levels: int
) -> None:
    """Pair by pair, the first of equals; a permutation, never cheaper than the optimum."""
    costs = np.random.default_rng(seed).integers(0, levels, (num_images, num_parts, num_parts)).astype(np.float64)
    cost = torch.from_numpy(costs)
    before = cost.clone()
    assigned = assign_greedily(cost)
    assert torch.equal(cost, before)
    assert (totals(cost, assigned).numpy() >= scipys(cost)).all()
    for image, one in enumerate(costs):
        rows, columns = set(range(num_parts)), set(range(num_parts))
        while rows:
            row, column = min(((r, c) for r in rows for c in columns), key=lambda pair: (one[pair], pair))
            assert assigned[image, row] == column
            rows.remove(row)
            columns.remove(column)


def bound(num_parts: int) -> float:
    """How much dearer than the optimum greedy pairs can be where costs are distances of a metric.

    Reingold and Tarjan (1981): `4/3 n^lg(3/2) - 1` for n points, here the 2 K parts of two views. They match any two of
    them; that pairs have one point of each view changes neither the argument nor the example that reaches the bound.
    """
    return 4 / 3 * (2 * num_parts) ** np.log2(1.5) - 1


@settings(max_examples=80)
@given(st.integers(1, 9), st.integers(1, 3), seeds)
def test_the_greedy_assignment_of_distances_is_bounded(num_parts: int, dim: int, seed: int) -> None:
    """Points in clusters and apart, the cost their distance."""
    generator = torch.Generator().manual_seed(seed)
    one, other = torch.randn(2, 20, num_parts, dim, dtype=torch.float64, generator=generator).pow(3)
    cost = torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")
    ratio = totals(cost, assign_greedily(cost)).numpy() / scipys(cost)
    assert (ratio <= bound(num_parts) * (1 + 1e-9)).all()


@pytest.mark.parametrize("doublings", [1, 2, 3])
def test_the_bound_is_reached(doublings: int) -> None:
    """Points on a line, those of the views in turn, two copies of the whole set as far apart as it is long: the middle
    pair is always nearest by a hair, and the outermost two remain.
    """
    points, hair = np.array([0.0, 1.0]), 1e-9
    for _ in range(doublings):
        length = points[-1] - points[0]
        points = np.concatenate([points, points + length + length * (1 - hair)])
    cost = torch.from_numpy(np.abs(points[0::2][:, None] - points[1::2]))[None]
    ratio = totals(cost, assign_greedily(cost)).item() / scipys(cost).item()
    assert ratio == pytest.approx(bound(len(points) // 2), rel=1e-6)


def stated() -> str:
    """What the docstring of the greedy form says, on one line."""
    return " ".join(str(assign_greedily.__doc__).split())


def test_the_docstring_states_the_bound() -> None:
    assert f"{bound(4):.1f} for K=4" in stated()


def test_the_docstring_states_what_was_computed() -> None:
    """10,000 matrices of independent uniform costs, K = 4: how often greedy is optimal, how much dearer on average.

    A million of them have 45.2 % and 16.2 %.
    """
    cost = torch.rand(10_000, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    excess = totals(cost, assign_greedily(cost)).numpy() / scipys(cost) - 1
    share = float((excess < 1e-12).mean())
    assert f"in {100 * share:.0f} %" in stated()
    assert f"{100 * float(excess.mean()):.0f} % dearer on average" in stated()

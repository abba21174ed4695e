"""The drop-in for a matcher: either cost, however the warm-up is told of, and whatever the answer looks like."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from foreign_components import (
    EpochMatcher,
    ToldMatcher,
    assign,
    columns,
    cosine,
    draw_parts,
    mahalanobis,
    squared,
    switched_matcher,
)
from paco_prof.errors import UsageError
from paco_prof.paco2.drop_ins import BatchedMatcher
from same_answers import assert_same_answers


def test_the_epoch_as_an_argument() -> None:
    """Each epoch is learned once, and the cost changes with the warm-up's end."""
    original, num_calls = EpochMatcher(), 0
    drop_in = BatchedMatcher.in_place_of(copy.deepcopy(original))
    both = []
    for epoch in range(4):
        for seed in range(5):
            Z1, Z2, _, Sigma_plus = draw_parts(10 * epoch + seed, B=16)
            expected = original(Z1, Z2, Sigma_plus, epoch)
            assert_same_answers(expected, drop_in(Z1, Z2, Sigma_plus, epoch))
            both.append([columns(assign(Z1, Z2, Sigma_plus, cost)).tolist() for cost in (cosine, mahalanobis)])
        num_calls += 1
    assert all(one != other for one, other in both)
    assert drop_in.num_calls == num_calls


def test_keywords_in_another_order_and_no_metric_in_the_warm_up() -> None:
    original = EpochMatcher()
    drop_in = BatchedMatcher.in_place_of(copy.deepcopy(original))
    for seed in range(3):
        Z1, Z2, _, Sigma_plus = draw_parts(seed)
        assert_same_answers(original(Z1, Z2, None, 0), drop_in(epoch=0, b=Z2, a=Z1, cov=None))
        assert_same_answers(original(Z1, Z2, Sigma_plus, 2), drop_in(Z1, Z2, epoch=2, cov=Sigma_plus))


@pytest.mark.parametrize("told", ["set_epoch", "current_epoch"])
def test_the_epoch_as_an_attribute(told: str) -> None:
    """The matcher is no module; whoever sets its epoch sets the drop-in's. Of two covariances the joint one counts."""
    original = ToldMatcher()
    drop_in = BatchedMatcher.in_place_of(copy.deepcopy(original))
    for epoch in range(4):
        for one in (original, drop_in):
            one.set_epoch(epoch) if told == "set_epoch" else setattr(one, "current_epoch", epoch)
        for seed in range(5):
            parts = draw_parts(10 * epoch + seed, B=16)
            assert_same_answers(original(*parts), drop_in(*parts))
    assert drop_in.num_calls == 4
    assert drop_in.current_epoch == 3


def test_a_switch_as_an_argument_of_a_function() -> None:
    """The metric is learned from the answers; what is handed back as it came is handed back as it comes."""
    calls: list[bool] = []

    def original(Z1: Tensor, Z2: Tensor, Sigma: Tensor, use_mahalanobis: bool = False) -> dict[str, Any]:
        calls.append(use_mahalanobis)
        return switched_matcher(Z1, Z2, Sigma, use_mahalanobis)

    drop_in = BatchedMatcher.in_place_of(original)
    for seed in range(6):
        Z1, Z2, _, Sigma_plus = draw_parts(seed)
        for use in (False, True):
            given = drop_in(Z1, Z2, Sigma_plus, use)
            assert_same_answers(switched_matcher(Z1, Z2, Sigma_plus, use), given)
            assert given["parts"] is Z2
    assert calls == [False, True]


class Owner(torch.nn.Module):
    """A model whose matcher is a method that reads the model's epoch, and which counts its steps."""

    def __init__(self) -> None:
        super().__init__()
        self.settings = {"epoch": 0}
        self.step = 0
        self.num_calls = 0

    def _match(self, Z1: Tensor, Z2: Tensor, Sigma: Tensor) -> Tensor:
        self.num_calls += 1
        return columns(assign(Z1, Z2, Sigma, cosine if self.settings["epoch"] < 1 else mahalanobis))


def test_a_method_of_a_model() -> None:
    """Its model's epoch decides; its model's steps do not."""
    model, twin = Owner(), Owner()
    twin._match = BatchedMatcher.in_place_of(twin._match)
    for epoch in range(3):
        for step in range(4):
            for one in (model, twin):
                one.settings["epoch"], one.step = epoch, one.step + 1
            Z1, Z2, _, Sigma_plus = draw_parts(10 * epoch + step, B=16)
            assert_same_answers(model._match(Z1, Z2, Sigma_plus), twin._match(Z1, Z2, Sigma_plus))
    assert twin.num_calls == 3


@pytest.mark.parametrize("place", ["cost", "settings", "buffer", "tensor"])
def test_a_switch_wherever_it_stands(place: str) -> None:
    """In a submodule, in an object of settings, in a buffer, in an argument that is a tensor."""

    class Matcher(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cost, self.settings = torch.nn.Module(), SimpleNamespace(late=False)
            self.cost.late = False
            self.register_buffer("late", torch.tensor(0))

        def forward(self, Z1: Tensor, Z2: Tensor, Sigma: Tensor, late: Tensor) -> Tensor:
            is_late = bool(late) or bool(self.late) or self.cost.late or self.settings.late
            return columns(assign(Z1, Z2, Sigma, mahalanobis if is_late else cosine))

    original = Matcher()
    drop_in = BatchedMatcher.in_place_of(copy.deepcopy(original))
    late = torch.tensor(0)
    for seed in range(6):
        if seed == 3:
            for one in (original, drop_in):
                {"cost": one.cost, "settings": one.settings}.get(place, SimpleNamespace()).late = True
                one.late.fill_(place == "buffer")
            late = torch.tensor(int(place == "tensor"))
        Z1, Z2, _, Sigma_plus = draw_parts(seed, B=8)
        assert_same_answers(original(Z1, Z2, Sigma_plus, late), drop_in(Z1, Z2, Sigma_plus, late))


def test_a_warm_up_that_is_counted_in_steps() -> None:
    """Then steps decide, and each of them is the original's to answer."""

    class Matcher:
        warmup_steps = 3

        def __init__(self) -> None:
            self.warmup_steps, self.step = 3, 0

        def __call__(self, Z1: Tensor, Z2: Tensor, Sigma: Tensor) -> Tensor:
            return columns(assign(Z1, Z2, Sigma, cosine if self.step < self.warmup_steps else mahalanobis))

    original = Matcher()
    drop_in = BatchedMatcher.in_place_of(copy.deepcopy(original))
    for step in range(6):
        original.step = drop_in.step = step
        Z1, Z2, _, Sigma_plus = draw_parts(step)
        assert_same_answers(original(Z1, Z2, Sigma_plus), drop_in(Z1, Z2, Sigma_plus))


SPELLINGS: dict[str, Callable[[list[tuple[Any, Any]]], Any]] = {
    "indices": columns,
    "indices of view 1": lambda found: columns(found).argsort(1),
    "int32 arrays": lambda found: np.array([cols for _, cols in found], np.int32),
    "scipy's pairs": lambda found: found,
    "tensors of each image": lambda found: [torch.as_tensor(cols) for _, cols in found],
    "pairs of numbers": lambda found: [[(int(i), int(j)) for i, j in zip(*pair, strict=True)] for pair in found],
    "rows and columns": lambda found: (torch.tensor(np.array([rows for rows, _ in found])), columns(found)),
    "matrices": lambda found: torch.nn.functional.one_hot(columns(found)).float(),
    "dicts of each image": lambda found: [{"row": rows, "col": cols} for rows, cols in found],
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("distance", [cosine, mahalanobis])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_any_spelling_of_a_matching(spelling: str, distance: Callable[..., Tensor], dtype: torch.dtype) -> None:
    num_calls = 0

    def original(Z1: Tensor, Z2: Tensor, Sigma: Tensor) -> Any:
        nonlocal num_calls
        num_calls += 1
        return SPELLINGS[spelling](assign(Z1, Z2, Sigma, distance))

    drop_in = BatchedMatcher.in_place_of(original)
    for seed in range(4):
        Z1, Z2, _, Sigma_plus = draw_parts(seed, K=4, dtype=dtype)
        assert_same_answers(original(Z1, Z2, Sigma_plus), drop_in(Z1, Z2, Sigma_plus))
    assert num_calls == 5


def test_the_costs_may_be_handed_over_too() -> None:
    def original(Z1: Tensor, Z2: Tensor, Sigma: Tensor) -> tuple[Tensor, Tensor]:
        whitened = torch.linalg.solve_triangular(
            torch.linalg.cholesky(Sigma), torch.cat([Z1, Z2], 1).mT, upper=False
        ).mT
        return columns(assign(Z1, Z2, Sigma, mahalanobis)), torch.cdist(*whitened.split(Z1.shape[1], 1))

    drop_in = BatchedMatcher.in_place_of(original)
    for seed in range(3):
        Z1, Z2, _, Sigma_plus = (t.requires_grad_() for t in draw_parts(seed))
        expected, given = original(Z1, Z2, Sigma_plus), drop_in(Z1, Z2, Sigma_plus)
        assert_same_answers(expected, given, 1e-8)
        one, other = (torch.autograd.grad(answer[1].square().sum(), [Z1, Sigma_plus]) for answer in (expected, given))
        torch.testing.assert_close(other, one)


def test_one_image_at_a_time() -> None:
    def original(z1: Tensor, z2: Tensor, S: Tensor) -> np.ndarray:
        return assign(z1[None], z2[None], S[None], mahalanobis)[0][1]

    drop_in = BatchedMatcher.in_place_of(original)
    for seed in range(6):
        Z1, Z2, _, Sigma_plus = draw_parts(seed, B=1, K=4)
        assert_same_answers(original(Z1[0], Z2[0], Sigma_plus[0]), drop_in(Z1[0], Z2[0], Sigma_plus[0]))


@pytest.mark.parametrize("K", [1, 2, 7])
def test_few_parts_and_many(K: int) -> None:
    original = EpochMatcher()
    drop_in = BatchedMatcher.in_place_of(copy.deepcopy(original))
    for seed in range(3):
        Z1, Z2, _, Sigma_plus = draw_parts(seed, K=K)
        assert_same_answers(original(Z1, Z2, Sigma_plus, 2), drop_in(Z1, Z2, Sigma_plus, 2))


def test_where_both_costs_explain_the_first_call_the_original_is_asked_when_they_part() -> None:
    """Equal parts in equal order match themselves under any cost."""
    for late in (0, 2):
        original = EpochMatcher()
        drop_in = BatchedMatcher.in_place_of(copy.deepcopy(original))
        Z1, _, _, Sigma_plus = draw_parts(0)
        for _ in range(2):
            assert_same_answers(original(Z1, Z1, Sigma_plus, late), drop_in(Z1, Z1, Sigma_plus, late))
        assert drop_in.num_calls == 1
        for seed in range(4):
            parts = draw_parts(seed)
            assert_same_answers(original(*parts[:2], parts[3], late), drop_in(*parts[:2], parts[3], late))
        assert drop_in.num_calls == 2


def test_parts_that_float32_cannot_tell_apart_are_matched_as_well_as_they_can_be() -> None:
    """At epsilon = tau = 1e-5 with d = 64 the original's matching is rounding; the drop-in's is the best in float64."""
    drop_in = BatchedMatcher.in_place_of(EpochMatcher())
    num_different = 0
    for seed in range(4):
        Z1, Z2 = torch.randn(2, 4, 4, 64, generator=torch.Generator().manual_seed(seed))
        centred = [Z - Z.mean(1, keepdim=True) for Z in (Z1, Z2)]
        Sigma_plus = sum(Z.mT @ Z for Z in centred) / 6 + 2e-5 * torch.eye(64)
        given = drop_in(Z1, Z2, Sigma_plus, 5)
        if seed:
            best = columns(assign(Z1.double(), Z2.double(), Sigma_plus.double(), mahalanobis))
            assert torch.equal(given, best)
            num_different += int((columns(assign(Z1, Z2, Sigma_plus, mahalanobis)) != best).any())
    assert num_different > 0
    assert drop_in.num_calls == 1


@pytest.mark.parametrize(
    ("distance", "write", "message"),
    [
        (squared, columns, r"its answer \(int64, 4 x 3\) differs from PaCo-2's matching"),
        (
            cosine,
            lambda found: columns(found).roll(1, 1),
            r"its answer \(int64, 4 x 3\) differs from PaCo-2's matching",
        ),
        (
            cosine,
            lambda found: (columns(found), 0.25),
            r"its answer\[1\] \(float\) is nothing that PaCo-2 computes there",
        ),
        (cosine, lambda found: None, r"its answer \(NoneType\) holds nothing that PaCo-2 computes there"),
    ],
)
def test_what_is_not_paco_2_is_refused_in_one_line(
    distance: Callable[..., Tensor], write: Callable[..., Any], message: str
) -> None:
    def match(Z1: Tensor, Z2: Tensor, Sigma: Tensor) -> Any:
        return write(assign(Z1, Z2, Sigma, distance))

    Z1, Z2, _, Sigma_plus = draw_parts(1)
    with pytest.raises(UsageError, match=message) as told:
        BatchedMatcher.in_place_of(match)(Z1, Z2, Sigma_plus)
    assert "\n" not in str(told.value)
    assert "match: its answer" in str(told.value)
    assert str(told.value).endswith(" Leave this replacement away.")


def test_a_later_kind_of_call_that_is_not_paco_2_is_left_to_the_original_with_a_warning() -> None:
    original = ToldMatcher(late=squared)
    drop_in = BatchedMatcher.in_place_of(copy.deepcopy(original))
    drop_in(*draw_parts(0))
    original.set_epoch(2)
    drop_in.set_epoch(2)
    with pytest.warns(
        UserWarning, match=r"ToldMatcher: its answer .* differs from PaCo-2's .* answers such calls itself"
    ):
        drop_in(*draw_parts(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(3):
            assert_same_answers(original(*draw_parts(seed)), drop_in(*draw_parts(seed)))


def test_a_later_call_that_is_not_recognised_is_left_to_the_original() -> None:
    def match(Z1: Any, Z2: Any = None) -> Any:
        return "nothing" if Z2 is None else columns(assign(Z1, Z2, None, cosine))

    Z1, Z2, *_ = draw_parts(0)
    with pytest.raises(UsageError, match=r"it is not called with the parts \(B, K, d\) of two views"):
        BatchedMatcher.in_place_of(match)(Z1)
    drop_in = BatchedMatcher.in_place_of(match)
    drop_in(Z1, Z2)
    assert drop_in(Z1) == drop_in([Z1[0]]) == "nothing"

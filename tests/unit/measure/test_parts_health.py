"""How parts lie, on parts made by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from paco_prof.measure.parts_health import parts_health
from paco_prof.records import PartsHealth

EPSILON = 1e-5
# Two views of two images, three parts of two dimensions; no two are the same.
APART = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], [[2.0, 0.0], [0.0, 2.0], [0.0, -2.0]]])


def covariance(Z: Tensor) -> Tensor:
    centred = Z - Z.mean(dim=1, keepdim=True)
    return centred.transpose(1, 2) @ centred / Z.shape[1] + EPSILON * torch.eye(Z.shape[2])


def health(Z1: Tensor, Z2: Tensor, epsilon: float = EPSILON) -> PartsHealth:
    inputs = {"Z1t": Z1, "Z2t": Z2, "Sigma1": covariance(Z1), "Sigma2": covariance(Z2), "targets": None}
    found = parts_health(inputs, epsilon)
    assert found is not None
    return found


def test_parts_that_lie_apart() -> None:
    found = health(APART, APART)
    assert (found.coinciding, found.at_floor) == (0.0, 0.0)
    # Of x: (1, 0, -1) and (2, 0, 0); of y: (0, 1, 0) and (0, 2, -2).
    variances = [2 / 3, 8 / 9, 2 / 9, 8 / 3]
    assert found.spread == pytest.approx(math.sqrt(sum(variances) / 4))


def test_parts_that_are_all_the_same() -> None:
    same = torch.tensor([3.0, 4.0]).expand(2, 3, 2)
    found = health(same, same)
    assert (found.coinciding, found.at_floor, found.spread) == (1.0, 1.0, 0.0)


def test_one_pair_of_three_in_one_view_of_four() -> None:
    Z = APART.clone()
    Z[0, 1] = Z[0, 0] * (1 + 5e-4)
    found = health(Z, APART)
    assert found.coinciding == pytest.approx(1 / 12)
    assert found.at_floor == 0.0


def test_what_is_near_is_told_by_the_parts_length() -> None:
    """A thousandth of a length of 1 is the same; a thousandth of a length of 0.1 is not."""
    near = torch.tensor([[[1.0, 0.0], [1.0, 9e-4]]])
    apart = torch.tensor([[[0.1, 0.0], [0.1, 9e-4]]])
    assert health(near, near).coinciding == 1.0
    assert health(apart, apart).coinciding == 0.0


def test_parts_at_the_origin_coincide() -> None:
    assert health(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2)).coinciding == 1.0


def test_a_single_part_coincides_with_none_and_has_no_covariance() -> None:
    found = health(APART[:, :1], APART[:, :1])
    assert (found.coinciding, found.at_floor, found.spread) == (0.0, 1.0, 0.0)


def test_only_some_covariances_are_at_their_floor() -> None:
    Z = APART.clone()
    Z[0] = Z[0, 0]
    assert health(Z, APART).at_floor == 0.25


@pytest.mark.parametrize("name", ["Z1t", "Z2t", "Sigma1", "Sigma2"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_tells_nothing(name: str, value: float) -> None:
    inputs = {"Z1t": APART.clone(), "Z2t": APART.clone(), "Sigma1": covariance(APART), "Sigma2": covariance(APART)}
    inputs[name][0, 0, 0] = value
    assert parts_health(inputs, EPSILON) is None


@pytest.mark.parametrize("name", ["Z1t", "Sigma2"])
def test_a_criterion_that_is_given_something_else_tells_nothing(name: str) -> None:
    inputs = {"Z1t": APART, "Z2t": APART, "Sigma1": covariance(APART), "Sigma2": covariance(APART)}
    del inputs[name]
    assert parts_health(inputs, EPSILON) is None
    assert parts_health({**inputs, name: "text"}, EPSILON) is None


def test_half_precision_and_graphs_are_no_obstacle() -> None:
    half = APART.bfloat16().requires_grad_()
    inputs = {"Z1t": half, "Z2t": half, "Sigma1": covariance(APART), "Sigma2": covariance(APART)}
    found = parts_health(inputs, EPSILON)
    assert found is not None
    assert found.coinciding == 0.0

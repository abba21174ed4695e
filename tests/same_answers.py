"""Whether two answers of any structure are the same, and their gradients."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


def assert_same_answers(expected: Any, given: Any, tolerance: float = 1e-10) -> None:
    """The same structure and types, the same whole numbers, floats up to rounding."""
    assert type(given) is type(expected)
    if isinstance(expected, Tensor):
        assert (given.dtype, given.device, given.shape) == (expected.dtype, expected.device, expected.shape)
        assert given.requires_grad == expected.requires_grad
        torch.testing.assert_close(given, expected, rtol=tolerance, atol=tolerance)
    elif isinstance(expected, np.ndarray):
        assert given.dtype == expected.dtype
        np.testing.assert_allclose(given, expected, rtol=tolerance, atol=tolerance)
    elif isinstance(expected, dict):
        assert list(given) == list(expected)
        for key in expected:
            assert_same_answers(expected[key], given[key], tolerance)
    elif isinstance(expected, (list, tuple)):
        assert len(given) == len(expected)
        for one, other in zip(expected, given, strict=True):
            assert_same_answers(one, other, tolerance)
    elif dataclasses.is_dataclass(expected):
        assert_same_answers(vars(expected), vars(given), tolerance)
    else:
        assert given == expected


def _tensors(answer: Any) -> Iterator[Tensor]:
    """The tensors of an answer that carry a gradient."""
    if isinstance(answer, Tensor) and answer.requires_grad:
        yield answer
    elif isinstance(answer, dict):
        yield from (tensor for value in answer.values() for tensor in _tensors(value))
    elif isinstance(answer, (list, tuple)):
        yield from (tensor for value in answer for tensor in _tensors(value))
    elif dataclasses.is_dataclass(answer) and not isinstance(answer, type):
        yield from _tensors(vars(answer))


def gradients(answer: Any, sources: Sequence[Tensor]) -> np.ndarray:
    """The gradient of an answer's squares in all sources, one after another; zeros where there is none."""
    squares = [tensor.square().sum() for tensor in _tensors(answer)]
    if not squares:
        return np.zeros(sum(source.numel() for source in sources))
    found = torch.autograd.grad(sum(squares), sources, allow_unused=True, materialize_grads=True)
    return torch.cat([gradient.flatten() for gradient in found]).numpy()

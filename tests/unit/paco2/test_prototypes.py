"""The class prototypes against the oracle over several updates."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from paco_prof.paco2.prototypes import ClassPrototypes


def test_a_class_not_seen_has_the_identity() -> None:
    """Before any update, and for the classes that an update did not touch."""
    prototypes = ClassPrototypes(4, 3, 0.9)
    targets = torch.tensor([0, 3])
    assert torch.equal(prototypes.get(targets).double(), torch.eye(3).double().expand(2, 3, 3))
    sigma = 5 * torch.eye(3)[None]
    prototypes.update(torch.tensor([3]), sigma, sigma)
    result = prototypes.get(targets).double()
    torch.testing.assert_close(result, torch.stack([torch.eye(3), 5 * torch.eye(3)]).double())


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=6), min_size=1, max_size=5),
    st.sampled_from([0.9, 0.5, 0.0]),
    st.integers(0, 2**31),
)
def test_several_updates(batches: list[list[int]], momentum: float, seed: int) -> None:
    """First sight sets the batch mean, later batches move it; a class moves once a batch."""
    rng = np.random.default_rng(seed)
    prototypes, expected = ClassPrototypes(5, 3, momentum).double(), oracle.Prototypes(3, momentum)
    for targets in batches:
        parts = rng.normal(size=(2, len(targets), 4, 3))
        sigma1, sigma2 = (oracle.part_covariance(view, 0.1) for view in parts)
        prototypes.update(torch.tensor(targets), torch.from_numpy(sigma1), torch.from_numpy(sigma2))
        expected.update(targets, sigma1, sigma2)
        np.testing.assert_allclose(
            prototypes.get(torch.arange(5)).numpy(), expected.get(range(5)), rtol=1e-12, atol=1e-15
        )


def test_prototypes_are_outside_the_graph() -> None:
    """Covariances that require a gradient leave none behind; what was got does not change later."""
    prototypes = ClassPrototypes(2, 3, 0.9).double()
    sigma = (2 * torch.eye(3, dtype=torch.float64)[None]).requires_grad_()
    prototypes.update(torch.tensor([1]), sigma, sigma)
    got = prototypes.get(torch.tensor([1, 1]))
    assert not got.requires_grad
    before = got.clone()
    prototypes.update(torch.tensor([1]), 3 * sigma, sigma)
    assert torch.equal(got, before)


def test_prototypes_are_saved_with_the_state() -> None:
    """A state dict carries the prototypes and which classes were seen: the next update is the same."""
    first, second = ClassPrototypes(3, 2, 0.9).double(), ClassPrototypes(3, 2, 0.9).double()
    sigma = 4 * torch.eye(2, dtype=torch.float64)[None]
    first.update(torch.tensor([2]), sigma, sigma)
    second.load_state_dict(first.state_dict())
    for prototypes in (first, second):
        prototypes.update(torch.tensor([2]), 2 * sigma, 2 * sigma)
    everything = torch.arange(3)
    assert torch.equal(first.get(everything), second.get(everything))

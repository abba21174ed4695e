"""Seeds: always the same ones, and different ones for different places."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paco_prof.data.seeds import seed_of

PARTS = st.lists(st.integers(0, 2**40), min_size=1, max_size=4)


@given(parts=PARTS)
def test_a_seed_is_one_that_torch_takes(parts: list[int]) -> None:
    assert 0 <= seed_of(*parts) < 2**63
    assert seed_of(*parts) == seed_of(*parts)


def test_places_do_not_share_a_seed() -> None:
    """Neither among those of as many numbers nor of fewer, zeros included."""
    places = [place for length in (1, 2, 3, 4) for place in itertools.product(range(6), repeat=length)]
    assert len({seed_of(*place) for place in places}) == len(places)


@pytest.mark.parametrize("parts", [(-1,), (0, -3)])
def test_there_is_none_below_zero(parts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        seed_of(*parts)

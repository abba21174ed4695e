"""Seeds that do not repeat: what is random in one place must not be what is random in another."""

from __future__ import annotations

import numpy as np

__all__ = ["seed_of"]


def seed_of(*parts: int) -> int:
    """A seed below 2^63 for a run's seed, an epoch and whatever else tells places apart (all from 0)."""
    # How many there are goes in too: numpy takes (1,) and (1, 0) for the same.
    (state,) = np.random.SeedSequence((len(parts), *parts)).generate_state(1, np.uint64).tolist()
    return int(state) >> 1

"""The noise of a step against itself, from launches whose effects are known."""

from __future__ import annotations

import math

import pytest

from doctors import EFFECTS, PAIRS, noise_record
from paco_prof.analysis.noise_floor import noise_floor


def test_the_noise_of_a_launch_is_that_of_its_effects() -> None:
    noise = noise_floor(noise_record())
    assert noise is not None
    middle = (sorted(PAIRS)[4] + sorted(PAIRS)[5]) / 2
    assert len(noise.effects) == len(EFFECTS)
    # The pairs' own middle goes into every launch's number.
    assert noise.effects == pytest.approx([effect + middle for effect in EFFECTS], abs=0.004)
    assert noise.smallest is not None
    assert noise.smallest.noise == pytest.approx(math.sqrt(sum(e * e for e in noise.effects) / len(EFFECTS)))


def test_the_noise_of_a_pair_is_that_around_its_launchs_middle() -> None:
    """However far apart launches lie, a pair is as noisy as it is."""
    near, far = noise_floor(noise_record()), noise_floor(noise_record([100 * effect for effect in EFFECTS]))
    assert near is not None
    assert far is not None
    assert near.pair == pytest.approx(far.pair)
    assert near.from_pairs == pytest.approx(1.2533 * near.pair / math.sqrt(len(PAIRS)), rel=1e-3)


def test_a_claim_takes_as_long_as_its_launches() -> None:
    noise = noise_floor(noise_record(EFFECTS[:4], measuring_seconds=12.0))
    assert noise is not None
    assert noise.launch_seconds == 3.0
    assert noise.claim_seconds == 24.0


def test_too_few_launches_have_a_noise_of_pairs_and_no_more() -> None:
    noise = noise_floor(noise_record(EFFECTS[:2]))
    assert noise is not None
    assert (noise.num_launches, noise.smallest, noise.claim_seconds) == (2, None, None)
    assert noise.pair > 0


def test_without_a_launch_there_is_no_noise_to_tell_of() -> None:
    assert noise_floor(None) is None
    assert noise_floor(noise_record([])) is None

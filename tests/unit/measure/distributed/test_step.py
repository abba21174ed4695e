"""A forward pass before the first step leaves the first step as it would have been."""

from __future__ import annotations

import pytest
import torch

from paco_prof.measure.distributed.step import has_unused_parameters
from paco_prof.measure.workload import TrainingStep
from paco_prof.paco2.parts import PartSampler
from tiny import step_of

EVERY = 3


def searches_of(step: TrainingStep, num_steps: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often peaks are searched in each of the first few steps."""
    sampler = step.model.part_sampler
    assert isinstance(sampler, PartSampler)
    search, found = sampler._find_peaks, list[int]()

    def counted(M: torch.Tensor, num_parts: int) -> torch.Tensor:
        found[-1] += 1
        return search(M, num_parts)

    monkeypatch.setattr(sampler, "_find_peaks", counted)
    for _ in range(num_steps):
        found.append(0)
        step.forward_only()
    return found


def test_the_first_step_searches_for_peaks_as_in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at, untouched = (step_of("exact", peaks_every=EVERY) for _ in range(2))
    has_unused_parameters(looked_at)
    assert looked_at.model.part_sampler.kept_peaks() == untouched.model.part_sampler.kept_peaks()
    expected = searches_of(untouched, EVERY + 1, monkeypatch)
    assert expected == [2, 0, 0, 2]
    assert searches_of(looked_at, EVERY + 1, monkeypatch) == expected


def test_buffers_and_what_is_drawn_next_are_as_they_were() -> None:
    step = step_of("exact")
    before = {name: buffer.clone() for name, buffer in step.model.named_buffers()}
    state = torch.random.get_rng_state()
    has_unused_parameters(step)
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(buffer, before[name]) for name, buffer in step.model.named_buffers())

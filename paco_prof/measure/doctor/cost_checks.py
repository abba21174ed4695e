"""What does the instrument cost? Steps of many small stages, with it and without it, in turns."""

from __future__ import annotations

import random
from statistics import median

import torch
from torch import Tensor

from paco_prof import stages
from paco_prof.measure.doctor.instrument import Instrument, judged
from paco_prof.records import DoctorCheck, Figure, Overhead
from paco_prof.stages import stage

__all__ = ["NUM_STAGES", "ManyStages", "check_cost"]

NUM_STAGES = 100
NUM_WARMUP = 3
NUM_PAIRS = 25
# A step of PaCo-2 has some twenty stages: at this cost they take two milliseconds of it.
COST_TOLERANCE = 1e-4
# What the instrument says of itself, over what it costs: the calls that reach it and come back it cannot see.
OWN_SHARE = 1.0
OWN_TOLERANCE = 0.6


class ManyStages:
    """A step of many stages that do next to nothing, forward and backward.

    Args:
        device: where its tensors are.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def run(self) -> dict[str, Tensor]:
        """Take a step."""
        x = torch.ones(8, device=self._device, requires_grad=True)
        with stages.phase("forward"):
            for _ in range(NUM_STAGES):
                with stage("small", x) as small:
                    x = small.outputs(x + 1)
            total = x.sum()
        with stages.phase("backward"):
            total.backward()
        return {"total": total.detach()}


def check_cost(
    instrument: Instrument, step: ManyStages, order: random.Random
) -> tuple[list[DoctorCheck], Overhead | None]:
    """What a stage costs, forward and backward together, and whether the instrument says so itself.

    Returns:
        The checks, and the pairs that they rest on; None in the place of times that are none.
    """
    timed, bare, own = [], [], []
    for number in range(NUM_WARMUP + NUM_PAIRS):
        bare_first = order.random() < 0.5
        before = instrument.bare(step.run, instrument.clock) if bare_first else None
        taken = instrument.timed(step.run, instrument.clock)
        without = instrument.bare(step.run, instrument.clock) if before is None else before
        if number >= NUM_WARMUP:
            timed.append(taken.seconds)
            bare.append(without)
            own.append(taken.own_seconds)
    cost = median(one - other for one, other in zip(timed, bare, strict=True)) / NUM_STAGES
    checks = [_cost(cost), _own(median(own) / NUM_STAGES, cost)]
    are_times = all(seconds > 0 for seconds in (*timed, *bare))
    return checks, Overhead(instrumented=tuple(timed), bare=tuple(bare)) if are_times else None


def _cost(cost: float) -> DoctorCheck:
    figure = Figure(name="cost", unit="seconds", measured=cost, tolerance=COST_TOLERANCE)
    is_dear = cost > COST_TOLERANCE
    stages_each = Figure(name="stages", unit="count", measured=NUM_STAGES)
    return judged("cost", "dear" if is_dear else "", figure, stages_each, if_wrong="warning")


def _own(own: float, cost: float) -> DoctorCheck:
    """Of what it costs the instrument must say something, and about as much; on a noisy machine nobody can tell."""
    share = own / cost if cost > 0 else None
    figures = (
        Figure(name="own", unit="seconds", measured=own),
        Figure(name="share", unit="share", measured=share, expected=OWN_SHARE, tolerance=OWN_TOLERANCE),
    )
    if own <= 0:
        return judged("own cost", "none", *figures)
    is_off = share is None or figures[1].is_off
    return judged("own cost", "differs" if is_off else "", *figures, if_wrong="warning")

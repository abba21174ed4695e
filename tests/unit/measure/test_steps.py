"""Steps made by hand, and the record that they become."""

from __future__ import annotations

import math

import pytest

from paco_prof.measure.steps import TimedStep, training_record
from paco_prof.measure.timeline import ROOT, Owner, Span

FORWARD = Owner(ROOT, "forward")


def step(**losses: float) -> TimedStep:
    return TimedStep(1.0, {FORWARD: Span(1.0, None)}, {FORWARD: 1}, losses, 0.0)


@pytest.mark.parametrize("with_it", [(0, 2), (1,), (1, 2)])
def test_a_loss_that_some_steps_lack_is_left_out(with_it: tuple[int, ...]) -> None:
    """In the first step, in a later one, or in both: NaN in its place would say that the training had diverged."""
    steps = [step(total=float(n), **({"extra": 1.0} if n in with_it else {})) for n in range(3)]
    assert training_record(steps, [], "as asked").losses == {"total": (0.0, 1.0, 2.0)}


def test_a_loss_of_every_step_is_kept_as_it_is() -> None:
    kept = training_record([step(total=1.0, pac=math.nan), step(pac=0.5, total=2.0)], [], "as asked").losses
    assert kept["total"] == (1.0, 2.0)
    assert math.isnan(kept["pac"][0])
    assert kept["pac"][1] == 0.5

"""Which measured steps stand for which epochs of a run, and how long a step of it is on average."""

from __future__ import annotations

from collections.abc import Sequence

from paco_prof.records import EstimatePlan, Pilot, StepSeries
from paco_prof.stats.pace import Span, added, pace

__all__ = ["Stretch", "alike", "matching_epochs", "mean_step", "series_of", "stretches"]

# Steps, and the number of epochs that they stand for.
Stretch = tuple[StepSeries, int]


def matching_epochs(plan: EstimatePlan, pilot: Pilot) -> dict[bool, int]:
    """How many epochs match parts as in the warm-up (True), and how many as after it (False)."""
    during = min(plan.epochs, pilot.workload.known("warmup_epochs"))
    return {True: during, False: plan.epochs - during}


def series_of(pilot: Pilot, during_warmup: bool) -> StepSeries:
    """The steps that stand for epochs of one kind: those of that kind, or of which nobody told the kind, or else the
    other ones, for want of better.
    """
    found = {series.during_warmup: series for series in pilot.steps}
    return found.get(during_warmup) or found.get(None) or pilot.steps[0]


def stretches(plan: EstimatePlan, pilot: Pilot) -> list[Stretch]:
    """The series that stand for the epochs of a run, each of them once."""
    parts = [(series_of(pilot, during), epochs) for during, epochs in matching_epochs(plan, pilot).items() if epochs]
    # A mean over one series is not the sum of two that are uncertain in the same way.
    return list({id(found): (found, sum(n for other, n in parts if other is found)) for found, _ in parts}.values())


def mean_step(found: Sequence[Stretch]) -> Span:
    """A step's mean duration over the epochs, without the wait for its batch."""
    epochs = sum(number for _, number in found)
    return added(pace(series.blocks).span * number for series, number in found) * (1 / epochs)


def alike(plan: EstimatePlan, pilots: Sequence[Pilot]) -> list[list[Stretch]]:
    """Of each pilot the steps in the ways of matching that all of them have, with equal numbers of epochs; empty where
    there is no such way, so that their steps cannot be held against each other.
    """
    shared = [
        during
        for during in (True, False)
        if all({during, None} & {series.during_warmup for series in pilot.steps} for pilot in pilots)
    ]
    epochs = matching_epochs(plan, pilots[0])
    # Where the run has no epoch of those kinds they are told apart by nothing.
    weights = {during: epochs[during] for during in shared if epochs[during]} or dict.fromkeys(shared, 1)
    return [[(series_of(pilot, during), number) for during, number in weights.items()] for pilot in pilots if weights]

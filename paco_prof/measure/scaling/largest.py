"""The search for the largest batch that fits: what to try next, and what the trials have shown. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paco_prof.records import LargestReason, Trial

__all__ = ["CONFIRMING_STEPS", "TRIAL_STEPS", "Asked", "Bounds", "bounds_of", "confirmation", "next_trial", "reason_of"]

# Memory is had in full once the optimizer has its state; what the allocator leaves unused grows a little longer.
TRIAL_STEPS = 3
# What is told to fit has run so far.
CONFIRMING_STEPS = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """What a fresh process is asked for: so many steps with such a batch."""

    size: int
    steps: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between what a batch is that is as large as can be.

    Attributes:
        fits: the largest that does and is below all that do not; 0 where none is known.
        too_large: the smallest for which memory did not suffice; None where none is known.
    """

    fits: int
    too_large: int | None


def bounds_of(trials: Sequence[Trial], known: int) -> Bounds:
    """What trials have shown.

    Args:
        known: a batch that steps have been taken of before; 0 for none.
    """
    too_large = min((trial.size for trial in trials if trial.reason == "out of memory"), default=None)
    fit = [known, *(trial.size for trial in trials if trial.fits)]
    return Bounds(max((size for size in fit if too_large is None or size < too_large), default=0), too_large)


def next_trial(trials: Sequence[Trial], known: int, start: int, up_to: int) -> Asked | None:
    """What to try next: twice as much until something does not fit, then the middle, and in the end what fits for
    longer; None where there is nothing more to be learnt.

    What does not fit for longer counts as too large, and the search goes on below it.

    Args:
        trials: so far.
        known: see `bounds_of`.
        start: what to begin with, where nothing is known.
        up_to: the largest to try.
    """
    if any(trial.reason in ("failed", "time is up") for trial in trials):
        return None
    bounds = bounds_of(trials, min(known, up_to))
    if bounds.too_large is None and bounds.fits < up_to:
        return Asked(min(up_to, 2 * bounds.fits or start), TRIAL_STEPS)
    if bounds.too_large is not None and bounds.too_large - bounds.fits > 1:
        return Asked((bounds.fits + bounds.too_large) // 2, TRIAL_STEPS)
    return confirmation(trials, bounds)


def confirmation(trials: Sequence[Trial], bounds: Bounds) -> Asked | None:
    """To take more steps of what fits; None where that was done, or nothing is known to fit."""
    is_done = any(trial.size == bounds.fits and trial.steps >= CONFIRMING_STEPS for trial in trials)
    return None if is_done or not bounds.fits else Asked(bounds.fits, CONFIRMING_STEPS)


def reason_of(trials: Sequence[Trial], bounds: Bounds, up_to: int, ended: LargestReason) -> LargestReason:
    """Why no larger batch is known to fit.

    Args:
        bounds: what the trials have shown.
        ended: why there are no more trials, where they have not shown it.
    """
    if any(trial.reason == "failed" for trial in trials):
        return "failed"
    if bounds.fits >= up_to:
        return "as asked"
    return "out of memory" if bounds.too_large == bounds.fits + 1 else ended

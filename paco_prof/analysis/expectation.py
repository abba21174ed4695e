"""What somebody expected of a change, beside what launches say of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from paco_prof.records import SpeedupClaim
from paco_prof.stats.paired import RatioEstimate

__all__ = ["Expectation", "Outcome", "expectation"]

# A claim of one figure, "1.9x", is what rounds to it.
HALF_DIGIT = 0.05


class Outcome(StrEnum):
    """What becomes of a claim."""

    HOLDS = "holds"
    FALLS_SHORT = "falls short"
    EXCEEDS = "exceeds"
    NOT_DISTINGUISHABLE = "not distinguishable"


@dataclass(frozen=True, slots=True)
class Expectation:
    """A claim with a number beside the measured gain.

    Attributes:
        claim: in its author's words.
        measured: of the step, or of what the claim is of; None where it was not measured.
        outcome: `holds` where the whole interval is at or above the least that was claimed, and not wholly above the
            most; `exceeds` where it is; `falls short` where it is wholly below the least; `not distinguishable` where
            it holds the least, or there is no interval. None for a claim without a number.
    """

    claim: SpeedupClaim
    measured: RatioEstimate | None
    outcome: Outcome | None


def expectation(claim: SpeedupClaim, measured: RatioEstimate | None) -> Expectation:
    """Hold a claim against a measured ratio."""
    return Expectation(claim, measured, _outcome(claim, measured))


def _outcome(claim: SpeedupClaim, measured: RatioEstimate | None) -> Outcome | None:
    if claim.low is None or claim.high is None or measured is None:
        return None
    slack = HALF_DIGIT if claim.low == claim.high else 0.0
    if measured.low is None or measured.high is None:
        return Outcome.NOT_DISTINGUISHABLE
    if measured.high < claim.low - slack:
        return Outcome.FALLS_SHORT
    if measured.low > claim.high + slack:
        return Outcome.EXCEEDS
    return Outcome.HOLDS if measured.low >= claim.low - slack else Outcome.NOT_DISTINGUISHABLE

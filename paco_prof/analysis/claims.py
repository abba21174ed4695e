"""Holds the figures that a quoted source derives against the figures that it derives them from.

Both sides are known only to the last digit that was quoted, so both are intervals: where the two do not overlap, no
rounding can bring them together, and the claim does not follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from paco_prof.records import BreakdownRecord, Claim

__all__ = ["PROJECTIONS", "Bounds", "CheckedClaim", "Verdict", "check_claims", "check_projections"]

Verdict = Literal["follows", "within rounding", "does not follow"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """All values that a figure may have had before it was rounded."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2

    def __add__(self, other: Bounds) -> Bounds:
        return Bounds(self.low + other.low, self.high + other.high)

    def __mul__(self, factor: float) -> Bounds:
        return Bounds(self.low * factor, self.high * factor)

    def __truediv__(self, other: Bounds) -> Bounds:
        return Bounds(self.low / other.high, self.high / other.low)

    def overlaps(self, other: Bounds) -> bool:
        """Whether one value may lie in both."""
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True, slots=True)
class CheckedClaim:
    """A quoted figure beside the one that follows.

    Attributes:
        claim: as quoted.
        computed: what follows from the source's other figures, in the claim's unit.
        verdict: `follows` to the quoted digit; `within rounding` where only the rounding of the figures it rests on
            can explain the difference; `does not follow` where nothing can.
        basis: which figures it was computed from: the name of the formula.
        instead: what the quoted figure is a figure of, where another formula gives it; else empty.
        implied_step: for projections, the seconds per batch that the quoted figure rests on.
    """

    claim: Claim
    computed: float
    verdict: Verdict
    basis: str
    instead: str = ""
    implied_step: float | None = None


Formula = Callable[["_Figures", Claim], Bounds]


class _Figures:
    """The figures that a record quotes, as bounds, in milliseconds."""

    def __init__(self, record: BreakdownRecord) -> None:
        if record.training is None or record.inference is None:
            raise ValueError("claims rest on a training step and an inference")
        training = record.training
        self.step = _quoted(training.steps[0])
        self.forward = _quoted(training.phases["forward"][0])
        self.backward = _quoted(training.phases["backward"][0])
        self.inference = _quoted(record.inference.runs[0])
        self.stages = {s.path: _quoted(s.host[0]) for s in training.stages if s.phase == "forward"}
        self.components = sum(self.stages.values(), Bounds(0.0, 0.0))

    def share(self, claim: Claim) -> Bounds:
        return self.stages[claim.stage] / self.components * 100


def _quoted(seconds: float) -> Bounds:
    """Bounds in milliseconds of a figure that was quoted to the last digit it has as milliseconds."""
    milliseconds = Decimal(repr(round(seconds * 1e3, 9))).normalize()
    exponent = milliseconds.as_tuple().exponent
    half = 0.5 * 10.0 ** min(int(exponent), 0)
    return Bounds(float(milliseconds) - half, float(milliseconds) + half)


# What is projected from a step alone, and its unit in milliseconds.
PROJECTIONS = {"epoch_minutes": 60e3, "total_hours": 3600e3}
STEP_X_BATCHES = "step x batches"


def _projected(step: Bounds, claim: Claim) -> Bounds:
    """What so many steps take, in the claim's unit."""
    return step * (claim.count / PROJECTIONS[claim.quantity])


# quantity -> its formulas by name; the first is what the words mean, the others what may have been meant.
FORMULAS: dict[str, dict[str, Formula]] = {
    "step_over_inference": {
        "step / inference": lambda f, c: f.step / f.inference,
        "forward / inference": lambda f, c: f.forward / f.inference,
        "backward / inference": lambda f, c: f.backward / f.inference,
    },
    "step_ms": {"forward + backward": lambda f, c: f.forward + f.backward},
    "components_ms": {"the sum of the components": lambda f, c: f.components},
    "forward_ms": {"the sum of its components": lambda f, c: f.components},
    "share_percent": {"component / sum of the components": lambda f, c: f.share(c)},
    **{quantity: {STEP_X_BATCHES: lambda f, c: _projected(f.step, c)} for quantity in PROJECTIONS},
}


def check_claims(record: BreakdownRecord) -> tuple[CheckedClaim, ...]:
    """Every claim of a record, checked; none where it makes none."""
    if not record.claims or record.training is None or record.inference is None:
        return ()
    figures = _Figures(record)
    return tuple(
        _check(claim, {name: formula(figures, claim) for name, formula in FORMULAS[claim.quantity].items()})
        for claim in record.claims
        if _is_checkable(claim, figures)
    )


def check_projections(step: float, claims: Sequence[Claim]) -> tuple[CheckedClaim, ...]:
    """The claims that project a quoted step, checked against it; others are passed over.

    Args:
        step: seconds, as quoted.
        claims: of the source that quotes it.
    """
    projected = [claim for claim in claims if claim.quantity in PROJECTIONS]
    return tuple(_check(claim, {STEP_X_BATCHES: _projected(_quoted(step), claim)}) for claim in projected)


def _is_checkable(claim: Claim, figures: _Figures) -> bool:
    """Whether there is a formula for it, and the stage that it speaks of."""
    return claim.quantity in FORMULAS and (claim.quantity != "share_percent" or claim.stage in figures.stages)


def _check(claim: Claim, candidates: Mapping[str, Bounds]) -> CheckedClaim:
    """Hold a claim against what follows: by its own formula, the first, and by those that may have been meant."""
    half = 0.5 * 10.0**-claim.decimals
    quoted = Bounds(claim.value - half, claim.value + half)
    (basis, computed), *others = candidates.items()
    verdict: Verdict = "does not follow"
    if round(computed.middle, claim.decimals) == claim.value:
        verdict = "follows"
    elif computed.overlaps(quoted):
        verdict = "within rounding"
    fails = verdict == "does not follow"
    instead = next((name for name, bounds in others if bounds.overlaps(quoted)), "")
    unit = PROJECTIONS.get(claim.quantity)
    return CheckedClaim(
        claim=claim,
        computed=computed.middle,
        verdict=verdict,
        basis=basis,
        instead=instead if fails else "",
        implied_step=claim.value * unit / claim.count / 1e3 if fails and unit is not None else None,
    )

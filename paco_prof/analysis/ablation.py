"""What an ablation says beyond its rows: each step of a cumulative one, interactions, and what combinations would do
if stages only scaled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from paco_prof.analysis.comparison import ComparedVariant, ComparisonView, launch_effects
from paco_prof.analysis.expectation import Expectation, expectation
from paco_prof.records import ComparisonRecord
from paco_prof.stats.paired import RatioEstimate, judge

__all__ = ["AblationStep", "Interaction", "Prediction", "interactions", "predictions", "steps"]


@dataclass(frozen=True, slots=True)
class AblationStep:
    """What a contestant of a cumulative ablation adds to the one before it.

    Attributes:
        speedup: over the one before, from the rounds in which both were held against the same baseline; None where
            there was no such round.
        expectation: what the analysis expects of it.
    """

    variant: ComparedVariant
    speedup: RatioEstimate | None
    expectation: Expectation | None


@dataclass(frozen=True, slots=True)
class Interaction:
    """Whether a toggle does the same with another one as without it.

    Attributes:
        toggle, other: their names.
        alone: the speed-up by the toggle without the other.
        together: by the toggle with the other.
        factor: together over alone; 1 where the two do not get in each other's way.
    """

    toggle: str
    other: str
    alone: RatioEstimate
    together: RatioEstimate
    factor: RatioEstimate

    @property
    def helps_only_alone(self) -> bool:
        """The toggle is faster without the other, and with it gains nothing that can be told, or even loses."""
        helps = self.alone.established and self.alone.ratio > 1
        return helps and not (self.together.established and self.together.ratio > 1)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The speed-up of several toggles together, from what each does alone (Amdahl's law, stage by stage).

    Every stage is taken to scale by the product of what each toggle alone makes of it; what is wrong with that is the
    error, and so says whether the toggles work on the same time.

    Attributes:
        predicted: the speed-up by that rule.
        measured: over launches.
        error: predicted over measured, less one.
    """

    variant: ComparedVariant
    predicted: float
    measured: RatioEstimate
    error: float


def steps(record: ComparisonRecord, view: ComparisonView) -> tuple[AblationStep, ...]:
    """The steps of a cumulative ablation; empty for any other."""
    if record.design != "cumulative":
        return ()
    found = []
    before: Mapping[int, float] | None = None
    for variant in view.variants:
        effects = launch_effects(record, variant.place)
        if before is None:
            speedup = variant.speedup
        else:
            both = sorted(effects.keys() & before.keys())
            speedup = judge([effects[number] - before[number] for number in both]) if both else None
        claim = variant.contestant.step_claim
        found.append(AblationStep(variant, speedup, None if claim is None else expectation(claim, speedup)))
        before = effects
    return tuple(found)


def interactions(record: ComparisonRecord, view: ComparisonView) -> tuple[Interaction, ...]:
    """Every ordered pair of toggles of a factorial ablation, all others off; empty for any other."""
    if record.design != "factorial":
        return ()
    effects = {frozenset(v.contestant.toggles): launch_effects(record, v.place) for v in view.variants}
    singles = [toggles for toggles in effects if len(toggles) == 1]
    found = []
    for one, other in combinations(singles, 2):
        for first, second in ((one, other), (other, one)):
            interaction = _interaction(effects, first, second)
            found += [] if interaction is None else [interaction]
    return tuple(found)


def _interaction(
    effects: Mapping[frozenset[str], Mapping[int, float]], first: frozenset[str], second: frozenset[str]
) -> Interaction | None:
    alone, other, both = effects[first], effects[second], effects.get(first | second, {})
    rounds = sorted(alone.keys() & other.keys() & both.keys())
    if not rounds:
        return None
    given = [both[number] - other[number] for number in rounds]
    (toggle,), (beside,) = first, second
    return Interaction(
        toggle,
        beside,
        alone=judge([alone[number] for number in rounds]),
        together=judge(given),
        factor=judge([with_other - alone[number] for with_other, number in zip(given, rounds, strict=True)]),
    )


def predictions(view: ComparisonView) -> tuple[Prediction, ...]:
    """For every measured combination whose toggles were all measured alone as well, against the same baseline."""
    if view.design not in ("one-at-a-time", "factorial"):
        return ()
    singles = {v.contestant.toggles[0]: v for v in view.measured if len(v.contestant.toggles) == 1}
    found = []
    for variant in view.measured:
        parts = [singles[toggle] for toggle in variant.contestant.toggles if toggle in singles]
        if len(parts) < 2 or len(parts) < len(variant.contestant.toggles) or variant.speedup is None:
            continue
        if any(part.batch_size != view.baseline.batch_size for part in (*parts, variant)):
            # Stages are times per step, and steps of other batches are not comparable.
            continue
        predicted = _predicted(parts)
        found.append(Prediction(variant, predicted, variant.speedup, predicted / variant.speedup.ratio - 1))
    return tuple(found)


def _predicted(parts: list[ComparedVariant]) -> float:
    """The baseline's step over what is left of it when each part scales each stage as it does alone.

    The parts' stages must be cut alike, which they are unless backward is whole in some: then the step is one stage.
    """
    if any(part.whole_backward for part in parts):
        product = 1.0
        for part in parts:
            product *= part.speedup.ratio if part.speedup else 1.0
        return product
    base = {stage.path: stage.before.value for stage in parts[0].top_stages if stage.before is not None}
    left = sum(_scaled(seconds, path, parts) for path, seconds in base.items())
    # Stages that a part brings with it, and what belongs to no stage, are added as they are.
    brought = sum(
        stage.after.value
        for part in parts
        for stage in part.top_stages
        if stage.after is not None and stage.path not in base
    )
    unattributed = parts[0].unattributed[0]
    return (sum(base.values()) + unattributed) / (left + brought + unattributed)


def _scaled(seconds: float, path: str, parts: list[ComparedVariant]) -> float:
    for part in parts:
        stage = next((stage for stage in part.top_stages if stage.path == path), None)
        if stage is not None and stage.before is not None and stage.before.value > 0:
            # A baseline's stage takes another time in another launch: what counts is the quotient of each part's own.
            seconds *= (stage.after.value if stage.after else 0.0) / stage.before.value
    return seconds

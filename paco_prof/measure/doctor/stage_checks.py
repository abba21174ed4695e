"""Does planted work land in its stage? Which stages a step has, how often, in which order, and how long they took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from paco_prof.measure.doctor.delays import Delay
from paco_prof.measure.doctor.instrument import Instrument, judged
from paco_prof.measure.doctor.planted import CALLS, PlantedStep
from paco_prof.measure.steps import TimedStep
from paco_prof.measure.timeline import ROOT, Owner
from paco_prof.records import DoctorCheck, Figure
from paco_prof.stages import AUTOGRAD, Phase

__all__ = ["Sample", "check_stages", "take_samples"]

NUM_WARMUP = 1
NUM_STEPS = 7
# What Python and torch do around the work is some 0.1 ms of a stage, and more on a busy machine; a device's clock moves
# by a percent or two between the calibration and the work.
SHORTEST = 0.0005
SHARE = 0.03
# Beside every sum that is held against the step.
STEP_SHARE = 0.01
UNATTRIBUTED_SHARE = 0.02
# In every step, whatever stages it has: what belongs to none of them, and the engine's set-up.
ALWAYS = {Owner(ROOT, "forward"), Owner(ROOT, "backward"), Owner(ROOT, "other"), Owner(AUTOGRAD, "backward")}


@dataclass(frozen=True)
class Sample:
    """A step, and what had been planted in it."""

    step: TimedStep
    planted: dict[Owner, float]


def take_samples(instrument: Instrument, step: PlantedStep, delay: Delay) -> list[Sample]:
    """Take planted steps with the instrument; the delay is calibrated anew before each."""
    samples = []
    for _ in range(NUM_WARMUP + NUM_STEPS):
        delay.calibrate()
        timed = instrument.timed(step.run, instrument.clock)
        samples.append(Sample(timed, dict(step.seconds)))
    return samples[NUM_WARMUP:]


def check_stages(samples: Sequence[Sample]) -> list[DoctorCheck]:
    """All that planted steps tell about the instrument."""
    return [
        _presence(samples),
        _calls(samples),
        _order(samples),
        _readings(samples),
        _planted(samples, ("forward", "other"), "planted forward"),
        _planted(samples, ("backward",), "planted backward"),
        _rows(samples),
        _unattributed(samples),
    ]


def _presence(samples: Sequence[Sample]) -> DoctorCheck:
    """Whether every stage is in every step, in every pass that it has, and no other."""
    name = "stages"
    whole = next((sample.step.backward_whole for sample in samples if sample.step.backward_whole), "")
    if whole:
        return judged(name, "undivided", detail=whole)
    missing = [owner for owner in CALLS if any(owner not in sample.step.spans for sample in samples)]
    if missing:
        return judged(name, "missing", detail=_named(missing))
    unknown = [owner for sample in samples for owner in sample.step.spans if owner not in CALLS.keys() | ALWAYS]
    if unknown:
        return judged(name, "unexpected", detail=_named(unknown))
    return judged(name, "", Figure(name="number", unit="count", measured=len(CALLS)))


def _calls(samples: Sequence[Sample]) -> DoctorCheck:
    """Whether every stage has as many stretches as it was given, in every step."""
    figures = []
    for owner, expected in CALLS.items():
        counts = [sample.step.calls.get(owner, 0) for sample in samples]
        farthest = max(counts, key=lambda count: abs(count - expected), default=0)
        figures.append(
            Figure(name=_name(owner), unit="count", measured=farthest, expected=float(expected), tolerance=0.0)
        )
    is_off = any(figure.is_off for figure in figures)
    return judged("calls", "other number" if is_off else "", *figures)


def _order(samples: Sequence[Sample]) -> DoctorCheck:
    """Whether the stages come in their order, in every step; those that are there."""
    for sample in samples:
        found = [owner for owner in sample.step.spans if owner in CALLS]
        planted = [owner for owner in CALLS if owner in sample.step.spans]
        if found != planted:
            first = next(one for one, other in zip(found, planted, strict=True) if one != other)
            return judged("order", "other order", detail=_name(first))
    return judged("order", "")


def _readings(samples: Sequence[Sample]) -> DoctorCheck:
    """Whether the device's clock was read at every cut."""
    spans = [(owner, span) for sample in samples for owner, span in sample.step.spans.items()]
    lost = [owner for owner, span in spans if span.device is None]
    figures = (
        Figure(name="spans", unit="count", measured=len(spans)),
        Figure(name="lost", unit="count", measured=len(lost), expected=0.0, tolerance=0.0),
    )
    return judged("readings", "lost" if lost else "", *figures, detail=_named(lost))


def _planted(samples: Sequence[Sample], phases: tuple[Phase, ...], name: str) -> DoctorCheck:
    """Whether what was planted in each stage is what was measured of it."""
    figures = [_figure(samples, owner) for owner in CALLS if owner.phase in phases]
    off = [figure for figure in figures if figure.is_off]
    if not off:
        return judged(name, "", *figures)
    short = [figure for figure in off if figure.measured is None or figure.measured < (figure.expected or 0.0)]
    elsewhere = _where_landed(samples, phases) if short else ""
    return judged(name, "landed elsewhere" if elsewhere else "other length", *figures, detail=elsewhere)


def _figure(samples: Sequence[Sample], owner: Owner) -> Figure:
    """What was planted in a stage, and what was measured beyond it in the middle one of the steps."""
    planted = median(sample.planted.get(owner, 0.0) for sample in samples)
    beyond = _beyond(samples, owner)
    return Figure(
        name=_name(owner),
        unit="seconds",
        measured=None if beyond is None else planted + beyond,
        expected=planted,
        tolerance=SHORTEST + SHARE * planted,
    )


def _where_landed(samples: Sequence[Sample], phases: tuple[Phase, ...]) -> str:
    """Whoever has time of a stage that lacks it: more than was planted, by more than may be; empty where nobody has."""
    owners = dict.fromkeys(owner for sample in samples for owner in sample.step.spans if owner.phase in phases)
    gains = {owner: _beyond(samples, owner) or 0.0 for owner in owners}
    largest = max(gains, key=lambda owner: gains[owner], default=None)
    if largest is None:
        return ""
    planted = median(sample.planted.get(largest, 0.0) for sample in samples)
    return _name(largest) if gains[largest] > SHORTEST + SHARE * planted else ""


def _beyond(samples: Sequence[Sample], owner: Owner) -> float | None:
    """Seconds that were measured of a stage beyond what was planted in it; None where no step has it."""
    known = [
        (sample.step.spans[owner].device, sample.planted.get(owner, 0.0))
        for sample in samples
        if owner in sample.step.spans
    ]
    differences = [seconds - planted for seconds, planted in known if seconds is not None]
    return median(differences) if differences else None


def _rows(samples: Sequence[Sample]) -> DoctorCheck:
    """Whether the pieces of a step add up to the step, which was timed from outside: in the middle one of the steps."""
    gaps = []
    for sample in samples:
        pieces = [span.device for span in sample.step.spans.values()]
        known = [seconds for seconds in pieces if seconds is not None]
        if len(known) < len(pieces):
            return judged("rows", "lost")
        gaps.append((sum(known), sample.step.seconds))
    total, step = sorted(gaps, key=lambda gap: abs(gap[0] - gap[1]))[len(gaps) // 2]
    figure = Figure(
        name="sum", unit="seconds", measured=total, expected=step, tolerance=SHORTEST + STEP_SHARE * abs(step)
    )
    reason = ("too little" if total < step else "too much") if figure.is_off else ""
    return judged("rows", reason, figure)


def _unattributed(samples: Sequence[Sample]) -> DoctorCheck:
    """Whether next to nothing belongs to no stage, beyond what was planted there."""
    left = []
    for sample in samples:
        own = [
            (span.device, sample.planted.get(owner, 0.0))
            for owner, span in sample.step.spans.items()
            if owner.path == ROOT
        ]
        left.append(sum(seconds - planted for seconds, planted in own if seconds is not None))
    step = median(sample.step.seconds for sample in samples)
    figure = Figure(
        name="unattributed",
        unit="seconds",
        measured=median(left),
        tolerance=SHORTEST + UNATTRIBUTED_SHARE * abs(step),
    )
    whole = Figure(name="step", unit="seconds", measured=step)
    return judged("unattributed", "large" if figure.is_off else "", figure, whole)


def _named(owners: Sequence[Owner]) -> str:
    return ", ".join(dict.fromkeys(_name(owner) for owner in owners))


def _name(owner: Owner) -> str:
    """`head/inner backward`."""
    return f"{owner.path or 'no stage'} {owner.phase}"

"""Timed steps, and the record that they become. Free of torch: steps may have been taken by another process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from paco_prof.measure.pacing import is_precise
from paco_prof.measure.timeline import ROOT, Owner, Span
from paco_prof.records import StageSamples, StopReason, Training
from paco_prof.stages import Phase
from paco_prof.stats.summary import SMALLEST_SHARE

__all__ = ["TimedStep", "are_precise", "seconds_by_row", "training_record"]


@dataclass(frozen=True)
class TimedStep:
    """One instrumented step.

    Attributes:
        seconds: wall time, until the device was idle.
        spans: own time of each stage and phase, the step itself (`ROOT`) included.
        calls: stretches of each.
        losses: their values.
        own_seconds: host time that the instrument itself took.
        has_device_clock: whether the spans were timed by a device's clock beside the host's.
        backward_whole: why backward was not divided; empty where it was.
    """

    seconds: float
    spans: dict[Owner, Span]
    calls: dict[Owner, int]
    losses: dict[str, float]
    own_seconds: float
    has_device_clock: bool = False
    backward_whole: str = ""

    def to_data(self) -> dict[str, Any]:
        """The step as JSON can hold it."""
        return {
            "seconds": self.seconds,
            "spans": [
                [owner.path, owner.phase, self.calls.get(owner, 1), span.host, span.device]
                for owner, span in self.spans.items()
            ],
            "losses": self.losses,
            "own_seconds": self.own_seconds,
            "has_device_clock": self.has_device_clock,
            "backward_whole": self.backward_whole,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> TimedStep:
        """The step that `to_data` had been given.

        Raises:
            KeyError, TypeError, ValueError: it had not.
        """
        spans = [(Owner(path, phase), calls, Span(host, device)) for path, phase, calls, host, device in data["spans"]]
        return cls(
            seconds=float(data["seconds"]),
            spans={owner: span for owner, _, span in spans},
            calls={owner: calls for owner, calls, _ in spans},
            losses={name: float(value) for name, value in data["losses"].items()},
            own_seconds=float(data["own_seconds"]),
            has_device_clock=bool(data["has_device_clock"]),
            backward_whole=str(data["backward_whole"]),
        )


def training_record(
    steps: Sequence[TimedStep],
    warmup: Sequence[float],
    stop_reason: StopReason,
    other_busy_cores: float | None = None,
    loading: Sequence[float] = (),
) -> Training:
    """The record of measured steps, at least one of them.

    Args:
        steps: as they were taken.
        warmup: wall seconds of the steps before them.
        stop_reason: why there are not more.
        other_busy_cores: cores that other processes kept busy meanwhile.
        loading: seconds that loading each batch took.
    """
    owners = {owner for step in steps for owner in step.spans if owner.path != ROOT}
    return Training(
        steps=tuple(step.seconds for step in steps),
        warmup=tuple(warmup),
        phases={phase: tuple(_phase_seconds(step, phase) for step in steps) for phase in get_args(Phase)},
        stages=tuple(_samples(owner, steps) for owner in sorted(owners, key=lambda o: (o.path, o.phase))),
        # A loss that some steps lack has no value in each of them, and NaN would say that they had diverged.
        losses={
            name: tuple(step.losses[name] for step in steps)
            for name in steps[0].losses
            if all(name in step.losses for step in steps)
        },
        stop_reason=stop_reason,
        backward_whole=next((step.backward_whole for step in steps if step.backward_whole), ""),
        other_busy_cores=other_busy_cores,
        instrument=tuple(step.own_seconds for step in steps),
        loading=tuple(loading),
    )


def seconds_by_row(step: TimedStep) -> dict[str, float]:
    """Seconds of each stage that has no parent, all phases and all stages inside it added up."""
    rows: dict[str, float] = defaultdict(float)
    for owner, span in step.spans.items():
        if owner.path != ROOT:
            rows[owner.path.split("/")[0]] += _seconds(span)
    return rows


def are_precise(steps: Sequence[TimedStep]) -> bool:
    """True once the interval of every row above 1 % of the step is narrow: of each stage with all inside it."""
    whole = sum(step.seconds for step in steps)
    rows = [seconds_by_row(step) for step in steps]
    series = [[row.get(name, 0.0) for row in rows] for name in {name for row in rows for name in row}]
    return bool(steps) and all(is_precise(times) for times in series if sum(times) > SMALLEST_SHARE * whole)


def _samples(owner: Owner, steps: Sequence[TimedStep]) -> StageSamples:
    # A stage that a step never entered took no time in it.
    spans = [step.spans.get(owner, Span(0.0, 0.0)) for step in steps]
    return StageSamples(
        path=owner.path,
        phase=owner.phase,
        calls=max(step.calls.get(owner, 1) for step in steps),
        host=tuple(span.host for span in spans),
        device=tuple(span.device for span in spans) if steps[0].has_device_clock else None,
    )


def _seconds(span: Span) -> float:
    # Where an event was lost the host's clock is the better guess.
    return span.host if span.device is None else span.device


def _phase_seconds(step: TimedStep, phase: Phase) -> float:
    return sum(_seconds(span) for owner, span in step.spans.items() if owner.phase == phase)

"""Instruments that were broken on purpose: what an examination has to find."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from paco_prof import stages
from paco_prof.measure.clock import Clock, HostClock, Instant
from paco_prof.measure.doctor.instrument import Instrument
from paco_prof.measure.steps import TimedStep
from paco_prof.measure.timeline import Owner, Span
from paco_prof.measure.training import RunStep, timed_step
from paco_prof.stages import Phase, StageListener, listening

__all__ = ["BROKEN", "Confused", "Deaf", "Doubling", "Forgetting", "Timed", "changing", "through"]

Timed = Callable[[RunStep, Clock], TimedStep]


@dataclass
class Relay:
    """A listener that hands on what it hears, and not all of it as it should."""

    listener: StageListener

    def enter(self, name: str, inputs: object) -> None:
        self.listener.enter(name, inputs)

    def exit(self, outputs: object) -> None:
        self.listener.exit(outputs)

    def enter_phase(self, phase: Phase) -> None:
        self.listener.enter_phase(phase)

    def take_over(self, name: str) -> None:
        self.listener.take_over(name)

    def exit_phase(self) -> None:
        self.listener.exit_phase()


class Doubling(Relay):
    """Enters every stage a second time."""

    def enter(self, name: str, inputs: object) -> None:
        self.listener.enter(name, inputs)
        self.listener.exit(None)
        self.listener.enter(name, inputs)


class Deaf(Relay):
    """Does not hear what the first stage returned, so that nothing is hooked for its backward pass."""

    def __init__(self, listener: StageListener) -> None:
        super().__init__(listener)
        self._has_lost = False

    def exit(self, outputs: object) -> None:
        self.listener.exit(outputs if self._has_lost else None)
        self._has_lost = True


class Confused(Relay):
    """Takes the update for another stage."""

    def enter(self, name: str, inputs: object) -> None:
        self.listener.enter("other" if name == "update" else name, inputs)


class Forgetting(Relay):
    """Never hears of the update."""

    def __init__(self, listener: StageListener) -> None:
        super().__init__(listener)
        self._is_update = False

    def enter(self, name: str, inputs: object) -> None:
        self._is_update = name == "update"
        if not self._is_update:
            self.listener.enter(name, inputs)

    def exit(self, outputs: object) -> None:
        if not self._is_update:
            self.listener.exit(outputs)


def through(relay: Callable[[StageListener], StageListener]) -> Timed:
    """Steps that the stage timer hears of through a relay."""

    def timed(run: RunStep, clock: Clock) -> TimedStep:
        def relayed() -> dict[str, torch.Tensor]:
            assert stages._listener is not None
            with listening(relay(stages._listener)):
                return run()

        return timed_step(relayed, clock)

    return timed


def changing(change: Callable[[dict[Owner, Span]], dict[Owner, Span]]) -> Timed:
    """Steps whose spans somebody has changed afterwards."""

    def timed(run: RunStep, clock: Clock) -> TimedStep:
        step = timed_step(run, clock)
        return replace(step, spans=change(dict(step.spans)))

    return timed


class Dropping(HostClock):
    """A host clock that reads as if an event had been lost, now and then."""

    def __init__(self) -> None:
        super().__init__()
        self._num = 0

    def between(self, earlier: Instant, later: Instant) -> Span:
        span = super().between(earlier, later)
        self._num += 1
        return replace(span, device=None) if self._num == 50 else span


# By what is wrong with them; each is of a real CPU.
BROKEN: dict[str, Callable[[], Instrument]] = {
    "a clock that runs slow": lambda: Instrument(HostClock(lambda: time.perf_counter_ns() * 9 // 10)),
    "a dropped event": lambda: Instrument(Dropping()),
    "a doubled stage": lambda: Instrument(HostClock(), through(Doubling)),
}

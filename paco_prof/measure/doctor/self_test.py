"""The self-test: the instrument that measures everything else is tried on what is known.

Its clock beside another clock, planted delays beside the stages that they were planted in, and what it costs. Whatever
it raises is a finding as well.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from pydantic import ValidationError

from paco_prof.measure.doctor.clock_checks import check_device_clock, check_host_clock
from paco_prof.measure.doctor.cost_checks import NUM_STAGES, ManyStages, check_cost
from paco_prof.measure.doctor.delays import Delay, ReadNs, delay_for, independent_clock
from paco_prof.measure.doctor.instrument import Instrument
from paco_prof.measure.doctor.planted import PlantedStep
from paco_prof.measure.doctor.stage_checks import Sample, check_stages, take_samples
from paco_prof.measure.shareable import last_line
from paco_prof.measure.steps import training_record
from paco_prof.records import DoctorCheck, Overhead, Training

__all__ = ["SelfTest"]


@dataclass
class SelfTest:
    """The instrument on trial; its results can be had at any time.

    Args:
        instrument: the one that measures, or one that was broken on purpose.
        device: where it is tried.
        order: decides whether the instrument or its absence comes first.
        delay: work of a known length; None is the device's.
        now_ns: the clock that the instrument's is held against; None is the system's, where it has one.
        pause: lets so many seconds go by.

    Attributes:
        checks: the findings so far.
        planted: the steps with planted delays, as they were measured.
        overhead: the steps with the instrument and without it.
        num_stages: stages in each of them.
    """

    instrument: Instrument
    device: torch.device
    order: random.Random
    delay: Delay | None = None
    now_ns: ReadNs | None = None
    pause: Callable[[float], None] = time.sleep
    checks: list[DoctorCheck] = field(default_factory=list)
    planted: Training | None = None
    overhead: Overhead | None = None
    num_stages: int = NUM_STAGES

    def parts(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """What there is to do, one after the other: what it is called, and what does it."""
        other_clock = self.now_ns or independent_clock()
        # Where there is no other clock, delays are measured by the instrument's own, and still land where they land.
        now_ns = other_clock or time.perf_counter_ns
        clock = self.instrument.clock

        @functools.cache
        def delay() -> Delay:
            # Made where it is needed first, inside of a part: a device that is broken breaks down here.
            return self.delay or delay_for(self.device, clock.synchronize, now_ns)

        yield "clock", self._part("clock", lambda: check_host_clock(clock, other_clock, self.pause))
        yield "device clock", self._part("device clock", lambda: check_device_clock(clock, delay(), now_ns))
        yield "planted delays", self._part("planted delays", lambda: self._stages(delay()))
        yield "cost of a stage", self._part("cost of a stage", self._cost)

    def run(self) -> list[DoctorCheck]:
        """Do all of it."""
        for _, part in self.parts():
            part()
        return self.checks

    def _part(self, name: str, check: Callable[[], list[DoctorCheck]]) -> Callable[[], None]:
        def run() -> None:
            try:
                self.checks += check()
            except Exception as error:  # an instrument that breaks down is what this is here to find
                self.checks.append(
                    DoctorCheck(
                        group="instrument", name=name, status="failed", reason="raised", detail=last_line(error)
                    )
                )

        return run

    def _stages(self, delay: Delay) -> list[DoctorCheck]:
        samples = take_samples(self.instrument, PlantedStep(delay, self.device), delay)
        self.planted = _record(samples)
        return check_stages(samples)

    def _cost(self) -> list[DoctorCheck]:
        checks, self.overhead = check_cost(self.instrument, ManyStages(self.device), self.order)
        return checks


def _record(samples: list[Sample]) -> Training | None:
    """The steps as any others; None where a clock that is broken has made times of them that are none."""
    try:
        return training_record([sample.step for sample in samples], (), "as asked")
    except ValidationError:
        return None

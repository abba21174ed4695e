"""The self-test passes an instrument that works, and fails each that was broken on purpose, by the right check.

Time is virtual: of a host whose clock only the work moves, and of a device with a queue of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
import torch

from broken_instruments import Confused, Deaf, Doubling, Forgetting, Timed, changing, through
from paco_prof.measure.clock import Clock, EventClock, HostClock, Instant, clock_for
from paco_prof.measure.doctor.delays import Delay, QueuedDelay, SpinDelay
from paco_prof.measure.doctor.instrument import Instrument
from paco_prof.measure.doctor.self_test import SelfTest
from paco_prof.measure.steps import TimedStep
from paco_prof.measure.timeline import Owner, Span
from paco_prof.measure.training import RunStep, timed_step
from paco_prof.records import DoctorCheck
from virtual_device import VirtualDevice, VirtualEvent

CPU = torch.device("cpu")
# What reading a clock takes.
TICK = 100
# Events before the first planted step: two for each of three long works. A warm-up step comes first.
FIRST_EVENT = 6


@dataclass
class Bench:
    """An instrument on trial on a machine of virtual time.

    Attributes:
        machine: the host and its device.
        told_ns: what the instrument's host clock tells, of the true time.
        event: makes the device's events.
        timed: what takes steps.
    """

    machine: VirtualDevice = field(default_factory=VirtualDevice)
    told_ns: Callable[[int], int] = lambda true_ns: true_ns
    event: Callable[[VirtualDevice], VirtualEvent] = VirtualEvent
    timed: Timed = timed_step

    def true_ns(self) -> int:
        self.machine.think(TICK)
        return self.machine.host_ns

    def on_device(self) -> dict[str, DoctorCheck]:
        """The checks of an asynchronous device, by name."""
        clock = EventClock(lambda: self.event(self.machine), self.machine.wait, lambda: self.told_ns(self.true_ns()))
        delay = QueuedDelay(lambda units: self.machine.launch(0, 1000 * units), self.machine.wait, self.true_ns)
        return self.run(clock, delay)

    def on_host(self) -> dict[str, DoctorCheck]:
        """The checks of a CPU, by name."""
        return self.run(HostClock(lambda: self.told_ns(self.true_ns())), VirtualSpin(self.machine))

    def run(self, clock: Clock, delay: Delay) -> dict[str, DoctorCheck]:
        test = SelfTest(
            Instrument(clock, self.timed),
            CPU,
            random.Random(0),
            delay,
            self.true_ns,
            pause=lambda seconds: self.machine.think(round(seconds * 1e9)),
        )
        return {check.name: check for check in test.run()}


class VirtualSpin:
    """The host works, in no time at all."""

    def __init__(self, machine: VirtualDevice) -> None:
        self._machine = machine

    def calibrate(self) -> None: ...

    def wait(self, seconds: float) -> float:
        self._machine.think(round(seconds * 1e9))
        return seconds


STEM, BLOCK, HEAD = (Owner(path, "forward") for path in ("stem", "block", "head"))
SLOW: Callable[[int], int] = lambda true_ns: true_ns * 9 // 10  # noqa: E731 - one of the ways in which a clock is wrong


def scaled(span: Span, by: float) -> Span:
    return Span(by * span.host, None if span.device is None else by * span.device)


def failed(checks: dict[str, DoctorCheck]) -> dict[str, str]:
    """The checks that failed, and why."""
    return {name: check.reason for name, check in checks.items() if check.status == "failed"}


def warned_by_time(checks: dict[str, DoctorCheck]) -> set[str]:
    """Those that are not as they should be, but for what the instrument says of itself: it tells real time."""
    return {name for name, check in checks.items() if check.status != "ok"} - {"own cost"}


def test_an_instrument_that_works_passes_on_a_device() -> None:
    checks = Bench().on_device()
    assert warned_by_time(checks) == set()
    figure = checks["planted backward"].figure("head/inner backward")
    assert figure is not None
    assert figure.measured == pytest.approx(0.010, rel=0.01)


def test_an_instrument_that_works_passes_on_a_host_where_events_are_none_of_its_business() -> None:
    checks = Bench().on_host()
    assert warned_by_time(checks) == {"event time", "reading"}
    assert {checks[name].reason for name in ("event time", "reading")} == {"one clock"}


def test_the_real_instrument_passes_here_whatever_else_the_machine_does() -> None:
    """No times are asserted: what lands where does not depend on how fast it is."""
    test = SelfTest(Instrument(clock_for(CPU)), CPU, random.Random(0), pause=lambda seconds: None)
    checks = {check.name: check for check in test.run()}
    assert {checks[name].status for name in ("stages", "calls", "order", "readings")} == {"ok"}
    assert test.planted is not None
    assert {samples.path for samples in test.planted.stages} >= {"stem", "block", "head", "head/inner", "update"}
    assert test.overhead is not None
    assert len(test.overhead.bare) == len(test.overhead.instrumented)


@pytest.mark.parametrize("where", ["on_host", "on_device"])
def test_a_clock_that_runs_slow_is_found(where: str) -> None:
    checks = getattr(Bench(told_ns=SLOW), where)()
    assert failed(checks)["clock rate"] == "slow"
    rate = checks["clock rate"].figure("rate")
    assert rate is not None
    assert rate.measured == pytest.approx(0.9)


def test_on_a_host_a_slow_clock_makes_every_stage_too_short() -> None:
    reasons = failed(Bench(told_ns=SLOW).on_host())
    assert reasons["planted forward"] == reasons["planted backward"] == "other length"


def test_a_clock_that_runs_fast_is_found() -> None:
    assert failed(Bench(told_ns=lambda true_ns: true_ns * 11 // 10).on_host())["clock rate"] == "fast"


def test_a_clock_that_jumps_is_found() -> None:
    jump = Bench(told_ns=lambda true_ns: true_ns + (5_000_000 if true_ns > 250_000_000 else 0))
    checks = jump.on_host()
    assert failed(checks)["clock steadiness"] == "jumped"
    figure = checks["clock steadiness"].figure("jump")
    assert figure is not None
    assert figure.measured == pytest.approx(0.005, rel=0.1)


def test_a_clock_that_runs_backwards_is_found() -> None:
    backwards = Bench(told_ns=lambda true_ns: true_ns - (90_000_000 if true_ns > 250_000_000 else 0))
    assert failed(backwards.on_host())["clock steadiness"] == "backwards"


def test_a_clock_that_is_too_coarse_for_stages_is_a_warning() -> None:
    checks = Bench(told_ns=lambda true_ns: true_ns // 50_000 * 50_000).on_host()
    assert (checks["clock resolution"].status, checks["clock resolution"].reason) == ("warning", "coarse")


def test_a_clock_that_stands_still_is_found_without_an_exception() -> None:
    reasons = failed(Bench(told_ns=lambda true_ns: 0).on_host())
    assert reasons["clock rate"] == "slow"
    assert "raised" not in reasons.values()


def test_a_device_whose_clock_runs_slow_is_found() -> None:
    class Slow(VirtualEvent):
        def elapsed_time(self, end_event: VirtualEvent, /) -> float:
            return 0.9 * super().elapsed_time(end_event)

    reasons = failed(Bench(event=Slow).on_device())
    assert reasons["event time"] == "differs"
    assert reasons["planted forward"] == reasons["planted backward"] == "other length"
    assert reasons["rows"] == "too little"


@pytest.mark.parametrize("number", range(40, 60, 3))
def test_a_dropped_event_is_found_wherever_it_is(number: int) -> None:
    """In the middle of the measured steps, whose cuts all of these are."""
    machine = VirtualDevice(forgetful={FIRST_EVENT + number})
    reasons = failed(Bench(machine).on_device())
    assert reasons["readings"] == "lost"
    assert reasons["rows"] == "lost"


def test_an_event_that_is_dropped_in_long_work_is_found() -> None:
    assert failed(Bench(VirtualDevice(forgetful={0})).on_device())["event time"] == "lost"


def test_a_device_that_loses_every_event_fails_everything_that_rests_on_them() -> None:
    reasons = failed(Bench(VirtualDevice(forgetful=set(range(100_000)))).on_device())
    assert {"event time", "readings", "rows", "planted forward", "planted backward"} <= reasons.keys()


@pytest.mark.parametrize("where", ["on_host", "on_device"])
def test_a_stage_that_is_entered_twice_is_found(where: str) -> None:
    checks = getattr(Bench(timed=through(Doubling)), where)()
    assert failed(checks)["calls"] == "other number"
    figure = checks["calls"].figure("stem forward")
    assert figure is not None
    assert (figure.measured, figure.expected) == (2, 1)


@pytest.mark.parametrize("where", ["on_host", "on_device"])
def test_a_lost_backward_hook_is_found(where: str) -> None:
    checks = getattr(Bench(timed=through(Deaf)), where)()
    assert failed(checks)["stages"] == "missing"
    assert checks["stages"].detail == "stem backward"
    figure = checks["planted backward"].figure("stem backward")
    assert figure is not None
    assert figure.measured is None


def test_a_stage_that_nobody_heard_of_is_found_missing_and_its_time_unattributed() -> None:
    checks = Bench(timed=through(Forgetting)).on_device()
    assert (failed(checks)["stages"], checks["stages"].detail) == ("missing", "update other")
    assert failed(checks)["unattributed"] == "large"


def test_a_stage_that_nobody_planted_is_found() -> None:
    def with_another(spans: dict[Owner, Span]) -> dict[Owner, Span]:
        return {**spans, Owner("other", "forward"): Span(0.0, 0.0)}

    checks = Bench(timed=changing(with_another)).on_host()
    assert (failed(checks)["stages"], checks["stages"].detail) == ("unexpected", "other forward")
    assert failed(Bench(timed=through(Confused)).on_host())["stages"] == "missing"


@pytest.mark.parametrize("where", ["on_host", "on_device"])
def test_time_that_lands_in_the_neighbour_is_found(where: str) -> None:
    def moved(spans: dict[Owner, Span]) -> dict[Owner, Span]:
        if STEM not in spans:
            return spans
        stem, block = spans[STEM], spans[BLOCK]
        half = scaled(stem, 0.5)
        assert half.device is not None
        assert block.device is not None
        return {**spans, STEM: half, BLOCK: Span(block.host + half.host, block.device + half.device)}

    checks = getattr(Bench(timed=changing(moved)), where)()
    assert failed(checks) == {"planted forward": "landed elsewhere"}
    assert checks["planted forward"].detail == "block forward"
    off = {figure.name for figure in checks["planted forward"].figures if figure.is_off}
    assert off == {"stem forward", "block forward"}


def test_a_stage_that_is_taken_for_another_is_out_of_order() -> None:
    def swapped(spans: dict[Owner, Span]) -> dict[Owner, Span]:
        names = {BLOCK: HEAD, HEAD: BLOCK}
        return {names.get(owner, owner): span for owner, span in spans.items()}

    checks = Bench(timed=changing(swapped)).on_host()
    assert failed(checks)["order"] == "other order"


def test_rows_that_do_not_add_up_are_found() -> None:
    def without_the_rest(spans: dict[Owner, Span]) -> dict[Owner, Span]:
        return {owner: span for owner, span in spans.items() if owner.path}

    def doubled(spans: dict[Owner, Span]) -> dict[Owner, Span]:
        return {owner: scaled(span, 2.0 if owner == BLOCK else 1.0) for owner, span in spans.items()}

    assert failed(Bench(timed=changing(without_the_rest)).on_host())["rows"] == "too little"
    assert failed(Bench(timed=changing(doubled)).on_host())["rows"] == "too much"


def test_a_backward_pass_that_is_not_divided_is_told_with_its_reason() -> None:
    def undivided(run: RunStep, clock: Clock) -> TimedStep:
        return replace(timed_step(run, clock), backward_whole="somebody compiled it")

    checks = Bench(timed=undivided).on_host()
    assert (failed(checks)["stages"], checks["stages"].detail) == ("undivided", "somebody compiled it")


def test_a_reading_that_waits_for_the_device_is_found() -> None:
    machine = VirtualDevice()

    class Waiting(EventClock):
        def read(self, owner: Owner) -> Instant:
            machine.wait()
            return super().read(owner)

    bench = Bench(machine)
    delay = QueuedDelay(lambda units: machine.launch(0, 1000 * units), machine.wait, bench.true_ns)
    checks = bench.run(Waiting(lambda: VirtualEvent(machine), machine.wait, bench.true_ns), delay)
    assert failed(checks)["reading"] == "waits"


def test_an_instrument_that_breaks_down_is_a_finding_and_the_rest_is_tried() -> None:
    def broken(run: RunStep, clock: Clock) -> TimedStep:
        raise RuntimeError("no such hook in /home/somebody/secret.py")

    checks = Bench(timed=broken).on_host()
    assert failed(checks) == {"planted delays": "raised", "cost of a stage": "raised"}
    assert checks["planted delays"].detail == "RuntimeError: no such hook in secret.py"
    assert checks["clock rate"].status == "ok"


def test_where_there_is_no_other_clock_nothing_is_claimed_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paco_prof.measure.doctor.self_test.independent_clock", lambda: None)
    test = SelfTest(Instrument(clock_for(CPU)), CPU, random.Random(0), VirtualSpin(VirtualDevice()))
    checks = {check.name: check for check in test.run()}
    assert {(checks[name].status, checks[name].reason) for name in ("clock rate", "clock steadiness")} == {
        ("skipped", "no other clock")
    }


def test_a_delay_that_spins_tells_how_long_it_took() -> None:
    times = iter(range(0, 10_000_000, 300_000))
    assert SpinDelay(lambda: next(times)).wait(0.001) == pytest.approx(0.0012)


def test_a_queued_delay_is_as_long_as_was_asked_for_whatever_a_unit_takes() -> None:
    """The first thing that is queued is loaded first, and that is no measure of how fast the device is."""
    device = VirtualDevice()
    loading = [50_000_000]

    def queue(units: int) -> None:
        device.launch(0, 777 * units + (loading.pop() if loading else 0))

    delay = QueuedDelay(queue, device.wait, lambda: device.host_ns)
    delay.calibrate()
    device.wait()
    start = device.host_ns
    assert delay.wait(0.008) == pytest.approx(0.008, rel=1e-4)
    device.wait()
    assert (device.host_ns - start) / 1e9 == pytest.approx(0.008, rel=1e-3)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_on_a_gpu_planted_delays_land_in_their_stages_and_events_keep_the_hosts_time() -> None:
    device = torch.device("cuda", torch.cuda.current_device())
    checks = {check.name: check for check in SelfTest(Instrument(clock_for(device)), device, random.Random(0)).run()}
    assert failed(checks) == {}
    assert {checks[name].status for name in ("event time", "reading", "planted backward")} == {"ok"}

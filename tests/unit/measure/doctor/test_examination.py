"""An examination from beginning to end, and whatever may end it early."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from builders import CPU
from doctors import EFFECTS, noise_record
from paco_prof.errors import OtherMachineError, UsageError
from paco_prof.measure.clock import HostClock
from paco_prof.measure.doctor import examination, self_test
from paco_prof.measure.doctor.examination import DoctorOutcome, DoctorPlan, examine
from paco_prof.measure.doctor.instrument import Instrument, judged
from paco_prof.measure.referee import ComparisonOutcome
from paco_prof.records import ComparisonRecord, DoctorRecord
from paco_prof.store import read_record, write_record
from played import Silent


@pytest.fixture(autouse=True)
def _nothing_takes_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts whose findings are played; each part is tested by itself."""
    monkeypatch.setattr(examination, "describe_environment", lambda device: CPU)
    for name in ("check_installation", "check_device", "check_machine", "check_quietness", "check_accelerator"):
        monkeypatch.setattr(examination, name, lambda *arguments: [])
    monkeypatch.setattr(self_test.SelfTest, "parts", lambda self: iter([]))
    noise_of(monkeypatch, lambda: ComparisonOutcome(noise_record()))


def noise_of(monkeypatch: pytest.MonkeyPatch, outcome: Callable[[], ComparisonOutcome]) -> list[float]:
    """Play the noise floor; the seconds that it was given."""
    seconds: list[float] = []

    def measure(
        device: str,
        threads: int | None,
        seed: int,
        max_seconds: float,
        progress: object,
        save: Callable[[ComparisonRecord], None],
        launcher: object,
    ) -> ComparisonOutcome:
        seconds.append(max_seconds)
        save(noise_record(EFFECTS[:1]))
        return outcome()

    monkeypatch.setattr(examination, "measure_noise", measure)
    return seconds


def play(monkeypatch: pytest.MonkeyPatch, *parts: Callable[[], None]) -> None:
    """The instrument's self-test consists of these."""
    monkeypatch.setattr(self_test.SelfTest, "parts", lambda self: iter([(part.__name__, part) for part in parts]))


def run(plan: DoctorPlan | None = None, saved: list[DoctorRecord] | None = None) -> DoctorOutcome:
    keep = (lambda record: None) if saved is None else saved.append
    plan = plan or DoctorPlan(device="cpu")
    return examine(plan, Silent(), keep, ("paco-prof", "doctor"), lambda device: Instrument(HostClock()))


def test_a_whole_examination_is_complete_and_can_be_read_again(tmp_path: Path) -> None:
    saved: list[DoctorRecord] = []
    outcome = run(saved=saved)
    assert outcome.error is None
    assert (outcome.record.status, outcome.record.command) == ("complete", ("paco-prof", "doctor"))
    assert outcome.record.environment == CPU
    assert [check.name for check in outcome.record.checks][-1] == "launches"
    assert saved[-1] == outcome.record
    write_record(tmp_path / "run.json", outcome.record)
    assert repr(read_record(tmp_path / "run.json")) == repr(outcome.record)


def test_what_was_found_is_saved_before_the_launches_are_over() -> None:
    saved: list[DoctorRecord] = []
    run(saved=saved)
    assert saved[0].status == "running"
    assert saved[0].noise == noise_record(EFFECTS[:1])


def test_an_unknown_device_is_bad_input() -> None:
    with pytest.raises(UsageError, match="tpu"):
        run(DoctorPlan(device="tpu"))


def test_the_noise_floor_gets_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = noise_of(monkeypatch, lambda: ComparisonOutcome(noise_record()))
    times = itertools.count(0.0, 1.0)
    monkeypatch.setattr(examination.time, "monotonic", lambda: next(times))
    run(DoctorPlan(device="cpu", max_seconds=40.0))
    assert 0 < seconds[0] < 40.0


def test_without_time_there_is_no_noise_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = noise_of(monkeypatch, lambda: ComparisonOutcome(noise_record()))
    outcome = run(DoctorPlan(device="cpu", max_seconds=1.0))
    check = outcome.record.checks[-1]
    assert (check.name, check.status, check.reason) == ("launches", "skipped", "no time")
    assert (seconds, outcome.record.noise) == ([], None)


def test_an_interruption_of_the_self_test_keeps_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "check_machine", lambda environment: [judged("rows", "")])

    def interrupted() -> None:
        raise KeyboardInterrupt

    play(monkeypatch, interrupted)
    outcome = run()
    assert isinstance(outcome.error, KeyboardInterrupt)
    assert outcome.record.status == "interrupted"
    assert [check.name for check in outcome.record.checks] == ["rows"]


def test_an_interruption_of_the_launches_keeps_those_that_were_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    noise_of(monkeypatch, lambda: ComparisonOutcome(noise_record(EFFECTS[:3]), KeyboardInterrupt()))
    outcome = run()
    assert isinstance(outcome.error, KeyboardInterrupt)
    assert outcome.record.noise == noise_record(EFFECTS[:3])
    assert outcome.record.checks[-1].name == "launches"


def test_launches_that_nobody_could_compare_are_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def differs() -> ComparisonOutcome:
        raise OtherMachineError(["threads 1 here and 2 there"])

    noise_of(monkeypatch, differs)
    outcome = run()
    assert outcome.error is None
    assert (outcome.record.checks[-1].status, outcome.record.checks[-1].reason) == ("failed", "raised")


def test_a_disk_that_is_full_costs_nothing_that_was_found() -> None:
    def full(record: DoctorRecord) -> None:
        raise UsageError("run.json cannot be written: No space left on device.")

    outcome = examine(DoctorPlan(device="cpu"), Silent(), full, instrument=lambda device: Instrument(HostClock()))
    assert isinstance(outcome.error, UsageError)
    assert outcome.record.status == "complete"


def test_threads_are_set_before_anything_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    run(DoctorPlan(device="cpu", threads=3))
    assert asked == [3]

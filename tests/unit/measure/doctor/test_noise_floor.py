"""The noise floor's launches: planned for the exact test, taken by the referee, and told where they fail."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from paco_prof.gate.trees import Tree
from paco_prof.measure.doctor.noise_floor import SUBJECT, check_launches, measure_noise
from paco_prof.measure.doctor.noise_subject import build_noise_subject
from paco_prof.measure.timeline import ROOT
from paco_prof.measure.worker_handle import Launcher
from paco_prof.measure.worker_process import ProcessLauncher
from paco_prof.records import ComparisonRecord, Contestant, FailureKind
from paco_prof.settings import Workload
from played import Players, Silent, steady

TINY = Workload(model=SUBJECT, batch_size=2, image_size=8, num_classes=3, optimizer="SGD", threads=1)


def played(players: Players) -> Launcher:
    return players.launcher(Tree("working tree", Path(), Path(), "0123456789ab", ()))


def noise(players: Players, max_seconds: float = 60.0) -> ComparisonRecord:
    saved: list[ComparisonRecord] = []
    outcome = measure_noise("cpu", None, 0, max_seconds, Silent(), saved.append, played(players))
    assert outcome.error is None
    assert saved
    return outcome.record


def test_as_many_launches_are_taken_as_the_exact_test_needs_of_a_step_against_itself() -> None:
    record = noise(Players(steady()))
    assert len(record.launches_of(1)) == record.plan.launches == 8
    assert record.contestants[0] == record.contestants[1]
    assert {len(launch.baseline.training.steps) for launch in record.launches} == {30}
    check = check_launches(record)
    assert (check.status, check.reason) == ("ok", "")


def test_on_a_cpu_one_core_is_left_free_unless_threads_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paco_prof.measure.doctor.noise_floor.usable_cores", lambda: 8)
    take = partial(measure_noise, max_seconds=0.001, progress=Silent(), save=lambda record: None)
    threads = [
        take(device, asked, 0, launcher=played(Players(steady()))).record.baseline.workload.threads
        for device, asked in (("cpu", None), ("cpu", 3), ("cuda:0", None))
    ]
    assert threads == [7, 3, None]


def test_the_first_launch_is_taken_whatever_the_time_is() -> None:
    assert len(noise(Players(steady()), max_seconds=1e-6).launches_of(1)) == 1


@pytest.mark.parametrize(("kind", "expected"), [("died", "died"), ("raised", "raised")])
def test_processes_that_fail_from_the_first_on_are_a_failure(kind: FailureKind, expected: str) -> None:
    players = Players(steady(), trouble=lambda tree, name, what, steps: kind if what == "step" else None)
    check = check_launches(noise(players))
    assert (check.status, check.reason, check.detail) == ("failed", expected, f"working tree is {kind}")


def test_processes_that_fail_now_and_then_are_a_warning() -> None:
    asked: list[str] = []

    def trouble(tree: str, name: str, what: str, steps: int) -> FailureKind | None:
        asked.append(what)
        return "died" if asked.count("start") == 5 and what == "start" else None

    check = check_launches(noise(Players(steady(), trouble=trouble)))
    assert (check.status, check.reason) == ("warning", "died")


def test_the_small_step_learns_and_announces_no_stages() -> None:
    subject = build_noise_subject(Contestant(name="small", workload=TINY, base=TINY), False)
    before = [parameter.clone() for parameter in subject._model.parameters()]
    step = subject.step()
    assert step.seconds > 0
    assert {owner.path for owner in step.spans} == {ROOT}
    assert any(not torch.equal(*both) for both in zip(before, subject._model.parameters(), strict=True))
    description = subject.describe()
    assert description.contestant.workload == TINY
    assert description.accelerator_uuid is None
    assert subject.memory().process_peak_bytes


def test_a_worker_can_build_it() -> None:
    worker = ProcessLauncher(SUBJECT)(Contestant(name="small", workload=TINY, base=TINY), keep_initial=False)
    try:
        assert worker.ready(60.0).environment.threads == 1
        assert worker.step(60.0).seconds > 0
    finally:
        worker.close()


def test_the_noise_floor_itself_needs_no_torch() -> None:
    check = "import sys, paco_prof.measure.doctor.noise_floor; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0

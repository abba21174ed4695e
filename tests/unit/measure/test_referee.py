"""The referee with workers that are played: who is started when, what is given up, what is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from builders import CPU, RESNET50, fidelity_of
from paco_prof.errors import UsageError
from paco_prof.measure.comparing import new_comparison, resumed
from paco_prof.measure.referee import ComparisonOutcome, Referee
from paco_prof.measure.steps import TimedStep
from paco_prof.measure.timeline import Owner, Span
from paco_prof.measure.worker_handle import Ready, WorkerError
from paco_prof.records import (
    ComparisonPlan,
    ComparisonRecord,
    Contestant,
    Environment,
    FailureKind,
    Fidelity,
    MachineState,
    Memory,
)
from paco_prof.variants.contestants import Field, compared

# Seconds of a step, by contestant.
SECONDS = {"baseline": 1.0, "exact": 0.5, "optimized": 0.25}
START_SECONDS = 2.0
FIDELITY_SECONDS = 3.0


class PlayedWorker:
    """A worker whose answers are made up; the lab is told of every request before it is answered."""

    def __init__(self, lab: Lab, contestant: Contestant, keep_initial: bool, pid: int) -> None:
        self.lab = lab
        self.contestant = contestant
        self.name = contestant.name
        self.batch_size = contestant.workload.batch_size
        self.keep_initial = keep_initial
        self.pid = pid
        self.steps = 0
        self.closed = False

    def ready(self, timeout: float) -> Ready:
        self.lab.asked(self, "start", START_SECONDS)
        environment = self.lab.environment_of(self)
        return Ready(
            {
                "contestant": self.contestant.model_dump(mode="json"),
                "environment": environment.model_dump(mode="json"),
                "accelerator_uuid": None,
            }
        )

    def step(self, timeout: float) -> TimedStep:
        seconds = SECONDS[self.name]
        self.steps += 1
        self.lab.asked(self, "step", seconds)
        spans = {
            Owner("backbone", "forward"): Span(seconds / 2, None),
            Owner("loss", "backward"): Span(seconds / 2, None),
        }
        return TimedStep(seconds, spans, dict.fromkeys(spans, 1), {"total": 1.0}, 0.0)

    def memory(self, timeout: float) -> Memory:
        self.lab.asked(self, "memory", 0.0)
        return Memory(process_peak_bytes=1000 * self.batch_size)

    def fidelity(self, timeout: float) -> Fidelity:
        self.lab.asked(self, "fidelity", FIDELITY_SECONDS)
        return fidelity_of(1e-8, 1e-3)

    def close(self) -> None:
        self.closed = True


class PlayedMonitor:
    """Watches nothing, and tells one figure."""

    def __init__(self, accelerator_uuid: str | None) -> None: ...

    def begin(self, pids: list[int]) -> None: ...

    def turn(self, pid: int) -> None: ...

    def end(self) -> MachineState:
        return MachineState(load_average=0.5)


class Quiet:
    """Progress that nobody sees."""

    def begin(self, what: str) -> None: ...

    def update(self, elapsed: float, left: float) -> None: ...


class Lab:
    """A clock, and everything that happens in a comparison.

    Args:
        trouble: called before an answer is given; what it raises is raised by the worker.
        environment_of: where a worker says that it runs.
    """

    def __init__(
        self,
        trouble: Callable[[PlayedWorker, str], None] = lambda worker, what: None,
        environment_of: Callable[[PlayedWorker], Environment] = lambda worker: CPU,
    ) -> None:
        self.trouble = trouble
        self.environment_of = environment_of
        self.seconds = 1000.0
        self.workers: list[PlayedWorker] = []
        self.events: list[tuple[str, str, int]] = []
        self.saved: list[ComparisonRecord] = []
        self.save_errors: Iterator[bool] = iter(())

    def now(self) -> float:
        return self.seconds

    def launch(self, contestant: Contestant, *, keep_initial: bool) -> PlayedWorker:
        self.workers.append(PlayedWorker(self, contestant, keep_initial, pid=100 + len(self.workers)))
        return self.workers[-1]

    def asked(self, worker: PlayedWorker, what: str, seconds: float) -> None:
        assert not worker.closed, "a worker that was closed is asked"
        self.events.append((what, worker.name, worker.pid))
        self.trouble(worker, what)
        self.seconds += seconds

    def save(self, record: ComparisonRecord) -> None:
        if next(self.save_errors, False):
            raise UsageError("run.json cannot be written: No space left on device.")
        self.saved.append(record)

    def run(self, record: ComparisonRecord) -> ComparisonOutcome:
        """The outcome; nothing is left open, and what was saved last is what comes out."""
        outcome = Referee(record, self.launch, Quiet(), self.save, self.now, PlayedMonitor).run()  # type: ignore[arg-type]
        assert all(worker.closed for worker in self.workers)
        return outcome

    def asked_for(self, what: str) -> list[str]:
        return [name for kind, name, _ in self.events if kind == what]

    def started(self) -> list[str]:
        return [worker.name for worker in self.workers]


def record_of(*names: str, batch_size: int = 8, **plan: Any) -> ComparisonRecord:
    """A comparison that has not begun: two launches of three pairs, without fidelity."""
    chosen = compared(Field(RESNET50.model_copy(update={"batch_size": batch_size})), names or ("baseline", "exact"))
    settings = {"launches": 2, "pairs": 3, "fidelity": False, **plan}
    return new_comparison(chosen, ComparisonPlan.model_validate(settings))


def fails(
    kind: FailureKind, name: str, during: str = "start", when: Callable[[PlayedWorker], bool] = lambda worker: True
) -> Callable[[PlayedWorker, str], None]:
    """Trouble: workers of a name fail whenever they are asked for this."""

    def trouble(worker: PlayedWorker, what: str) -> None:
        if worker.name == name and what == during and when(worker):
            raise WorkerError(worker.pid, kind, what, f"{name} is {kind}", "a hint", peak_bytes=123)

    return trouble


def complete(record: ComparisonRecord) -> list[tuple[int, int, int]]:
    """Contestant, round and halvings of the complete launches."""
    return [(launch.contestant, launch.round, launch.halvings) for launch in record.launches if launch.is_complete]


def test_each_round_takes_a_launch_of_every_variant_beside_one_fresh_baseline() -> None:
    lab = Lab()
    record = lab.run(record_of("baseline", "exact", "optimized")).record
    assert complete(record) == [(1, 0, 0), (2, 0, 0), (1, 1, 0), (2, 1, 0)]
    assert lab.started() == ["baseline", "exact", "optimized"] * 2
    assert len({worker.pid for worker in lab.workers}) == 6
    assert (record.status, record.failures, record.notes) == ("complete", (), ())
    assert lab.saved[-1] == record


def test_a_launch_holds_its_pairs_the_memory_and_what_the_machine_did() -> None:
    launch = Lab().run(record_of(pairs=5)).record.launches[0]
    assert launch.baseline.training.steps == (1.0,) * 5
    assert launch.variant.training.steps == (0.5,) * 5
    assert len(launch.baseline_first) == 5
    assert launch.baseline.training.stop_reason == "as asked"
    assert launch.baseline.memory == Memory(process_peak_bytes=8000)
    assert launch.machine == MachineState(load_average=0.5)


def test_the_baseline_of_a_round_is_warmed_up_once_and_its_warm_up_is_kept() -> None:
    lab = Lab()
    record = lab.run(record_of("baseline", "exact", "optimized", launches=1)).record
    warmups = [launch.baseline.training.warmup for launch in record.launches]
    assert warmups[0] == warmups[1]
    assert len(warmups[0]) > 0
    assert lab.workers[0].steps == len(warmups[0]) + 2 * 3


def test_two_workers_of_a_launch_are_started_before_either_is_waited_for() -> None:
    lab = Lab()
    seen: list[int] = []
    lab.trouble = lambda worker, what: seen.append(len(lab.workers))
    lab.run(record_of(launches=1))
    assert min(seen) == 2


def test_steps_alternate_in_the_order_that_the_record_tells() -> None:
    lab = Lab()
    record = lab.run(record_of(launches=1, pairs=40)).record
    measured = lab.asked_for("step")[-80:]
    pairs = [tuple(measured[place : place + 2]) for place in range(0, 80, 2)]
    told = [("baseline", "exact") if first else ("exact", "baseline") for first in record.launches[0].baseline_first]
    assert pairs == told
    assert min(Counter(told).values()) > 8


def test_the_order_is_the_seeds_and_another_in_every_launch() -> None:
    def orders(seed: int) -> list[tuple[bool, ...]]:
        record = Lab().run(record_of("baseline", "exact", "optimized", pairs=30, seed=seed)).record
        return [launch.baseline_first for launch in record.launches]

    assert orders(7) == orders(7)
    assert orders(7) != orders(8)
    assert len(set(orders(7))) == 4


def test_without_a_number_pairs_are_taken_until_the_launch_is_precise() -> None:
    record = Lab().run(record_of(launches=1, pairs=None)).record
    training = record.launches[0].variant.training
    assert training.stop_reason == "settled"
    assert 3 < len(training.steps) < 20


@pytest.mark.parametrize("kind", ["not applicable", "raised", "out of memory"])
def test_what_fails_for_good_is_given_up_and_the_others_go_on(kind: FailureKind) -> None:
    lab = Lab(fails(kind, "exact"))
    record = lab.run(record_of("baseline", "exact", "optimized")).record
    assert complete(record) == [(2, 0, 0), (2, 1, 0)]
    (failure,) = record.failures
    assert (failure.contestant, failure.round, failure.kind, failure.during) == (1, 0, kind, "start")
    assert (failure.detail, failure.hint, failure.peak_bytes) == (f"exact is {kind}", "a hint", 123)
    assert not failure.of_baseline
    # The baseline's process is none the worse for it.
    assert lab.started() == ["baseline", "exact", "optimized", "baseline", "optimized"]


@pytest.mark.parametrize("kind", ["died", "hung"])
def test_what_may_have_been_an_accident_is_tried_again_in_the_next_round(kind: FailureKind) -> None:
    lab = Lab()
    lab.trouble = fails(kind, "exact", "step", lambda worker: worker.pid == 101 and worker.steps == 5)
    record = lab.run(record_of()).record
    assert complete(record) == [(1, 1, 0)]
    assert [(failure.kind, failure.round) for failure in record.failures] == [(kind, 0)]
    assert lab.started() == ["baseline", "exact"] * 2


def test_the_steps_before_a_failure_are_kept_and_not_judged() -> None:
    record = Lab(fails("died", "exact", "step", lambda worker: worker.steps == 6)).run(record_of(launches=1)).record
    (launch,) = record.launches
    assert not launch.is_complete
    assert launch.variant.training.stop_reason == "failed"
    assert len(launch.variant.training.steps) == len(launch.baseline.training.steps) == 2
    assert record.launches_of(1) == ()


@pytest.mark.parametrize("kind", ["not applicable", "raised"])
def test_a_baseline_that_cannot_run_ends_the_sweep_after_one_try(kind: FailureKind) -> None:
    lab = Lab(fails(kind, "baseline"))
    record = lab.run(record_of("baseline", "exact", "optimized")).record
    assert record.launches == ()
    assert [failure.of_baseline for failure in record.failures] == [True]
    assert lab.started().count("baseline") == 1


@pytest.mark.parametrize("kind", ["died", "hung"])
def test_a_baseline_that_dies_is_replaced_for_the_next_variant(kind: FailureKind) -> None:
    trouble = fails(kind, "baseline", "step", lambda worker: worker.pid == 100 and worker.steps == 5)
    lab = Lab(trouble)
    record = lab.run(record_of("baseline", "exact", "optimized", launches=1)).record
    assert complete(record) == [(2, 0, 0)]
    assert [(failure.contestant, failure.of_baseline) for failure in record.failures] == [(1, True)]
    assert lab.started() == ["baseline", "exact", "baseline", "optimized"]


def test_a_failure_after_the_last_step_does_not_cost_the_launch() -> None:
    record = Lab(fails("died", "exact", "memory")).run(record_of(launches=1)).record
    assert complete(record) == [(1, 0, 0)]
    assert [failure.during for failure in record.failures] == ["memory"]


@pytest.mark.parametrize("sequential", [False, True])
def test_a_smaller_batch_is_that_of_both_sides(sequential: bool) -> None:
    lab = Lab(fails("out of memory", "exact", "step", lambda worker: worker.batch_size > 2))
    record = lab.run(record_of(retry_smaller=True, sequential=sequential)).record
    assert complete(record) == [(1, 0, 2), (1, 1, 2)]
    assert [(failure.halvings, failure.kind) for failure in record.failures] == [
        (0, "out of memory"),
        (1, "out of memory"),
    ]
    # What once fitted is where the next round begins.
    assert {worker.batch_size for worker in lab.workers[-2:]} == {2}
    last = record.launches[-1]
    assert last.baseline.memory == last.variant.memory == Memory(process_peak_bytes=2000)
    # The record's contestants are what was asked for.
    assert {contestant.workload.batch_size for contestant in record.contestants} == {8}


def test_only_the_variant_that_needs_it_gets_a_smaller_batch() -> None:
    lab = Lab(fails("out of memory", "exact", "start", lambda worker: worker.batch_size > 4))
    record = lab.run(record_of("baseline", "exact", "optimized", retry_smaller=True)).record
    assert complete(record) == [(1, 0, 1), (2, 0, 0), (1, 1, 1), (2, 1, 0)]


@pytest.mark.parametrize("batch_size", [1, 5, 8])
def test_a_batch_is_halved_down_to_one_and_then_given_up(batch_size: int) -> None:
    lab = Lab(fails("out of memory", "exact"))
    record = lab.run(record_of(batch_size=batch_size, retry_smaller=True)).record
    assert record.launches == ()
    sizes = [worker.batch_size for worker in lab.workers if worker.name == "exact"]
    assert sizes == {1: [1], 5: [5, 2, 1], 8: [8, 4, 2, 1]}[batch_size]


def test_without_being_asked_no_batch_is_halved() -> None:
    lab = Lab(fails("out of memory", "exact"))
    lab.run(record_of())
    assert lab.started() == ["baseline", "exact"]


def test_a_baseline_that_runs_out_of_memory_is_halved_as_well() -> None:
    lab = Lab(fails("out of memory", "baseline", "step", lambda worker: worker.batch_size > 4))
    record = lab.run(record_of(launches=1, retry_smaller=True)).record
    assert complete(record) == [(1, 0, 1)]
    assert [failure.of_baseline for failure in record.failures] == [True]


def test_memory_that_runs_out_later_on_repeats_the_rounds_before_at_the_smaller_batch() -> None:
    trouble = fails("out of memory", "exact", "start", lambda worker: worker.pid >= 102 and worker.batch_size > 4)
    record = Lab(trouble).run(record_of(retry_smaller=True)).record
    assert sorted(launch.round for launch in record.launches_of(1)) == [0, 1]


def test_sequentially_one_side_is_over_and_closed_before_the_other_begins() -> None:
    lab = Lab()
    open_at_once: list[int] = []
    lab.trouble = lambda worker, what: open_at_once.append(sum(not worker.closed for worker in lab.workers))
    record = lab.run(record_of("baseline", "exact", "optimized", launches=8, sequential=True)).record
    assert max(open_at_once) == 1
    assert len(complete(record)) == 16
    assert all(launch.sequential and len(launch.baseline_first) == 1 for launch in record.launches)
    assert {launch.baseline_first for launch in record.launches} == {(True,), (False,)}
    assert all(launch.baseline.training.warmup and launch.variant.training.warmup for launch in record.launches)
    firsts = [lab.started()[place] == "baseline" for place in range(0, len(lab.workers), 2)]
    assert firsts == [launch.baseline_first[0] for launch in record.launches]


def test_sequentially_a_failure_is_the_side_s_whose_turn_it_was() -> None:
    record = Lab(fails("raised", "baseline")).run(record_of(sequential=True, launches=1)).record
    assert [failure.of_baseline for failure in record.failures] == [True]
    record = Lab(fails("raised", "exact")).run(record_of(sequential=True, launches=1)).record
    assert [failure.of_baseline for failure in record.failures] == [False]


def flags_of_the_variant(worker: PlayedWorker) -> Environment:
    """A variant may switch on what the environment tells of, TF32 for one."""
    return CPU if worker.name == "baseline" else CPU.model_copy(update={"flags": {**CPU.flags, "tf32": True}})


def test_a_variant_s_own_flags_make_no_other_machine() -> None:
    outcome = Lab(environment_of=flags_of_the_variant).run(record_of())
    assert outcome.error is None
    assert outcome.record.environment == CPU


def test_a_variant_s_own_flags_make_no_other_machine_where_it_goes_first() -> None:
    for seed in range(4):
        outcome = Lab(environment_of=flags_of_the_variant).run(record_of(sequential=True, seed=seed))
        assert outcome.error is None
        assert outcome.record.environment == CPU


def test_fidelity_is_asked_once_and_the_baseline_s_when_the_round_is_over() -> None:
    lab = Lab()
    record = lab.run(record_of("baseline", "exact", "optimized", fidelity=True, launches=3)).record
    assert lab.asked_for("fidelity") == ["exact", "optimized", "baseline"]
    assert all(contestant.fidelity is not None for contestant in record.contestants)
    # Only who will be asked keeps its initial state.
    assert [worker.keep_initial for worker in lab.workers] == [True] * 3 + [False] * 6
    assert len({launch.baseline.training.warmup for launch in record.launches}) == 1


def test_without_fidelity_nobody_is_asked_for_it() -> None:
    lab = Lab()
    lab.run(record_of())
    assert lab.asked_for("fidelity") == []
    assert not any(worker.keep_initial for worker in lab.workers)


def test_what_cannot_be_compared_has_been_timed_all_the_same() -> None:
    record = Lab(fails("raised", "exact", "fidelity")).run(record_of(fidelity=True, launches=1)).record
    assert complete(record) == [(1, 0, 0)]
    assert record.contestants[1].fidelity is None
    assert record.contestants[0].fidelity is not None
    assert [(note.code, note.number) for note in record.notes] == [("no_fidelity", 1)]
    assert "exact is raised" in record.notes[0].detail


def test_a_fidelity_that_failed_is_not_asked_for_again() -> None:
    lab = Lab(fails("hung", "exact", "fidelity"))
    record = lab.run(record_of(fidelity=True, launches=3)).record
    assert lab.asked_for("fidelity").count("exact") == 1
    assert [note.code for note in record.notes] == ["no_fidelity"]


def test_the_baseline_s_fidelity_is_measured_at_a_halved_batch_too() -> None:
    lab = Lab(fails("out of memory", "exact", "start", lambda worker: worker.batch_size > 4))
    record = lab.run(record_of(fidelity=True, retry_smaller=True)).record
    assert [contestant.fidelity is not None for contestant in record.contestants] == [True, True]


def test_no_launch_is_begun_that_would_end_after_the_time_is_up() -> None:
    lab = Lab()
    record = lab.run(record_of(launches=50, max_seconds=60.0)).record
    assert lab.seconds <= 1060.0
    assert 0 < len(record.launches) < 50
    assert [(note.code, note.number) for note in record.notes] == [("time_is_up", 50 - len(record.launches))]
    assert record.status == "complete"


def test_the_first_launch_is_taken_however_little_time_there_is() -> None:
    record = Lab().run(record_of("baseline", "exact", "optimized", max_seconds=0.1)).record
    assert complete(record) == [(1, 0, 0)]
    assert record.notes[0].number == 3


def test_launches_share_the_time_evenly() -> None:
    lab = Lab()
    # Never precise: every step takes another time.
    original = lab.asked

    def restless(worker: PlayedWorker, what: str, seconds: float) -> None:
        original(worker, what, seconds * (1 + (worker.steps % 7) / 7))

    lab.asked = restless  # type: ignore[method-assign]
    record = lab.run(record_of("baseline", "exact", "optimized", launches=3, pairs=3, max_seconds=600.0)).record
    assert len(complete(record)) == 6


def test_a_sweep_in_which_everybody_hangs_ends_when_its_time_is_up() -> None:
    lab = Lab()

    def hang(worker: PlayedWorker, what: str) -> None:
        if what == "step":
            lab.seconds += 100.0
            raise WorkerError(worker.pid, "hung", what, "no answer within 100 s")

    lab.trouble = hang
    record = lab.run(record_of(launches=10, max_seconds=150.0)).record
    assert lab.seconds <= 1000.0 + 150.0 + 110.0
    assert len(record.failures) <= 2


def test_a_launch_that_failed_is_not_one_that_the_time_was_up_for() -> None:
    record = Lab(fails("died", "exact")).run(record_of()).record
    assert len(record.failures) == 2
    assert record.notes == ()


def interrupted_at(lab: Lab, worker_name: str, what: str, count: int) -> None:
    """Ctrl-C while a worker is asked for something for the n-th time."""

    def trouble(worker: PlayedWorker, asked: str) -> None:
        if (worker.name, asked) == (worker_name, what) and lab.asked_for(what).count(worker_name) == count:
            raise KeyboardInterrupt

    lab.trouble = trouble


@pytest.mark.parametrize("name", ["baseline", "exact"])
def test_control_c_within_a_pair_keeps_the_whole_pairs(name: str) -> None:
    lab = Lab()
    interrupted_at(lab, name, "step", 3 + 3)
    outcome = lab.run(record_of(pairs=10))
    assert isinstance(outcome.error, KeyboardInterrupt)
    assert outcome.record.status == "interrupted"
    (launch,) = outcome.record.launches
    assert len(launch.baseline.training.steps) == len(launch.variant.training.steps) == 2
    assert launch.variant.training.stop_reason == "interrupted"
    assert not launch.is_complete
    assert lab.saved[-1] == outcome.record


@pytest.mark.parametrize("what", ["start", "step", "memory", "fidelity"])
@pytest.mark.parametrize("sequential", [False, True])
def test_control_c_at_any_moment_closes_everybody_and_saves(what: str, sequential: bool) -> None:
    for name in ("baseline", "exact"):
        lab = Lab()
        interrupted_at(lab, name, what, 1)
        outcome = lab.run(record_of(fidelity=True, sequential=sequential))
        assert isinstance(outcome.error, KeyboardInterrupt)
        assert lab.saved[-1].status == "interrupted"


def test_control_c_after_the_last_pair_does_not_cost_the_launch() -> None:
    lab = Lab()
    interrupted_at(lab, "exact", "fidelity", 1)
    assert complete(lab.run(record_of(fidelity=True)).record) == [(1, 0, 0)]


def test_control_c_after_the_last_step_of_a_sequential_launch_does_not_cost_it() -> None:
    for seed in range(4):
        lab = Lab()
        asked: list[str] = []

        def trouble(worker: PlayedWorker, what: str, asked: list[str] = asked) -> None:
            asked += [worker.name] if what == "fidelity" else []
            if len(asked) == 2:
                raise KeyboardInterrupt

        lab.trouble = trouble
        outcome = lab.run(record_of(fidelity=True, sequential=True, seed=seed))
        assert complete(outcome.record) == [(1, 0, 0)]


def test_control_c_before_anything_was_measured_leaves_a_record_that_can_go_on() -> None:
    lab = Lab()
    interrupted_at(lab, "exact", "start", 1)
    outcome = lab.run(record_of())
    assert outcome.record.launches == ()
    assert complete(Lab().run(resumed(outcome.record)).record) == [(1, 0, 0), (1, 1, 0)]


def test_any_other_error_closes_everybody_too() -> None:
    def trouble(worker: PlayedWorker, what: str) -> None:
        if what == "step":
            raise ZeroDivisionError

    lab = Lab(trouble)
    with pytest.raises(ZeroDivisionError):
        lab.run(record_of())
    assert all(worker.closed for worker in lab.workers)


def test_what_goes_on_takes_only_the_launches_that_are_missing() -> None:
    lab = Lab()
    interrupted_at(lab, "optimized", "step", 3 + 1 + 3 + 3)
    first = lab.run(record_of("baseline", "exact", "optimized")).record
    assert complete(first) == [(1, 0, 0), (2, 0, 0), (1, 1, 0)]
    again = Lab()
    second = again.run(resumed(first)).record
    assert complete(second) == [(1, 0, 0), (2, 0, 0), (1, 1, 0), (2, 1, 0)]
    assert second.launches[: len(first.launches)] == first.launches
    assert again.started() == ["baseline", "optimized"]
    assert second.status == "complete"
    assert second.measuring_seconds == pytest.approx((first.measuring_seconds or 0.0) + again.seconds - 1000.0)


def test_an_incomplete_launch_is_taken_again_beside_what_there_is_of_it() -> None:
    lab = Lab()
    interrupted_at(lab, "exact", "step", 3 + 3)
    first = lab.run(record_of(launches=1)).record
    second = Lab().run(resumed(first)).record
    assert [launch.is_complete for launch in second.launches] == [False, True]
    assert len(second.launches_of(1)) == 1


def test_a_comparison_that_goes_on_begins_at_the_batch_that_fitted() -> None:
    trouble = fails("out of memory", "exact", "start", lambda worker: worker.batch_size > 4)
    first = Lab(trouble).run(record_of(launches=1, retry_smaller=True)).record
    lab = Lab(trouble)
    second = lab.run(resumed(first, launches=2)).record
    assert complete(second) == [(1, 0, 1), (1, 1, 1)]
    assert second.failures == ()
    assert {worker.batch_size for worker in lab.workers} == {4}


def test_more_launches_can_be_asked_for_and_the_record_says_so() -> None:
    first = Lab().run(record_of(launches=1)).record
    with pytest.raises(UsageError, match="--launches N takes more"):
        resumed(first)
    second = Lab().run(resumed(first, launches=3)).record
    assert complete(second) == [(1, 0, 0), (1, 1, 0), (1, 2, 0)]
    assert [note.code for note in second.notes] == ["extended"]


def test_a_failure_is_not_forgotten_before_it_was_tried_again() -> None:
    first = Lab(fails("raised", "optimized")).run(record_of("baseline", "exact", "optimized", launches=1)).record
    lab = Lab()
    interrupted_at(lab, "baseline", "start", 1)
    second = lab.run(resumed(first, launches=2)).record
    assert [failure.detail for failure in second.failures] == ["optimized is raised"]


@pytest.mark.parametrize("field", ["processor", "cores", "threads", "versions", "flags", "accelerator"])
def test_launches_of_another_machine_are_never_mixed_in(field: str) -> None:
    first = Lab().run(record_of(launches=1)).record
    values = {"cores": 64, "threads": 1, "versions": {"torch": "1.0"}, "flags": {}}
    other = CPU.model_copy(update={field: values.get(field, "another")})
    lab = Lab(environment_of=lambda worker: other)
    words = {"versions": "torch 1.0 here and 2.13.0", "flags": "OMP_NUM_THREADS None here and 2 there"}
    with pytest.raises(UsageError, match=words.get(field, f"{field} {values.get(field, 'another')} here and")):
        lab.run(resumed(first, launches=2))
    assert all(saved.launches == first.launches for saved in lab.saved)


def test_a_record_that_was_refused_stays_as_it_was() -> None:
    first = Lab(fails("raised", "optimized")).run(record_of("baseline", "exact", "optimized", launches=1)).record
    other = CPU.model_copy(update={"cores": 64})
    lab = Lab(environment_of=lambda worker: other)
    with pytest.raises(UsageError, match="cores"):
        lab.run(resumed(first, launches=2))
    assert [saved for saved in lab.saved if saved.status == "failed" or saved.failures != first.failures] == []


def test_without_launches_a_record_can_go_on_on_another_machine() -> None:
    lab = Lab()
    interrupted_at(lab, "baseline", "step", 1)
    first = lab.run(record_of()).record
    assert first.launches == ()
    other = CPU.model_copy(update={"cores": 64})
    outcome = Lab(environment_of=lambda worker: other).run(resumed(first))
    assert outcome.error is None
    assert outcome.record.environment == other


def without_cudnn(worker: PlayedWorker, what: str) -> None:
    """As building does where a device lacks something: a setting that was left out is not found missing once more."""
    if what != "start":
        return
    used = worker.contestant.variant
    missing = {"cudnn_benchmark": "no cuDNN"} if "cudnn_benchmark" in used.settings else {}
    settings = {name: value for name, value in used.settings.items() if name not in missing}
    used = used.model_copy(update={"settings": settings, "left_out": missing})
    worker.contestant = worker.contestant.model_copy(update={"variant": used})


def test_what_a_device_cannot_do_is_kept() -> None:
    record = Lab(without_cudnn).run(record_of(launches=1)).record
    assert record.contestants[1].variant.left_out == {"cudnn_benchmark": "no cuDNN"}


def test_what_a_device_cannot_do_is_still_known_after_the_second_launch() -> None:
    record = Lab(without_cudnn).run(record_of(launches=2)).record
    assert record.contestants[1].variant.left_out == {"cudnn_benchmark": "no cuDNN"}


def test_a_disk_that_is_full_costs_no_measurement() -> None:
    lab = Lab()
    lab.save_errors = iter([True] * 1000)
    outcome = lab.run(record_of())
    assert complete(outcome.record) == [(1, 0, 0), (1, 1, 0)]
    assert outcome.record.status == "complete"
    assert isinstance(outcome.error, UsageError)
    assert lab.saved == []


def test_a_disk_that_was_full_for_a_while_is_no_error_once_all_is_written() -> None:
    lab = Lab()
    lab.save_errors = iter([True])
    outcome = lab.run(record_of())
    assert lab.saved[-1] == outcome.record
    assert outcome.error is None


def test_the_record_is_saved_after_every_launch() -> None:
    lab = Lab()
    lab.run(record_of(launches=3))
    numbers = [len(record.launches) for record in lab.saved]
    assert numbers == sorted(numbers)
    assert set(numbers) == {0, 1, 2, 3}
    assert {record.status for record in lab.saved[:-1]} == {"running"}


def test_a_side_that_takes_more_threads_than_the_first_is_noted_once() -> None:
    """The record's environment is the first one's, and would hide it."""

    def environment_of(worker: PlayedWorker) -> Environment:
        return CPU.model_copy(update={"threads": 8}) if worker.name == "exact" else CPU

    record = Lab(environment_of=environment_of).run(record_of("baseline", "exact", "optimized")).record
    assert [(note.code, note.detail, note.number) for note in record.notes] == [("threads", "exact", 8)]
    assert record.environment is not None
    assert record.environment.threads == CPU.threads


def test_a_comparison_that_has_said_enough_takes_no_more_rounds() -> None:
    lab, asked = Lab(), list[int]()

    def is_enough(record: ComparisonRecord) -> bool:
        asked.append(len(record.launches))
        return len(record.launches) >= 4

    referee = Referee(
        record_of("baseline", "exact", "optimized", launches=9),
        lab.launch,
        Quiet(),
        lab.save,
        lab.now,
        PlayedMonitor,  # type: ignore[arg-type]
        is_enough,
    )
    outcome = referee.run()
    # Asked after whole rounds only; what is left away on purpose is not missing.
    assert asked == [2, 4]
    assert (outcome.record.status, outcome.record.notes) == ("complete", ())
    assert len(outcome.record.launches) == 4
    assert all(worker.closed for worker in lab.workers)

"""Pilot runs of a tiny model on a handful of digits: which series, how many steps, and what is left of a failure."""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from few_digits import BATCH, FEW, NUM_BATCHES, NUM_EVAL, few_digits, trainer_of
from paco_prof.cli.progress import SilentProgress
from paco_prof.data.images import ImageData
from paco_prof.errors import UsageError
from paco_prof.measure import building
from paco_prof.measure.clock import HostClock
from paco_prof.measure.job import Job
from paco_prof.records import Pilot
from paco_prof.training import pilot as pilot_module
from paco_prof.training import trainer as trainer_module
from paco_prof.training.pilot import NUM_BLOCKS, PilotOutcome, PilotPlan, PilotRun, measure_pilots
from paco_prof.training.trainer import Trainer
from tiny import job_of

QUICK = PilotPlan(steps=4, epochs=1)


class ManualClock(HostClock):
    """Stands still until it is told how much later it is."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0

    def now(self) -> float:
        return self.time


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps and checkpoints in which nothing happens, for what is not about them."""
    monkeypatch.setattr(Trainer, "take", lambda *_: {})
    monkeypatch.setattr(pilot_module, "write_checkpoint", lambda *_: None)


def pilot_of(plan: PilotPlan = QUICK, **settings: Any) -> Pilot:
    return PilotRun(trainer_of("exact", **settings), plan, 0.0, lambda: None).measure()


@pytest.fixture(scope="module")
def whole() -> Pilot:
    """Of a run with epochs before and after the warm-up of its matching."""
    # With so much time that a machine on which others are at work shortens no block.
    return pilot_of(PilotPlan(steps=16, epochs=100, max_seconds=3600.0), warmup_epochs=10)


def timed(plan: PilotPlan, first: float, other: float, startup: float) -> Pilot:
    """A pilot whose first step takes so many seconds, and every other one so many."""
    clock, seconds = ManualClock(), itertools.chain([first], itertools.repeat(other))

    def tick() -> None:
        clock.time += next(seconds)

    return PilotRun(trainer_of("exact", clock=clock), plan, startup, tick).measure()


def lengths(pilot: Pilot) -> list[list[int]]:
    """Steps of each block, series by series."""
    return [[len(block) for block in series.blocks] for series in pilot.steps]


@pytest.mark.usefixtures("no_work")
def test_a_run_that_ends_within_the_warm_up_of_the_matching_has_one_series() -> None:
    found = pilot_of(PilotPlan(steps=8, epochs=10, evaluates=False), warmup_epochs=10)
    assert [series.during_warmup for series in found.steps] == [None]
    assert lengths(found) == [[2] * NUM_BLOCKS]


@pytest.mark.usefixtures("no_work")
def test_a_run_without_a_warm_up_has_one_series() -> None:
    found = pilot_of(replace(QUICK, evaluates=False), warmup_epochs=0)
    assert [series.during_warmup for series in found.steps] == [None]


def test_the_matching_of_most_epochs_comes_first_and_has_most_steps(whole: Pilot) -> None:
    assert [series.during_warmup for series in whole.steps] == [False, True]
    assert lengths(whole) == [[4] * NUM_BLOCKS, [2] * NUM_BLOCKS]


@pytest.mark.usefixtures("no_work")
def test_most_epochs_may_be_those_of_the_warm_up() -> None:
    found = pilot_of(PilotPlan(steps=4, epochs=12, evaluates=False), warmup_epochs=10)
    assert [series.during_warmup for series in found.steps] == [True, False]
    assert lengths(found) == [[1] * NUM_BLOCKS, [1] * NUM_BLOCKS]


@pytest.mark.usefixtures("no_work")
def test_steps_match_parts_as_the_epochs_do_that_they_stand_for(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, begin = [], Trainer.begin

    def remembering(self: Trainer, epoch: int) -> None:
        begun.append(epoch)
        begin(self, epoch)

    monkeypatch.setattr(Trainer, "begin", remembering)
    pilot_of(PilotPlan(steps=4, epochs=100, evaluates=False), warmup_epochs=10)
    assert begun == [10, *[10, 0] * NUM_BLOCKS]


def test_every_step_waits_for_its_batch_and_every_batch_was_loaded(whole: Pilot) -> None:
    for series in whole.steps:
        assert [len(block) for block in series.waiting] == [len(block) for block in series.blocks]
        assert len(series.loading) == sum(len(block) for block in series.blocks)
        assert all(seconds > 0 for seconds in series.loading)


def test_a_checkpoint_and_the_beginning_of_an_epoch_are_timed_in_every_block(whole: Pilot) -> None:
    assert len(whole.checkpoint) == NUM_BLOCKS
    assert all(seconds > 0 for seconds in whole.checkpoint)
    assert len(whole.epoch_start) == 2 * NUM_BLOCKS


def test_evaluations_have_their_first_batch_apart(whole: Pilot) -> None:
    """Ten images make three batches, the first of which also waits for the loader."""
    evaluation = whole.evaluation
    assert evaluation is not None
    assert math.ceil(NUM_EVAL / BATCH) == 3
    assert [len(block) for block in evaluation.blocks] == [2] * NUM_BLOCKS
    assert len(evaluation.start) == NUM_BLOCKS
    assert evaluation.batch_size == BATCH


@pytest.mark.usefixtures("no_work")
def test_a_split_of_one_batch_is_evaluated_too() -> None:
    evaluation = pilot_of(base=FEW.model_copy(update={"batch_size": NUM_EVAL})).evaluation
    assert evaluation is not None
    assert [len(block) for block in evaluation.blocks] == [1] * NUM_BLOCKS
    assert evaluation.start == (0.0,) * NUM_BLOCKS
    assert evaluation.batch_size == NUM_EVAL


@pytest.mark.usefixtures("no_work")
def test_a_run_without_evaluations_measures_none() -> None:
    assert pilot_of(replace(QUICK, evaluates=False)).evaluation is None


@pytest.mark.usefixtures("no_work")
def test_a_block_may_be_longer_than_an_epoch() -> None:
    """The batches that are missing are its first again, which nobody waits for."""
    found = pilot_of(PilotPlan(steps=NUM_BLOCKS * (NUM_BATCHES + 2), epochs=1, evaluates=False))
    assert lengths(found) == [[NUM_BATCHES + 2] * NUM_BLOCKS]


@pytest.mark.usefixtures("no_work")
def test_a_warm_up_may_be_longer_than_an_epoch() -> None:
    """All images fit into a batch, so an epoch has one, and a warm-up has three steps or more."""
    found = pilot_of(replace(QUICK, evaluates=False), base=FEW.model_copy(update={"batch_size": 18}))
    assert lengths(found) == [[1] * NUM_BLOCKS]


@pytest.mark.usefixtures("no_work")
def test_little_time_leaves_a_step_for_each_block() -> None:
    found = timed(PilotPlan(steps=400, max_seconds=1.0, epochs=100, evaluates=False), 2.0, 2.0, startup=0.0)
    assert lengths(found) == [[1] * NUM_BLOCKS, [1] * NUM_BLOCKS]


@pytest.mark.usefixtures("no_work")
def test_blocks_are_as_long_as_there_is_time_for() -> None:
    """A step takes two seconds; three quarters of 64 are 24 steps, of 100 that were asked for: 6 a block."""
    found = timed(PilotPlan(steps=100, max_seconds=64.0, epochs=1, evaluates=False), 2.0, 2.0, startup=0.0)
    assert lengths(found) == [[6] * NUM_BLOCKS]
    assert found.steps[0].blocks[0] == (2.0,) * 6


@pytest.mark.usefixtures("no_work")
def test_startup_holds_what_the_first_steps_took_beyond_later_ones() -> None:
    found = timed(PilotPlan(steps=8, max_seconds=600.0, epochs=1, evaluates=False), 9.0, 2.0, startup=5.0)
    assert found.startup == pytest.approx(5.0 + (9.0 - 2.0))


@dataclass
class Saved:
    """Whoever is given what there is."""

    outcomes: list[PilotOutcome] = field(default_factory=list)

    def __call__(self, outcome: PilotOutcome) -> None:
        self.outcomes.append(outcome)

    @property
    def names(self) -> list[list[str]]:
        return [[pilot.name for pilot in outcome.pilots] for outcome in self.outcomes]


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(_data: str) -> ImageData:
        return few_digits()

    monkeypatch.setattr(building, "open_data", opened)


def few_job(variant: str, **overrides: Any) -> Job:
    return job_of(variant, FEW.model_copy(update={"device": "cpu"}), **overrides)


@pytest.mark.usefixtures("no_work")
def test_a_pilot_of_each_variant_is_saved_as_soon_as_it_is_there() -> None:
    saved = Saved()
    found = measure_pilots([few_job("fused-loss"), few_job("exact")], QUICK, SilentProgress(), saved)
    assert saved.names == [["fused-loss"], ["fused-loss", "exact"]]
    assert [pilot.name for pilot in found.pilots] == ["fused-loss", "exact"]
    assert found == saved.outcomes[-1]
    assert found.error is None
    assert found.data is not None
    assert (found.data.name, found.data.num_train, found.data.num_eval) == ("digits", 18, NUM_EVAL)
    assert found.environment is not None
    assert found.seconds > 0
    assert [pilot.workload.forms.contrast for pilot in found.pilots] == ["fused", "fused"]


@pytest.mark.usefixtures("no_work")
def test_importing_counts_for_every_variant_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that began a thousand seconds before: either variant, run by itself, would have imported as much."""
    monkeypatch.setattr(pilot_module, "process_began", lambda clock: clock.now() - 1000.0)
    found = measure_pilots([few_job("exact"), few_job("exact")], QUICK, SilentProgress(), Saved())
    for pilot in found.pilots:
        assert pilot.startup == pytest.approx(1000.0, abs=30.0)


@pytest.mark.usefixtures("no_work")
def test_the_building_of_one_is_no_start_up_of_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    build, seconds = trainer_module.build, iter([0.0, 500.0])
    clock_of = time.perf_counter

    def slow(job: Job, *_rest: object) -> Any:
        built = build(job)
        late[0] += next(seconds)
        return built

    late = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock_of() + late[0])
    monkeypatch.setattr(trainer_module, "build", slow)
    # Long enough ago that no rounding makes it later than now.
    monkeypatch.setattr(pilot_module, "process_began", lambda clock: clock.now() - 1.0)
    found = measure_pilots([few_job("exact"), few_job("exact")], QUICK, SilentProgress(), Saved())
    assert found.error is None
    first, second = (pilot.startup for pilot in found.pilots)
    assert first is not None
    assert second is not None
    assert first < 400
    assert second > 490


@pytest.mark.usefixtures("no_work")
def test_a_second_variant_that_cannot_be_built_leaves_the_first() -> None:
    saved = Saved()
    jobs = [few_job("exact"), few_job("exact", backbone="no_such_model"), few_job("exact")]
    found = measure_pilots(jobs, QUICK, SilentProgress(), saved)
    assert isinstance(found.error, UsageError)
    assert "no_such_model" in str(found.error)
    assert [note.code for note in found.notes] == ["failed"]
    assert len(found.pilots) == 1
    assert saved.outcomes[-1] == found


def test_where_nothing_was_measured_nothing_is_saved() -> None:
    saved = Saved()
    found = measure_pilots([few_job("exact", backbone="no_such_model")], QUICK, SilentProgress(), saved)
    assert isinstance(found.error, UsageError)
    assert (found.pilots, saved.outcomes) == ((), [])


def test_an_error_of_the_measured_code_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: Trainer, *_args: Any) -> None:
        raise RuntimeError("first line\nthe step broke")

    monkeypatch.setattr(Trainer, "take", fail)
    found = measure_pilots([few_job("exact")], QUICK, SilentProgress(), Saved())
    assert isinstance(found.error, RuntimeError)
    (note,) = found.notes
    assert (note.code, note.detail.partition(" (")[0]) == ("failed", "RuntimeError: the step broke")


class Interrupting(SilentProgress):
    """Interrupts when the second variant's steps begin."""

    def begin(self, what: str) -> None:
        if what == "trying fused-loss":
            raise KeyboardInterrupt


@pytest.mark.usefixtures("no_work")
def test_an_interruption_keeps_what_was_measured() -> None:
    saved = Saved()
    found = measure_pilots([few_job("exact"), few_job("fused-loss")], QUICK, Interrupting(), saved)
    assert isinstance(found.error, KeyboardInterrupt)
    assert [note.code for note in found.notes] == ["interrupted"]
    assert saved.names == [["exact"], ["exact"]]
    assert saved.outcomes[-1] == found


@dataclass
class Told(SilentProgress):
    """Remembers what it was told."""

    begun: list[str] = field(default_factory=list)
    left: list[float] = field(default_factory=list)

    def begin(self, what: str) -> None:
        self.begun.append(what)

    def update(self, elapsed: float, left: float) -> None:
        assert elapsed >= 0
        self.left.append(left)


@pytest.mark.usefixtures("no_work")
def test_the_time_left_counts_the_variants_to_come() -> None:
    told = Told()
    measure_pilots([few_job("exact"), few_job("fused-loss")], QUICK, told, Saved())
    assert told.begun == ["building exact", "trying exact", "building fused-loss", "trying fused-loss"]
    assert max(told.left) > QUICK.max_seconds
    assert told.left[-1] <= QUICK.max_seconds

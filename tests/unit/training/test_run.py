"""A run from its beginning to its end: what its record holds, and what a failure leaves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from few_digits import NUM_BATCHES, NUM_EVAL, NUM_TRAIN, trainer_of
from one_of_two import OneOfTwo
from paco_prof.cli.progress import SilentProgress
from paco_prof.errors import UsageError
from paco_prof.measure.building import build
from paco_prof.measure.clock import HostClock
from paco_prof.measure.workload import TrainingStep
from paco_prof.ranks import Place
from paco_prof.records import RunPlan, TrainingRunRecord
from paco_prof.training import run as run_module
from paco_prof.training.checkpoint import read_checkpoint
from paco_prof.training.run import RunOutcome, TrainingRun
from paco_prof.training.together import AgreedInterrupt, Together
from paco_prof.training.trainer import Trainer
from tiny import job_of

EPOCHS = 3


class Listening(SilentProgress):
    """Remembers what began."""

    def __init__(self) -> None:
        self.began: list[str] = []

    def begin(self, what: str) -> None:
        self.began.append(what)


@pytest.fixture(scope="module")
def saved() -> list[TrainingRunRecord]:
    return []


@pytest.fixture(scope="module")
def outcome(saved: list[TrainingRunRecord]) -> RunOutcome:
    plan = RunPlan(epochs=EPOCHS, eval_every=2)
    return TrainingRun(trainer_of(), plan, SilentProgress(), saved.append, command=("paco-prof", "train")).run()


def test_it_is_complete(outcome: RunOutcome) -> None:
    record = outcome.record
    assert outcome.error is None
    assert (record.status, record.processes, len(record.epochs)) == ("complete", 1, EPOCHS)
    assert record.command == ("paco-prof", "train")
    assert record.fidelity is not None
    assert record.fidelity.gradient_cosine > 0.99
    assert record.environment is not None


def test_an_epoch_holds_every_image(outcome: RunOutcome) -> None:
    for number, result in enumerate(outcome.record.epochs):
        assert (result.epoch, result.num_batches, result.num_images) == (number, NUM_BATCHES, NUM_TRAIN)
        assert result.non_finite == 0
        assert result.parts is not None
        assert all(math.isfinite(value) for value in result.losses.values())


def test_evaluations_are_where_the_plan_says(outcome: RunOutcome) -> None:
    """After every second epoch, and after the last."""
    evaluated = [result.accuracy is not None for result in outcome.record.epochs]
    assert evaluated == [False, True, True]
    assert [result.evaluation_seconds is not None for result in outcome.record.epochs] == evaluated
    assert outcome.evaluation is not None
    assert len(outcome.evaluation.correct) == NUM_EVAL
    assert outcome.record.accuracy == outcome.evaluation.accuracy == sum(outcome.evaluation.correct) / NUM_EVAL


def test_the_data_are_told(outcome: RunOutcome) -> None:
    data = outcome.record.data
    assert (data.name, data.num_train, data.num_eval, data.num_classes) == ("digits", NUM_TRAIN, NUM_EVAL, 10)
    assert data.workers == 0


def test_the_record_is_saved_after_every_epoch(outcome: RunOutcome, saved: list[TrainingRunRecord]) -> None:
    assert [(len(record.epochs), record.status) for record in saved] == [
        (1, "running"),
        (2, "running"),
        (3, "running"),
        (3, "complete"),
    ]
    assert saved[-1] == outcome.record


def test_a_record_comes_back_from_text(outcome: RunOutcome) -> None:
    assert TrainingRunRecord.model_validate_json(outcome.record.model_dump_json()) == outcome.record


def test_times_add_up_to_the_run(tmp_path: Path) -> None:
    """On a clock that goes on a second at each look, so that nothing can take no time."""
    seconds = itertools.count()
    clock = HostClock(lambda: next(seconds) * 1_000_000_000)
    plan = RunPlan(epochs=2, checkpoint_minutes=1e-3)
    path = tmp_path / "checkpoint.pt"
    record = TrainingRun(trainer_of(clock=clock), plan, SilentProgress(), checkpoint=path, fidelity=False).run().record
    for result in record.epochs:
        parts = [result.start_seconds, result.waiting_seconds, result.step_seconds, result.checkpoint_seconds]
        assert all(part > 0 for part in parts)
        assert result.evaluation_seconds is not None
        assert sum(parts) + result.evaluation_seconds <= result.seconds
    assert record.startup_seconds > 0
    assert record.startup_seconds + sum(result.seconds for result in record.epochs) <= record.total_seconds


def test_a_learning_rate_is_that_of_its_epoch(outcome: RunOutcome) -> None:
    assert {result.learning_rate for result in outcome.record.epochs} == {1e-3}
    trainer = trainer_of(schedule="cosine")
    record = TrainingRun(trainer, RunPlan(epochs=2), SilentProgress(), fidelity=False).run().record
    first, last = (result.learning_rate for result in record.epochs)
    assert 1e-3 > first > last >= 0


def test_progress_tells_losses_and_throughput(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "SECONDS_BETWEEN_UPDATES", 0.0)
    progress = Listening()
    TrainingRun(trainer_of(), RunPlan(epochs=1), progress, fidelity=False).run()
    told = [text for text in progress.began if f"batch 3 of {NUM_BATCHES}" in text]
    assert len(told) == 1
    assert told[0].startswith("epoch 1 of 1, ")
    assert all(word in told[0] for word in ("total ", "pac ", "soc ", "images/s"))
    assert "evaluating after epoch 1" in progress.began


def test_nothing_is_said_of_fidelity_when_it_is_not_wanted() -> None:
    progress = Listening()
    record = TrainingRun(trainer_of(), RunPlan(epochs=1), progress, fidelity=False).run().record
    assert record.fidelity is None
    assert "comparing with float64" not in progress.began


def _failing(trainer: Trainer, monkeypatch: pytest.MonkeyPatch, at: int, error: BaseException) -> None:
    """Let a step fail after it has changed the weights."""
    steps = itertools.count(1)
    take = TrainingStep.take

    def taken(self: TrainingStep, batch: Any) -> Any:
        losses = take(self, batch)
        if next(steps) == at:
            raise error
        return losses

    monkeypatch.setattr(trainer.step, "take", taken.__get__(trainer.step))


@pytest.mark.parametrize("error", [RuntimeError("out of memory\nat /somewhere"), KeyboardInterrupt()])
def test_a_step_that_fails_keeps_the_checkpoint_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    path = tmp_path / "checkpoint.pt"
    trainer = trainer_of()
    _failing(trainer, monkeypatch, NUM_BATCHES + 3, error)
    outcome = TrainingRun(trainer, RunPlan(epochs=2), SilentProgress(), checkpoint=path, fidelity=False).run()
    assert outcome.error is error
    assert len(outcome.record.epochs) == 1
    checkpoint = read_checkpoint(path)
    assert (checkpoint.epoch.epoch, checkpoint.epoch.num_batches) == (1, 0)
    other = trainer_of()
    TrainingRun(other, RunPlan(epochs=1), SilentProgress(), fidelity=False).run()
    weights = other.model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in checkpoint.weights.items())


def test_a_failure_is_noted_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_of()
    _failing(trainer, monkeypatch, 2, RuntimeError("a long story\nno memory left"))
    saved: list[TrainingRunRecord] = []
    outcome = TrainingRun(trainer, RunPlan(epochs=1), SilentProgress(), saved.append, fidelity=False).run()
    (note,) = outcome.record.notes
    assert (outcome.record.status, note.code) == ("failed", "failed")
    assert "\n" not in note.detail
    assert saved == [outcome.record]


def test_a_record_that_cannot_be_saved_ends_the_run(tmp_path: Path) -> None:
    def unwritable(_record: TrainingRunRecord) -> None:
        raise UsageError("The disk is full.")

    path = tmp_path / "checkpoint.pt"
    outcome = TrainingRun(trainer_of(), RunPlan(epochs=3), SilentProgress(), unwritable, path, fidelity=False).run()
    assert isinstance(outcome.error, UsageError)
    assert len(outcome.record.epochs) == 1
    assert read_checkpoint(path).epoch.epoch == 1


def test_steps_with_a_loss_that_is_not_finite_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_of()
    steps = itertools.count(1)
    take = TrainingStep.take
    spoilt = {2: math.nan, 4: math.inf}

    def taken(self: TrainingStep, batch: Any) -> Any:
        losses = take(self, batch)
        number = next(steps)
        return {**losses, "soc": torch.tensor(spoilt[number])} if number in spoilt else losses

    monkeypatch.setattr(trainer.step, "take", taken.__get__(trainer.step))
    record = TrainingRun(trainer, RunPlan(epochs=2), SilentProgress(), fidelity=False).run().record
    assert [result.non_finite for result in record.epochs] == [2, 0]
    assert all(math.isfinite(value) for value in record.epochs[0].losses.values())


def test_synthetic_images_cannot_be_learned_from() -> None:
    with pytest.raises(UsageError, match="no images to learn from"):
        Trainer(build(job_of("exact")))


class Listener(Together):
    """The only rank of several; while an epoch is evaluated somebody presses Ctrl-C. Remembers who asks."""

    is_held = False

    @contextmanager
    def holding_interrupts(self) -> Iterator[None]:
        self.is_held = True
        yield
        self.is_held = False

    def decide(self, is_due: bool) -> bool:
        if self._is_interrupted:
            raise AgreedInterrupt
        return is_due


def test_a_ctrl_c_during_the_last_evaluation_is_heard_and_the_run_can_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.pt"
    trainer = trainer_of()
    run = TrainingRun(trainer, RunPlan(epochs=1), SilentProgress(), checkpoint=path, fidelity=False)
    together = run._together = Listener()
    evaluate = trainer.evaluate

    def interrupted() -> Any:
        together._is_interrupted = True
        return evaluate()

    monkeypatch.setattr(trainer, "evaluate", interrupted)
    outcome = run.run()
    assert isinstance(outcome.error, KeyboardInterrupt)
    assert outcome.record.status == "interrupted"
    assert outcome.record.epochs[0].accuracy is not None
    again = TrainingRun(trainer_of(), RunPlan(epochs=1), SilentProgress(), fidelity=False)
    again.resume(read_checkpoint(path))
    record = again.run().record
    assert (record.status, len(record.epochs), record.processes) == ("complete", 1, 2)


def test_nothing_is_held_while_the_model_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    run = TrainingRun(trainer_of(), RunPlan(epochs=1), SilentProgress())
    together = run._together = Listener()
    was_held: list[bool] = []

    def interrupted(*_: object) -> None:
        was_held.append(together.is_held)
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "compared", interrupted)
    outcome = run.run()
    assert was_held == [False]
    assert (outcome.record.status, len(outcome.record.epochs)) == ("interrupted", 1)


def test_no_rank_leaves_before_the_last_checkpoint_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The end of another rank ends the first one in the middle of writing it."""
    passed: list[str] = []

    class Listened(OneOfTwo):
        def barrier(self) -> None:
            passed.append("all are here")

    monkeypatch.setattr(run_module, "write_checkpoint", lambda *_: passed.append("written"))
    trainer = trainer_of()
    trainer.group = Listened(Place(0, 2, 0), "gloo")
    run = TrainingRun(trainer, RunPlan(epochs=1), SilentProgress(), checkpoint=tmp_path / "checkpoint.pt")
    monkeypatch.setattr(run, "_run_epoch", _agreed)
    assert isinstance(run.run().error, AgreedInterrupt)
    assert passed == ["written", "all are here"]


def _agreed() -> None:
    raise AgreedInterrupt

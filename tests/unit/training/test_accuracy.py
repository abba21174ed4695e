"""Variants trained on a handful of digits with the same seeds: what is paired, what is kept, and what goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from few_digits import FEW, NUM_EVAL, NUM_TRAIN, few_digits
from paco_prof import __version__
from paco_prof.cli.progress import SilentProgress
from paco_prof.errors import UsageError
from paco_prof.measure import building
from paco_prof.records import AccuracyPlan, AccuracyRecord, AccuracyRun, RunPlan
from paco_prof.training import accuracy as accuracy_module
from paco_prof.training import trainer as trainer_module
from paco_prof.training.accuracy import AccuracyComparison, AccuracyOutcome, new_accuracy, resumed_accuracy
from paco_prof.training.run import TrainingRun
from paco_prof.training.trainer import Trainer
from paco_prof.variants.contestants import Field, compared

PLAN = AccuracyPlan(seeds=2, run=RunPlan(epochs=1))
ONE_EACH = AccuracyPlan(seeds=1, run=RunPlan(epochs=1))
BASE = FEW.model_copy(update={"device": "cpu"})


@dataclass
class Saved:
    """Whoever is given the record."""

    records: list[AccuracyRecord] = field(default_factory=list)

    def __call__(self, record: AccuracyRecord) -> None:
        self.records.append(record)


@dataclass
class Watch(SilentProgress):
    """Remembers what it was told, and interrupts when something begins whose name begins so."""

    at: str = "never"
    begun: list[str] = field(default_factory=list)

    def begin(self, what: str) -> None:
        self.begun.append(what)
        if what.startswith(self.at):
            raise KeyboardInterrupt


def patch(patched: pytest.MonkeyPatch) -> None:
    for module in (accuracy_module, building):
        patched.setattr(module, "open_data", lambda _: few_digits())


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    patch(monkeypatch)


def record_of(*names: str, plan: AccuracyPlan = PLAN, **overrides: Any) -> AccuracyRecord:
    return new_accuracy(compared(Field(BASE.model_copy(update=overrides)), names), plan, ("paco-prof", "compare"))


def trained(
    record: AccuracyRecord, progress: SilentProgress | None = None, save: Saved | None = None
) -> AccuracyOutcome:
    return AccuracyComparison(record, progress or SilentProgress(), save or Saved()).run()


@dataclass(frozen=True)
class Whole:
    """A comparison of the baseline with exact that came to its end, and how."""

    record: AccuracyRecord
    saved: Saved
    watch: Watch
    weights: list[dict[str, Tensor]]


@pytest.fixture(scope="module")
def whole() -> Iterator[Whole]:
    """Two seeds of each; the weights are those that each run began with."""
    weights: list[dict[str, Tensor]] = []

    def remembering(trainer: Trainer, *arguments: Any, **settings: Any) -> TrainingRun:
        weights.append({name: value.clone() for name, value in trainer.model.state_dict().items()})
        return TrainingRun(trainer, *arguments, **settings)

    with pytest.MonkeyPatch.context() as patched:
        patch(patched)
        patched.setattr(accuracy_module, "TrainingRun", remembering)
        saved, watch = Saved(), Watch()
        outcome = trained(record_of("baseline", "exact"), watch, saved)
        assert outcome.error is None
        yield Whole(outcome.record, saved, watch, weights)


def results(record: AccuracyRecord) -> dict[tuple[int, int], tuple[Any, ...]]:
    """What does not depend on the time of day, by run."""
    return {(run.contestant, run.seed): (run.correct, run.failed, *_losses(run)) for run in record.runs}


def _losses(run: AccuracyRun) -> list[Any]:
    return [(result.losses, result.accuracy) for result in run.epochs]


def test_every_variant_is_trained_with_every_seed(whole: Whole) -> None:
    assert [(run.seed, run.contestant) for run in whole.record.runs] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert (whole.record.status, whole.record.notes) == ("complete", ())
    assert whole.record.environment is not None
    assert whole.record.measuring_seconds is not None
    for run in whole.record.runs:
        assert (len(run.epochs), len(run.correct), run.failed) == (1, NUM_EVAL, "")
        assert run.accuracy == run.correct.count("1") / NUM_EVAL
        assert run.epochs[0].num_images == NUM_TRAIN


def test_a_seed_gives_both_variants_the_same_weights(whole: Whole) -> None:
    first, first_of_exact, second, second_of_exact = whole.weights
    for one, other in ((first, first_of_exact), (second, second_of_exact)):
        assert list(one) == list(other)
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(first["classifier.weight"], second["classifier.weight"])


def test_the_loop_is_trained_as_its_twin_and_every_variant_is_held_against_float64(whole: Whole) -> None:
    (twin,) = whole.record.twins
    assert twin.contestant == 0
    assert twin.fidelity.gradient_error < 0.01
    baseline, exact = whole.record.contestants
    assert baseline.workload.forms.contrast == "loop"
    assert baseline.fidelity == twin.fidelity
    assert exact.fidelity is not None
    assert exact.fidelity.oracle == "loop"
    assert exact.fidelity.gradient_error < 0.01


def test_what_building_tells_is_kept_and_what_a_seed_changes_is_not(whole: Whole) -> None:
    for contestant in whole.record.contestants:
        workload = contestant.workload
        assert (workload.device, workload.num_classes, workload.seed) == ("cpu", 10, BASE.seed)
        assert workload.feature_map is not None
        assert workload.num_parameters is not None


def test_the_record_is_saved_after_every_epoch(whole: Whole) -> None:
    """Each run's epoch, its end, and the end of all."""
    first = whole.saved.records[0]
    assert [(run.contestant, len(run.epochs), run.failed) for run in first.runs] == [(0, 1, "not finished")]
    assert (first.status, first.complete_runs(0)) == ("running", ())
    assert whole.saved.records[-1] == whole.record
    for record in whole.saved.records:
        assert AccuracyRecord.model_validate_json(record.model_dump_json()) == record


def test_who_watches_is_told_which_run_it_is(whole: Whole) -> None:
    assert "baseline, seed 1: building the model" in whole.watch.begun
    assert "exact, seed 2 of 2: epoch 1 of 1" in whole.watch.begun


def test_a_run_that_fails_is_noted_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    train, begun = Trainer.train, []

    def fail_first(self: Trainer, *arguments: Any) -> None:
        begun.append(self)
        if len(begun) == 1:
            raise RuntimeError("the step broke")
        train(self, *arguments)

    monkeypatch.setattr(Trainer, "train", fail_first)
    outcome = trained(record_of("exact", "fused-loss", plan=ONE_EACH))
    assert outcome.error is None
    assert outcome.record.status == "failed"
    assert [run.failed.partition(" (")[0] for run in outcome.record.runs] == ["RuntimeError: the step broke", ""]
    assert [len(outcome.record.complete_runs(place)) for place in range(2)] == [0, 1]


def test_a_run_that_cannot_be_built_for_want_of_memory_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_args: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(trainer_module, "build", no_memory)
    outcome = trained(record_of("exact", "fused-loss", plan=ONE_EACH))
    assert outcome.error is None
    assert [run.failed.partition(" (")[0] for run in outcome.record.runs] == ["MemoryError", "MemoryError"]


def test_bad_input_ends_it_and_keeps_what_was_trained() -> None:
    record = record_of("exact", "fused-loss", plan=ONE_EACH)
    first, second = record.contestants
    workload = second.workload.model_copy(update={"num_classes": 7})
    saved = Saved()
    second = second.model_copy(update={"workload": workload})
    outcome = trained(record.model_copy(update={"contestants": (first, second)}), save=saved)
    assert isinstance(outcome.error, UsageError)
    assert "7" in str(outcome.error)
    assert [run.contestant for run in outcome.record.runs] == [0]
    assert outcome.record.status == "failed"
    assert saved.records[-1] == outcome.record


def test_where_nothing_was_trained_nothing_is_saved() -> None:
    """So that a file which is there keeps what it holds."""
    saved = Saved()
    outcome = trained(record_of("exact", "fused-loss", backbone="no_such_model"), save=saved)
    assert isinstance(outcome.error, UsageError)
    assert (outcome.record.runs, saved.records) == ((), [])


def test_a_loop_that_would_take_minutes_is_refused_before_anything_is_trained() -> None:
    saved = Saved()
    outcome = trained(record_of("exact", "baseline", batch_size=64), save=saved)
    assert isinstance(outcome.error, UsageError)
    assert "batch of 64" in str(outcome.error)
    assert saved.records == []


def test_who_cannot_write_ends_it() -> None:
    def refuse(_record: AccuracyRecord) -> None:
        raise UsageError("The disk is full.")

    outcome = AccuracyComparison(record_of("exact", "fused-loss"), SilentProgress(), refuse).run()
    assert str(outcome.error) == "The disk is full."
    assert len(outcome.record.runs) == 1


def test_what_was_interrupted_goes_on_to_the_same_end(whole: Whole) -> None:
    interrupted = trained(record_of("baseline", "exact"), Watch("baseline, seed 2 of 2: evaluating")).record
    assert (interrupted.status, [note.code for note in interrupted.notes]) == ("interrupted", ["interrupted"])
    complete = [run for run in interrupted.runs if not run.failed]
    assert [(run.contestant, run.seed) for run in complete] == [(0, 0), (1, 0)]
    assert [run.failed for run in interrupted.runs[2:]] == ["not finished"]
    watch = Watch()
    again = AccuracyRecord.model_validate_json(interrupted.model_dump_json())
    done = trained(resumed_accuracy(again), watch).record
    assert (done.status, done.notes) == ("complete", ())
    assert results(done) == results(whole.record)
    assert [run for run in done.runs if run in complete] == complete
    assert sum(what.endswith("building the model") for what in watch.begun) == 2
    # What the twin is worth was found out before.
    assert done.twins == interrupted.twins
    assert done.measuring_seconds is not None
    assert interrupted.measuring_seconds is not None
    assert done.measuring_seconds > interrupted.measuring_seconds


def test_without_twins_the_loop_itself_is_trained_after_an_interruption_too() -> None:
    plan = ONE_EACH.model_copy(update={"twins": False})
    interrupted = trained(record_of("exact", "baseline", plan=plan), Watch("baseline, seed 1: building")).record
    trainers = []

    def remembering(trainer: Trainer, *arguments: Any, **settings: Any) -> TrainingRun:
        trainers.append(trainer.built.job.workload.forms.contrast)
        return TrainingRun(trainer, *arguments, **settings)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(accuracy_module, "TrainingRun", remembering)
        done = trained(resumed_accuracy(interrupted)).record
    assert trainers == ["loop"]
    assert done.twins == ()


def test_what_is_complete_is_not_begun_again(whole: Whole) -> None:
    with pytest.raises(UsageError, match="All that was planned has been trained"):
        resumed_accuracy(whole.record)


def test_another_versions_runs_are_not_mixed_with_this_ones(whole: Whole) -> None:
    old = whole.record.model_copy(update={"tool_version": f"{__version__}1", "runs": whole.record.runs[:1]})
    with pytest.raises(UsageError, match=f"of paco-prof {__version__}1"):
        resumed_accuracy(old)


def test_a_run_that_failed_is_taken_anew(whole: Whole) -> None:
    *others, last = whole.record.runs
    failed = last.model_copy(update={"failed": "it diverged"})
    record = whole.record.model_copy(update={"runs": (*others, failed), "status": "failed"})
    kept = resumed_accuracy(record)
    assert kept.status == "running"
    assert {(run.contestant, run.seed) for run in kept.runs} == {(0, 0), (0, 1), (1, 0)}

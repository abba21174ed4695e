"""Training, pilots and accuracy of models of somebody's own: what they refuse, end or keep costs little else."""

from __future__ import annotations

import gc
import math
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from few_digits import NUM_BATCHES, NUM_EVAL, few_digits
from foreign_code import FOREIGN, foreign
from own_training import CHANGED, job_of_ones_own, training
from paco_prof.cli.progress import SilentProgress
from paco_prof.errors import UsageError
from paco_prof.measure import building
from paco_prof.measure.endings import ending
from paco_prof.records import AccuracyPlan, AccuracyRecord, Contestant, RunPlan
from paco_prof.training import accuracy as accuracy_module
from paco_prof.training.accuracy import AccuracyComparison, AccuracyOutcome, new_accuracy, resumed_accuracy
from paco_prof.training.checkpoint import read_checkpoint
from paco_prof.training.epoch import EpochInProgress
from paco_prof.training.pilot import PilotOutcome, PilotPlan, measure_pilots
from paco_prof.training.run import RunOutcome, TrainingRun
from paco_prof.training.trainer import Trainer

QUICK = PilotPlan(steps=4, epochs=1, max_seconds=1.0)


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for module in (accuracy_module, building):
        monkeypatch.setattr(module, "open_data", lambda _: few_digits())
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    for name in [name for name in sys.modules if name.partition(".")[0] == "finegrain"]:
        del sys.modules[name]


def run_of(model: str, plan: RunPlan | None = None, checkpoint: Path | None = None, **arguments: Any) -> RunOutcome:
    with training(model, **arguments) as trainer:
        return TrainingRun(trainer, plan or RunPlan(epochs=1), SilentProgress(), checkpoint=checkpoint).run()


def test_a_model_that_refuses_float64_has_trained_all_the_same() -> None:
    outcome = run_of("Narrow")
    assert outcome.error is None
    assert (outcome.record.status, outcome.record.fidelity) == ("complete", None)
    (note,) = outcome.record.notes
    assert note.code == "no_fidelity"
    assert note.detail.startswith("AssertionError: float32, please (own_training.py, line ")


def test_what_takes_no_single_view_is_trained_and_not_evaluated() -> None:
    with training("TwoViews") as trainer:
        epoch = EpochInProgress(0)
        trainer.train(epoch, lambda _: None)
        assert epoch.num_batches == NUM_BATCHES
        with pytest.raises(UsageError, match=r"own_training:TwoViews cannot be evaluated: TypeError: .*one view"):
            trainer.evaluate()


def test_a_run_of_what_cannot_be_evaluated_is_refused_before_it_begins() -> None:
    with training("TwoViews") as trainer, pytest.raises(UsageError, match="cannot be evaluated") as told:
        TrainingRun(trainer, RunPlan(epochs=3, eval_every=3), SilentProgress())
    assert "\n" not in str(told.value)


def test_a_pilot_without_evaluations_needs_none() -> None:
    job = job_of_ones_own("TwoViews")
    found = measure_pilots([job], PilotPlan(steps=4, epochs=1, evaluates=False), SilentProgress(), lambda _: None)
    assert found.error is None
    assert found.pilots[0].evaluation is None
    refused = measure_pilots([job], QUICK, SilentProgress(), lambda _: None)
    assert isinstance(refused.error, UsageError)
    assert "cannot be evaluated" in str(refused.error)
    assert str(refused.error).endswith("--eval-size 0 leaves evaluations out.")


@pytest.mark.parametrize("at", [0, 1])
def test_a_loss_that_is_not_in_every_step_is_averaged_over_those_it_is_in(tmp_path: Path, at: int) -> None:
    path = tmp_path / "checkpoint.pt"
    outcome = run_of("Sometimes", RunPlan(epochs=2, checkpoint_minutes=1e-9), path, at=at)
    assert outcome.error is None
    for result in outcome.record.epochs:
        assert result.losses["extra"] == 0.5
        assert math.isfinite(result.losses["total"])
        assert result.non_finite == 0
    kept = read_checkpoint(path).record
    assert [result.losses for result in kept.epochs] == [result.losses for result in outcome.record.epochs]


def test_the_end_of_the_process_is_the_end_of_the_run_and_no_more(tmp_path: Path) -> None:
    outcome = run_of("Leaving", RunPlan(epochs=2), tmp_path / "checkpoint.pt", after=NUM_BATCHES + 1)
    assert isinstance(outcome.error, SystemExit)
    assert (outcome.record.status, len(outcome.record.epochs)) == ("failed", 1)
    (note,) = outcome.record.notes
    assert note.code == "failed"
    assert note.detail.startswith("SystemExit: that is enough (own_training.py, line ")


def test_the_end_of_the_process_leaves_the_pilots_before() -> None:
    saved: list[PilotOutcome] = []
    jobs = [job_of_ones_own("own_models:Tiny"), job_of_ones_own("Leaving")]
    found = measure_pilots(jobs, QUICK, SilentProgress(), saved.append)
    assert isinstance(found.error, SystemExit)
    assert len(found.pilots) == 1
    assert saved[-1] == found
    told = ending(found.error, found.notes, 1, "measured variant")
    assert str(told).startswith("The measured code failed: SystemExit: that is enough (own_training.py, line ")


def test_what_no_checkpoint_holds_is_noted_once(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    record = run_of("Remembering", RunPlan(epochs=2), path).record
    (note,) = record.notes
    assert (note.code, note.number) == ("unsaved_state", len(CHANGED))
    assert note.detail.split(", ") == CHANGED[:3]
    # A run that goes on has the note from its checkpoint.
    assert read_checkpoint(path).record.notes == record.notes
    assert run_of("own_models:Tiny", checkpoint=path).record.notes == ()


def test_where_no_checkpoint_is_written_none_lacks_anything() -> None:
    assert run_of("Remembering").record.notes == ()


def accuracy_of(*models: str, seeds: int = 1, **changes: Any) -> AccuracyRecord:
    """Nothing trained yet of these models, each a variant."""
    jobs = [job_of_ones_own(model, f"variant {place}", **changes) for place, model in enumerate(models)]
    contestants = tuple(Contestant(name=job.variant.name, workload=job.workload, base=job.base) for job in jobs)
    return new_accuracy(contestants, AccuracyPlan(seeds=seeds, run=RunPlan(epochs=1)))


def compared(record: AccuracyRecord) -> AccuracyOutcome:
    return AccuracyComparison(record, SilentProgress(), lambda _: None).run()


def test_accuracy_of_a_model_that_refuses_float64_is_compared_all_the_same() -> None:
    outcome = compared(accuracy_of("Narrow", "own_models:Tiny", seeds=2))
    assert outcome.error is None
    record = outcome.record
    assert (record.status, [run.failed for run in record.runs]) == ("complete", [""] * 4)
    # Asked once, and not for every seed.
    (note,) = record.notes
    assert (note.code, note.number) == ("no_fidelity", 0)
    assert note.detail.startswith("variant 0: AssertionError: float32, please (own_training.py, line ")
    assert [contestant.fidelity is not None for contestant in record.contestants] == [False, True]
    assert record.contestants[0].workload.num_parameters is not None
    again = resumed_accuracy(record.model_copy(update={"runs": record.runs[:2]}))
    assert again.notes == record.notes


def test_accuracy_of_what_ends_the_process_is_a_run_that_failed() -> None:
    outcome = compared(accuracy_of("Leaving", "own_models:Tiny"))
    assert outcome.error is None
    left, tiny = outcome.record.runs
    assert left.failed.startswith("SystemExit: that is enough (own_training.py, line ")
    assert (tiny.failed, len(tiny.correct)) == ("", NUM_EVAL)
    assert outcome.record.status == "failed"


def test_accuracy_of_what_cannot_be_evaluated_is_refused_before_anything_is_trained() -> None:
    outcome = compared(accuracy_of("TwoViews", "own_models:Tiny"))
    assert isinstance(outcome.error, UsageError)
    assert outcome.record.runs == ()


def test_a_foreign_code_base_is_compared_and_let_go_after_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its wrapped static methods would otherwise hold a wrapper more, and a model more, after each."""
    monkeypatch.syspath_prepend(str(FOREIGN))
    alive: list[weakref.ref[Any]] = []
    wrappers: list[int] = []
    train = Trainer.train

    def remembering(self: Trainer, *arguments: Any) -> None:
        from finegrain.utils.spd import SPDUtils

        alive.append(weakref.ref(self.model))
        wrappers.append(_depth(SPDUtils.compute_covariance))
        train(self, *arguments)

    monkeypatch.setattr(Trainer, "train", remembering)
    size = {"image_size": 64, "batch_size": 4, "data": "digits", "device": "cpu"}
    base = foreign(model_args={"num_classes": 10}, **size)
    drop_in = base.model_copy(update={"replace": (("criterion", "paco_prof:OptimizedPaCoLoss"),)})
    contestants = [
        Contestant(name=name, workload=w, base=base) for name, w in (("baseline", base), ("drop-in", drop_in))
    ]
    outcome = compared(new_accuracy(contestants, AccuracyPlan(seeds=2, run=RunPlan(epochs=1))))
    assert outcome.error is None
    assert (outcome.record.status, outcome.record.twins, outcome.record.notes) == ("complete", (), ())
    assert [len(run.correct) for run in outcome.record.runs] == [NUM_EVAL] * 4
    baseline, changed = outcome.record.contestants
    assert baseline.fidelity is not None
    assert changed.fidelity is not None
    assert changed.fidelity.float64_gradient_error is not None
    assert changed.fidelity.float64_gradient_error < 1e-6
    # One wrapper at a time, and none in the end.
    assert len(set(wrappers)) == 1
    from finegrain.utils.spd import SPDUtils

    assert _depth(SPDUtils.compute_covariance) == 0 < wrappers[0]
    gc.collect()
    assert [reference() for reference in alive] == [None] * 4


def _depth(function: Any) -> int:
    """How many functions stand around the one that somebody wrote."""
    depth = 0
    while hasattr(function, "__wrapped__"):
        function, depth = function.__wrapped__, depth + 1
    return depth

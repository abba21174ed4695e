"""A whole run on a tiny model: what the record holds, and what survives when it ends early."""

from __future__ import annotations

import itertools
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch

from one_of_two import OneOfTwo
from own_models import Tiny
from paco_prof.analysis.breakdown import breakdown_view
from paco_prof.errors import MeasurementError, RankError, UsageError
from paco_prof.measure.building import Built
from paco_prof.measure.clock import HostClock
from paco_prof.measure.endings import ending
from paco_prof.measure.environment import describe_environment
from paco_prof.measure.fidelity import measure_fidelity
from paco_prof.measure.job import Job
from paco_prof.measure.loss_test import LossAlone
from paco_prof.measure.session import Outcome, Plan, Session, measure_breakdown
from paco_prof.measure.user.step import Given
from paco_prof.measure.workload import TrainingStep, build_step
from paco_prof.ranks import Place
from paco_prof.records import BreakdownRecord, VariantUsed
from paco_prof.settings import Workload
from paco_prof.variants.resolve import plan_variant

TINY = Workload(
    backbone="test_resnet", batch_size=2, image_size=96, num_classes=5, num_parts=3, window=3, dim=8, threads=1
)
CPU = torch.device("cpu")


class Quiet:
    """Shows no progress, and calls back at the beginning of a part."""

    def __init__(self, on_begin: Callable[[str], None] = lambda what: None) -> None:
        self.begin = on_begin

    def update(self, elapsed: float, left: float) -> None:
        assert elapsed >= 0


@pytest.fixture(autouse=True)
def threads_as_they_were() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def record() -> BreakdownRecord:
    outcome = measure_breakdown(
        Job.baseline(TINY), Plan(warmup=1, steps=3, max_seconds=2.0), Quiet(), lambda record: None
    )
    assert outcome.error is None
    return outcome.record


def session(step: TrainingStep, built: Workload, quiet: Quiet, saved: list[BreakdownRecord]) -> Session:
    plan = Plan(warmup=0, steps=3, max_seconds=1.0, fidelity=False)
    return Session(Built(step, Job.baseline(built), HostClock()), describe_environment(CPU), plan, quiet, saved.append)


def test_every_stage_of_a_step_is_there(record: BreakdownRecord) -> None:
    assert record.training is not None
    assert {(s.path, s.phase) for s in record.training.stages} >= {
        ("transfer", "other"),
        ("zero_grad", "other"),
        ("backbone", "forward"),
        ("backbone", "backward"),
        ("classifier", "forward"),
        ("classifier", "backward"),
        ("part_sampling", "forward"),
        ("part_sampling", "backward"),
        ("dim_reduction", "forward"),
        ("dim_reduction", "backward"),
        ("covariance", "forward"),
        ("covariance", "backward"),
        ("matching", "forward"),
        ("negatives_pool", "forward"),
        ("negatives_pool", "backward"),
        ("prototypes", "forward"),
        ("loss/ce", "forward"),
        ("loss/ce", "backward"),
        ("loss/pac", "forward"),
        ("loss/pac", "backward"),
        ("loss/soc", "forward"),
        ("loss/soc", "backward"),
        ("autograd", "backward"),
        ("graph_release", "other"),
        ("optimizer", "other"),
    }


def test_as_many_steps_as_asked_each_with_a_bare_twin(record: BreakdownRecord) -> None:
    assert record.training is not None
    assert record.overhead is not None
    assert len(record.training.steps) == len(record.overhead.bare) == 3
    assert len(record.training.warmup) == 1
    assert record.training.stop_reason == "as asked"


def test_phases_add_up_to_the_step(record: BreakdownRecord) -> None:
    assert record.training is not None
    for index, seconds in enumerate(record.training.steps):
        held = sum(samples[index] for samples in record.training.phases.values())
        # What is missing is the few lines outside of the first and the last cut.
        assert held <= seconds
        assert held == pytest.approx(seconds, rel=0.02, abs=2e-3)


def test_factorisations_are_counted_one_a_distance(record: BreakdownRecord) -> None:
    """6 anchors against a pool of 2 * 1 * 2 * 3 rows and one positive each."""
    counts = {count.path: count.factorizations for count in record.operators}
    assert counts["loss/pac"] == 6 * (12 + 1)
    assert counts["backbone"] == 0


def test_the_model_is_described_as_built(record: BreakdownRecord) -> None:
    assert record.workload.feature_map == (96, 3, 3)
    assert record.workload.num_parameters is not None
    assert record.workload.num_parameters > 372_688


def test_loss_and_gradient_are_held_against_float64(record: BreakdownRecord) -> None:
    assert record.fidelity is not None
    assert (record.fidelity.against, record.fidelity.oracle) == ("baseline", "loop")
    assert record.fidelity.losses["total"] == pytest.approx(record.fidelity.reference_losses["total"], rel=1e-3)
    assert record.variant == VariantUsed()


def test_comparing_comes_after_all_that_is_timed_and_only_if_asked_for() -> None:
    step, built = build_step(TINY, CPU)
    begun: list[str] = []
    plan = Plan(warmup=0, steps=1, max_seconds=0.1)
    for asked in (True, False):
        outcome = Session(
            Built(step, Job.baseline(built), HostClock()),
            describe_environment(CPU),
            replace(plan, fidelity=asked),
            Quiet(begun.append),
            lambda record: None,
        ).run()
        assert (outcome.record.fidelity is not None) is asked
        assert (begun[-1] == "comparing with float64") is asked
        assert ("comparing with float64" in begun) is asked
        begun.clear()


def test_the_weights_of_the_first_step_are_compared(record: BreakdownRecord) -> None:
    """Steps have been taken in between, and moved weights, statistics and prototypes."""
    step, built = build_step(TINY, CPU)
    assert record.fidelity is not None
    fresh = measure_fidelity(step, built, built)
    assert record.fidelity.reference_losses == pytest.approx(fresh.reference_losses, rel=1e-9)


def test_a_comparison_without_room_costs_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*args: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr("paco_prof.measure.beside_float64.fidelity_of", no_room)
    outcome = measure_breakdown(
        Job.baseline(TINY), Plan(warmup=0, steps=1, max_seconds=0.1), Quiet(), lambda record: None
    )
    assert outcome.error is None
    assert outcome.record.training is not None
    assert outcome.record.fidelity is None
    (note,) = outcome.record.notes
    assert note.code == "no_fidelity"
    assert note.detail.startswith("RuntimeError: out of memory")


def test_a_variant_is_measured_as_the_device_can_do_it() -> None:
    planned = plan_variant(TINY, "exact", {"epoch": "7"})
    job = Job(planned.workload, planned.base, planned.used, planned.optional)
    outcome = measure_breakdown(
        job, Plan(warmup=0, steps=1, max_seconds=0.1, fidelity=False), Quiet(), lambda record: None
    )
    assert outcome.error is None
    record = outcome.record
    assert set(record.variant.left_out) == {"cudnn_benchmark"}
    assert record.variant.name == "exact"
    assert not record.workload.cudnn_benchmark
    assert record.workload.forms == planned.workload.forms
    assert record.workload.matching_cost == "Mahalanobis"
    assert {count.path: count.factorizations for count in record.operators}["loss/pac"] == TINY.batch_size


def test_what_a_device_cannot_do_is_said_before_anything_is_built() -> None:
    planned = plan_variant(TINY, "tf32", {})
    job = Job(planned.workload, planned.base, planned.used, planned.optional)
    saved: list[BreakdownRecord] = []
    with pytest.raises(UsageError, match="tf32 is not applicable"):
        measure_breakdown(job, Plan(), Quiet(), saved.append)
    assert saved == []


def test_an_interruption_keeps_what_was_measured() -> None:
    saved: list[BreakdownRecord] = []

    def interrupt(what: str) -> None:
        if what == "the loss alone":
            raise KeyboardInterrupt

    step, built = build_step(TINY, CPU)
    outcome = session(step, built, Quiet(interrupt), saved).run()
    assert isinstance(outcome.error, KeyboardInterrupt)
    assert outcome.record.training is not None
    assert len(outcome.record.training.steps) == 3
    assert outcome.record.loss_test is None
    # The steps themselves had come to their end.
    assert outcome.record.training.stop_reason == "as asked"
    assert [note.code for note in outcome.record.notes] == ["interrupted"]
    assert saved[-1] == outcome.record


def test_a_record_that_cannot_be_written_costs_no_measurement() -> None:
    """The disk is full from the first checkpoint on: the run goes to its end, and says so there."""

    def full(record: BreakdownRecord) -> None:
        raise UsageError("run.json cannot be written: No space left on device.")

    step, built = build_step(TINY, CPU)
    plan = Plan(warmup=0, steps=3, max_seconds=1.0, fidelity=False)
    outcome = Session(
        Built(step, Job.baseline(built), HostClock()), describe_environment(CPU), plan, Quiet(), full
    ).run()
    assert isinstance(outcome.error, UsageError)
    assert outcome.record.training is not None
    assert len(outcome.record.training.steps) == 3
    assert outcome.record.loss_test is not None
    assert outcome.record.notes == ()


def test_the_loss_of_a_rank_is_no_criterion_that_cannot_be_called_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the criterion's own leaves the loss test out, and one that ends the run ends it."""
    own = Workload(model="own_models:Tiny", batch_size=2, image_size=32)
    errors: list[BaseException] = [ValueError("planted"), RankError("Rank 1 of 2 died.", 4, is_mine=True)]
    outcomes = []
    for error in errors:

        def fail(*_: object, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr(LossAlone, "measure", fail)
        plan = Plan(warmup=0, steps=1, max_seconds=0.1, fidelity=False)
        outcomes.append(measure_breakdown(Job(own, own), plan, Quiet(), lambda record: None, given=Given(Tiny)))
    left_out, lost = outcomes
    assert left_out.error is None
    assert left_out.record.user_code is not None
    assert "planted" in left_out.record.user_code.no_loss_test
    assert left_out.record.memory is not None
    assert isinstance(lost.error, RankError)
    assert lost.record.memory is None
    assert [note.code for note in lost.record.notes] == ["failed"]


def test_a_step_that_fails_ends_the_run_with_the_steps_before_it() -> None:
    """The third training step's optimizer runs out of memory, say."""
    step, built = build_step(TINY, CPU)
    calls = 0
    take = step.optimization.update

    def fail_later(*args: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise RuntimeError("planted failure in /home/somebody/model.py")
        take()

    step.optimization.update = fail_later  # type: ignore[method-assign]
    outcome: Outcome = session(step, built, Quiet(), []).run()
    assert isinstance(outcome.error, RuntimeError)
    assert outcome.record.training is not None
    assert outcome.record.training.stop_reason == "failed"
    assert 1 <= len(outcome.record.training.steps) <= 3
    # With the line of somebody's code that it passed through, which here is this file.
    assert re.fullmatch(
        r"RuntimeError: planted failure in model\.py \(test_session\.py, line \d+\)", outcome.record.notes[0].detail
    )


def test_a_step_that_ends_the_process_ends_the_run_with_the_steps_before_it() -> None:
    step, built = build_step(TINY, CPU)
    calls = itertools.count(1)
    take = step.optimization.update

    def leave_later() -> None:
        if next(calls) == 4:
            sys.exit(0)
        take()

    step.optimization.update = leave_later  # type: ignore[method-assign]
    saved: list[BreakdownRecord] = []
    outcome = session(step, built, Quiet(), saved).run()
    assert isinstance(outcome.error, SystemExit)
    assert outcome.record.training is not None
    assert outcome.record.training.stop_reason == "failed"
    assert saved[-1] == outcome.record
    (note,) = outcome.record.notes
    assert re.fullmatch(r"SystemExit: 0 \(test_session\.py, line \d+\)", note.detail)
    told = ending(outcome.error, outcome.record.notes, 3, "measured step")
    assert isinstance(told, MeasurementError)
    assert str(told) == f"The measured code failed: {note.detail}."


def test_a_loss_that_only_some_steps_have_loses_no_record() -> None:
    step, built = build_step(TINY, CPU)
    calls, compute = itertools.count(), step.compute

    def computed(*views: torch.Tensor) -> Mapping[str, Any]:
        losses = compute(*views)
        return {**losses, "extra": losses["total"]} if next(calls) % 2 else losses

    step.compute = computed  # type: ignore[method-assign]
    outcome = session(step, built, Quiet(), []).run()
    assert outcome.error is None
    assert outcome.record.training is not None
    assert set(outcome.record.training.losses) == {"total", "ce", "pac", "soc"}


def test_a_loss_that_is_not_a_number_is_measured_all_the_same() -> None:
    step, built = build_step(TINY, CPU)
    with torch.no_grad():
        next(step.model.get_submodule("backbone").parameters()).fill_(math.nan)
    outcome = session(step, built, Quiet(), []).run()
    assert outcome.error is None
    assert outcome.record.training is not None
    assert all(math.isnan(value) for value in outcome.record.training.losses["total"])
    assert breakdown_view(outcome.record) is not None


def test_batch_size_one_runs_and_its_pac_is_zero() -> None:
    step, built = build_step(TINY.model_copy(update={"batch_size": 1}), CPU)
    outcome = session(step, built, Quiet(), []).run()
    assert outcome.error is None
    assert outcome.record.training is not None
    assert set(outcome.record.training.losses["pac"]) == {0.0}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_parts": 10}, "K=10 parts do not fit on the feature map of test_resnet at 96 px: 3 x 3 = 9 pixels"),
        ({"window": 4}, "r=4"),
        ({"backbone": "test_resnett"}, "Did you mean test_resnet"),
        ({"backbone": "test_vit", "image_size": 7}, "7 px"),
    ],
)
def test_what_cannot_be_built_is_said_before_anything_is_measured(change: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build_step(TINY.model_copy(update=change), CPU)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_on_a_gpu_both_clocks_and_the_allocator_are_read() -> None:
    workload = TINY.model_copy(update={"device": "cuda", "threads": None})
    outcome = measure_breakdown(
        Job.baseline(workload), Plan(warmup=2, steps=3, max_seconds=5.0), Quiet(), lambda record: None
    )
    assert outcome.error is None
    training, memory = outcome.record.training, outcome.record.memory
    assert training is not None
    assert memory is not None
    assert all(samples.device is not None and None not in samples.device for samples in training.stages)
    assert {stage.path for stage in memory.stages} >= {"backbone", "loss", "loss/pac", "optimizer"}


def test_where_one_rank_cannot_infer_none_does() -> None:
    """The others would wait for it in other places than it waits for them."""
    step, built = build_step(TINY, CPU)
    saved: list[BreakdownRecord] = []
    for other, infers in ((False, False), (None, True)):
        group = OneOfTwo(Place(0, 2, 0), "gloo", other=other)
        plan = Plan(warmup=0, steps=1, max_seconds=0.1, fidelity=False)
        ranks = Built(step, Job.baseline(built), HostClock(), group=group)
        outcome = Session(ranks, describe_environment(CPU), plan, Quiet(), saved.append).run()
        assert outcome.error is None
        assert (outcome.record.inference is not None) is infers
        assert outcome.record.training is not None

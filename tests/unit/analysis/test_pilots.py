"""What each kind of record gives a projection."""

from __future__ import annotations

import pytest

from accuracies import accuracy_record
from builders import CPU, ON_CPU, RESNET50, Times, analysis_record, cpu_record, exact_record, gpu_record, training_of
from comparisons import aa_record, comparison_record, unmeasured_record
from paco_prof.analysis.pilots import pilots_of
from paco_prof.analysis.pilots_together import pilots_together
from paco_prof.errors import UsageError
from paco_prof.records import BreakdownRecord, TrainingRunRecord
from projections import estimate_record
from training_runs import RESNET18, epoch_of, run_of

LATER = RESNET50.model_copy(update={"epoch": 3, "matching_cost": "wasserstein"})


def test_a_breakdown_is_one_block_of_its_steps() -> None:
    record = cpu_record()
    (pilot,) = pilots_of(record)
    assert record.training is not None
    assert record.inference is not None
    (series,) = pilot.steps
    assert (pilot.name, pilot.origin, series.during_warmup) == ("baseline", "breakdown", True)
    assert series.blocks == (record.training.steps,)
    assert (series.waiting, pilot.startup, pilot.epoch_start) == ((), None, ())
    assert pilot.evaluation is not None
    assert (pilot.evaluation.blocks, pilot.evaluation.batch_size) == ((record.inference.runs,), 8)
    assert pilots_of(cpu_record(workload=LATER))[0].steps[0].during_warmup is False


def test_a_quoted_record_keeps_its_projections_and_tells_no_kind() -> None:
    (pilot,) = pilots_of(analysis_record())
    assert pilot.steps[0].during_warmup is None
    assert [claim.quantity for claim in pilot.claims] == ["epoch_minutes", "total_hours"]
    assert pilot.source.kind == "quoted"


def test_the_wait_for_a_batch_is_no_part_of_its_step() -> None:
    stages = (Times("data", other=0.5), Times("backbone", 1.0, 2.0))
    training = training_of(stages, (1.0, 2.0), loading=(0.4, 0.4))
    (series,) = pilots_of(cpu_record(training=training))[0].steps
    assert series.blocks == (pytest.approx((3.0, 6.0)),)
    assert series.waiting == (pytest.approx((0.5, 1.0)),)
    assert series.loading == (0.4, 0.4)


def test_a_step_that_only_waited_is_refused() -> None:
    training = training_of((Times("data", other=0.5),), (1.0,))
    with pytest.raises(UsageError, match="before its batch"):
        pilots_of(cpu_record(training=training))


def test_launches_are_blocks_and_the_baselines_are_rounds() -> None:
    record = comparison_record()
    baseline, exact, optimized = pilots_of(record)
    assert [pilot.name for pilot in (baseline, exact, optimized)] == ["baseline", "exact", "optimized"]
    assert [len(block) for block in baseline.steps[0].blocks] == [14, 14, 14]
    assert [len(block) for block in exact.steps[0].blocks] == [7, 7, 7]
    first = record.launches_of(1)[0]
    assert exact.steps[0].blocks[0] == first.variant.training.steps
    assert baseline.steps[0].blocks[0][:7] == first.baseline.training.steps
    assert optimized.workload.backbone == "efficientnet_b0"
    assert {pilot.origin for pilot in (baseline, exact)} == {"comparison"}


def test_a_halved_batch_is_the_pilots() -> None:
    record = comparison_record()
    halved = tuple(launch.model_copy(update={"halvings": 1}) for launch in record.launches)
    assert [p.workload.batch_size for p in pilots_of(record.model_copy(update={"launches": halved}))] == [4, 4, 4]


def test_launches_that_did_not_end_take_no_part() -> None:
    record = comparison_record()
    cut = record.launches[0]
    training = cut.variant.training.model_copy(update={"stop_reason": "interrupted"})
    broken = cut.model_copy(update={"variant": cut.variant.model_copy(update={"training": training})})
    exact = pilots_of(record.model_copy(update={"launches": (broken, *record.launches[1:])}))[1]
    assert len(exact.steps[0].blocks) == 2


def test_both_sides_of_a_variant_against_itself_have_a_name() -> None:
    assert [pilot.name for pilot in pilots_of(aa_record())] == ["baseline", "baseline, again"]


def test_a_training_run_has_every_term() -> None:
    """45 batches of 32, the last of 30 images: 44.9375 full ones, of which one is the epoch's start."""
    epochs = tuple(epoch_of(number) for number in range(5))
    (pilot,) = pilots_of(run_of(*epochs, workload=RESNET18, startup_seconds=6.0, processes=2))
    during, after = pilot.steps
    assert (during.during_warmup, len(during.blocks), after.during_warmup, len(after.blocks)) == (True, 3, False, 2)
    assert during.blocks[0] == (pytest.approx(9.75 / 44.9375),)
    wait = 0.5 / 43.9375
    assert during.waiting[0] == (pytest.approx(wait),)
    assert pilot.epoch_start == (pytest.approx(0.25 - wait),) * 5
    assert pilot.checkpoint == (0.15,) * 5
    assert pilot.startup == 3.0
    assert pilot.evaluation is not None
    assert pilot.evaluation.blocks[0] == (pytest.approx(1.25 / (359 / 32)),)
    assert pilot.origin == "training"


def test_a_run_that_was_never_evaluated_has_no_evaluation() -> None:
    epochs = (epoch_of(0, evaluation_seconds=None, accuracy=None),)
    assert pilots_of(run_of(*epochs))[0].evaluation is None


def test_an_estimate_has_its_own_pilots() -> None:
    record = estimate_record()
    assert pilots_of(record) == record.pilots


@pytest.mark.parametrize(
    "record",
    [cpu_record(training=None), unmeasured_record(), run_of()],
    ids=["breakdown", "comparison", "training"],
)
def test_without_a_training_step_there_is_nothing_to_project(record: BreakdownRecord | TrainingRunRecord) -> None:
    with pytest.raises(UsageError, match="no training step"):
        pilots_of(record)


def test_a_comparison_of_accuracy_is_nothing_to_project() -> None:
    with pytest.raises(UsageError, match="accuracy"):
        pilots_of(accuracy_record())


def test_records_of_one_machine_come_together() -> None:
    together = pilots_together({"a.json": cpu_record(), "b.json": exact_record()})
    assert [pilot.name for pilot in together] == ["baseline", "exact"]


def test_records_of_different_machines_do_not() -> None:
    with pytest.raises(UsageError, match=r"a\.json and b\.json .*cores.*accelerator"):
        pilots_together({"a.json": cpu_record(), "b.json": gpu_record()})
    with pytest.raises(UsageError, match=r"a\.json names no machine"):
        pilots_together({"a.json": analysis_record(), "b.json": cpu_record()})


def test_what_a_variant_switches_on_makes_no_other_machine() -> None:
    flags = {**CPU.flags, "cudnn_benchmark": True, "tf32_matmul": True}
    other = exact_record().model_copy(update={"environment": CPU.model_copy(update={"flags": flags})})
    assert len(pilots_together({"a.json": cpu_record(), "b.json": other})) == 2
    other = other.model_copy(update={"environment": CPU.model_copy(update={"flags": {"OMP_NUM_THREADS": "1"}})})
    with pytest.raises(UsageError, match="they differ in deterministic_algorithms, OMP_NUM_THREADS"):
        pilots_together({"a.json": cpu_record(), "b.json": other})


def test_a_record_without_steps_is_named() -> None:
    with pytest.raises(UsageError, match=r"b\.json: "):
        pilots_together({"a.json": cpu_record(), "b.json": exact_record().model_copy(update={"training": None})})


def test_two_epochs_of_one_variant_become_one_pilot() -> None:
    early, late = cpu_record(), cpu_record(workload=LATER, training=training_of(ON_CPU, (0.5,) * 3))
    (pilot,) = pilots_together({"early.json": early, "late.json": late})
    assert [series.during_warmup for series in pilot.steps] == [True, False]
    (again,) = pilots_together({"early.json": early, "more.json": early.model_copy(update={"created": "later"})})
    assert [len(series.blocks) for series in again.steps] == [2]
    assert again.evaluation is not None
    assert len(again.evaluation.blocks) == 2


def test_another_variant_of_the_same_name_says_in_what_it_differs() -> None:
    larger = cpu_record(workload=RESNET50.model_copy(update={"batch_size": 16}))
    together = pilots_together({"a.json": cpu_record(), "b.json": larger, "c.json": estimate_record()})
    names = [pilot.name for pilot in together]
    assert names[:2] == ["baseline", "baseline (batch_size=16)"]
    assert names[2].startswith("baseline (data=digits")
    assert len(set(names)) == len(names)

"""The rows of the bottleneck table: which there are, in which order, and that they add up to the step."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import (
    Times,
    analysis_record,
    cpu_record,
    gpu_record,
    interrupted_record,
    records,
    training_of,
    with_stage,
)
from paco_prof.analysis.breakdown import BreakdownView, Priority, breakdown_view, priority_of
from paco_prof.records import BreakdownRecord, Inference, LossTest, Overhead, StageSamples

SECONDS = st.floats(1e-6, 1e3)
BUILT = [cpu_record(), gpu_record(), interrupted_record(), analysis_record()]
NAMES = ["cpu", "gpu", "interrupted", "analysis"]


def view_of(record: BreakdownRecord) -> BreakdownView:
    """The view, where there has to be one."""
    view = breakdown_view(record)
    assert view is not None
    return view


def paths(record: BreakdownRecord) -> list[str]:
    """The stages of the table from top to bottom."""
    return [row.path for row in view_of(record).rows]


def check_sums(view: BreakdownView) -> None:
    """Top rows plus unattributed are the whole, in every column, whatever the sign of what is left."""
    for column, whole in (("forward", view.forward), ("backward", view.backward)):
        held = [getattr(row, column) for row in view.top_rows]
        total = math.fsum([*(e.value for e in held if e is not None), view.unattributed[column]])
        assert total == pytest.approx(whole.value, rel=1e-9, abs=1e-9)
    total = math.fsum([*(row.seconds for row in view.top_rows), view.unattributed["total"]])
    assert total == pytest.approx(view.step.value, rel=1e-9, abs=1e-9)


@given(records(SECONDS))
def test_rows_and_unattributed_are_the_step(record: BreakdownRecord) -> None:
    check_sums(view_of(record))


@pytest.mark.parametrize("record", BUILT, ids=NAMES)
def test_rows_and_unattributed_are_the_step_of_the_built_records(record: BreakdownRecord) -> None:
    check_sums(view_of(record))


def test_what_is_left_has_a_sign() -> None:
    """The quoted components take longer than the forward pass that they are parts of."""
    view = view_of(analysis_record())
    assert view.unattributed["forward"] == pytest.approx(4.982 - 5.283)
    assert view.unattributed["backward"] == pytest.approx(8.284)
    assert view.unattributed["total"] == pytest.approx(13.266 - 5.283)


@given(records(SECONDS))
def test_shares_of_the_top_rows_and_the_rest_are_one(record: BreakdownRecord) -> None:
    view = view_of(record)
    shares = math.fsum(row.share for row in view.top_rows if row.share is not None)
    if view.share_of == "step":
        assert shares + view.unattributed["total"] / view.step.value == pytest.approx(1.0)
    else:
        assert shares == pytest.approx(1.0)


@given(records(SECONDS))
def test_a_parent_holds_its_children_and_its_own_time(record: BreakdownRecord) -> None:
    view, training = view_of(record), record.training
    assert training is not None
    is_read = all(value is not None for stage in training.stages for value in stage.seconds)
    for row in view.rows:
        children = [r for r in view.rows if r.path.startswith(f"{row.path}/") and r.depth == row.depth + 1]
        if children and is_read:
            assert row.seconds >= sum(child.seconds for child in children) * (1 - 1e-9)
        assert row.depth == row.path.count("/")


@given(records(SECONDS), st.integers(-30, 30))
@settings(max_examples=60)
def test_scaling_every_time_leaves_shares_ratios_and_priorities(record: BreakdownRecord, exponent: int) -> None:
    """Bit for bit, for a power of two."""
    before, after = view_of(record), view_of(scaled(record, 2.0**exponent))
    assert [(row.path, row.share, row.priority, row.host_bound) for row in before.rows] == [
        (row.path, row.share, row.priority, row.host_bound) for row in after.rows
    ]
    assert after.training_over_inference == before.training_over_inference
    assert after.step.relative_half_width == before.step.relative_half_width
    assert after.overhead == before.overhead
    assert (after.instrument is None) == (before.instrument is None)
    assert (after.instrument or 0.0) / after.step.value == (before.instrument or 0.0) / before.step.value
    assert after.step.value == before.step.value * 2.0**exponent


@pytest.mark.parametrize("factor", [0.001, 0.3, 7.0, 1000.0])
@pytest.mark.parametrize("record", BUILT, ids=NAMES)
def test_scaling_by_any_factor_leaves_them_to_rounding(record: BreakdownRecord, factor: float) -> None:
    before, after = view_of(record), view_of(scaled(record, factor))
    for one, other in zip(before.rows, after.rows, strict=True):
        assert other.priority == one.priority
        assert other.share == (None if one.share is None else pytest.approx(one.share))
    assert after.training_over_inference == pytest.approx(before.training_over_inference)


def scaled(record: BreakdownRecord, factor: float) -> BreakdownRecord:
    """The same run on a machine that is slower by a factor in everything."""

    def times(samples: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sample * factor for sample in samples)

    def stage(samples: StageSamples) -> StageSamples:
        device = samples.device and tuple(value if value is None else value * factor for value in samples.device)
        return samples.model_copy(update={"host": times(samples.host), "device": device})

    training, inference, test, overhead = record.training, record.inference, record.loss_test, record.overhead
    assert training is not None
    return record.model_copy(
        update={
            "training": training.model_copy(
                update={
                    "steps": times(training.steps),
                    "instrument": times(training.instrument),
                    "phases": {name: times(samples) for name, samples in training.phases.items()},
                    "stages": tuple(stage(s) for s in training.stages),
                }
            ),
            "inference": inference and Inference(runs=times(inference.runs)),
            "loss_test": test and LossTest(**{name: times(samples) for name, samples in test}),
            "overhead": overhead and Overhead(**{name: times(samples) for name, samples in overhead}),
        }
    )


def test_rows_stand_in_the_analysiss_order() -> None:
    assert paths(cpu_record()) == [
        "loss",
        "loss/ce",
        "loss/pac",
        "loss/soc",
        "backbone",
        "part_sampling",
        "matching",
        "covariance",
        "negatives_pool",
        "dim_reduction",
        "classifier",
        "prototypes",
        "transfer",
        "zero_grad",
        "autograd",
        "graph_release",
        "optimizer",
    ]


@given(records(SECONDS), st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_the_records_order_does_not_matter(record: BreakdownRecord, order: random.Random) -> None:
    assert record.training is not None
    stages = list(record.training.stages)
    order.shuffle(stages)
    shuffled = record.model_copy(update={"training": record.training.model_copy(update={"stages": tuple(stages)})})
    assert paths(shuffled) == paths(record)


@given(records(SECONDS))
def test_every_stage_has_one_row_below_its_parents(record: BreakdownRecord) -> None:
    found = paths(record)
    assert record.training is not None
    assert {stage.path for stage in record.training.stages} <= set(found)
    assert len(set(found)) == len(found)
    for index, path in enumerate(found):
        if "/" in path:
            parent = path.rpartition("/")[0]
            above = found[found.index(parent) + 1 : index]
            assert all(other.startswith(f"{parent}/") for other in above)


def test_stages_of_somebody_elses_model_get_rows() -> None:
    """Below the known ones, nested ones below their parents, parents that never announced themselves included."""
    training = training_of(
        (Times("optimizer", other=1.0), Times("a/b/c", 2.0), Times("loss/mine", 3.0), Times("loss/ce", 1.0, 1.0))
    )
    record = cpu_record(training=training)
    assert paths(record) == ["loss", "loss/ce", "loss/mine", "optimizer", "a", "a/b", "a/b/c"]
    view = view_of(record)
    assert [view.row(path).depth for path in ("a", "a/b", "a/b/c")] == [0, 1, 2]  # type: ignore[union-attr]
    assert len({view.row(path).seconds for path in ("a", "a/b", "a/b/c")}) == 1  # type: ignore[union-attr]


def test_names_that_begin_alike_are_not_family() -> None:
    stages = (Times("loss", 1.0, 1.0), Times("loss2", 5.0), Times("lo", 7.0))
    view = view_of(cpu_record(training=training_of(stages, (1.0,))))
    assert [row.path for row in view.rows] == ["loss", "lo", "loss2"]
    loss = view.row("loss")
    assert loss is not None
    assert loss.forward is not None
    assert loss.forward.value == pytest.approx(1.0)


def test_a_stage_that_is_entered_again_adds_up() -> None:
    again = StageSamples(path="loss/pac", phase="forward", calls=1, host=(1.0,) * 7)
    before, after = view_of(cpu_record()).row("loss/pac"), view_of(with_stage(cpu_record(), again)).row("loss/pac")
    assert before is not None
    assert after is not None
    assert after.seconds == pytest.approx(before.seconds + 1.0)


@pytest.mark.parametrize(
    ("share", "priority"),
    [
        (1.2, Priority.CRITICAL),
        (0.5, Priority.CRITICAL),
        (0.4999, Priority.HIGH),
        (0.1, Priority.HIGH),
        (0.0999, Priority.MEDIUM),
        (0.03, Priority.MEDIUM),
        (0.0299, Priority.LOW),
        (0.0, Priority.LOW),
    ],
)
def test_priority_by_share(share: float, priority: Priority) -> None:
    assert priority_of(share) is priority


def test_a_run_without_training_steps_has_no_view() -> None:
    assert breakdown_view(cpu_record(training=None)) is None

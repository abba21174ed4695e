"""The figures of a breakdown: of the typical step, on the right clock, None where nothing was read."""

from __future__ import annotations

import random
from statistics import fmean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import Times, analysis_record, changed, cpu_record, gpu_record, training_of, with_stage
from paco_prof.analysis.breakdown import BreakdownView, StageRow, breakdown_view, typical_steps
from paco_prof.records import BreakdownRecord, Overhead, StageSamples

STEPS = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=50)


def view_of(record: BreakdownRecord) -> BreakdownView:
    """The view, where there has to be one."""
    view = breakdown_view(record)
    assert view is not None
    return view


def row_of(record: BreakdownRecord, path: str) -> StageRow:
    """The row of a stage that has to be there."""
    row = view_of(record).row(path)
    assert row is not None
    return row


@given(STEPS)
def test_typical_steps_are_the_middle_half(steps: list[float]) -> None:
    typical = typical_steps(steps)
    assert len(set(typical)) == len(typical) >= 1
    left_out = [steps[index] for index in set(range(len(steps))) - set(typical)]
    inside = [steps[index] for index in typical]
    num_below = sum(value <= min(inside) for value in left_out)
    assert all(value <= min(inside) or value >= max(inside) for value in left_out)
    assert len(left_out) % 2 == 0
    assert num_below >= len(left_out) // 2
    assert len(inside) >= len(steps) / 2 or len(steps) == 3


@given(STEPS)
def test_up_to_four_steps_give_their_median(steps: list[float]) -> None:
    few = steps[:4]
    assert fmean(few[index] for index in typical_steps(few)) == pytest.approx(median(few))


@given(STEPS, st.randoms(use_true_random=False))
def test_when_a_step_was_taken_does_not_matter(steps: list[float], order: random.Random) -> None:
    shuffled = steps.copy()
    order.shuffle(shuffled)
    assert sorted(shuffled[i] for i in typical_steps(shuffled)) == sorted(steps[i] for i in typical_steps(steps))


def test_one_slow_step_changes_nothing() -> None:
    """Somebody started a compiler in the middle: the typical step stays what it was, and rows still add up to it."""
    quiet = cpu_record(training=training_of((Times("loss", 1.0, 2.0),), (1.0,) * 7))
    disturbed = cpu_record(training=training_of((Times("loss", 1.0, 2.0),), (1.0,) * 6 + (40.0,)))
    assert view_of(disturbed).step.value == view_of(quiet).step.value == pytest.approx(3.0)
    assert row_of(disturbed, "loss").seconds == pytest.approx(3.0)


def test_rows_are_of_the_same_steps_as_the_whole() -> None:
    """Medians of two stages that take turns being slow would miss a third of the step."""
    slow, fast = 2.0, 1.0
    one, other = (slow, fast) * 3, (fast, slow) * 3
    stages = tuple(
        StageSamples(path=path, phase="forward", calls=1, host=host) for path, host in (("one", one), ("other", other))
    )
    training = training_of((Times("x", 3.0, 0.0),), (1.0,) * 6).model_copy(update={"stages": stages})
    view = view_of(cpu_record(training=training))
    assert sum(row.seconds for row in view.rows) == pytest.approx(view.step.value) == pytest.approx(3.0)


def test_phases_add_up_to_a_rows_total() -> None:
    row = row_of(cpu_record(), "loss/pac")
    assert row.forward is not None
    assert row.backward is not None
    assert row.other is None
    assert row.seconds == pytest.approx(row.forward.value + row.backward.value)


def test_a_phase_that_a_stage_never_runs_in_is_none_and_not_zero() -> None:
    assert row_of(cpu_record(), "matching").backward is None
    optimizer = row_of(cpu_record(), "optimizer")
    assert (optimizer.forward, optimizer.backward) == (None, None)
    assert optimizer.other is not None
    zero = StageSamples(path="free", phase="forward", calls=1, host=(0.0,) * 7)
    free = row_of(with_stage(cpu_record(), zero), "free")
    assert free.total is not None
    assert free.seconds == free.share == 0.0


def test_a_lost_event_is_not_measured_and_not_zero() -> None:
    row = row_of(gpu_record(), "augment")
    assert (row.forward, row.total, row.share, row.priority) == (None, None, None, None)
    assert row.seconds == 0.0


def test_a_step_whose_event_was_lost_is_left_out_of_that_row_alone() -> None:
    """The others of the typical steps still tell."""
    device = (0.002, None, 0.002, 0.002, 0.002, None, 0.002)
    lossy = StageSamples(path="augment2", phase="forward", calls=1, host=(9.0,) * 7, device=device)
    row = row_of(with_stage(gpu_record(), lossy), "augment2")
    assert row.seconds == pytest.approx(0.002)
    assert row.total is not None
    assert row.total.num_samples == 5


def test_a_parent_does_not_pretend_to_know_what_a_child_lost() -> None:
    lost = StageSamples(path="loss/new", phase="forward", calls=1, host=(1.0,) * 7, device=(None,) * 7)
    record = with_stage(gpu_record(), lost)
    assert row_of(record, "loss").total is None
    assert row_of(record, "loss").backward is not None
    assert row_of(record, "loss/pac").total is not None


def test_the_device_clock_is_the_one_that_counts() -> None:
    """The host is through with the backbone in a hundredth of the time."""
    assert row_of(gpu_record(), "backbone").seconds == pytest.approx(0.0356, rel=0.01)


def test_a_stage_is_host_bound_where_the_device_waits_for_the_host() -> None:
    bound = {row.path: row.host_bound for row in view_of(gpu_record()).rows if row.host_bound}
    assert bound == {"loss": ("forward",), "loss/pac": ("forward",), "matching": ("forward",)}
    assert not any(row.host_bound for row in view_of(cpu_record()).rows)


def test_calls_are_those_of_the_forward_pass() -> None:
    record = changed(cpu_record(), "training.stages.2.calls", 2)
    assert row_of(record, "backbone").calls == 2
    assert row_of(cpu_record(), "optimizer").calls == 1


def test_a_quoted_record_has_shares_of_its_forward_stages() -> None:
    view = view_of(analysis_record())
    assert view.share_of == "forward stages"
    shares = {row.path: round(row.share * 100, 1) for row in view.rows if row.share is not None}
    assert shares == {
        "loss": 94.1,
        "backbone": 3.6,
        "part_sampling": 1.4,
        "matching": 0.3,
        "covariance": 0.2,
        "negatives_pool": 0.3,
        "dim_reduction": 0.1,
    }


def test_measured_shares_are_of_the_step() -> None:
    view = view_of(cpu_record())
    assert view.share_of == "step"
    assert row_of(cpu_record(), "loss").share == pytest.approx(row_of(cpu_record(), "loss").seconds / view.step.value)


def test_backward_that_could_not_be_divided_is_a_row() -> None:
    training = training_of((Times("loss", 1.0), Times("backward", backward=4.0)), backward_whole="it is compiled")
    view = view_of(cpu_record(training=training))
    assert view.share_of == "step"
    assert view.unattributed["backward"] == pytest.approx(0.0)
    row = view.row("backward")
    assert row is not None
    assert row.share == pytest.approx(0.8)


def test_training_over_inference() -> None:
    assert view_of(analysis_record()).training_over_inference == pytest.approx(13266 / 22.59)
    assert view_of(cpu_record(inference=None)).training_over_inference is None


def test_peaks_are_the_highest_of_both_passes() -> None:
    peaks = {row.path: row.peak_bytes for row in view_of(gpu_record()).rows if row.peak_bytes is not None}
    assert peaks["backbone"] == 9_112_000_000
    assert peaks["transfer"] == 90_000_000
    assert "matching" not in peaks
    assert all(row.peak_bytes is None for row in view_of(cpu_record()).rows)


def test_overhead_is_taken_pair_by_pair() -> None:
    """A machine that grows slower from pair to pair does not make the instrument look expensive."""
    drifting = Overhead(instrumented=(1.01, 2.02, 4.04), bare=(1.0, 2.0, 4.0))
    overhead = view_of(cpu_record(overhead=drifting)).overhead
    assert overhead is not None
    assert overhead.value == pytest.approx(0.01)
    assert overhead.high == pytest.approx(0.01)
    assert view_of(cpu_record(overhead=None)).overhead is None


def test_what_the_timer_itself_took_is_of_the_typical_step() -> None:
    training = training_of((Times("loss", 1.0, 2.0),), (1.0,) * 6 + (40.0,), instrument=(0.001,) * 6 + (0.5,))
    assert view_of(cpu_record(training=training)).instrument == pytest.approx(0.001)
    assert view_of(analysis_record()).instrument is None

"""Records as data frames: the table of the report, and every raw sample; none of it made up."""

from __future__ import annotations

import pandas as pd
import pytest

from builders import JITTER, analysis_record, cpu_record, exact_record, gpu_record
from comparisons import comparison_record, unmeasured_record
from paco_prof.analysis.breakdown import breakdown_view
from paco_prof.analysis.frame import breakdown_frame, comparison_frame, estimate_frame, samples_frame
from paco_prof.analysis.projection import TERMS, projection_view
from paco_prof.records import BreakdownRecord, EstimateRecord
from projections import RECORDS as ESTIMATES
from projections import estimate_record

SECONDS = ["forward", "backward", "other", "total"]


def test_every_sample_is_a_row() -> None:
    record = cpu_record()
    assert record.training is not None
    frame = samples_frame(record)
    assert list(frame.columns) == ["stage", "phase", "step", "seconds", "host_seconds"]
    assert len(frame) == len(record.training.stages) * len(JITTER)
    pac = frame[(frame.stage == "loss/pac") & (frame.phase == "backward")]
    assert pac.seconds.tolist() == [3.041 * factor for factor in JITTER]
    assert pac.step.tolist() == list(range(len(JITTER)))


def test_the_device_clock_stands_beside_the_hosts_and_a_lost_event_is_missing() -> None:
    frame = samples_frame(gpu_record())
    backbone = frame[frame.stage == "backbone"]
    assert (backbone.seconds > backbone.host_seconds).all()
    lost = frame[frame.stage == "augment"]
    assert lost.seconds.isna().all()
    assert lost.host_seconds.notna().all()


def test_without_training_steps_the_frame_is_empty_with_the_same_columns() -> None:
    frame = samples_frame(cpu_record(training=None))
    assert len(frame) == 0
    assert "seconds" in frame.columns


def test_every_sample_of_a_comparison_is_a_row() -> None:
    record = comparison_record(launches=2)
    frame = samples_frame(record)
    assert list(frame.columns) == [
        *("variant", "launch", "round", "side"),
        *("stage", "phase", "step", "seconds", "host_seconds"),
    ]
    sides = [side.training for launch in record.launches for side in (launch.baseline, launch.variant)]
    assert len(frame) == sum(len(training.stages) * len(JITTER) for training in sides)
    assert set(frame.variant) == {"exact", "optimized"}
    assert set(frame.side) == {"baseline", "variant"}
    chosen = (frame.variant == "exact") & (frame["round"] == 1) & (frame.side == "variant")
    pac = frame[chosen & (frame.stage == "loss/pac") & (frame.phase == "forward")]
    (launch,) = [launch for launch in record.launches if (launch.contestant, launch.round) == (1, 1)]
    (samples,) = [s for s in launch.variant.training.stages if (s.path, s.phase) == ("loss/pac", "forward")]
    assert pac.seconds.tolist() == list(samples.host)
    assert pac.step.tolist() == list(range(len(JITTER)))


def test_a_comparison_without_a_launch_is_an_empty_frame_with_the_same_columns() -> None:
    frame = samples_frame(unmeasured_record())
    assert len(frame) == 0
    assert list(frame.columns) == list(samples_frame(comparison_record(launches=1)).columns)


def test_a_row_is_of_one_launch_only() -> None:
    record = comparison_record(launches=1)
    again = tuple(launch.model_copy(update={"halvings": 1}) for launch in record.launches)
    frame = samples_frame(record.model_copy(update={"launches": (*record.launches, *again)}))
    assert not frame.duplicated([name for name in frame.columns if not name.endswith("seconds")]).any()


@pytest.mark.parametrize("record", [cpu_record(), gpu_record(), exact_record(), analysis_record()])
def test_top_rows_and_what_is_unattributed_add_up_to_the_step(record: BreakdownRecord) -> None:
    frame = breakdown_frame(record)
    assert list(frame.row[-2:]) == ["unattributed", "step"]
    parts, (step,) = frame[(frame.depth == 0) & (frame.row != "step")], frame[frame.row == "step"].index
    for column in SECONDS:
        assert parts[column].sum() == pytest.approx(frame.loc[step, column], abs=1e-12)
    shares = parts.share.sum()
    assert shares == pytest.approx(1.0)


def test_a_breakdowns_frame_is_its_table() -> None:
    record = cpu_record()
    view, frame = breakdown_view(record), breakdown_frame(record)
    assert view is not None
    assert list(frame.stage[:-2]) == [row.path for row in view.rows]
    loss = frame.set_index("stage").loc["loss"]
    assert (loss.calls, loss.depth, loss.priority) == (1, 0, "CRITICAL")
    total = view.rows[0].total
    assert total is not None
    assert (loss.total, loss.low, loss.high) == (total.value, total.low, total.high)
    # What is in neither pass has neither time.
    transfer = frame.set_index("stage").loc["transfer"]
    assert pd.isna(transfer.forward)
    assert transfer.other == transfer.total


def test_a_stage_that_is_called_like_a_sum_is_told_apart() -> None:
    record = cpu_record()
    assert record.training is not None
    stages = [s.model_copy(update={"path": "step"} if s.path == "backbone" else {}) for s in record.training.stages]
    frame = breakdown_frame(
        record.model_copy(update={"training": record.training.model_copy(update={"stages": stages})})
    )
    assert list(frame[frame.stage == "step"].row) == ["stage", "step"]


def test_numbers_are_numbers_even_where_none_was_measured() -> None:
    frames = [breakdown_frame(cpu_record(training=None)), comparison_frame(unmeasured_record())]
    for frame, numbers in zip(frames, (SECONDS, ["step", "speedup", "loss_error", "peak_bytes"]), strict=True):
        assert all(frame[name].dtype == float for name in numbers)
    assert list(frames[0].columns) == list(breakdown_frame(cpu_record()).columns)
    assert (len(frames[0]), len(frames[1])) == (0, 3)


def test_a_comparisons_frame_has_a_row_a_variant() -> None:
    frame = comparison_frame(comparison_record()).set_index("variant")
    assert list(frame.index) == ["baseline", "exact", "optimized"]
    baseline, exact = frame.loc["baseline"], frame.loc["exact"]
    assert pd.isna(baseline.speedup)
    assert baseline.established is None
    assert exact.low < exact.speedup < exact.high
    assert exact.established is True
    assert exact.samples_per_second == pytest.approx(exact.batch_size / exact.step)
    assert frame.fidelity.tolist() == ["confirmed"] * 3
    assert frame.loc["optimized"].loss_error == pytest.approx(3.1e-4)


@pytest.mark.parametrize("name", list(ESTIMATES))
def test_the_terms_of_an_estimate_add_up_to_its_hours(name: str) -> None:
    record: EstimateRecord = ESTIMATES[name]()
    frame, view = estimate_frame(record), projection_view(record)
    terms = [f"hours_{term.replace(' ', '_').replace('-', '_')}" for term in TERMS]
    assert frame[terms].sum(axis=1).tolist() == pytest.approx(frame.hours.tolist())
    assert frame.hours.tolist() == [run.total.value / 3600 for run in view.runs]
    assert frame.seconds_per_epoch.tolist() == [run.epoch.value for run in view.runs]
    assert pd.isna(frame.speedup[0])
    assert frame.hours_saved[1:].tolist() == pytest.approx((frame.hours[0] - frame.hours[1:]).tolist())


def test_an_estimates_frame_tells_how_devices_scale() -> None:
    frame = estimate_frame(ESTIMATES["eight devices"]())
    assert (frame.devices.tolist(), frame.scaling.tolist()) == ([8, 8], ["extrapolated"] * 2)
    assert (frame.efficiency_low < frame.efficiency).all()
    assert (frame.efficiency < frame.efficiency_high).all()
    alone = estimate_frame(estimate_record())
    assert (alone.devices.tolist(), alone.efficiency.tolist(), alone.scaling.tolist()) == (
        [1, 1],
        [1.0, 1.0],
        ["measured"] * 2,
    )
    assert set(samples_frame(ESTIMATES["eight devices"]()).devices) == {1, 2}


def test_every_step_of_a_pilot_is_a_row() -> None:
    record = estimate_record()
    frame = samples_frame(record)
    assert list(frame.columns) == ["variant", "devices", "during_warmup", "block", "step", "seconds", "waiting"]
    steps = [block for pilot in record.pilots for series in pilot.steps for block in series.blocks]
    assert len(frame) == sum(map(len, steps))
    first = frame[(frame.variant == "baseline") & frame.during_warmup.eq(True) & (frame.block == 1)]
    assert first.seconds.tolist() == list(record.pilots[0].steps[0].blocks[1])
    assert set(first.waiting) == {0.1}
    # Nobody waited, which is not the same as a wait of no time.
    assert samples_frame(ESTIMATES["uncertain"]()).waiting.isna().all()

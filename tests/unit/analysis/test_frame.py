"""The raw samples as a data frame: every one of them, and none made up."""

from __future__ import annotations

from builders import JITTER, cpu_record, gpu_record
from comparisons import comparison_record, unmeasured_record
from paco_prof.analysis.frame import samples_frame


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

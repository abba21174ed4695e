"""The raw samples as a data frame: every one of them, and none made up."""

from __future__ import annotations

from builders import JITTER, cpu_record, gpu_record
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

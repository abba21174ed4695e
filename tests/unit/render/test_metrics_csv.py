"""The metrics as CSV: what pandas reads is what the record holds."""

from __future__ import annotations

import io
import math

import pandas as pd
import pytest

from paco_prof.records import TrainingRunRecord
from paco_prof.render.metrics_csv import COLUMNS, metrics_csv
from training_runs import RECORDS, broken_run, healthy_run, waiting_run


def read(record: TrainingRunRecord) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(metrics_csv(record)))


@pytest.mark.parametrize("name", RECORDS)
def test_a_row_is_an_epoch_in_columns_that_never_change(name: str) -> None:
    record = RECORDS[name]()
    frame = read(record)
    assert tuple(frame.columns) == COLUMNS
    assert list(frame["epoch"]) == [result.epoch + 1 for result in record.epochs]


def test_numbers_are_read_back_as_they_were() -> None:
    record = healthy_run()
    frame = read(record)
    for name in ("seconds", "step_seconds", "images_per_second", "accuracy", "learning_rate"):
        assert list(frame[name]) == pytest.approx([getattr(result, name) for result in record.epochs], rel=1e-14)
    assert list(frame["soc"]) == pytest.approx([result.losses["soc"] for result in record.epochs], rel=1e-14)
    assert list(frame["spread"]) == [0.42] * 5


def test_what_was_not_measured_is_empty() -> None:
    frame = read(waiting_run())
    assert list(frame["accuracy"].isna()) == [True, False, True, False]
    assert list(frame["evaluation_seconds"].isna()) == [True, False, True, False]
    assert list(frame["non_finite"]) == [0, 3, 0, 0]


def test_a_loss_that_was_never_finite_is_no_number() -> None:
    frame = read(broken_run())
    assert math.isnan(frame["total"][0])
    assert math.isnan(frame["coinciding"][0])
    assert ",nan,nan,nan,nan," in metrics_csv(broken_run())


def test_a_run_without_an_epoch_is_a_header() -> None:
    assert metrics_csv(RECORDS["nothing yet"]()) == ",".join(COLUMNS) + "\n"

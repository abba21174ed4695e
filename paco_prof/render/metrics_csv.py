"""The epochs of a training run as CSV: seconds and plain numbers, for whoever wants to look for themselves."""

from __future__ import annotations

import csv
import io

from paco_prof.records import EpochResult, TrainingRunRecord

__all__ = ["COLUMNS", "metrics_csv"]

# The order never changes; what is added comes last.
COLUMNS = (
    "epoch",
    "num_batches",
    "num_images",
    "learning_rate",
    "total",
    "ce",
    "pac",
    "soc",
    "at_alpha",
    "non_finite",
    "coinciding",
    "at_floor",
    "spread",
    "accuracy",
    "images_per_second",
    "seconds",
    "start_seconds",
    "waiting_seconds",
    "step_seconds",
    "loading_seconds",
    "evaluation_seconds",
    "checkpoint_seconds",
)
_OF_PARTS = ("coinciding", "at_floor", "spread")
_LOSSES = ("total", "ce", "pac", "soc")


def metrics_csv(record: TrainingRunRecord) -> str:
    """One row an epoch, the first being 1 as in the report; names are those of `EpochResult`.

    A cell is empty where nothing was measured. A loss is `nan` where it was finite in no step.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_value(result, name) for name in COLUMNS] for result in record.epochs)
    return text.getvalue()


def _value(result: EpochResult, name: str) -> float | int | None:
    """A cell; the csv module writes None as nothing, and floats so that they are read back as they were."""
    if name == "epoch":
        return result.epoch + 1
    if name in _LOSSES:
        return result.losses.get(name)
    if name in _OF_PARTS:
        return None if result.parts is None else float(getattr(result.parts, name))
    value: float | int | None = getattr(result, name)
    return value

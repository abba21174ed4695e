"""The raw samples of a record as a pandas data frame, for whoever wants to look for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paco_prof.records import BreakdownRecord, ComparisonRecord, Training

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["samples_frame"]


def samples_frame(record: BreakdownRecord | ComparisonRecord) -> pd.DataFrame:
    """One row a stage, phase and measured step.

    Columns: `stage` (its path), `phase`, `step` (from 0), `seconds` (own time, on the device's clock where there is
    one, children excluded), `host_seconds`. Those of a comparison begin with `variant` (the contestant's name),
    `launch` (its place in the record), `round` and `side` (baseline or variant); a step of one side is the partner of
    the step of the same number of the other. Without training steps the frame is empty.
    """
    import pandas as pd

    columns = ["stage", "phase", "step", "seconds", "host_seconds"]
    if isinstance(record, BreakdownRecord):
        return pd.DataFrame(_rows(record.training), columns=columns)
    rows = [
        (record.contestants[launch.contestant].name, number, launch.round, side, *row)
        for number, launch in enumerate(record.launches)
        for side, measured in (("baseline", launch.baseline), ("variant", launch.variant))
        for row in _rows(measured.training)
    ]
    return pd.DataFrame(rows, columns=["variant", "launch", "round", "side", *columns])


def _rows(training: Training | None) -> list[tuple[str, str, int, float | None, float]]:
    return [
        (samples.path, samples.phase, step, seconds, host)
        for samples in (training.stages if training else ())
        for step, (seconds, host) in enumerate(zip(samples.seconds, samples.host, strict=True))
    ]

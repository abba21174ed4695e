"""The raw samples of a record as a pandas data frame, for whoever wants to look for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paco_prof.records import BreakdownRecord

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["samples_frame"]


def samples_frame(record: BreakdownRecord) -> pd.DataFrame:
    """One row a stage, phase and measured step.

    Columns: `stage` (its path), `phase`, `step` (from 0), `seconds` (own time, on the device's clock where there is
    one, children excluded), `host_seconds`. Without training steps the frame is empty.
    """
    import pandas as pd

    rows = [
        (samples.path, samples.phase, step, seconds, host)
        for samples in (record.training.stages if record.training else ())
        for step, (seconds, host) in enumerate(zip(samples.seconds, samples.host, strict=True))
    ]
    return pd.DataFrame(rows, columns=["stage", "phase", "step", "seconds", "host_seconds"])

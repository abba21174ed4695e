"""Measures variants at every size, a fresh process for each, and searches for the largest batch. Free of torch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from paco_prof.measure.progress import Progress
from paco_prof.measure.worker_process import Launcher
from paco_prof.records import ScaleRecord

__all__ = ["ScaleOutcome", "Surveyor"]


@dataclass(frozen=True)
class ScaleOutcome:
    """How a measurement of growth ended.

    Attributes:
        record: everything that was measured.
        error: what ended it early, or else kept the record from being written.
    """

    record: ScaleRecord
    error: BaseException | None = None


class Surveyor:
    """Measures what a record says is left of it.

    Args:
        record: what to measure, and what has been measured already.
        launch_worker: starts a contestant's process.
        progress: told what is going on.
        save: given the record after every launch.
        now: seconds on the host's clock.
    """

    def __init__(
        self,
        record: ScaleRecord,
        launch_worker: Launcher,
        progress: Progress,
        save: Callable[[ScaleRecord], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._record = record

    def run(self) -> ScaleOutcome:
        """Take all launches that are left."""
        raise NotImplementedError

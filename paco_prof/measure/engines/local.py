"""The machine that the command runs on, one launch after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from paco_prof.measure.progress import Progress
from paco_prof.measure.referee import ComparisonOutcome, Referee
from paco_prof.measure.surveyor import ScaleOutcome, Surveyor
from paco_prof.measure.worker_process import ProcessLauncher
from paco_prof.records import ComparisonRecord, ScaleRecord

__all__ = ["LocalEngine"]


class LocalEngine:
    """Takes launches in processes of this machine.

    Args:
        folders: in which their Python looks for modules before all others.
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._folders = folders

    def compare(
        self, record: ComparisonRecord, progress: Progress, save: Callable[[ComparisonRecord], None]
    ) -> ComparisonOutcome:
        return Referee(record, ProcessLauncher(python_path=self._folders), progress, save).run()

    def scale(self, record: ScaleRecord, progress: Progress, save: Callable[[ScaleRecord], None]) -> ScaleOutcome:
        return Surveyor(record, ProcessLauncher(python_path=self._folders), progress, save).run()

"""The ranks that torchrun has started, as the engine of a comparison: every variant trains on all of them together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from paco_prof.errors import ExitCode, RankError, UsageError
from paco_prof.measure.distributed.group import Group, in_group, opened
from paco_prof.measure.distributed.team import TeamMonitor, leading, serve
from paco_prof.measure.progress import Progress
from paco_prof.measure.referee import ComparisonOutcome, Referee
from paco_prof.measure.surveyor import ScaleOutcome
from paco_prof.measure.worker_process import ProcessLauncher
from paco_prof.ranks import Place
from paco_prof.records import ComparisonRecord, Note, ScaleRecord

__all__ = ["RanksEngine"]


class RanksEngine:
    """Takes launches in which every rank has a worker, and the workers train one model together.

    Args:
        place: of this process.
        folders: in which workers look for modules before all others.
    """

    def __init__(self, place: Place, folders: Sequence[Path] = ()) -> None:
        self._place = place
        self._folders = folders

    def compare(
        self, record: ComparisonRecord, progress: Progress, save: Callable[[ComparisonRecord], None]
    ) -> ComparisonOutcome:
        outcome, late = in_group(
            self._place, torch.device("cpu"), lambda group: self._led(group, record, progress, save)
        )
        return outcome if late is None else ComparisonOutcome(outcome.record, outcome.error or late)

    def scale(self, record: ScaleRecord, progress: Progress, save: Callable[[ScaleRecord], None]) -> ScaleOutcome:
        raise UsageError("scale measures on one device, and torchrun has started several.", "Run it without torchrun.")

    def serve(self) -> None:
        """What a rank does that is not the first: whatever the first one's comparison asks of it."""
        with opened(self._place, torch.device("cpu")) as group:
            serve(group, self._launcher_with)

    def _led(
        self, group: Group, record: ComparisonRecord, progress: Progress, save: Callable[[ComparisonRecord], None]
    ) -> ComparisonOutcome:
        """Rank 0's part: it judges, and what it has when another rank is gone, or somebody ends them all, is kept."""
        grown = [record]

        def keep(record: ComparisonRecord) -> None:
            grown.append(record)
            save(record)

        try:
            with leading(group, self._launcher_with) as launch_worker:
                monitor = partial(TeamMonitor, launch_worker)
                outcome = Referee(record, launch_worker, progress, keep, monitor=monitor).run()
                error = outcome.error if launch_worker.is_lost else None
        except (RuntimeError, RankError) as lost:
            outcome, error = ComparisonOutcome(grown[-1], lost), lost
        if error is None:
            return outcome
        told = group.end(error)
        if isinstance(told, RuntimeError):
            raise told
        ended = outcome.record.model_copy(update=_ended(outcome.record, told))
        save(ended)
        return ComparisonOutcome(ended, told)

    def _launcher_with(self, variables: Mapping[str, str]) -> ProcessLauncher:
        return ProcessLauncher(python_path=self._folders, variables=variables)


def _ended(record: ComparisonRecord, told: BaseException) -> dict[str, Any]:
    """What becomes of a record where the ranks ended before its launches did."""
    if isinstance(told, KeyboardInterrupt) or getattr(told, "exit_code", None) == ExitCode.INTERRUPTED:
        return {"status": "interrupted"}
    return {"status": "failed", "notes": (*record.notes, Note(code="failed", detail=str(told)))}

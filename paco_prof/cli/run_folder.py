"""The folder that a training run is written to."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paco_prof.errors import UsageError
from paco_prof.ranks import Place

if TYPE_CHECKING:
    from paco_prof.records import TrainingRunRecord

__all__ = ["RunFolder"]

ALONE = Place()


@dataclass(frozen=True)
class RunFolder:
    """Where a run's files are. Of several ranks the first one writes and reads them, and prints.

    Attributes:
        path: of the folder.
        place: of this process among the ranks.
    """

    path: Path
    place: Place = ALONE

    @property
    def checkpoint(self) -> Path:
        """Where the run stands."""
        return self.path / "checkpoint.pt"

    @property
    def record(self) -> Path:
        """The record, which `show` and `estimate` read."""
        return self.path / "run.json"

    @property
    def metrics(self) -> Path:
        """A row an epoch."""
        return self.path / "metrics.csv"

    @property
    def curves(self) -> Path:
        """The picture."""
        return self.path / "curves.png"

    @property
    def _holds_run(self) -> bool:
        return any(file.exists() for file in (self.checkpoint, self.record, self.metrics, self.curves))

    def check(self, *, resume: bool) -> None:
        """Find out before anything is built whether the run can be written there.

        Raises:
            UsageError: something is there already, or nothing is where a run is to go on, or it is not ours to write.
        """
        if not self.place.is_first:
            return
        if resume:
            if not self.checkpoint.is_file():
                hint = "It has to begin anew, in another --out." if self._holds_run else "Without --resume one begins."
                raise UsageError(f"{self.path} holds no checkpoint of a run to go on with.", hint)
            return
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"--out {self.path} is not a folder.", "Name another one.")
        if self._holds_run:
            hint = "Use --resume to go on with it, or another --out."
            raise UsageError(f"{self.path} holds a run already.", hint if self.checkpoint.is_file() else "Use another.")
        existing = next(folder for folder in (self.path, *self.path.absolute().parents) if folder.exists())
        if not existing.is_dir() or not os.access(existing, os.W_OK):
            raise UsageError(f"--out {self.path} cannot be written.", "Name another folder.")

    def create(self) -> None:
        """Make the folder, now that there is something to write.

        Raises:
            UsageError: it cannot be made.
        """
        if not self.place.is_first:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--out {self.path} cannot be made: {error.strerror}.") from error

    def save(self, record: TrainingRunRecord) -> None:
        """Write the record and the metrics so far."""
        if not self.place.is_first:
            return
        from paco_prof.render.metrics_csv import metrics_csv
        from paco_prof.store import write_record, write_text

        write_record(self.record, record)
        write_text(self.metrics, metrics_csv(record))

    def finish(self, record: TrainingRunRecord, *, on_screen: bool) -> None:
        """Draw the curves, print the report, and say what was written."""
        if not self.place.is_first:
            return
        from paco_prof.cli.outputs import print_document
        from paco_prof.render.reports import document_of, save_plot

        if record.epochs:
            save_plot(record, self.curves)
        if on_screen:
            print_document(document_of(record))
            for file in (self.record, self.metrics, self.curves, self.checkpoint):
                if file.exists():
                    print(f"Wrote {file}.", file=sys.stderr)

"""The interface that commands know: something that does what a record says is left to be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from paco_prof.measure.progress import Progress
from paco_prof.measure.referee import ComparisonOutcome
from paco_prof.measure.surveyor import ScaleOutcome
from paco_prof.records import ComparisonRecord, ScaleRecord

__all__ = ["Engine"]


class Engine(Protocol):
    """Does what is left of a record, and hands it on whenever it has grown; which launches that takes it decides.

    Whatever ends it early, an interruption among it, the outcome holds what there is.
    """

    def compare(
        self, record: ComparisonRecord, progress: Progress, save: Callable[[ComparisonRecord], None]
    ) -> ComparisonOutcome:
        """Take the launches that a comparison lacks."""
        ...

    def scale(self, record: ScaleRecord, progress: Progress, save: Callable[[ScaleRecord], None]) -> ScaleOutcome:
        """Take the launches, and make the searches, that a measurement of growth lacks."""
        ...

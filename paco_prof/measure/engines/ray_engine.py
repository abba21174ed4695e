"""A Ray cluster: launches are taken on many machines at once, each on one of them, with cores and GPUs of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from paco_prof.errors import UsageError
from paco_prof.measure.engines.comparison_pieces import ComparisonPieces
from paco_prof.measure.engines.ray_pool import RayPool
from paco_prof.measure.engines.scale_pieces import ScalePieces
from paco_prof.measure.engines.sweep import Sweep
from paco_prof.measure.progress import Progress
from paco_prof.measure.referee import ComparisonOutcome
from paco_prof.measure.surveyor import ScaleOutcome
from paco_prof.records import ComparisonRecord, Contestant, ScaleRecord

__all__ = ["RayEngine", "refuse_without_ray"]


def refuse_without_ray() -> None:
    """Find out, without importing it, whether Ray is installed.

    Raises:
        UsageError: it is not.
    """
    if find_spec("ray") is None:
        raise UsageError("--engine ray needs Ray, which is not installed.", "pip install 'paco-prof[ray]'")


class RayEngine:
    """Has launches taken by the nodes of a Ray cluster.

    What runs on a node is what runs on this machine without Ray, on the part of the record that is that node's.

    Args:
        address: of the cluster, `auto` for the one that runs here; None for $RAY_ADDRESS, or else one that is started
            on this machine.
        cpus, gpus: that a launch has for itself; see `Needs`.
        folders: in which workers look for modules before all others.
    """

    def __init__(
        self, address: str | None, cpus: int | None = None, gpus: int | None = None, folders: Sequence[Path] = ()
    ) -> None:
        self._address = address
        self._cpus = cpus
        self._gpus = gpus
        self._folders = folders

    def compare(
        self, record: ComparisonRecord, progress: Progress, save: Callable[[ComparisonRecord], None]
    ) -> ComparisonOutcome:
        record = record.model_copy(update={"contestants": self._placed(record.contestants)})
        progress.begin("looking for the cluster")
        with self._pool(record.contestants) as pool:
            pieces = ComparisonPieces(record, save)
            plan = record.plan
            error = Sweep(pieces, pool, progress, "launches", plan.max_seconds, plan.timeout).run()
        if isinstance(error, UsageError) and not pieces.record.launches:
            raise error
        return ComparisonOutcome(pieces.record, error or pieces.ledger.unwritten)

    def scale(self, record: ScaleRecord, progress: Progress, save: Callable[[ScaleRecord], None]) -> ScaleOutcome:
        record = record.model_copy(update={"contestants": self._placed(record.contestants)})
        progress.begin("looking for the cluster")
        with self._pool(record.contestants) as pool:
            pieces = ScalePieces(record, save)
            plan = record.plan
            error = Sweep(pieces, pool, progress, "launches and searches", plan.max_seconds, plan.timeout).run()
        if isinstance(error, UsageError) and not pieces.record.points:
            raise error
        return ScaleOutcome(pieces.record, error or pieces.ledger.unwritten)

    def _placed(self, contestants: Sequence[Contestant]) -> tuple[Contestant, ...]:
        """The contestants as nodes are to build them: where a launch has no GPU for itself, `auto` is not to find one
        that others use.

        Raises:
            UsageError: one takes more threads than a launch has cores.
        """
        threads = max((contestant.workload.threads or 0 for contestant in contestants), default=0)
        if self._cpus is not None and threads > self._cpus:
            raise UsageError(
                f"{threads} threads are more than the {self._cpus} of --cpus-per-launch, and would take the cores of "
                "other launches.",
                "Give a launch as many cores as it has threads.",
            )
        if self._gpus == 0:
            return tuple(map(_on_cpu, contestants))
        return tuple(contestants)

    def _pool(self, contestants: Sequence[Contestant]) -> RayPool:
        device = contestants[0].workload.device
        return RayPool(self._address, self._cpus, self._gpus, device, self._folders)


def _on_cpu(contestant: Contestant) -> Contestant:
    sides = {
        name: workload.model_copy(update={"device": "cpu"}) if workload.device == "auto" else workload
        for name, workload in (("workload", contestant.workload), ("base", contestant.base))
    }
    return contestant.model_copy(update=sides)

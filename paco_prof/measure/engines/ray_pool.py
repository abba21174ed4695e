"""The nodes of a Ray cluster as a sweep sees them: how many launches they have room for, and what comes back."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from paco_prof.errors import MeasurementError, UsageError
from paco_prof.measure.engines.remote import told
from paco_prof.measure.engines.sweep import Ended
from paco_prof.measure.interrupts import held_interrupts
from paco_prof.measure.worker_process import WorkerError, WorkerProcess

__all__ = ["Needs", "RayPool"]

# Seconds to start Ray on a machine that is busy, and to answer what it has at hand.
SECONDS_TO_CONNECT = 180.0
SECONDS_TO_ANSWER = 60.0
COMMAND = (sys.executable, "-P", "-m", "paco_prof.measure.engines.ray_driver")


class Needs:
    """What a launch has of a node for itself.

    Args:
        cpus: cores; None for all that the smallest node has, so that nothing else of ours runs beside it.
        gpus: None for one where the device that is asked for is one.
        device: as `--device` has it.
        nodes: of the cluster.

    Raises:
        UsageError: no node has as many.
    """

    def __init__(self, cpus: int | None, gpus: int | None, device: str, nodes: Sequence[dict[str, float]]) -> None:
        most_gpus = int(max((node["gpus"] for node in nodes), default=0))
        wants_one = device.startswith("cuda") or (device == "auto" and most_gpus > 0)
        self.gpus = int(wants_one) if gpus is None else gpus
        if self.gpus > most_gpus:
            raise UsageError(
                f"A launch needs {self.gpus} GPU{'s' if self.gpus != 1 else ''}, and no node of the cluster has more "
                f"than {most_gpus}.",
                "--gpus-per-launch or --device chooses otherwise.",
            )
        able = [int(node["cpus"]) for node in nodes if node["gpus"] >= self.gpus and node["cpus"] >= 1]
        if not able:
            raise UsageError(
                "No node of the cluster has a CPU for a launch.", "ray start --num-cpus says how many it has."
            )
        self.cpus = min(able) if cpus is None else cpus
        if self.cpus > max(able):
            raise UsageError(
                f"--cpus-per-launch {self.cpus} is more than any node of the cluster has: {max(able)} at most."
            )

    def room(self, nodes: Sequence[dict[str, float]]) -> int:
        """How many launches find what they need at the same time."""
        return sum(self._on(node) for node in nodes)

    def _on(self, node: dict[str, float]) -> int:
        by_cpus = int(node["cpus"] // self.cpus)
        return min(by_cpus, int(node["gpus"] // self.gpus)) if self.gpus else by_cpus


class RayPool:
    """Has pieces done by a Ray cluster; a context that ends what is under way, and the cluster if it was started here.

    Args:
        address: of the cluster; None starts one on this machine.
        cpus, gpus, device: see `Needs`.
        folders: in which workers look for modules before all others.

    Raises:
        UsageError: there is no cluster, or none of its nodes has what a launch needs.
        MeasurementError: Ray fails.
    """

    def __init__(
        self, address: str | None, cpus: int | None, gpus: int | None, device: str, folders: Sequence[Path] = ()
    ) -> None:
        self._folders = [folder.resolve() for folder in folders]
        # A process that was started and is not known yet would be nobody's to end.
        with held_interrupts():
            self._driver = WorkerProcess(COMMAND, dict(os.environ))
        try:
            self._nodes: list[dict[str, float]] = self._ask("connect", SECONDS_TO_CONNECT, address=address)
            self._needs = Needs(cpus, gpus, device, self._nodes)
        except BaseException:
            self._driver.close()
            raise
        self._is_anything_out = False

    def __enter__(self) -> RayPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._driver.close()

    @property
    def room(self) -> int:
        return self._needs.room(self._nodes)

    def give(self, number: int, told_piece: dict[str, Any]) -> None:
        text = told(told_piece, Path.cwd(), self._folders, self._needs.cpus)
        self._is_anything_out = True
        self._ask("give", SECONDS_TO_ANSWER, number=number, told=text, cpus=self._needs.cpus, gpus=self._needs.gpus)

    def look(self, seconds: float) -> Sequence[Ended]:
        seen = self._ask("look", seconds + SECONDS_TO_ANSWER, seconds=seconds)
        self._nodes = seen["nodes"]
        return [Ended(**ended) for ended in seen["ended"]]

    def cancel(self) -> None:
        if self._is_anything_out:
            self._is_anything_out = False
            with held_interrupts():
                try:
                    self._ask("cancel", SECONDS_TO_ANSWER)
                except (MeasurementError, UsageError):
                    # Whoever does the asking is gone, and what it had asked for goes with it.
                    return

    def _ask(self, what: str, timeout: float, **told_it: Any) -> Any:
        self._driver.send({"do": what, **told_it})
        try:
            return self._driver.receive(what, timeout)
        except WorkerError as error:
            if error.kind == "not applicable":
                raise UsageError(error.detail, error.hint) from error
            rest = "" if what == "connect" else "What was measured is kept, and --resume takes the rest."
            raise MeasurementError(f"Ray fails: {error.detail.rstrip('.')}.", rest) from error

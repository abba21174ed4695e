"""The nodes of a Ray cluster as a sweep sees them: how many launches they have room for, and what comes back."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from paco_prof.errors import MeasurementError, UsageError
from paco_prof.measure.engines.ray_nodes import Needs, Node, Tenancy
from paco_prof.measure.engines.remote import told
from paco_prof.measure.engines.sweep import Ended
from paco_prof.measure.interrupts import held_interrupts
from paco_prof.measure.worker_process import WorkerError, WorkerProcess

__all__ = ["RayPool"]

# Seconds to start Ray on a machine that is busy, and to answer what it has at hand.
SECONDS_TO_CONNECT = 180.0
SECONDS_TO_ANSWER = 60.0
COMMAND = (sys.executable, "-P", "-m", "paco_prof.measure.engines.ray_driver")


class RayPool:
    """Has pieces done by a Ray cluster; a context that ends what is under way, and the cluster if it was started here.

    Unless it is said how many cores a launch has, each is sent to a node that has no other of them, and asks Ray for
    all of its cores. Otherwise Ray chooses the nodes.

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
            self._nodes = _nodes(self._ask("connect", SECONDS_TO_CONNECT, address=address))
            self._needs = Needs(cpus, gpus, device, self._nodes)
        except BaseException:
            self._driver.close()
            raise
        self._tenancy = Tenancy()
        self._is_anything_out = False

    def __enter__(self) -> RayPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._driver.close()

    @property
    def room(self) -> int:
        if self._needs.cpus is None:
            return len(self._tenancy) + len(self._free())
        return self.capacity

    @property
    def capacity(self) -> int:
        return sum(self._needs.on(node) for node in self._nodes)

    def give(self, number: int, told_piece: dict[str, Any]) -> None:
        cpus, place = self._needs.cpus, None
        if cpus is None:
            node = self._free()[0]
            self._tenancy.take(number, node)
            cpus, place = int(node.cpus), node.id
        text = told(told_piece, Path.cwd(), self._folders, cpus)
        self._is_anything_out = True
        self._ask("give", SECONDS_TO_ANSWER, number=number, told=text, cpus=cpus, gpus=self._needs.gpus, node=place)

    def look(self, seconds: float) -> Sequence[Ended]:
        seen = self._ask("look", seconds + SECONDS_TO_ANSWER, seconds=seconds)
        self._nodes = _nodes(seen["nodes"])
        ended = [Ended(**each) for each in seen["ended"]]
        for each in ended:
            self._tenancy.leave(each.number, is_lost=each.part is None)
        return ended

    def cancel(self) -> None:
        self._tenancy.clear()
        if self._is_anything_out:
            self._is_anything_out = False
            with held_interrupts():
                try:
                    self._ask("cancel", SECONDS_TO_ANSWER)
                except (MeasurementError, UsageError):
                    # Whoever does the asking is gone, and what it had asked for goes with it.
                    return

    def _free(self) -> list[Node]:
        return self._tenancy.free(node for node in self._nodes if self._needs.on(node))

    def _ask(self, what: str, timeout: float, **told_it: Any) -> Any:
        self._driver.send({"do": what, **told_it})
        try:
            return self._driver.receive(what, timeout)
        except WorkerError as error:
            if error.kind == "not applicable":
                raise UsageError(error.detail, error.hint) from error
            rest = "" if what == "connect" else "What was measured is kept, and --resume takes the rest."
            raise MeasurementError(f"Ray fails: {error.detail.rstrip('.')}.", rest) from error


def _nodes(told_nodes: Sequence[dict[str, Any]]) -> list[Node]:
    return [Node(**node) for node in told_nodes]

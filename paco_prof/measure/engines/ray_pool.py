"""The nodes of a Ray cluster as a sweep sees them: how many launches they have room for, and what comes back."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from paco_prof.errors import MeasurementError, UsageError
from paco_prof.measure.available_memory import KEPT_FREE
from paco_prof.measure.engines.ray_nodes import Needs, Node, Tenancy
from paco_prof.measure.engines.remote import told
from paco_prof.measure.engines.sweep import PATIENCE, SECONDS_BETWEEN_LOOKS, Ended
from paco_prof.measure.interrupts import held_interrupts
from paco_prof.measure.worker_handle import WorkerError
from paco_prof.measure.worker_process import WorkerProcess

__all__ = ["RayPool"]

# Seconds to start Ray on a machine that is busy, and to answer what it has at hand.
SECONDS_TO_CONNECT = 180.0
SECONDS_TO_ANSWER = 60.0
COMMAND = (sys.executable, "-P", "-m", "paco_prof.measure.engines.ray_driver")
# By default Ray ends what runs on a node as soon as more than 95 % of its memory are used.
VARIABLES = {KEPT_FREE: "0.05"}


class RayPool:
    """Has pieces done by a Ray cluster; a context that ends what is under way, and the cluster if it was started here.

    Each piece is sent to a node that has what it needs. Unless it is said how many cores a launch has, that is a node
    that has no other of them, and all of its cores; so it is for what has to be alone.

    Args:
        address: of the cluster; None starts one on this machine.
        cpus, gpus, device: see `Needs`.
        folders: in which workers look for modules before all others.

    Raises:
        UsageError: there is no cluster, or none of its nodes has what a launch needs, nor has one that joins it soon.
        MeasurementError: Ray fails.
    """

    def __init__(
        self, address: str | None, cpus: int | None, gpus: int | None, device: str, folders: Sequence[Path] = ()
    ) -> None:
        self._folders = [folder.resolve() for folder in folders]
        self._needs = Needs(cpus, gpus, device)
        self._tenancy = Tenancy(self._needs)
        self._num_unread = 0
        self._is_anything_out = False
        # A process that was started and is not known yet would be nobody's to end.
        with held_interrupts():
            self._driver = WorkerProcess(COMMAND, dict(os.environ))
        try:
            self._connect(address)
        except BaseException:
            self._driver.close()
            raise

    def __enter__(self) -> RayPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._driver.close()

    def room(self, *, alone: bool) -> int:
        return self._tenancy.room(alone=alone)

    def has_room(self, *, alone: bool) -> bool:
        return self._tenancy.has_room(alone=alone)

    @property
    def capacity(self) -> int:
        return self._tenancy.capacity

    def give(self, number: int, told_piece: dict[str, Any]) -> None:
        alone, before = told_piece.get("alone", False), told_piece.get("before", ())
        share = self._tenancy.take(number, alone=alone, before=before)
        text = told({**told_piece, "variables": VARIABLES}, Path.cwd(), self._folders, share.cpus)
        where = {"cpus": share.cpus, "gpus": share.gpus, "node": share.node}
        self._is_anything_out = True
        self._ask("give", SECONDS_TO_ANSWER, number=number, told=text, **where)

    def look(self, seconds: float) -> Sequence[Ended]:
        seen = self._ask("look", seconds + SECONDS_TO_ANSWER, seconds=seconds)
        ended = [Ended(**each) for each in seen["ended"]]
        for each in ended:
            self._tenancy.leave(each.number, is_lost=each.part is None)
        self._tenancy.see(_nodes(seen["nodes"]))
        return ended

    def cancel(self) -> Sequence[Ended]:
        self._tenancy.clear()
        if not self._is_anything_out:
            return []
        self._is_anything_out = False
        try:
            return [Ended(**each) for each in self._ask("cancel", SECONDS_TO_ANSWER)]
        except (MeasurementError, UsageError):
            # Whoever does the asking is gone, and what it had asked for goes with it.
            return []

    def _connect(self, address: str | None) -> None:
        """Find the cluster, and wait a while for a node that can take a launch: one that is just being started has
        nothing but its head at first.
        """
        found = self._ask("connect", SECONDS_TO_CONNECT, address=address)
        nodes = _nodes(found["nodes"])
        self._tenancy.see(nodes)
        end = time.monotonic() + (PATIENCE if found["may_grow"] else 0.0)
        while (refusal := self._needs.refusal(nodes)) is not None:
            if time.monotonic() >= end:
                raise refusal
            nodes = _nodes(self._ask("look", 2 * SECONDS_TO_ANSWER, seconds=SECONDS_BETWEEN_LOOKS)["nodes"])
            self._tenancy.see(nodes)

    def _ask(self, what: str, timeout: float, **told_it: Any) -> Any:
        self._driver.send({"do": what, **told_it})
        self._num_unread += 1
        try:
            # Who was interrupted while it waited has left an answer unread, which is none to this.
            while self._num_unread:
                answer = self._driver.receive(what, timeout)
                self._num_unread -= 1
        except WorkerError as error:
            if error.kind == "not applicable":
                raise UsageError(error.detail, error.hint) from error
            rest = "" if what == "connect" else "What was measured is kept, and --resume takes the rest."
            raise MeasurementError(f"Ray fails: {error.detail.rstrip('.')}.", rest) from error
        return answer


def _nodes(told_nodes: Sequence[dict[str, Any]]) -> list[Node]:
    return [Node(**node) for node in told_nodes]

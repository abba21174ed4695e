"""A worker on every rank, and all of them as one: what rank 0's referee asks, each rank asks of its own worker.

The ranks' workers train one model together, in a group of their own that ends with them. The processes that torchrun
has started only tell each other what to ask: rank 0 gives an order, every rank carries it out, rank 0 gathers the
answers.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from paco_prof.measure.distributed.group import Group
from paco_prof.measure.distributed.lost_rank import speaks_of_a_lost_rank
from paco_prof.measure.interrupts import held_interrupts
from paco_prof.measure.machine import MachineMonitor
from paco_prof.measure.steps import TimedStep
from paco_prof.measure.worker_handle import Launcher, Ready, WorkerError, WorkerHandle
from paco_prof.records import Contestant, Fidelity, Memory

__all__ = ["TeamLauncher", "TeamMonitor", "leading", "serve"]

What = Literal["start", "ready", "step", "memory", "fidelity", "close", "end"]
# Starts workers that meet at a port of rank 0's machine: given environment variables that are theirs alone.
LauncherWith = Callable[[Mapping[str, str]], Launcher]


@dataclass(frozen=True)
class Order:
    """What all ranks are to do.

    Attributes:
        team: the number of the workers that it is for.
        timeout: seconds that the answer may take.
        contestant, keep_initial, port: of a start: what is measured, and where the workers meet.
    """

    what: What
    team: int = 0
    timeout: float = 0.0
    contestant: Contestant | None = None
    keep_initial: bool = False
    port: int = 0


@dataclass(frozen=True)
class Answer:
    """What one rank's worker answered: a value, or how it failed (what a `WorkerError` is made of)."""

    value: Any = None
    failure: tuple[Any, ...] | None = None


class Member:
    """One rank's part in all teams.

    Args:
        group: the ranks.
        launcher_with: starts this rank's workers.
    """

    def __init__(self, group: Group, launcher_with: LauncherWith) -> None:
        self._group = group
        self._launcher_with = launcher_with
        self._workers: dict[int, WorkerHandle] = {}

    def answer(self, order: Order) -> Answer:
        """Carry out an order; a failure is an answer as well."""
        try:
            return Answer(self._do(order))
        except WorkerError as error:
            return Answer(failure=(error.pid, error.kind, error.during, error.detail, error.hint, error.peak_bytes))

    def close(self) -> None:
        """End all workers of this rank."""
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()

    def _do(self, order: Order) -> Any:
        if order.what == "start":
            return self._start(order)
        worker = self._workers[order.team]
        if order.what == "close":
            worker.close()
            del self._workers[order.team]
            return None
        if order.what == "fidelity" and not self._group.is_first:
            # One rank's loss and gradient are compared, and its model by itself.
            return None
        return getattr(worker, order.what)(order.timeout)

    def _start(self, order: Order) -> tuple[int, int]:
        assert order.contestant is not None
        variables = {
            "MASTER_ADDR": os.environ.get("MASTER_ADDR", "localhost"),
            "MASTER_PORT": str(order.port),
            # Where the processes of torchrun meet is theirs: workers have a store of their own.
            "TORCHELASTIC_USE_AGENT_STORE": "False",
        }
        worker = self._launcher_with(variables)(order.contestant, keep_initial=order.keep_initial)
        self._workers[order.team] = worker
        return self._group.node, worker.pid


class TeamLauncher:
    """Starts a worker on every rank; rank 0's referee takes them for one.

    Args:
        group: the ranks, of which this is the first.
        member: rank 0's own part.

    Attributes:
        is_lost: whether an order was not carried out to its end, so that the ranks no longer wait for the same thing.
    """

    def __init__(self, group: Group, member: Member) -> None:
        self._group = group
        self._member = member
        self._numbers = itertools.count()
        self.is_lost = False
        self._beside: dict[int, list[int]] = {}

    def __call__(self, contestant: Contestant, *, keep_initial: bool) -> Team:
        number = next(self._numbers)
        order = Order("start", number, contestant=contestant, keep_initial=keep_initial, port=_free_port())
        (node, pid), *others = self.ask(order)
        self._beside[pid] = [other for their_node, other in others if their_node == node]
        return Team(number, pid, self)

    def beside(self, pid: int) -> list[int]:
        """The workers of the same team that are on the same machine as rank 0's."""
        return self._beside.get(pid, [])

    def ask(self, order: Order) -> list[Any]:
        """Have every rank carry out an order; their answers, in the order of ranks.

        Raises:
            WorkerError: a rank's worker failed. Where several did, the one that the others failed of.
        """
        # In the middle of it the ranks would no longer know what is asked of them.
        with held_interrupts():
            answers = self._answers(order)
        failed = {rank: WorkerError(*answer.failure) for rank, answer in enumerate(answers) if answer.failure}
        if failed:
            raise _cause(failed)
        return [answer.value for answer in answers]

    def _answers(self, order: Order) -> list[Answer]:
        was_lost, self.is_lost = self.is_lost, True
        self._group.agree(order)
        answers = self._group.gathered(self._member.answer(order))
        assert answers is not None
        self.is_lost = was_lost
        return answers


class Team:
    """The workers of one contestant on all ranks, as their referee sees them: see `WorkerHandle`.

    A step is rank 0's: it is over when the gradients of all ranks are in, the slowest one's too. Memory is that of the
    rank that needs most.
    """

    def __init__(self, number: int, pid: int, launcher: TeamLauncher) -> None:
        self.pid = pid
        self._number = number
        self._launcher = launcher
        self._is_open = True

    def ready(self, timeout: float) -> Ready:
        ready: Ready = self._ask("ready", timeout)[0]
        return ready

    def step(self, timeout: float) -> TimedStep:
        step: TimedStep = self._ask("step", timeout)[0]
        return step

    def memory(self, timeout: float) -> Memory:
        found: list[Memory] = self._ask("memory", timeout)
        return max(found, key=lambda memory: memory.device_peak_bytes or memory.process_peak_bytes or 0)

    def fidelity(self, timeout: float) -> Fidelity:
        fidelity: Fidelity = self._ask("fidelity", timeout)[0]
        return fidelity

    def close(self) -> None:
        if self._is_open and not self._launcher.is_lost:
            self._is_open = False
            self._launcher.ask(Order("close", self._number))

    def _ask(self, what: What, timeout: float) -> list[Any]:
        try:
            return self._launcher.ask(Order(what, self._number, timeout))
        except WorkerError as failure:
            # Without one of them the others are good for nothing, and the referee knows this one's process alone.
            self.close()
            raise WorkerError(
                self.pid, failure.kind, failure.during, failure.detail, failure.hint, failure.peak_bytes
            ) from failure


class TeamMonitor(MachineMonitor):
    """Watches rank 0's machine during a launch of teams, whose other workers there are no strangers.

    Args:
        launcher: that has started them.
        accelerator_uuid: of rank 0's device.
    """

    def __init__(self, launcher: TeamLauncher, accelerator_uuid: str | None) -> None:
        super().__init__(accelerator_uuid)
        self._launcher = launcher

    def begin(self, pids: Sequence[int], others: Sequence[int] = ()) -> None:
        """See `MachineMonitor.begin`."""
        super().begin(pids, [*others, *(other for pid in pids for other in self._launcher.beside(pid))])


@contextmanager
def leading(group: Group, launcher_with: LauncherWith) -> Iterator[TeamLauncher]:
    """What starts workers on all ranks, on rank 0; at the end of the block the others are told that nothing follows."""
    member = Member(group, launcher_with)
    launcher = TeamLauncher(group, member)
    try:
        yield launcher
    finally:
        member.close()
        if not launcher.is_lost:
            group.agree(Order("end"))


def serve(group: Group, launcher_with: LauncherWith) -> None:
    """What all other ranks do: carry out rank 0's orders until there are no more."""
    member = Member(group, launcher_with)
    if threading.current_thread() is threading.main_thread():
        # Ctrl-C reaches every process of a terminal, and is rank 0's to handle.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        while (order := group.agree(Order("end"))).what != "end":
            group.gathered(member.answer(order))
    finally:
        member.close()


def _cause(failed: Mapping[int, WorkerError]) -> WorkerError:
    """The failure that the others follow from, with its rank."""

    def distance(rank: int) -> int:
        """From the cause: a worker that waits for one that is lost raises, or is ended by NCCL, or waits until its time
        is up; one that hangs, and is killed for it, is lost to the others.
        """
        kind, detail = failed[rank].kind, failed[rank].detail
        is_raised = kind == "raised" or (kind == "died" and detail.startswith("killed by SIGABRT"))
        return 2 if is_raised and speaks_of_a_lost_rank(detail) else 1 if kind == "hung" else 0

    rank = min(failed, key=lambda rank: (distance(rank), rank))
    cause, detail = failed[rank], f"rank {rank}: {failed[rank].detail}"
    return WorkerError(cause.pid, cause.kind, cause.during, detail, cause.hint, cause.peak_bytes)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("", 0))
        port: int = found.getsockname()[1]
        return port

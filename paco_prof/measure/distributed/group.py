"""The group of processes that train one model: what all of them agree on, and what they tell each other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from paco_prof.errors import RankError, UsageError
from paco_prof.measure.distributed.fate import Fate
from paco_prof.measure.distributed.last_words import LastWords
from paco_prof.measure.distributed.peers import Peers, process_space
from paco_prof.measure.shareable import last_line
from paco_prof.ranks import Place

__all__ = ["ALONE", "Group", "device_name", "in_group", "joined", "meet", "opened"]

T = TypeVar("T")

# A rank that waits is not hung: others may take minutes for one step, and rank 0 has things to do by itself. Where a
# process dies its connections close, which the others are told. Of a machine that vanishes and closes nothing nobody is
# told, and they wait as long as this.
PATIENCE = timedelta(hours=24)
# For the others to start.
MEETING = timedelta(minutes=10)


@dataclass(frozen=True)
class Group:
    """The ranks, as one of them sees them. A process that is alone is a group too, in which everything is at hand.

    Unless said otherwise, methods are collective: every rank has to call them in the same order.

    Attributes:
        place: of this process.
        backend: what tensors on the device travel through, `gloo` or `nccl`; empty for a process that is alone.
        node: the number of this machine, from 0 in the order of ranks.
        control: the process group of what is no tensor on the device, always gloo; None for a process that is alone.
        neighbours: process ids of the other ranks on this machine.
        fate: what becomes of this rank where another one ends; None for a process that is alone.
    """

    place: Place = field(default_factory=Place)
    backend: str = ""
    node: int = 0
    control: Any = None
    neighbours: tuple[int, ...] = ()
    fate: Fate | None = None

    @property
    def is_first(self) -> bool:
        """Whether this rank is the one that decides, prints and writes."""
        return self.place.is_first

    @property
    def is_alone(self) -> bool:
        """Whether there is no other rank."""
        return self.place.is_alone

    def agree(self, value: T) -> T:
        """Rank 0's value, on all ranks; the others' are dropped. Whoever waits for it does not spin."""
        if self.is_alone:
            return value
        told = [value]
        dist.broadcast_object_list(told, src=0, group=self.control)
        return told[0]

    def gathered(self, value: T) -> list[T] | None:
        """Every rank's value in the order of ranks, on rank 0; None on the others."""
        if self.is_alone:
            return [value]
        values: list[Any] | None = [None] * self.place.world_size if self.is_first else None
        dist.gather_object(value, values, dst=0, group=self.control)
        return values

    def shared(self, value: T) -> list[T]:
        """Every rank's value in the order of ranks, on all ranks."""
        if self.is_alone:
            return [value]
        values: list[Any] = [None] * self.place.world_size
        dist.all_gather_object(values, value, group=self.control)
        return values

    def barrier(self) -> None:
        """Return once every rank is here."""
        self.shared(None)

    def end(self, error: BaseException) -> BaseException:
        """The error to tell where `error` ended this rank: itself, or a `RankError` where that is another rank's
        doing, or business. To be asked as soon as an error is caught that ends the run; not collective.
        """
        return error if self.fate is None else self.fate.end(error)

    def at_a_forced_end(self, save: Callable[[BaseException], None]) -> None:
        """Where another rank ends while this one's main thread cannot be called back, `save` is given the reason, in
        another thread, before the process ends; not collective.
        """
        if self.fate is not None:
            self.fate.at_a_forced_end(save)


ALONE = Group()


def device_name(place: Place, asked: str) -> str:
    """The device of one of several ranks, which each have their own: `cuda` is `cuda:LOCAL_RANK`.

    Args:
        asked: as `--device` has it.

    Raises:
        UsageError: one device by number is asked for several ranks.
    """
    if place.is_alone:
        return asked
    if ":" in asked:
        raise UsageError(f"--device {asked} is one device, and there are {place.world_size} ranks.", "Use cuda.")
    kind = ("cuda" if torch.cuda.is_available() else "cpu") if asked == "auto" else asked
    return kind if kind == "cpu" else f"{kind}:{place.local_rank}"


@contextmanager
def opened(place: Place, device: torch.device, stderr: int = 2) -> Iterator[Group]:
    """The group that torchrun's environment variables lead to, until the block is over, however it ends.

    Args:
        place: of this process.
        device: that it trains on.
        stderr: the descriptor on which the user is told of an end that leaves no time for anything else.

    Raises:
        UsageError: the other ranks cannot be met, or not on such a device.
        RankError: in place of what the block raised, where that is another rank's doing, or business.
    """
    if place.is_alone:
        yield ALONE
        return
    group, fate = _open(place, device, stderr)
    fate.start()
    try:
        yield group
        if not fate.is_ending:
            # Whoever has nothing left to do waits here for those who have, and is told of what becomes of them.
            group.barrier()
    except BaseException as error:
        told = group.end(error)
        if told is error:
            raise
        raise told from error
    finally:
        fate.stop()
        if not fate.is_ending:
            # Nobody leaves while others would take that for an accident.
            with suppress(RuntimeError):
                group.barrier()
        # Where a rank is gone nobody knows when NCCL's queue would be empty.
        if not fate.is_ending or group.backend == "gloo":
            dist.destroy_process_group()


def in_group(
    place: Place, device: torch.device, take_part: Callable[[Group], T], stderr: int = 2
) -> tuple[T, BaseException | None]:
    """What this rank's part of something comes to, and what ended another rank, or the wait for it, after this one had
    done its part: what a part has come to is not lost by that.

    Args, Raises: see `opened`; `take_part` is given the group.
    """
    found: list[T] = []
    late: BaseException | None = None
    try:
        with opened(place, device, stderr) as group:
            found.append(take_part(group))
    except (RankError, RuntimeError, KeyboardInterrupt) as error:
        if not found:
            raise
        late = error
    return found[0], late


def joined(place: Place, device: torch.device) -> Group:
    """The group for the rest of this process's life, which somebody else ends, and who looks after all ranks.

    Args, Raises: see `opened`.
    """
    return ALONE if place.is_alone else replace(_open(place, device)[0], fate=None)


def _open(place: Place, device: torch.device, stderr: int = 2) -> tuple[Group, Fate]:
    if not dist.is_available():
        raise UsageError(f"torch {torch.__version__} cannot have several ranks: it lacks torch.distributed.")
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"Several ranks cannot train on {device.type}.", "Use --device cpu or --device cuda.")
    backend = "nccl" if device.type == "cuda" else "gloo"
    bound: dict[str, Any] = {"device_id": device} if backend == "nccl" else {}
    try:
        store = _store()
        meet(place, store)
        dist.init_process_group(
            backend, store=store, rank=place.rank, world_size=place.world_size, timeout=PATIENCE, **bound
        )
        control = dist.new_group(backend="gloo", timeout=PATIENCE)
        # A connection of its own, for what is asked while this rank waits for something else.
        last_words = LastWords(_store())
    except (RuntimeError, ValueError) as error:
        raise UsageError(
            f"Rank {place.rank} of {place.world_size} does not meet the others: {last_line(error)}.",
            "Start all ranks with torchrun, which says where they meet.",
        ) from error
    there: list[Any] = [None] * place.world_size
    dist.all_gather_object(there, (process_space(), os.getpid()), group=control)
    machines = list(dict.fromkeys(machine for machine, _ in there))
    mine = there[place.rank][0]
    pids = {rank: pid for rank, (machine, pid) in enumerate(there) if machine == mine and rank != place.rank}
    beyond = LastWords(_store()) if len(machines) > 1 else None
    fate = Fate(place, Peers(pids), last_words, stderr, beyond)
    return Group(place, backend, machines.index(mine), control, tuple(pids.values()), fate), fate


def _store() -> Any:
    """A connection to the store that torchrun's environment variables lead to."""
    store, _, _ = next(iter(rendezvous("env://", timeout=MEETING)))
    return store


def meet(place: Place, store: Any, patience: timedelta = MEETING) -> None:
    """Return once all ranks are here. To make a process group waits for them too, but as long as a collective may take.

    Raises:
        RuntimeError: some have not come in time.
    """
    store.set(_here(place.rank), "")
    try:
        store.wait([_here(rank) for rank in range(place.world_size)], patience)
    except RuntimeError as error:
        missing = [rank for rank in range(place.world_size) if not store.check([_here(rank)])]
        if not missing:
            return
        who = f"rank{'s' if len(missing) > 1 else ''} {', '.join(map(str, missing))}"
        raise RuntimeError(f"nothing is heard of {who} within {patience.total_seconds():g} s") from error


def _here(rank: int) -> str:
    return f"paco_prof/here/{rank}"

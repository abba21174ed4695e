"""Which of several processes this one is, where `torchrun` has started it. Free of torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from paco_prof.errors import UsageError

__all__ = ["Place", "is_first_rank", "started_by", "this_place"]


@dataclass(frozen=True, slots=True)
class Place:
    """A process among those that train one model together.

    Attributes:
        rank: its number; 0 is the one that prints and writes.
        world_size: how many there are.
        local_rank: its number on its machine, which is that of its device.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether it is the one that prints and writes."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether there is no other."""
        return self.world_size == 1


def this_place(environment: Mapping[str, str] = os.environ) -> Place:
    """The place that torchrun's environment variables tell; without them a process is alone.

    Raises:
        UsageError: they are not what torchrun sets.
    """
    if "RANK" not in environment or "WORLD_SIZE" not in environment:
        return Place()
    try:
        found = Place(*(int(environment.get(name, "0")) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))
    except ValueError:
        found = Place(-1)
    if not 0 <= found.rank < found.world_size or found.local_rank < 0:
        told = ", ".join(f"{name}={environment.get(name)!r}" for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
        raise UsageError(f"{told} is no place among ranks.", "torchrun sets these variables; unset them without it.")
    return found


def is_first_rank() -> bool:
    """Whether this process is the one that tells the user what is wrong, even where that is what torchrun has set."""
    try:
        return this_place().is_first
    except UsageError:
        return True


def started_by(place: Place, environment: Mapping[str, str] = os.environ) -> list[str]:
    """How a command line begins that starts this tool as often as it has been started; where the machines meet is left
    out, which is nobody else's business.
    """
    if place.is_alone:
        return ["paco-prof"]
    each = environment.get("LOCAL_WORLD_SIZE", str(place.world_size))
    machines = environment.get("GROUP_WORLD_SIZE", "1")
    nodes = [] if machines == "1" else ["--nnodes", machines]
    return ["torchrun", *nodes, "--nproc-per-node", each, "-m", "paco_prof"]

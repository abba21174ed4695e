"""What the fast forms need of a call, and what of each of its answers they compute: parts, their matching, their pool.

Nobody knows in advance how code of somebody's own calls its components and what these return. The mathematics is known:
so a fast form offers whatever is usually returned, under a name for each, and it is seen which of it comes back.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor

from paco_prof.paco2.drop_ins.arguments import Leaf
from paco_prof.paco2.drop_ins.computed import Computed

__all__ = ["FastForm", "Inputs", "Settings", "floats"]

# Which leaf of a call is what.
Inputs = Mapping[str, int]
# What a call does not tell, and has to be found by trying: K, r, the cost. Hashable.
Settings = Hashable


class FastForm(Protocol):
    """A fast form of one operation, as a drop-in uses it.

    Attributes:
        stage: the stage that it announces.
        takes: what it needs of a call, in a few words.
    """

    stage: str
    takes: str

    def recognise(self, found: Sequence[Leaf]) -> Inputs | None:
        """Which of a call's leaves are what; None where it does not have what is needed."""
        ...

    def settings(
        self, given: Mapping[str, Tensor], owner: object, sizes: Collection[int]
    ) -> Iterator[Sequence[Settings]]:
        """The settings that may be the right ones, the likeliest first: where one of a group fits, later groups are not
        tried.

        Args:
            given: what was recognised.
            owner: the object that has the settings as attributes; None where there is no such object.
            sizes: of what the original returned.
        """
        ...

    def compute(self, given: Mapping[str, Tensor], settings: Any, owner: object) -> Computed:
        """What it computes of a call."""
        ...


def floats(found: Sequence[Leaf], num_dims: int) -> list[int]:
    """The leaves that are floating-point tensors of so many dimensions."""
    return [
        position
        for position, (_, value) in enumerate(found)
        if isinstance(value, Tensor) and value.is_floating_point() and value.dim() == num_dims
    ]

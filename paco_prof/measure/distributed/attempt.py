"""Something that ranks repeat at the same time, and that may fail on one of them without ending the run."""

from __future__ import annotations

from typing import Any

from paco_prof.measure.distributed.group import Group

__all__ = ["Attempt"]


class Attempt:
    """Makes the decisions about it those of all ranks: the first one's, until one of them has failed. Then all stop.

    Args:
        group: the ranks, all of which have to attempt it.

    Attributes:
        failure: what the first that failed tells; empty as long as none has.
    """

    def __init__(self, group: Group) -> None:
        self._group = group
        self.failure = ""

    def agree(self, decision: Any) -> Any:
        """Rank 0's decision, or `failed` where one of the ranks has told so. Collective."""
        told = self._group.shared((decision, self.failure))
        self.failure = next((_of_rank(rank, why) for rank, (_, why) in enumerate(told) if why), "")
        return "failed" if self.failure else told[0][0]

    def fail(self, why: str) -> None:
        """Tell the others, who are about to agree on whether to go on, that this rank cannot."""
        self.failure = why
        self.agree(None)


def _of_rank(rank: int, why: str) -> str:
    """A report is the first one's, and says of whom it is where that is another."""
    return f"rank {rank}: {why}" if rank else why

"""What follows from a rank that is lost: what other ranks raise is a consequence, and not what has happened."""

from __future__ import annotations

import torch.distributed as dist

from paco_prof.errors import RankError

__all__ = ["is_of_a_lost_rank", "speaks_of_a_lost_rank"]

# In what collectives say where another rank is gone, or cannot be reached.
WORDS = ("gloo", "nccl", "connection closed", "connection reset", "by peer", "broken pipe", "timed out")


def speaks_of_a_lost_rank(text: str) -> bool:
    """Whether an error with this text may be one that collectives raise where another rank is gone."""
    return any(word in text.lower() for word in WORDS)


def is_of_a_lost_rank(error: BaseException) -> bool:
    """Whether an error may follow from the loss of a rank, so that nobody is to take it for the measured code's own.

    Where this process has met no others it never is, whatever it says.
    """
    if isinstance(error, RankError):
        return True
    has_others = dist.is_available() and dist.is_initialized()
    return has_others and isinstance(error, RuntimeError) and speaks_of_a_lost_rank(str(error))

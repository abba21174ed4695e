"""Whether an error says that memory has run out. Free of torch."""

from __future__ import annotations

import re

__all__ = ["says_out_of_memory"]

# How torch's allocators, C++ and the system say it.
WORDS = re.compile(
    r"out of memory|OutOfMemory|MemoryError|(can't|cannot|not able to|failed to) allocate|not enough memory|bad_alloc",
    re.IGNORECASE,
)
# What may have other reasons where a process has all the memory that there is: oneDNN has no other words where it
# cannot allocate, nor has whoever starts a thread for whose stack there is no room.
WORDS_UNDER_A_LIMIT = re.compile(
    r"could not (create|execute) a (primitive|memory)"
    r"|thread creation failed|can't start new thread|resource temporarily unavailable",
    re.IGNORECASE,
)


def says_out_of_memory(text: str, *, is_limited: bool = False) -> bool:
    """Whether the type or the message of an error is about memory that has run out.

    Args:
        is_limited: it is of a process that limits its own memory.
    """
    return WORDS.search(text) is not None or (is_limited and WORDS_UNDER_A_LIMIT.search(text) is not None)

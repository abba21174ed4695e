"""Whether an error says that memory has run out. Free of torch."""

from __future__ import annotations

import re

__all__ = ["says_out_of_memory"]

# How torch's allocators, C++ and the system say it; oneDNN, which has no other words where it cannot allocate; and
# whoever starts a thread for whose stack there is no room.
WORDS = re.compile(
    r"out of memory|OutOfMemory|MemoryError|(can't|cannot|not able to|failed to) allocate|not enough memory|bad_alloc"
    r"|could not (create|execute) a (primitive|memory)"
    r"|thread creation failed|can't start new thread|resource temporarily unavailable",
    re.IGNORECASE,
)


def says_out_of_memory(text: str) -> bool:
    """Whether the type or the message of an error is about memory that has run out."""
    return WORDS.search(text) is not None

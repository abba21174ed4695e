"""Whether an error says that memory has run out. Free of torch."""

from __future__ import annotations

import re

__all__ = ["says_out_of_memory"]

# How torch's allocators, C++ and the system say it, and oneDNN, which has no other words where it cannot allocate.
WORDS = re.compile(
    r"out of memory|OutOfMemory|MemoryError|(can't|cannot|not able to|failed to) allocate|not enough memory|bad_alloc"
    r"|could not create a (primitive|memory)",
    re.IGNORECASE,
)


def says_out_of_memory(text: str) -> bool:
    """Whether the type or the message of an error is about memory that has run out."""
    return WORDS.search(text) is not None

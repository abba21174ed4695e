"""What is said where memory runs out, word for word, and what only sounds like it."""

from __future__ import annotations

import pytest

from paco_prof.measure.out_of_memory import says_out_of_memory


@pytest.mark.parametrize(
    "text",
    [
        "RuntimeError [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you "
        "tried to allocate 8388608 bytes. Error code 12 (Cannot allocate memory)",
        "OutOfMemoryError CUDA out of memory. Tried to allocate 2.00 GiB.",
        "MemoryError ",
        "RuntimeError std::bad_alloc",
        "  what():  std::bad_alloc",
        "OSError [Errno 12] Cannot allocate memory",
    ],
)
def test_memory_has_run_out(text: str) -> None:
    assert says_out_of_memory(text)
    assert says_out_of_memory(text, is_limited=True)


@pytest.mark.parametrize(
    "text",
    [
        "RuntimeError could not create a primitive",
        "RuntimeError could not execute a primitive",
        "RuntimeError could not create a memory object",
        "RuntimeError can't start new thread",
        "libgomp: Thread creation failed: Resource temporarily unavailable",
        "BlockingIOError [Errno 11] Resource temporarily unavailable",
    ],
)
def test_what_may_have_other_reasons_counts_only_where_memory_is_limited(text: str) -> None:
    assert not says_out_of_memory(text)
    assert says_out_of_memory(text, is_limited=True)


@pytest.mark.parametrize(
    "text",
    ["RuntimeError shape '[8, 3]' is invalid for input of size 12", "KeyError 'memory'", "ValueError no primitive"],
)
def test_something_else_is_wrong(text: str) -> None:
    assert not says_out_of_memory(text)
    assert not says_out_of_memory(text, is_limited=True)

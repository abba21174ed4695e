"""An interruption waits for the end of what must not be cut in half."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["held_interrupts", "terminations_interrupt"]


@contextmanager
def held_interrupts() -> Iterator[None]:
    """Let Ctrl-C take effect at the end of the block; a second one takes effect at once.

    In the middle of a step some weights are updated and others are not, and nobody could go on from there. Elsewhere
    than in the main thread, and where somebody handles interruptions otherwise, nothing changes.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    held: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        if held:
            raise KeyboardInterrupt
        held.append(number)

    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if held:
        raise KeyboardInterrupt


@contextmanager
def terminations_interrupt() -> Iterator[None]:
    """Let what ends a process from outside (SIGTERM, and where there is one SIGHUP) be a Ctrl-C within the block.

    A runner that cancels a job sends it; as a Ctrl-C it leaves time to put away what lies about.
    """
    is_main = threading.current_thread() is threading.main_thread()
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)] if is_main else []
    before = {number: signal.getsignal(number) for number in numbers}

    def interrupt(_number: int, frame: FrameType | None) -> None:
        on_interrupt = signal.getsignal(signal.SIGINT)
        # A job in the background ignores Ctrl-C, and is to be ended by this all the same.
        if not callable(on_interrupt):
            raise KeyboardInterrupt
        on_interrupt(signal.SIGINT, frame)

    for number, handler in before.items():
        # Who ignores it, as nohup does, goes on ignoring it.
        if handler == signal.SIG_DFL:
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

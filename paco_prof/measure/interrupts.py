"""An interruption waits for the end of what must not be cut in half."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["held_interrupts", "terminations_interrupt"]


class _Hold:
    """Keeps an interruption until it is asked for; a second one takes effect at once."""

    def __init__(self) -> None:
        self.is_interrupted = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        if self.is_interrupted:
            raise KeyboardInterrupt
        self.is_interrupted = True


# That of the block that the main thread is in.
_holds: list[_Hold] = []


@contextmanager
def held_interrupts() -> Iterator[None]:
    """Let Ctrl-C take effect at the end of the block; a second one takes effect at once.

    In the middle of a step some weights are updated and others are not, and nobody could go on from there. Elsewhere
    than in the main thread, and where somebody handles interruptions otherwise, nothing changes.
    """
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if is_main else None
    is_ignored = before == signal.SIG_IGN
    if _holds or not (is_ignored or before is signal.default_int_handler):
        yield
        return
    hold = _Hold()
    _holds.append(hold)
    # Where Ctrl-C is ignored, it goes on being ignored; what ends a process from outside is held all the same.
    if not is_ignored:
        signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        if not is_ignored:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        _holds.clear()
    if hold.is_interrupted:
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
        if not callable(on_interrupt):
            # A job in the background ignores Ctrl-C, and is to be ended by this all the same.
            on_interrupt = _holds[-1] if _holds else signal.default_int_handler
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

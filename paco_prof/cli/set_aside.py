"""What a user's own model prints while it is measured: set aside, so that it garbles neither bar nor tables.

Descriptors 1 and 2 lead to an unnamed temporary file for the duration, and so does all that is written to them: by
Python, by C code, by child processes. What kills the process on the spot takes the file with it, last words included.
"""

from __future__ import annotations

import ctypes
import io
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import BinaryIO, TextIO

__all__ = ["SetAside", "set_aside"]

OUT, ERR = 1, 2
# The end of the file, which lines are taken from; and what is read of it at a time, to count them.
TAIL_BYTES = 64 * 1024
CHUNK_BYTES = 1024 * 1024


class SetAside:
    """What has been set aside; known once the block is over.

    Attributes:
        stream: what is written here is not set aside: it goes to where standard error led, a terminal if that was one.
        lines: how many lines there were.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.lines = 0
        self._last: list[str] = []

    @property
    def descriptor(self) -> int:
        """That of the stream, or standard error's where it has none."""
        number = _number_of(self.stream)
        return ERR if number is None else number

    def last(self, num: int) -> list[str]:
        """The last `num` lines, or as many as the last 64 KiB hold.

        Of a line that was written over and over, as a bar is, this is how it looked in the end.
        """
        return self._last[-num:] if num > 0 else []

    def _take(self, file: BinaryIO) -> None:
        """Look through a file, however long: little of it is in memory at any time."""
        file.seek(0)
        tail, num_ends, size = b"", 0, 0
        while chunk := file.read(CHUNK_BYTES):
            num_ends += chunk.count(b"\n")
            size += len(chunk)
            tail = (tail + chunk)[-TAIL_BYTES:]
        lines = tail.decode(errors="replace").split("\n")
        if lines[-1] == "":
            lines.pop()
        if size > len(tail) and len(lines) > 1:
            # Its beginning is missing.
            del lines[0]
        self.lines = num_ends + (size > 0 and not tail.endswith(b"\n"))
        self._last = [line.rstrip("\r").rpartition("\r")[2] for line in lines]


@contextmanager
def set_aside() -> Iterator[SetAside]:
    """Set aside what is printed in the block, and put everything back afterwards, whatever ended it.

    A block within another is part of it: the inner one's stream leads to the outer one's file.
    """
    streams = sys.stdout, sys.stderr
    # A stream need not be on the descriptor that goes by its name: pytest's are on files of their own.
    numbers = {OUT, ERR, *(number for number in map(_number_of, streams) if number is not None)}
    with ExitStack() as afterwards:
        for number in (OUT, ERR):
            _plug(number, afterwards)
        saved = {number: os.dup(number) for number in numbers}
        for copy in saved.values():
            afterwards.callback(os.close, copy)
        aside = SetAside(afterwards.enter_context(_progress_stream(streams[1], saved)))
        file = afterwards.enter_context(tempfile.TemporaryFile())
        afterwards.callback(aside._take, file)
        afterwards.enter_context(_redirected(file, saved, streams))
        yield aside


def _number_of(stream: TextIO | None) -> int | None:
    """A stream's descriptor; None where it has none, is closed or is not there at all."""
    try:
        return None if stream is None else stream.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def _plug(number: int, afterwards: ExitStack) -> None:
    """See to it that a descriptor is open, so that no file of ours is given its number."""
    try:
        os.fstat(number)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        if null != number:
            os.dup2(null, number)
            os.close(null)
        afterwards.callback(os.close, number)


@contextmanager
def _progress_stream(stderr: TextIO | None, saved: dict[int, int]) -> Iterator[TextIO]:
    """A stream to where standard error leads now."""
    number = _number_of(stderr)
    if stderr is not None and number is None and not getattr(stderr, "closed", False):
        yield stderr
        return
    copy = os.dup(saved[ERR if number is None else number])
    stream = os.fdopen(copy, "w", buffering=1, encoding=getattr(stderr, "encoding", None) or "utf-8", errors="replace")
    try:
        yield stream
    finally:
        # Nobody may be reading any more; that is no reason to fail.
        with suppress(OSError):
            stream.close()


class _StandIn(io.TextIOWrapper):
    """In the place of a stream without a descriptor; whoever keeps it writes to that stream in the end.

    Args:
        file: where it leads until it is closed.
        original: the stream.
    """

    def __init__(self, file: BinaryIO, original: TextIO) -> None:
        unbuffered = os.fdopen(os.dup(file.fileno()), "wb", buffering=0)
        super().__init__(unbuffered, encoding="utf-8", errors="replace", write_through=True)
        self._original = original

    def write(self, text: str, /) -> int:
        return self._original.write(text) if self.closed else super().write(text)

    def flush(self) -> None:
        if not self.closed:
            super().flush()


@contextmanager
def _redirected(file: BinaryIO, saved: dict[int, int], streams: tuple[TextIO, TextIO]) -> Iterator[None]:
    """Lead descriptors, and streams that have none, to a file; then to where they led before."""
    inheritable = {number: os.get_inheritable(number) for number in saved}
    _flush(streams)
    with ExitStack() as stand_ins:
        try:
            for number in saved:
                os.dup2(file.fileno(), number, inheritable[number])
            sys.stdout, sys.stderr = (
                stream
                if stream is None or _number_of(stream) is not None
                else stand_ins.enter_context(_StandIn(file, stream))
                for stream in streams
            )
            yield
        finally:
            # What was printed in the block is in buffers still, and what they lead to is about to change.
            _flush((sys.stdout, sys.stderr, *streams))
            sys.stdout, sys.stderr = streams
            for number, copy in saved.items():
                os.dup2(copy, number, inheritable[number])


def _flush(streams: Iterable[TextIO | None]) -> None:
    """Empty the buffers of streams, and those that C code has; what cannot be written is not our concern."""
    for stream in (*streams, sys.__stdout__, sys.__stderr__):
        with suppress(AttributeError, OSError, ValueError):
            if stream is not None:
                stream.flush()
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).fflush(None)

"""What is printed while something is measured: set aside whoever prints it, counted, and everything put back."""

from __future__ import annotations

import ctypes
import io
import logging
import os
import pty
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from paco_prof.cli import set_aside as module
from paco_prof.cli.progress import BarProgress
from paco_prof.cli.set_aside import set_aside


def a_child() -> None:
    subprocess.run([sys.executable, "-S", "-c", "import os; os.write(1, b'words\\n')"], check=True)


def c_code() -> None:
    ctypes.CDLL(None).puts(b"words")


def a_log() -> None:
    logging.StreamHandler().emit(logging.makeLogRecord({"msg": "words"}))


PRINTERS = {
    "print": lambda: print("words"),
    "print to standard error": lambda: print("words", file=sys.stderr),
    "bytes": lambda: sys.stdout.buffer.write(b"words\n"),
    "descriptor 1": lambda: os.write(1, b"words\n"),
    "descriptor 2": lambda: os.write(2, b"words\n"),
    "a child": a_child,
    "C code": c_code,
    "a log": a_log,
}


@pytest.mark.parametrize("printer", PRINTERS.values(), ids=PRINTERS.keys())
@pytest.mark.parametrize("capture", ["capfd", "capsys"])
def test_whoever_prints_is_set_aside(printer: Callable[[], None], capture: str, request: pytest.FixtureRequest) -> None:
    captured = request.getfixturevalue(capture)
    print("before")
    with set_aside() as aside:
        printer()
    print("after")
    assert captured.readouterr() == ("before\nafter\n", "")
    assert aside.lines == 1
    assert "words" in aside.last(1)[0]


SCRIPT = """
import os, sys, warnings
from paco_prof.cli.set_aside import set_aside

print("before, ", end="")
with set_aside() as aside:
    print("printed")
    warnings.warn("warned")
    os.write(1, b"written\\n")
    aside.stream.write("drawn\\n")
if sys.stderr:
    sys.stderr.write(f"{aside.lines} lines, with {aside.last(9).count('printed')} print\\n")
print("after")
"""


@pytest.mark.parametrize(
    ("shell", "out", "err"),
    [
        ('exec "$@"', "before, after\n", "drawn\n3 lines, with 1 print\n"),
        ('exec "$@" >&-', "", "drawn\n2 lines, with 0 print\n"),
        ('exec "$@" 2>&-', "before, after\n", ""),
        ('exec "$@" >&- 2>&- <&-', "", ""),
        ('exec "$@" 2>&1', "before, drawn\n3 lines, with 1 print\nafter\n", ""),
    ],
    ids=["pipes", "no standard output", "no standard error", "neither, nor an input", "one pipe"],
)
def test_a_process_with_pipes_or_closed_descriptors(shell: str, out: str, err: str) -> None:
    """Python has no `sys.stdout` where descriptor 1 is closed, and prints nothing."""
    command = ["sh", "-c", shell, "sh", sys.executable, "-W", "default", "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (out, err)


def state() -> tuple[object, ...]:
    """What standard output and error are, and all that is open."""
    files = [os.fstat(number)[:3] for number in (1, 2)]
    return sys.stdout, sys.stderr, files, sorted(Path("/dev/fd").iterdir())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_everything_is_put_back_whatever_ends_the_block(
    error: type[BaseException], capfd: pytest.CaptureFixture[str]
) -> None:
    def disturb() -> None:
        print("words", end="")
        sys.stdout = io.StringIO()
        os.close(2)
        raise error

    before = state()
    with pytest.raises(error), set_aside() as aside:
        disturb()
    assert state() == before
    assert aside.last(3) == ["words"]
    print("after")
    assert capfd.readouterr() == ("after\n", "")


def test_a_block_within_another(capfd: pytest.CaptureFixture[str]) -> None:
    before = state()
    with set_aside() as outer:
        print("outer")
        with set_aside() as inner:
            print("inner")
            print("progress", file=inner.stream)
        print("outer again")
    assert state() == before
    assert inner.last(9) == ["inner"]
    assert outer.last(9) == ["outer", "progress", "outer again"]
    assert capfd.readouterr() == ("", "")


@contextmanager
def streams(out: TextIO, err: TextIO) -> Iterator[None]:
    """Other streams for the duration; pytest takes its own back before a fixture would."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def test_a_stream_without_a_descriptor_is_replaced() -> None:
    """As in a notebook. What was set up in the block may print long after it."""
    out, err = io.StringIO(), io.StringIO()
    with streams(out, err):
        with set_aside() as aside:
            handler = logging.StreamHandler()
            print("words")
            a_child()
            sys.stdout.flush()
            aside.stream.write("progress")
        handler.emit(logging.makeLogRecord({"msg": ", late"}))
        assert sys.stdout is out
    assert aside.last(9) == ["words", "words"]
    assert (out.getvalue(), err.getvalue()) == ("", "progress, late\n")


def test_streams_that_are_closed_stay_so(capfd: pytest.CaptureFixture[str]) -> None:
    closed = io.StringIO()
    closed.close()
    with streams(closed, closed):
        with set_aside() as aside:
            print("words")
            print("progress", file=aside.stream)
        assert sys.stdout is closed
    assert aside.last(9) == ["words"]
    assert capfd.readouterr().err == "progress\n"


@pytest.mark.parametrize(
    ("printed", "lines"),
    [
        (b"", []),
        (b"one\n", ["one"]),
        (b"one\n\nthree", ["one", "", "three"]),
        (b"\n", [""]),
        (b"an end of Windows\r\n", ["an end of Windows"]),
        (b"\r 1 %\r99 %\r100 %\nnext", ["100 %", "next"]),
        (b"no text: \xff\n", ["no text: \ufffd"]),
    ],
)
def test_lines_are_counted_and_shown_as_they_looked_in_the_end(printed: bytes, lines: list[str]) -> None:
    with set_aside() as aside:
        os.write(1, printed)
    assert aside.lines == len(lines)
    assert aside.last(100) == lines
    assert aside.last(1) == lines[-1:]
    assert aside.last(0) == []


def test_of_a_long_text_the_end_is_read_and_all_lines_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TAIL_BYTES", 16)
    monkeypatch.setattr(module, "CHUNK_BYTES", 7)
    with set_aside() as aside:
        for number in range(1000):
            print(f"line {number}")
    assert aside.lines == 1000
    assert aside.last(100) == ["line 999"]
    with set_aside() as aside:
        print("x" * 1000)
    assert aside.lines == 1
    assert aside.last(100) == ["x" * 15]


def test_a_bar_on_a_terminal_is_drawn_and_what_a_model_prints_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    screen, ours = pty.openpty()
    with os.fdopen(ours, "w") as stderr, streams(sys.stdout, stderr):
        with set_aside() as aside, BarProgress(60.0, aside.stream) as bar:
            assert aside.stream.isatty()
            print("the model's words")
            print("more of them", file=sys.stderr)
            bar.begin("training steps")
            bar.update(18.0, 42.0)
        print("the end", file=stderr, flush=True)
        shown = b""
        while b"the end" not in shown:
            shown += os.read(screen, 100_000)
    os.close(screen)
    assert b"training steps" in shown
    assert b"42 s left" in shown
    assert b"them" not in shown
    assert b"words" not in shown
    assert aside.last(9) == ["the model's words", "more of them"]


def test_a_file_has_no_bar_drawn_on_it(capfd: pytest.CaptureFixture[str]) -> None:
    with set_aside() as aside, BarProgress(60.0, aside.stream) as bar:
        assert not aside.stream.isatty()
        bar.begin("training steps")
    assert capfd.readouterr().err.strip() == ""


def test_where_no_file_can_be_made_nothing_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> TextIO:
        raise OSError("no space left")

    before = state()
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(OSError, match="no space left"), set_aside():
        raise AssertionError("the block was entered")
    assert state() == before

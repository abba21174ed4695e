"""How a process answers whoever started it: lines of JSON on standard input, lines of JSON on what was standard output.

What the code in it prints goes to standard error, where it garbles nothing. When standard input ends, whoever asked is
gone, and so is the process, in the middle of an answer if need be: none outlives its master.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from typing import IO, Any

__all__ = ["serve"]

PR_SET_PDEATHSIG = 1


def serve(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answer request by request until nobody asks any more; does not return.

    Args:
        answer: what a request is answered with.
    """
    _die_with_parent()
    # Ctrl-C is the master's to handle; it reaches every process of a terminal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    requests: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(requests, sys.stdin), daemon=True).start()
    while True:
        channel.write(json.dumps(answer(json.loads(requests.get()))) + "\n")
        channel.flush()


def _die_with_parent() -> None:
    """Linux ends this process with its parent even where it is stuck in code that lets no thread run."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _read(requests: queue.Queue[str], lines: IO[str]) -> None:
    for line in lines:
        requests.put(line)
    with contextlib.suppress(OSError):
        # A group of its own goes with all that was started in it.
        if hasattr(os, "killpg") and os.getpgid(0) == os.getpid():
            os.killpg(0, signal.SIGKILL)
    os._exit(0)

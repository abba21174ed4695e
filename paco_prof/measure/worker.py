"""The process that a variant lives in: it builds what it is told to, and does one thing whenever it is asked.

Requests come as lines of JSON on standard input, answers go as lines of JSON to what was standard output; what the
measured code prints goes to standard error, where it garbles nothing. When standard input ends, whoever asked is gone,
and so is the worker, in the middle of a step if need be: no process outlives its referee.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import queue
import signal
import sys
import threading
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from paco_prof.errors import UsageError
from paco_prof.measure.memory_peak import process_peak_bytes
from paco_prof.measure.out_of_memory import says_out_of_memory
from paco_prof.measure.shareable import scrub
from paco_prof.measure.user.place import told
from paco_prof.records import Contestant, FailureKind

if TYPE_CHECKING:
    from paco_prof.measure.subject import Subject

__all__ = ["Worker", "failure_of", "main"]

PR_SET_PDEATHSIG = 1


@dataclass
class Worker:
    """Answers requests, one after the other.

    Attributes:
        subject: what it measures; None before it was told to start.
    """

    subject: Subject | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """What a request is answered with; a failure is an answer as well."""
        try:
            return {"ok": self._do(request), "peak_bytes": process_peak_bytes()}
        except (Exception, SystemExit) as error:
            return {"failed": failure_of(error, building=self.subject is None), "peak_bytes": self._peak_bytes()}

    def _do(self, request: dict[str, Any]) -> Any:
        what = request["do"]
        if what == "start":
            return self._start(request)
        if self.subject is None:
            raise AssertionError(f"asked for {what} before start")
        if what == "step":
            return self.subject.step().to_data()
        if what == "memory":
            return self.subject.memory().model_dump(mode="json")
        if what == "fidelity":
            return self.subject.fidelity().model_dump(mode="json")
        raise AssertionError(f"cannot do {what}")

    def _start(self, request: dict[str, Any]) -> dict[str, Any]:
        module, _, function = request["subject"].partition(":")
        make = getattr(importlib.import_module(module), function)
        self.subject = make(Contestant.model_validate(request["contestant"]), request["keep_initial"])
        assert self.subject is not None
        description = self.subject.describe()
        return {
            "contestant": description.contestant.model_dump(mode="json"),
            "environment": description.environment.model_dump(mode="json"),
            "accelerator_uuid": description.accelerator_uuid,
        }

    def _peak_bytes(self) -> int:
        """The device's peak where it has one: it is what has run out."""
        with contextlib.suppress(Exception):
            if self.subject is not None:
                return self.subject.memory().device_peak_bytes or process_peak_bytes()
        return process_peak_bytes()


def failure_of(error: BaseException, building: bool) -> dict[str, str]:
    """What a failure was: its kind, the last line of its error, and what can be done."""
    kind: FailureKind = "raised"
    chain: BaseException | None = error
    while chain is not None:
        if says_out_of_memory(f"{type(chain).__name__} {chain}"):
            kind = "out of memory"
        chain = chain.__cause__
    if isinstance(error, UsageError):
        kind = "not applicable" if building and kind == "raised" else kind
        return {"kind": kind, "detail": scrub(error.message), "hint": scrub(error.hint)}
    return {"kind": kind, "detail": told(error), "hint": ""}


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


def main() -> None:
    """Serve until nobody asks any more."""
    _die_with_parent()
    # Ctrl-C is the referee's to handle; it reaches every process of a terminal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    requests: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(requests, sys.stdin), daemon=True).start()
    worker = Worker()
    while True:
        answer = worker.answer(json.loads(requests.get()))
        channel.write(json.dumps(answer) + "\n")
        channel.flush()


if __name__ == "__main__":
    main()

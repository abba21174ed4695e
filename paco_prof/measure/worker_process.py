"""A worker that is a process of its own: asked, waited for, and killed. Free of torch."""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

import psutil

from paco_prof.measure.out_of_memory import says_out_of_memory
from paco_prof.measure.shareable import scrub
from paco_prof.measure.steps import TimedStep
from paco_prof.measure.worker_handle import MemoryLimit, Ready, WorkerError
from paco_prof.records import Contestant, FailureKind, Fidelity, Memory

__all__ = [
    "IN_WORKER",
    "ProcessLauncher",
    "WorkerProcess",
    "with_python_path",
]

T = TypeVar("T")
# Set in every worker: whoever imports a script there that would start workers of its own is to find out.
IN_WORKER = "PACO_PROF_WORKER"
SECONDS_BETWEEN_LOOKS = 1.0
MAX_DETAIL = 300
# By number: not every system has a name for it.
SIGKILL = 9


class ProcessLauncher:
    """Starts every worker in a process of its own, by the interpreter that runs this one.

    The environment is handed on as it is: it decides how threads wait, and so how long a step takes.

    Args:
        subject: `module:function` that builds what is measured from a contestant.
        python_path: folders in which the worker looks for modules before all others.
        folder: that it works in; None for this process's own.
        variables: of its environment, beside those that are handed on.
    """

    def __init__(
        self,
        subject: str = "paco_prof.measure.subject:build_subject",
        python_path: Sequence[Path] = (),
        folder: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._subject = subject
        self._python_path = python_path
        self._folder = folder
        self._variables = dict(variables or {})

    def __call__(
        self, contestant: Contestant, *, keep_initial: bool, memory_limit: MemoryLimit = None
    ) -> WorkerProcess:
        environment = with_python_path(os.environ, self._python_path)
        environment = {"KINETO_LOG_LEVEL": "99", **environment, IN_WORKER: "1", **self._variables}
        command = [sys.executable, "-P", "-m", "paco_prof.measure.worker"]
        worker = WorkerProcess(command, environment, self._folder)
        start: dict[str, Any] = {"do": "start", "subject": self._subject, "keep_initial": keep_initial}
        if memory_limit is not None:
            start["memory_limit"] = memory_limit
        # The worker may be of another revision, which knows less: it is told only what is not as it would be anyway.
        told = contestant.model_dump(mode="json", exclude_defaults=True, exclude={"revision"})
        worker.send({**start, "contestant": told})
        return worker


def with_python_path(environment: Mapping[str, str], folders: Sequence[Path]) -> dict[str, str]:
    """Environment variables with which Python looks for modules in some folders before all others."""
    paths = [*map(str, folders), *filter(None, [environment.get("PYTHONPATH")])]
    return {**environment, **({"PYTHONPATH": os.pathsep.join(paths)} if folders else {})}


class WorkerProcess:
    """A process that answers lines of JSON with lines of JSON.

    Args:
        command: what to run.
        environment: its environment variables.
        folder: that it works in; None for this process's own.
    """

    def __init__(self, command: Sequence[str], environment: dict[str, str], folder: Path | None = None) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process runs
        self._kills_before = _kernel_kills()
        self._process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # Ctrl-C in a terminal is meant for the referee, which decides what becomes of its workers.
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._peak_bytes: int | None = None
        self._answers: queue.Queue[bytes | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, request: dict[str, Any]) -> None:
        """Ask for something, without waiting for the answer; a worker that is gone is noticed by `receive`."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()

    def receive(self, during: str, timeout: float) -> Any:
        """Wait for the answer to what was asked last.

        Raises:
            WorkerError: it says that it failed, it ended, or it does not answer in time and is killed.
        """
        try:
            line = self._wait(timeout)
        except TimeoutError as error:
            self.close()
            detail = f"no answer within {timeout:g} s"
            raise self._failure("hung", during, detail, "A larger --timeout waits longer.") from error
        if line is None:
            raise self._ended(during)
        answer = self._understood(during, _answer, line)
        failed = answer.get("failed")
        self._peak_bytes = max(self._peak_bytes or 0, answer["peak_bytes"])
        if failed is not None:
            self.close()
            if failed["kind"] == "out of memory":
                # What has run out may be the device's memory, which the answer then tells.
                self._peak_bytes = answer["peak_bytes"]
            raise self._failure(failed["kind"], during, failed["detail"], failed["hint"])
        return answer["ok"]

    def ready(self, timeout: float) -> Ready:
        return self._understood("start", Ready, self.receive("start", timeout))

    def step(self, timeout: float) -> TimedStep:
        self.send({"do": "step"})
        step = self._understood("step", TimedStep.from_data, self.receive("step", timeout))
        if not 0 < step.seconds < math.inf:
            self.close()
            raise self._failure("raised", "step", f"a step took {step.seconds:g} s, which is no time")
        return step

    def memory(self, timeout: float) -> Memory:
        self.send({"do": "memory"})
        return self._understood("memory", Memory.model_validate, self.receive("memory", timeout))

    def memory_by_stage(self, timeout: float) -> Memory:
        self.send({"do": "memory", "by_stage": True})
        return self._understood("memory", Memory.model_validate, self.receive("memory", timeout))

    def fidelity(self, timeout: float) -> Fidelity:
        self.send({"do": "fidelity"})
        return self._understood("fidelity", Fidelity.model_validate, self.receive("fidelity", timeout))

    def close(self) -> None:
        """Kill it with all that it has started, and wait until it is gone."""
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self.pid, SIGKILL)
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._errors):
            if pipe is not None:
                with contextlib.suppress(OSError, ValueError):
                    pipe.close()

    def _understood(self, during: str, read: Callable[[Any], T], data: Any) -> T:
        """What `read` makes of an answer; a worker that talks nonsense is given up."""
        try:
            return read(data)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.close()
            raise self._failure("raised", during, "it answered what is no answer") from error

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as answers:
            for line in answers:
                self._answers.put(line)
        self._answers.put(None)

    def _wait(self, timeout: float) -> bytes | None:
        """The next answer, None where the process has ended instead. A wait that takes long looks at its memory.

        Raises:
            TimeoutError: no answer in time.
        """
        end = time.monotonic() + timeout
        while True:
            left = end - time.monotonic()
            try:
                return self._answers.get(timeout=max(0.0, min(SECONDS_BETWEEN_LOOKS, left)))
            except queue.Empty as error:
                if self._process.poll() is not None:
                    # What it has started may hold its pipe open. A last answer may still be on its way.
                    with contextlib.suppress(queue.Empty):
                        return self._answers.get(timeout=0.1)
                    return None
                if left <= 0:
                    raise TimeoutError from error
                with contextlib.suppress(psutil.Error):
                    resident = psutil.Process(self.pid).memory_info().rss
                    self._peak_bytes = max(self._peak_bytes or 0, resident)

    def _ended(self, during: str) -> WorkerError:
        """How it ended that was not told to."""
        code = self._process.wait()
        by_kernel = code == -SIGKILL and _kernel_kills() > self._kills_before
        last = self._last_error_line()
        self.close()
        if by_kernel:
            return self._failure("out of memory", during, "killed by the kernel, which ran out of memory")
        if code != 0 and says_out_of_memory(last):
            return self._failure("out of memory", during, last)
        how = f"killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        return self._failure("died", during, f"{how}: {last}" if last else how, code=code)

    def _failure(
        self, kind: FailureKind, during: str, detail: str, hint: str = "", code: int | None = None
    ) -> WorkerError:
        return WorkerError(self.pid, kind, during, detail[:MAX_DETAIL], hint, self._peak_bytes, code)

    def _last_error_line(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").strip().splitlines()
            return scrub(lines[-1])[:MAX_DETAIL] if lines else ""
        return ""


def _answer(line: bytes) -> dict[str, Any]:
    answer = json.loads(line)
    failed = answer.get("failed")
    is_whole = "ok" in answer if failed is None else failed.keys() >= {"kind", "detail", "hint"}
    if not isinstance(answer["peak_bytes"], int) or not is_whole:
        raise ValueError("no answer")
    return dict(answer)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _kernel_kills() -> int:
    """How many processes the kernel has killed for want of memory since it booted; 0 where it does not tell."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return 0

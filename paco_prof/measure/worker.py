"""The process that a variant lives in: it builds what it is told to, and does one thing whenever it is asked.

Requests come as lines of JSON on standard input, answers go as lines of JSON to what was standard output; what the
measured code prints goes to standard error, where it garbles nothing. When standard input ends, whoever asked is gone,
and so is the worker, in the middle of a step if need be: no process outlives its referee.
"""

from __future__ import annotations

import contextlib
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paco_prof.errors import UsageError
from paco_prof.measure.memory_peak import process_peak_bytes
from paco_prof.measure.out_of_memory import says_out_of_memory
from paco_prof.measure.serving import serve
from paco_prof.measure.shareable import scrub
from paco_prof.measure.user.place import told
from paco_prof.records import Contestant, FailureKind

if TYPE_CHECKING:
    from paco_prof.measure.subject import Subject
    from paco_prof.measure.worker_handle import MemoryLimit

__all__ = ["Worker", "failure_of", "main"]


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
            by_stage = {"by_stage": True} if request.get("by_stage") else {}
            return self.subject.memory(**by_stage).model_dump(mode="json")
        if what == "fidelity":
            return self.subject.fidelity().model_dump(mode="json")
        raise AssertionError(f"cannot do {what}")

    def _start(self, request: dict[str, Any]) -> dict[str, Any]:
        module, _, function = request["subject"].partition(":")
        make = getattr(importlib.import_module(module), function)
        contestant = Contestant.model_validate(request["contestant"])
        room = self._limited(request["memory_limit"], contestant) if "memory_limit" in request else {}
        self.subject = make(contestant, request["keep_initial"])
        assert self.subject is not None
        description = self.subject.describe()
        return {
            **room,
            "contestant": description.contestant.model_dump(mode="json"),
            "environment": description.environment.model_dump(mode="json"),
            "accelerator_uuid": description.accelerator_uuid,
        }

    def _limited(self, limit: MemoryLimit, contestant: Contestant) -> dict[str, Any]:
        """Limit this process's memory, or what it may have of its device's; where that is told."""
        from paco_prof.measure.device import resolve_device
        from paco_prof.measure.memory_limit import limit_memory

        room = limit_memory(limit, resolve_device(contestant.workload.device))
        return {"room_bytes": room.num_bytes, "room_of_device": room.of_device}

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


def main() -> None:
    """Serve until nobody asks any more."""
    serve(Worker().answer)


if __name__ == "__main__":
    main()

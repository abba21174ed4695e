"""A worker's answers, asked in this process."""

from __future__ import annotations

import sys

import pytest

from builders import RESNET50
from paco_prof.measure.subject import Subject
from paco_prof.measure.worker import Worker
from paco_prof.records import Contestant, Memory

CONTESTANT = Contestant(name="mine", workload=RESNET50, base=RESNET50)


class Leaving:
    """Ends the process in a step, and in a comparison with float64."""

    def step(self) -> None:
        sys.exit("that is enough")

    fidelity = step

    def memory(self) -> Memory:
        return Memory(process_peak_bytes=1)


def test_the_end_of_the_process_is_a_failure_and_is_answered() -> None:
    worker = Worker(Leaving())  # type: ignore[arg-type]
    for what in ("step", "fidelity"):
        failed = worker.answer({"do": what})["failed"]
        assert failed["kind"] == "raised"
        assert failed["detail"].startswith("SystemExit: that is enough (test_worker.py, line ")


def leaves(_contestant: Contestant, _keep_initial: bool) -> Subject:
    sys.exit("cannot be built")


def test_so_it_is_where_nothing_is_built_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "leaving", sys.modules[__name__])
    request = {"do": "start", "subject": "leaving:leaves", "keep_initial": False}
    answer = Worker().answer({**request, "contestant": CONTESTANT.model_dump(mode="json")})
    assert answer["failed"]["detail"].startswith("SystemExit: cannot be built (test_worker.py, line ")

"""Which processes that failed under a limit of their memory have run into it."""

from __future__ import annotations

import signal

import pytest

from builders import CPU, RESNET50
from paco_prof.measure.scaling.running_out import kind_under, own_limit
from paco_prof.measure.worker_handle import Ready, WorkerError
from paco_prof.records import Contestant, FailureKind

LIMIT = 1000


def failure(
    kind: FailureKind = "died", code: int | None = None, peak: int | None = 10, detail: str = "no words"
) -> WorkerError:
    return WorkerError(7, kind, "step", detail, "", peak, code)


def ready(room: int | None, of_device: bool) -> Ready:
    contestant = Contestant(name="mine", workload=RESNET50, base=RESNET50)
    return Ready(
        {
            "contestant": contestant.model_dump(mode="json"),
            "environment": CPU.model_dump(mode="json"),
            "accelerator_uuid": None,
            "room_bytes": room,
            "room_of_device": of_device,
        }
    )


@pytest.mark.parametrize(
    ("failed", "kind"),
    [
        (failure(code=-signal.SIGABRT, peak=150), "out of memory"),
        # Far from its limit it has crashed for another reason.
        (failure(code=-signal.SIGABRT, peak=50), "died"),
        (failure(code=-signal.SIGSEGV, peak=50), "died"),
        (failure(code=-signal.SIGSEGV, peak=None), "out of memory"),
        (failure(code=-signal.SIGILL), "died"),
        (failure(code=1, peak=600), "out of memory"),
        (failure(code=1, peak=400), "died"),
        (failure(code=1, peak=None), "died"),
        # What somebody sends is nothing that an allocator does.
        (failure(code=-9, peak=900), "died"),
        (failure(code=-15, peak=900), "died"),
        (failure(code=1, detail="libgomp: Thread creation failed: Resource temporarily unavailable"), "out of memory"),
        (failure("raised", detail="RuntimeError: could not create a primitive"), "out of memory"),
        (failure("raised", peak=900), "raised"),
        (failure("hung", peak=900), "hung"),
        (failure("not applicable", peak=900), "not applicable"),
        (failure("out of memory"), "out of memory"),
    ],
)
def test_what_a_failure_is_under_a_limit(failed: WorkerError, kind: FailureKind) -> None:
    assert kind_under(failed, LIMIT) == kind
    assert kind_under(failed, None) == failed.kind


def test_of_a_limit_that_is_not_known_nobody_is_close_to_it() -> None:
    assert kind_under(failure(code=1, peak=10**12), "available") == "died"
    assert kind_under(failure(code=-signal.SIGABRT), "available") == "out of memory"


def test_a_limit_is_a_process_s_own_where_it_said_so_or_has_no_other_device() -> None:
    assert own_limit("available", ready(500, of_device=False), "cpu") == 500
    assert own_limit(500, ready(500, of_device=True), "cuda") is None
    assert own_limit(None, ready(None, of_device=False), "cpu") is None
    assert own_limit("available", None, "cpu") == "available"
    assert own_limit(500, None, "cuda") is None
    assert own_limit(500, None, "auto") is None

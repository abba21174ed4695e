"""Workers as real processes: whatever happens in one, the referee gets an answer or learns how it ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from builders import RESNET50
from paco_prof.measure.steps import TimedStep
from paco_prof.measure.timeline import Owner
from paco_prof.measure.worker import failure_of
from paco_prof.measure.worker_handle import WorkerError
from paco_prof.measure.worker_process import ProcessLauncher, WorkerProcess
from paco_prof.records import Contestant

TESTS = Path(__file__).parent.parent.parent
CONTESTANT = Contestant(name="mine", workload=RESNET50, base=RESNET50)
# Seconds for what ought to happen at once.
PATIENCE = 30.0

Start = Callable[[str], WorkerProcess]

# A referee whose worker is in the middle of a step; says who the worker is, and waits to be killed.
REFEREE = """
import sys, threading, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from paco_prof.measure.worker_process import ProcessLauncher
from paco_prof.records import Contestant
from paco_prof.settings import Workload
workload = Workload()
launch = ProcessLauncher("subjects:{subject}", [Path({tests!r})])
worker = launch(Contestant(name="mine", workload=workload, base=workload), keep_initial=False)
worker.ready(30.0)
worker.step(30.0)
threading.Thread(target=worker.step, args=(1000.0,), daemon=True).start()
print(worker.pid, flush=True)
time.sleep(1000.0)
"""


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts workers on a subject of ours; they are closed in the end."""
    workers: list[WorkerProcess] = []

    def launch(subject: str) -> WorkerProcess:
        workers.append(ProcessLauncher(f"subjects:{subject}", [TESTS])(CONTESTANT, keep_initial=False))
        return workers[-1]

    yield launch
    for worker in workers:
        worker.close()
        assert is_gone(worker.pid)


def is_gone(pid: int) -> bool:
    """Whether a process has ended, waited for or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def failure_in_a_step(worker: WorkerProcess, timeout: float = PATIENCE) -> WorkerError:
    """How the second step of a worker fails; the first one is well."""
    worker.ready(PATIENCE)
    worker.step(PATIENCE)
    with pytest.raises(WorkerError) as raised:
        worker.step(timeout)
    assert raised.value.during == "step"
    assert raised.value.pid == worker.pid
    assert is_gone(worker.pid)
    return raised.value


def test_a_worker_does_what_it_is_asked(start: Start) -> None:
    worker = start("calm")
    ready = worker.ready(PATIENCE)
    assert ready.contestant == CONTESTANT
    assert ready.environment.processor == "a core"
    step = worker.step(PATIENCE)
    assert isinstance(step, TimedStep)
    assert step.seconds == 0.01
    assert step.spans[Owner("backbone", "forward")].host == 0.01
    assert step.losses["total"] != step.losses["total"]
    assert (worker.memory(PATIENCE).process_peak_bytes or 0) > 2**20
    assert worker.fidelity(PATIENCE).gradient_cosine == 1.0
    worker.close()
    worker.close()


def test_a_worker_imports_no_torch_of_its_own(start: Start) -> None:
    worker = start("calm")
    worker.ready(PATIENCE)
    assert not [path for path in psutil.Process(worker.pid).memory_maps() if "libtorch" in path.path]


def test_what_is_printed_garbles_no_answer(start: Start) -> None:
    worker = start("chatty")
    assert worker.ready(PATIENCE).contestant == CONTESTANT
    assert worker.step(PATIENCE).seconds == 0.01


def test_sigkill_in_mid_step_is_a_death(start: Start) -> None:
    failure = failure_in_a_step(start("killed"))
    assert (failure.kind, failure.detail, failure.code) == ("died", "killed by SIGKILL", -9)


def test_sigkill_from_outside_in_mid_step_is_a_death(start: Start) -> None:
    worker = start("sleeping")
    worker.ready(PATIENCE)
    worker.step(PATIENCE)
    worker.send({"do": "step"})
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match="killed by SIGKILL") as raised:
        worker.receive("step", PATIENCE)
    assert raised.value.kind == "died"


def test_asking_a_worker_that_is_gone_is_noticed(start: Start) -> None:
    worker = start("killed")
    failure_in_a_step(worker)
    with pytest.raises(WorkerError) as raised:
        worker.memory(1.0)
    assert raised.value.kind == "died"


@pytest.mark.parametrize("subject", ["sleeping", "stuck"])
def test_a_step_that_hangs_is_given_up_and_its_process_killed(start: Start, subject: str) -> None:
    before = time.monotonic()
    failure = failure_in_a_step(start(subject), timeout=0.3)
    assert time.monotonic() - before < PATIENCE
    assert failure.kind == "hung"
    assert "no answer within" in failure.detail
    assert "--timeout" in failure.hint


def test_a_time_out_below_a_second_is_told_as_it_was(start: Start) -> None:
    worker = start("never_ready")
    with pytest.raises(WorkerError, match=r"no answer within 0\.2 s"):
        worker.ready(0.2)


def test_a_start_that_hangs_is_given_up(start: Start) -> None:
    worker = start("never_ready")
    with pytest.raises(WorkerError) as raised:
        worker.ready(0.2)
    assert (raised.value.kind, raised.value.during) == ("hung", "start")
    assert is_gone(worker.pid)


def test_an_error_is_its_last_line_without_folders(start: Start) -> None:
    failure = failure_in_a_step(start("raising"))
    assert failure.kind == "raised"
    # What measured it is not ours: its line is told, and no folder.
    assert re.fullmatch(r"RuntimeError: shape mismatch in model\.py \(subjects\.py, line \d+\)", failure.detail)
    assert (failure.peak_bytes or 0) > 2**20


@pytest.mark.parametrize(
    ("subject", "kind", "words"),
    [
        ("raising_in_the_build", "raised", "ValueError: no such backbone"),
        ("not_applicable", "not applicable", "compile is not applicable: no compiler."),
        ("no_such_subject", "raised", "no_such_subject"),
    ],
)
def test_what_cannot_be_built_says_why(start: Start, subject: str, kind: str, words: str) -> None:
    with pytest.raises(WorkerError) as raised:
        start(subject).ready(PATIENCE)
    assert (raised.value.kind, raised.value.during) == (kind, "start")
    assert words in raised.value.detail
    assert "\n" not in raised.value.detail
    assert raised.value.hint == ("Leave it away." if kind == "not applicable" else "")


def test_a_usage_error_in_mid_step_does_not_say_that_the_variant_is_not_applicable(start: Start) -> None:
    failure = failure_in_a_step(start("unusable_later_on"))
    assert (failure.kind, failure.detail, failure.hint) == ("raised", "gamma cannot be that.", "Choose another.")


def test_leaving_without_a_word_is_a_death_with_its_exit_code_and_last_line(start: Start) -> None:
    failure = failure_in_a_step(start("exiting"))
    assert (failure.kind, failure.detail, failure.code) == ("died", "ended with exit code 7: the last words", 7)


def test_sys_exit_is_an_error_like_any_other(start: Start) -> None:
    failure = failure_in_a_step(start("exiting_politely"))
    assert failure.kind == "raised"
    assert re.fullmatch(r"SystemExit: enough \(subjects\.py, line \d+\)", failure.detail)


def test_memory_that_runs_out_names_the_peak(start: Start) -> None:
    failure = failure_in_a_step(start("hungry"))
    assert failure.kind == "out of memory"
    assert re.fullmatch(r"MemoryError \(subjects\.py, line \d+\)", failure.detail)
    # It got some of it before there was no more.
    assert (failure.peak_bytes or 0) > 64 * 2**20


def test_memory_that_runs_out_to_the_last_byte_is_told_all_the_same(start: Start) -> None:
    failure = failure_in_a_step(start("starving"))
    assert failure.kind == "out of memory"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
        RuntimeError("std::bad_alloc"),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
)
def test_however_an_allocator_says_it_memory_ran_out(error: Exception) -> None:
    assert failure_of(error, building=False)["kind"] == "out of memory"


def test_memory_that_runs_out_on_a_device_names_the_device_s_peak(start: Start) -> None:
    failure = failure_in_a_step(start("allocator"))
    assert (failure.kind, failure.peak_bytes) == ("out of memory", 4321)


def test_a_c_library_that_aborts_for_want_of_memory_ran_out_of_it(start: Start) -> None:
    failure = failure_in_a_step(start("aborted"))
    assert "bad_alloc" in failure.detail
    assert failure.kind == "out of memory"


@pytest.mark.parametrize("subject", ["garbling", "nonsense"])
def test_what_is_no_answer_is_a_failure(start: Start, subject: str) -> None:
    failure = failure_in_a_step(start(subject))
    assert (failure.kind, failure.detail) == ("raised", "it answered what is no answer")


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "null",
        "3",
        "[]",
        "{}",
        '{"peak_bytes": 1}',
        '{"failed": null}',
        '{"ok": null, "peak_bytes": 1}',
        '{"failed": {}, "peak_bytes": 1}',
    ],
)
def test_any_line_that_is_no_answer_is_a_failure(answer: str) -> None:
    worker = WorkerProcess(["sh", "-c", f"echo '{answer}'; exec sleep 1000"], dict(os.environ))
    with pytest.raises(WorkerError, match="no answer"):
        worker.step(PATIENCE)
    assert is_gone(worker.pid)


def test_a_process_that_is_not_ours_at_all_is_a_death() -> None:
    with pytest.raises(WorkerError, match="ended with exit code 0") as raised:
        WorkerProcess(["true"], dict(os.environ)).ready(PATIENCE)
    assert raised.value.kind == "died"


def test_control_c_does_not_end_a_worker(start: Start) -> None:
    worker = start("calm")
    worker.ready(PATIENCE)
    os.kill(worker.pid, signal.SIGINT)
    assert worker.step(PATIENCE).seconds == 0.01
    # And the terminal's does not even reach it.
    assert os.getpgid(worker.pid) != os.getpgid(0)


def test_closing_ends_a_worker_that_is_busy(start: Start) -> None:
    worker = start("busy")
    worker.ready(PATIENCE)
    worker.step(PATIENCE)
    worker.send({"do": "step"})
    worker.close()
    assert is_gone(worker.pid)


def test_closing_ends_a_worker_with_threads_of_its_own(start: Start) -> None:
    worker = start("in_the_background")
    worker.ready(PATIENCE)
    worker.close()
    assert is_gone(worker.pid)


def child_of(worker: WorkerProcess) -> int:
    return int(worker.ready(PATIENCE).contestant.name)


def test_closing_ends_what_a_worker_has_started(start: Start) -> None:
    worker = start("with_a_child")
    child = child_of(worker)
    worker.close()
    try:
        assert wait_until(lambda: is_gone(child), 1.0)
    finally:
        if not is_gone(child):
            os.kill(child, signal.SIGKILL)


def test_a_fork_that_is_left_behind_does_not_hide_a_death(start: Start) -> None:
    worker = start("forking")
    worker.ready(PATIENCE)
    worker.step(PATIENCE)
    with pytest.raises(WorkerError) as raised:
        worker.step(2.0)
    assert raised.value.kind == "died"


@pytest.mark.parametrize(
    ("subject", "how"),
    [
        ("sleeping", signal.SIGKILL),
        ("busy", signal.SIGKILL),
        ("stuck", signal.SIGKILL),
        ("busy", signal.SIGTERM),
    ],
)
def test_a_worker_ends_with_its_parent(subject: str, how: signal.Signals) -> None:
    referee = REFEREE.format(tests=str(TESTS), subject=subject)
    with subprocess.Popen([sys.executable, "-c", referee], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert not is_gone(worker)
        parent.send_signal(how)
    assert wait_until(lambda: is_gone(worker), 5.0)

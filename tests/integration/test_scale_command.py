"""The installed `paco-prof scale`: whole runs on a tiny model, and everything that can go wrong with one."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from installed import COMMAND, ENVIRONMENT, MODEL, PATIENCE, Finished
from paco_prof.records import ScaleRecord
from paco_prof.store import read_kind

QUICK = f"{MODEL} --launches 1 --steps 2 --max-minutes 3 --output run.json"

not_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs what only Linux has")


def saved(folder: Path) -> ScaleRecord:
    return read_kind(folder / "run.json", ScaleRecord)


def start(folder: Path, arguments: str) -> subprocess.Popen[str]:
    # A child inherits "ignore" from a parent in the background, and would not be interrupted.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [COMMAND, "scale", *shlex.split(arguments)],
            cwd=folder,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)


def finish(process: subprocess.Popen[str], folder: Path) -> Finished:
    try:
        out, err = process.communicate(timeout=4 * PATIENCE)
    finally:
        process.kill()
    return Finished(process.returncode, out, err, folder)


def run(folder: Path, arguments: str) -> Finished:
    return finish(start(folder, arguments), folder)


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def num_points(folder: Path) -> int:
    return len(saved(folder).points) if (folder / "run.json").exists() else 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Both forms at two sizes, with every output."""
    files = "--markdown report.md --plot out.png"
    return run(tmp_path_factory.mktemp("whole"), f"--vary batch-size=2,4 --target 8 {QUICK} {files}")


def test_it_ends_well(whole: Finished) -> None:
    assert whole.code == 0, whole.err
    assert {path.name for path in whole.folder.iterdir()} == {"run.json", "report.md", "out.png"}
    assert [line for line in whole.err.splitlines() if not line.startswith("Wrote ")] == []
    assert "batch-size" in whole.out
    assert max(map(len, whole.out.splitlines())) <= 80


def test_it_has_what_was_planned(whole: Finished) -> None:
    record = saved(whole.folder)
    assert (record.status, record.failures, record.notes) == ("complete", (), ())
    assert [(point.contestant, point.sizes) for point in record.points] == [(0, (2,)), (1, (2,)), (0, (4,)), (1, (4,))]
    assert [len(point.training.steps) for point in record.points] == [2] * 4
    assert record.environment is not None
    assert record.environment.threads == 1


def test_stages_tell_what_they_keep_for_backward(whole: Finished) -> None:
    for small, large in (saved(whole.folder).points[::2], saved(whole.folder).points[1::2]):
        assert small.memory is not None
        assert large.memory is not None
        before, after = (
            {each.path: each.num_bytes for each in memory.saved} for memory in (small.memory, large.memory)
        )
        assert {"backbone", "dim_reduction", "loss/pac"} <= before.keys()
        assert 1.9 < after["backbone"] / before["backbone"] <= 2.0
        assert (small.memory.process_peak_bytes or 0) > 2**26


def test_show_says_the_same(whole: Finished) -> None:
    done = subprocess.run(
        [COMMAND, "show", "run.json"], cwd=whole.folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, whole.out)


def test_the_record_names_no_folder(whole: Finished) -> None:
    text = (whole.folder / "run.json").read_text()
    assert str(whole.folder) not in text
    assert str(Path.home()) + "/" not in text


@not_linux
def test_the_largest_batch_runs_and_the_next_one_fails_cleanly(tmp_path: Path) -> None:
    search = "--vary batch-size=1,2 --variant exact --image-size 384 --find-largest --memory-limit 780MB"
    done = run(tmp_path, f"{QUICK} {search}")
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    record = saved(tmp_path)
    (largest,) = record.largest
    assert largest.size is not None
    assert largest.next_size == largest.size + 1
    assert (largest.reason, largest.confirmed_steps, largest.limit_bytes) == ("out of memory", 20, 780_000_000)
    assert largest.of_device is False
    # Pages of libraries are resident beside what is limited.
    assert (largest.peak_bytes or 0) < 780_000_000
    (too_large,) = [trial for trial in largest.trials if trial.size == largest.next_size]
    assert (too_large.fits, too_large.reason) == (False, "out of memory")
    assert too_large.detail
    assert record.status == "complete"


@not_linux
def test_a_process_that_is_killed_costs_its_launch_and_the_others_go_on(tmp_path: Path) -> None:
    with start(tmp_path, f"--vary batch-size=2,4 --variant exact {QUICK}") as process:
        wait_until(lambda: len(workers_of(process)) == 1, process)
        workers_of(process)[0].kill()
        done = finish(process, tmp_path)
    assert done.code == 4
    assert done.err.splitlines()[-1] == "paco-prof: exact: died: killed by SIGKILL."
    record = saved(tmp_path)
    (failure,) = record.failures
    assert (failure.sizes, failure.kind, failure.during) == ((2,), "died", "start")
    assert [point.sizes for point in record.points] == [(4,)]
    assert record.status == "complete"


@not_linux
def test_an_interrupted_measurement_goes_on(tmp_path: Path) -> None:
    with start(tmp_path, f"--vary batch-size=2,4 --variant exact {QUICK}") as process:
        wait_until(lambda: num_points(tmp_path) == 1 and len(workers_of(process)) == 1, process)
        workers = workers_of(process)
        process.send_signal(signal.SIGINT)
        stopped = finish(process, tmp_path)
    assert stopped.code == 130
    assert stopped.err.splitlines()[-1] == "paco-prof: Interrupted after 1 launch."
    assert psutil.wait_procs(workers, timeout=5.0)[1] == []
    first = saved(tmp_path)
    assert (first.status, [point.sizes for point in first.points]) == ("interrupted", [(2,)])
    done = run(tmp_path, "--resume run.json")
    assert done.code == 0, done.err
    record = saved(tmp_path)
    assert (record.status, [point.sizes for point in record.points]) == ("complete", [(2,), (4,)])
    assert record.points[0] == first.points[0]


def test_parts_without_room_are_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, f"--vary K=2,500 --variant exact {MODEL.replace('-K 3', '')}")
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert done.err.startswith("paco-prof: K=500 parts do not fit on the feature map of test_resnet at 96 px: ")

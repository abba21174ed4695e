"""The installed `paco-prof compare` and `ablate`: whole runs, and everything that can go wrong with one."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from comparisons import comparison_record
from installed import COMMAND, ENVIRONMENT, MODEL, PATIENCE, Finished
from paco_prof.cli import app
from paco_prof.records import ComparisonRecord
from paco_prof.store import read_kind, write_record

TINY = f"{MODEL} --batch-size 2 --max-minutes 1"
QUICK = f"{TINY} --launches 1 --pairs 1 --no-fidelity"
# Seconds after which whoever has lost its parent must be gone.
SOON = 5.0

not_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs what only Linux has")


class Compared(Finished):
    """A comparison that is over, and where it left its files."""

    @property
    def record(self) -> ComparisonRecord:
        return read_kind(self.folder / "run.json", ComparisonRecord)

    @property
    def words(self) -> str:
        """What is on screen, without its line breaks."""
        return " ".join(self.out.split())


def start(folder: Path, arguments: str, limit_kib: int | None = None) -> subprocess.Popen[str]:
    """Start the command, if need be with a limit of address space for it and its workers."""
    command = [COMMAND, *shlex.split(arguments)]
    if limit_kib is not None:
        command = ["sh", "-c", 'ulimit -v "$0" && exec "$@"', str(limit_kib), *command]
    # A child inherits "ignore" from a parent in the background, and would not be interrupted.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)


def finish(process: subprocess.Popen[str], folder: Path) -> Compared:
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return Compared(process.returncode, out, err, folder)


def run(folder: Path, arguments: str, limit_kib: int | None = None) -> Compared:
    """Run the command in a folder until it ends."""
    return finish(start(folder, arguments, limit_kib), folder)


@pytest.fixture
def refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], Compared]:
    """Runs command lines that come to nothing in this very process, which is quick."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run_here(arguments: str) -> Compared:
        code = app.run(shlex.split(arguments))
        told = capsys.readouterr()
        return Compared(code, told.out, told.err, tmp_path)

    return run_here


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Wait as long as it takes, or as the process that is to bring it about lives."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Its workers, the one that was started first first."""
    return sorted(
        psutil.Process(process.pid).children(recursive=True), key=lambda child: (child.create_time(), child.pid)
    )


def alive(workers: list[psutil.Process], seconds: float = SOON) -> list[psutil.Process]:
    """Those that still run after a while."""
    return psutil.wait_procs(workers, timeout=seconds)[1]


def num_launches(folder: Path) -> int:
    path = folder / "run.json"
    return len(read_kind(path, ComparisonRecord).launches) if path.exists() else 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """A comparison with every output."""
    outputs = "--output run.json --markdown report.md --plot out.png"
    return run(tmp_path_factory.mktemp("whole"), f"compare baseline exact {TINY} --launches 2 --pairs 3 {outputs}")


def test_a_comparison_ends_well(whole: Compared) -> None:
    assert whole.code == 0, whole.err
    assert {path.name for path in whole.folder.iterdir()} == {"run.json", "report.md", "out.png"}
    assert [line for line in whole.err.splitlines() if not line.startswith("Wrote ")] == []


def test_a_comparison_has_what_was_planned(whole: Compared) -> None:
    record = whole.record
    assert (record.status, record.failures, record.notes) == ("complete", (), ())
    assert [(launch.contestant, launch.round) for launch in record.launches] == [(1, 0), (1, 1)]
    for launch in record.launches:
        assert len(launch.baseline.training.steps) == len(launch.variant.training.steps) == 3
        assert launch.baseline.memory is not None
        assert launch.variant.memory is not None
        assert launch.machine is not None
        paths = {stage.path for stage in launch.variant.training.stages}
        assert {"backbone", "loss/pac", "loss/soc", "optimizer"} <= paths
    assert all(contestant.fidelity is not None for contestant in record.contestants)
    assert record.environment is not None
    assert record.environment.threads == 1


def test_a_comparison_says_what_was_left_out(whole: Compared) -> None:
    assert "cudnn_benchmark" in whole.record.contestants[1].variant.left_out
    assert "cudnn_benchmark" in whole.words


def test_the_report_of_a_comparison_is_on_screen(whole: Compared) -> None:
    for words in ("exact over baseline", "Speed", "What it changes", "Before and after: exact", "Findings"):
        assert words in whole.out
    assert "2 of 2 planned launches" in whole.words
    assert max(map(len, whole.out.splitlines())) <= 80


def test_show_says_the_same_of_a_comparison(whole: Compared) -> None:
    assert run(whole.folder, "show run.json").out == whole.out


def test_the_record_names_no_folder(whole: Compared) -> None:
    text = (whole.folder / "run.json").read_text()
    assert str(whole.folder) not in text
    assert str(Path.home()) + "/" not in text


def test_the_report_and_the_picture_of_a_comparison_are_written(whole: Compared) -> None:
    assert (whole.folder / "report.md").read_text(encoding="utf-8").startswith("# paco-prof compare")
    assert (whole.folder / "out.png").read_bytes().startswith(b"\x89PNG")


def test_a_comparison_that_is_complete_is_not_taken_again(whole: Compared) -> None:
    before = (whole.folder / "run.json").read_bytes()
    again = run(whole.folder, "compare --resume run.json")
    assert (again.code, again.out) == (2, "")
    assert again.err == "paco-prof: All that was planned has been measured. --launches N takes more.\n"
    assert (whole.folder / "run.json").read_bytes() == before


def test_a_factorial_ablation_measures_every_combination(tmp_path: Path) -> None:
    toggles = "--mode factorial --toggles fused-loss,vectorized-sampling"
    done = run(tmp_path, f"ablate {toggles} {QUICK} --output run.json")
    assert done.code == 0, done.err
    one, other = "fused-loss", "vectorized-sampling"
    assert [contestant.toggles for contestant in done.record.contestants] == [(), (one,), (other,), (one, other)]
    assert [launch.contestant for launch in done.record.launches] == [1, 2, 3]
    assert done.record.design == "factorial"
    assert one in done.out
    assert other in done.out


@pytest.fixture(scope="module")
def unwritten(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """A comparison of the baseline with itself whose record goes to a device that is full."""
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    folder = tmp_path_factory.mktemp("unwritten")
    return run(folder, f"compare baseline baseline {QUICK} --output /dev/full --markdown report.md")


def test_a_disk_that_is_full_costs_no_report(unwritten: Compared) -> None:
    assert unwritten.code == 2
    assert "1 of 1 planned launch" in unwritten.words
    assert (unwritten.folder / "report.md").exists()
    assert unwritten.err.splitlines()[-1] == "paco-prof: /dev/full cannot be written: No space left on device."


def test_what_could_not_be_written_is_not_said_to_be(unwritten: Compared) -> None:
    assert "Wrote /dev/full" not in unwritten.err


@not_linux
def test_a_worker_that_is_killed_becomes_a_row_and_the_others_go_on(tmp_path: Path) -> None:
    with start(tmp_path, f"compare baseline exact fused-loss {QUICK} --output run.json") as process:
        wait_until(lambda: len(workers_of(process)) == 2, process)
        workers_of(process)[1].kill()
        done = finish(process, tmp_path)
    assert done.code == 4
    assert done.err.splitlines()[-1].startswith("paco-prof: exact: died: killed by SIGKILL")
    assert "Traceback" not in done.err
    (failure,) = done.record.failures
    assert (failure.contestant, failure.kind, failure.of_baseline) == (1, "died", False)
    assert [launch.contestant for launch in done.record.launches_of(2)] == [2]
    assert done.record.status == "complete"
    rows = [line for line in done.out.splitlines() if line.startswith("exact ")]
    assert any("died" in row for row in rows)
    assert "killed by SIGKILL" in done.words


@dataclass(frozen=True)
class Story:
    """A comparison of two launches: killed after the first, interrupted when it went on, and brought to its end.

    Attributes:
        interrupted, ended: how those runs ended.
        after: record on disk after each of the three.
        survivors: workers that outlived their parent, in the first two.
    """

    interrupted: Compared
    ended: Compared
    after: tuple[ComparisonRecord, ...]
    survivors: tuple[list[psutil.Process], list[psutil.Process]]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("story")
    quick = f"{TINY} --launches 2 --pairs 2 --no-fidelity"
    with start(folder, f"compare baseline fused-loss {quick} --output run.json") as process:
        wait_until(lambda: num_launches(folder) == 1 and len(workers_of(process)) == 2, process)
        first_workers = workers_of(process)
        process.kill()
        process.communicate(timeout=PATIENCE)
    first_survivors, killed = alive(first_workers), read_kind(folder / "run.json", ComparisonRecord)
    with start(folder, "compare --resume run.json") as process:
        wait_until(lambda: len(workers_of(process)) == 2, process)
        second_workers = workers_of(process)
        process.send_signal(signal.SIGINT)
        interrupted = finish(process, folder)
    second_survivors, record = alive(second_workers, 0.0), read_kind(folder / "run.json", ComparisonRecord)
    ended = run(folder, "compare --resume run.json")
    return Story(interrupted, ended, (killed, record, ended.record), (first_survivors, second_survivors))


def test_a_parent_that_is_killed_leaves_a_record_and_no_orphan(story: Story) -> None:
    assert story.after[0].status == "running"
    assert [launch.round for launch in story.after[0].launches_of(1)] == [0]
    assert story.survivors[0] == []


def test_control_c_ends_with_the_table_and_130(story: Story) -> None:
    done = story.interrupted
    assert done.code == 130
    assert done.err.splitlines()[-1] == "paco-prof: Interrupted after 1 launch."
    assert "Traceback" not in done.err
    assert "Speed" in done.out
    assert "fused-loss" in done.out


def test_control_c_keeps_what_was_measured_and_leaves_nobody_behind(story: Story) -> None:
    assert story.after[1].status == "interrupted"
    assert story.after[1].launches == story.after[0].launches
    assert story.survivors[1] == []


def test_what_goes_on_takes_what_is_missing_and_leaves_the_rest(story: Story) -> None:
    assert story.ended.code == 0, story.ended.err
    assert story.after[2].launches[:1] == story.after[0].launches
    assert [launch.round for launch in story.after[2].launches_of(1)] == [0, 1]
    assert story.after[2].status == "complete"
    assert "2 of 2 planned launches" in story.ended.words


@pytest.fixture(scope="module")
def limit_kib() -> int:
    """Address space that suffices for a batch of 32 with the fused loss, and not for one of 64."""
    look = "import paco_prof.measure.subject; print(open('/proc/self/status').read())"
    told = subprocess.run([sys.executable, "-c", look], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    (peak,) = [line.split()[1] for line in told.stdout.splitlines() if line.startswith("VmPeak:")]
    return int(peak) + LIMIT_BEYOND_IMPORTS_KIB


LIMIT_BEYOND_IMPORTS_KIB = 560_000
SIZES = """
[variants.small]
use = ["fused-loss"]
set = { batch_size = 2 }
[variants.big]
use = ["fused-loss"]
set = { batch_size = 64 }
[variants.huge]
use = ["fused-loss"]
set = { batch_size = 8192 }
"""


@pytest.fixture(scope="module")
def user_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exhausted")
    (folder / "paco-prof.toml").write_text(SIZES)
    return folder


def exhausted(folder: Path, limit_kib: int, arguments: str) -> Compared:
    """A run that does not have all the memory that it asks for."""
    quick = f"{MODEL} --launches 1 --pairs 1 --no-fidelity --max-minutes 1 --output run.json"
    return run(folder, f"compare {arguments} {quick}", limit_kib)


@not_linux
def test_memory_that_runs_out_is_a_row_that_names_the_peak(user_folder: Path, limit_kib: int) -> None:
    done = exhausted(user_folder, limit_kib, "small huge")
    assert done.code == 4
    (failure,) = done.record.failures
    assert failure.kind == "out of memory", failure.detail
    assert not failure.of_baseline
    assert (failure.peak_bytes or 0) > 10**8
    assert done.err.splitlines()[-1].startswith("paco-prof: huge: out of memory")
    assert "Traceback" not in done.err
    assert "out of memory at" in done.words
    assert "--retry-smaller" in done.words
    assert done.record.launches == ()


@pytest.fixture(scope="module")
def halved(user_folder: Path, limit_kib: int) -> Compared:
    return exhausted(user_folder, limit_kib, "small big --retry-smaller")


@not_linux
def test_a_smaller_batch_of_both_sides_fits(halved: Compared) -> None:
    assert halved.code == 0, halved.err
    assert [(launch.halvings, launch.is_complete) for launch in halved.record.launches] == [(1, True)]
    assert "batch of 32" in halved.words or "batch 32" in halved.words


@not_linux
def test_a_baseline_that_was_halved_for_a_variant_did_not_run_out(halved: Compared) -> None:
    assert halved.code == 0, halved.err
    assert "Memory ran out for small" not in halved.words


BAD = {
    "compare": "A comparison needs a baseline and at least one variant",
    "compare baseline": "A comparison needs a baseline and at least one variant",
    "compare baseline exactt": "There is no variant 'exactt'. Did you mean exact",
    "compare baseline exact exact": "'exact' stands there twice",
    "compare baseline exact --pairs 0": "--pairs",
    "compare baseline exact --launches 0": "--launches '0'",
    "compare baseline exact --timeout 0": "--timeout '0'",
    "compare baseline exact --max-minutes 0": "--max-minutes '0'",
    "compare baseline exact --output nowhere/run.json": "does not exist",
    "compare baseline exact --plot out.gif": ".png",
    "compare baseline fused-loss --set contrast=nothing": "contrast",
    "compare --resume missing.json": "missing.json cannot be read",
    "ablate --toggles ,": "The list of toggles is empty",
    "ablate --toggles ''": "The list of toggles is empty",
    "ablate --toggles exact,nothing": "There is no variant 'nothing'",
    "ablate --mode factorial --toggles exact": "needs 2 toggles",
    "ablate --mode sideways": "--mode 'sideways' is unknown",
}


@pytest.mark.parametrize("arguments", BAD)
def test_bad_input_is_one_line_that_says_what_to_do(
    arguments: str, tmp_path: Path, refused: Callable[[str], Compared]
) -> None:
    done = refused(arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert done.err.startswith("paco-prof: ")
    assert BAD[arguments] in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[variants.mine]\nsett = {}\n", ["'mine'", "sett"]),
        ("[variants.mine]\nset = { batchsize = 3 }\n", ["'mine'", "batchsize", "batch_size"]),
        ("[variants.mine]\nset = { batch_size = 'many' }\n", ["'mine'", "batch_size", "many"]),
        ("[variants.mine]\nuse = 'exact'\n", ["'mine'", "use", "list"]),
        ("[variants\n", ["cannot be read"]),
    ],
)
def test_a_user_s_file_with_a_mistake_is_named_with_its_key(
    text: str, words: list[str], tmp_path: Path, refused: Callable[[str], Compared]
) -> None:
    (tmp_path / "paco-prof.toml").write_text(text)
    done = refused("compare baseline mine")
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    for word in ["paco-prof.toml", *words]:
        assert word in done.err


@pytest.mark.parametrize("damage", ["cut off", "no JSON", "empty", "another kind", "a wrong type"])
def test_a_damaged_file_cannot_be_resumed_and_is_left_alone(
    damage: str, tmp_path: Path, refused: Callable[[str], Compared]
) -> None:
    path = tmp_path / "run.json"
    write_record(path, comparison_record(status="interrupted"))
    text = path.read_text()
    wrong = json.loads(text)
    wrong["launches"][0]["round"] = "first"
    damaged = {
        "cut off": text[: len(text) // 2],
        "no JSON": "\0" * 100,
        "empty": "",
        "another kind": '{"schema_version": 1, "kind": "something"}',
        "a wrong type": json.dumps(wrong),
    }[damage]
    path.write_text(damaged)
    done = refused("compare --resume run.json")
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert "run.json" in done.err
    assert path.read_text() == damaged


@pytest.mark.parametrize("option", ["--pairs 3", "--seed 1", "--sequential", "baseline exact"])
def test_what_is_measured_cannot_be_chosen_once_more(
    option: str, tmp_path: Path, refused: Callable[[str], Compared]
) -> None:
    write_record(tmp_path / "run.json", comparison_record(status="interrupted"))
    before = (tmp_path / "run.json").read_bytes()
    done = refused(f"compare --resume run.json {option}")
    assert (done.code, done.out) == (2, "")
    assert ("variants" if option.startswith("b") else option.split()[0]) in done.err
    assert (tmp_path / "run.json").read_bytes() == before


@pytest.mark.parametrize("option", ["--batch-size 4", "--set gamma=0.2"])
def test_what_cannot_be_chosen_once_more_is_called_as_it_was_given(
    option: str, tmp_path: Path, refused: Callable[[str], Compared]
) -> None:
    write_record(tmp_path / "run.json", comparison_record(status="interrupted", tool_version="0.0.0"))
    done = refused(f"compare --resume run.json {option}")
    assert done.code == 2
    assert f"{option.split()[0]} cannot be chosen once more" in done.err


def test_no_fidelity_cannot_be_chosen_once_more(tmp_path: Path, refused: Callable[[str], Compared]) -> None:
    write_record(tmp_path / "run.json", comparison_record(status="interrupted", tool_version="0.0.0"))
    assert "--no-fidelity" in refused("compare --resume run.json --no-fidelity").err

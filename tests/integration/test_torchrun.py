"""`torchrun ... -m paco_prof breakdown` on two processes: whole runs, a rank that is slow, and one that is killed."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from installed import PATIENCE, Finished
from paco_prof.analysis.breakdown import breakdown_view
from paco_prof.analysis.ranks import ranks_view
from paco_prof.records import Training
from torchrun import TINY, ended, ours, started


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("two")
    arguments = f"breakdown {TINY} --model-arg seconds=1.0 --warmup 1 --steps 7 --max-seconds 1 --output run.json"
    with started(folder, arguments) as process:
        return ended(process, folder)


def trainings(done: Finished) -> list[Training]:
    assert done.record.ranks is not None
    return [result.training for result in done.record.ranks.results]


def test_one_report_and_one_record_are_all_there_is(run: Finished) -> None:
    assert run.code == 0, run.err
    assert run.out.count("paco-prof breakdown: planted:build, batch 2, 64 px on each of 2 devices") == 1
    assert run.err.count("Wrote run.json.") == 1
    assert ours(run) == []
    assert "Warning" not in run.err
    # Of the user's model nothing is heard, from either rank.
    assert "built" not in run.out + run.err
    assert run.record.workload.world_size == 2
    assert run.record.command[:5] == ("torchrun", "--nproc-per-node", "2", "-m", "paco_prof")
    assert str(run.folder) not in (run.folder / "run.json").read_text()


def test_all_ranks_took_the_same_steps_and_their_rows_add_up(run: Finished) -> None:
    first, second = trainings(run)
    assert len(first.steps) == len(second.steps) == 7
    assert first.losses["total"] != second.losses["total"]
    for training in (first, second):
        paths = {(samples.path, samples.phase) for samples in training.stages}
        assert {("buffer_sync", "forward"), ("all_reduce", "backward"), ("backbone", "backward")} <= paths
        for index, step in enumerate(training.steps):
            # Every cut is somebody's, so phases are the step but for what lies before the first and after the last.
            phases = sum(samples[index] for samples in training.phases.values())
            assert phases <= step
            assert phases == pytest.approx(step, rel=0.1)
            backward = training.phases["backward"][index]
            assert sum(s.host[index] for s in training.stages if s.phase == "backward") <= backward * (1 + 1e-9)
        view = breakdown_view(run.record.model_copy(update={"training": training, "ranks": None}))
        assert view is not None
        assert -0.01 < view.unattributed["total"] / view.step.value < 0.2


def test_the_slow_rank_is_named_with_its_stage(run: Finished) -> None:
    view = ranks_view(run.record)
    assert view is not None
    assert view.straggler is not None
    assert view.straggler.established
    assert (view.straggler.rank, view.straggler.stage) == (1, "matching")
    assert "Rank 1 is the straggler" in " ".join(run.out.split())


def test_the_all_reduce_of_every_step_is_there(run: Finished) -> None:
    assert run.record.ranks is not None
    for result in run.record.ranks.results:
        assert result.communication is not None
        assert len(result.communication.seconds) == 7
        assert result.communication.num_bytes == 4 * (run.record.workload.num_parameters or 0)
        for total, exposed in zip(result.communication.seconds, result.communication.exposed, strict=True):
            assert 0 < exposed <= total


def test_a_killed_rank_ends_all_with_one_message_and_what_was_measured(tmp_path: Path) -> None:
    arguments = f"breakdown {TINY} --warmup 0 --steps 100000 --max-seconds 3600 --output run.json"
    with started(tmp_path, arguments) as process:
        ranks = _ranks_at_work(process, tmp_path / "run.json")
        ranks[1].kill()
        _, alive = psutil.wait_procs(ranks.values(), timeout=10)
        assert not alive
        done = ended(process, tmp_path)
    assert done.code != 0
    assert ours(done) == ["paco-prof: Rank 1 of 2 died, and with it the run; it left no message."]
    assert "exitcode  : 4" in done.err
    assert "[rank" not in done.err
    assert done.training.stop_reason == "failed"
    assert [note.code for note in done.record.notes] == ["failed"]
    assert done.out.count("paco-prof breakdown: planted:build") == 1


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    with started(tmp_path, "breakdown --variant exackt") as process:
        done = ended(process, tmp_path)
    assert done.out == ""
    (line,) = ours(done)
    assert "exackt" in line
    assert "exitcode  : 2" in done.err


def _ranks_at_work(process: subprocess.Popen[str], path: Path) -> dict[int, psutil.Process]:
    """The processes of both ranks, once a step has been saved."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if path.exists() and json.loads(path.read_text())["training"] is not None:
            return {int(child.environ()["RANK"]): child for child in psutil.Process(process.pid).children()}
        assert process.poll() is None, path.with_name("err").read_text()
        time.sleep(0.1)
    raise TimeoutError("no step is saved")

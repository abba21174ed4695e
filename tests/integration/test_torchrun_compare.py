"""`torchrun ... -m paco_prof compare`: every variant trains on two processes, and rank 0 judges."""

from __future__ import annotations

from pathlib import Path

from paco_prof.records import ComparisonRecord
from paco_prof.store import read_kind
from torchrun import TINY, ended, ours, started


def test_variants_train_on_all_ranks_and_one_of_them_reports(tmp_path: Path) -> None:
    arguments = f"compare baseline baseline {TINY} --launches 1 --pairs 2 --max-minutes 0.1 --output run.json"
    with started(tmp_path, arguments) as process:
        done = ended(process, tmp_path)
    assert done.code == 0, done.err
    assert ours(done) == []
    assert done.out.count("paco-prof compare: ") == 1
    assert "on each of 2 devices" in " ".join(done.out.split())
    record = read_kind(tmp_path / "run.json", ComparisonRecord)
    assert [contestant.workload.world_size for contestant in record.contestants] == [2, 2]
    assert record.failures == ()
    (launch,) = record.launches
    assert launch.is_complete
    for side in (launch.baseline, launch.variant):
        paths = {samples.path for samples in side.training.stages}
        assert {"all_reduce", "buffer_sync", "backbone"} <= paths


def test_a_worker_that_cannot_be_built_on_one_rank_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(
        "import os\nfrom planted import build as whole\n\n\n"
        "def build(num_classes: int = 5):\n"
        "    if os.environ['RANK'] == '1':\n        raise ValueError('no room on this one')\n"
        "    return whole(num_classes=num_classes)\n"
    )
    arguments = f"compare baseline baseline {TINY} --model broken.py:build --launches 1 --pairs 2 --output run.json"
    with started(tmp_path, arguments) as process:
        done = ended(process, tmp_path)
    assert done.code != 0
    (line,) = ours(done)
    assert "rank 1: " in line
    assert "no room on this one" in line
    assert "broken.py, line 7" in line

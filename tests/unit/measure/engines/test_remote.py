"""What a node makes of a piece that it is told of."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from builders import RESNET50
from clusters import launcher_of
from paco_prof.measure.comparing import new_comparison
from paco_prof.measure.engines import remote
from paco_prof.measure.engines.comparison_pieces import ComparisonPieces
from paco_prof.records import ComparisonPlan, ComparisonRecord
from paco_prof.settings import Workload
from paco_prof.variants.contestants import Field, compared
from played import Players, steady


def piece_of(base: Workload = RESNET50) -> dict[str, object]:
    chosen = compared(Field(base), ("baseline", "exact"))
    pieces = ComparisonPieces(new_comparison(chosen, ComparisonPlan(launches=4, pairs=3)), lambda _: None)
    return pieces.give_out(pieces.left()[2], None)


def test_it_takes_the_one_launch_that_is_its_own(tmp_path: Path) -> None:
    answer = json.loads(remote.done(remote.told(piece_of(), tmp_path, [], 1), launcher_of(Players(steady()))))
    assert answer["seconds"] > 0
    record = ComparisonRecord.model_validate(answer["part"])
    assert [(launch.contestant, launch.round) for launch in record.launches] == [(1, 2)]


def test_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = remote.told(piece_of(), tmp_path, [], 1)
    monkeypatch.setattr(remote, "__version__", "9.9")
    refused = json.loads(remote.done(text))["refused"]
    assert refused["message"].startswith("A node of the cluster has paco-prof 9.9, and this is ")


@pytest.mark.parametrize(
    ("base", "folders"),
    [
        (RESNET50, ["/nowhere/models"]),
        (RESNET50.model_copy(update={"data": "folder:images"}), []),
    ],
)
def test_a_folder_that_is_not_there_is_named(base: Workload, folders: list[str]) -> None:
    text = remote.told(piece_of(base), Path("/nowhere"), [Path(each) for each in folders], 1)
    refused = json.loads(remote.done(text))["refused"]
    assert refused["message"].startswith("A node of the cluster has no folder /nowhere")
    assert "shared file system" in refused["hint"]


class TestThreads:
    """Ray sets the number of threads of whatever it runs."""

    @pytest.fixture(autouse=True)
    def _node(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(remote, "usable_cores", lambda: 8)
        monkeypatch.setattr(remote, "FIRST_ENVIRONMENT", tmp_path / "environ")
        (tmp_path / "environ").write_bytes(b"HOME=/\0PATH=/bin\0")

    def left_of(self, monkeypatch: pytest.MonkeyPatch, threads: str, cpus: int) -> str | None:
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        remote.done(
            remote.told({"kind": "comparison", **piece_of()}, Path.cwd(), [], cpus), launcher_of(Players(steady()))
        )
        return os.environ.get("OMP_NUM_THREADS")

    def test_on_a_node_of_its_own_a_launch_takes_what_it_would_take_by_hand(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert self.left_of(monkeypatch, "8", cpus=8) is None

    def test_on_a_node_that_is_shared_it_keeps_to_its_share(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.left_of(monkeypatch, "4", cpus=4) == "4"

    def test_what_the_node_was_started_with_stays(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "environ").write_bytes(b"HOME=/\0OMP_NUM_THREADS=8\0")
        assert self.left_of(monkeypatch, "8", cpus=8) == "8"

    def test_another_number_is_somebodys_choice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.left_of(monkeypatch, "3", cpus=8) == "3"

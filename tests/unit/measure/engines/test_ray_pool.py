"""A cluster as a sweep sees it, with a script in place of the process that speaks with Ray."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from builders import RESNET50
from clusters import Numbers, PlayedPool, launcher_of
from paco_prof.errors import MeasurementError, UsageError
from paco_prof.measure.available_memory import KEPT_FREE
from paco_prof.measure.comparing import new_comparison
from paco_prof.measure.engines import ray_engine, ray_pool
from paco_prof.measure.engines.ray_engine import RayEngine
from paco_prof.measure.engines.ray_pool import RayPool
from paco_prof.measure.engines.sweep import Sweep
from paco_prof.records import ComparisonPlan, ComparisonRecord
from paco_prof.variants.contestants import Field, compared
from played import Players, Silent, steady

DRIVER = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    nodes = [{"id": "a", "cpus": 1.0, "gpus": 0.0}, {"id": "b", "cpus": 64.0, "gpus": 0.0}]
    answers = {
        "connect": {"nodes": nodes, "may_grow": True},
        "look": {"nodes": nodes, "ended": [{"number": 0, "kind": "died", "detail": "gone"}]},
        "cancel": [],
    }
    if asked["do"] == "give" and asked["told"].find("the end") >= 0:
        sys.exit("the cluster is gone")
    if asked["do"] == "give":
        print(asked["node"], asked["cpus"], json.loads(asked["told"])["cpus"], file=open(sys.argv[1], "a"))
    print(json.dumps({"ok": answers.get(asked["do"]), "peak_bytes": 0}), flush=True)
"""


def play(script: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a script in place of the process that speaks with Ray; it is given a file to write to."""
    path = folder / "driver.py"
    path.write_text(script)
    monkeypatch.setattr(ray_pool, "COMMAND", (ray_pool.sys.executable, str(path), str(folder / "given")))


class TestPool:
    """The process that speaks with Ray, as a sweep sees it."""

    @pytest.fixture(autouse=True)
    def _driver(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        play(DRIVER, tmp_path, monkeypatch)

    def test_what_its_process_tells_arrives(self) -> None:
        with RayPool("auto", None, None, "cpu") as pool:
            (ended,) = pool.look(0.0)
            assert (ended.number, ended.part, ended.kind) == (0, None, "died")

    def test_without_a_number_of_cores_each_launch_has_a_node_and_all_of_its_cores(self, tmp_path: Path) -> None:
        with RayPool("auto", None, None, "cpu") as pool:
            assert pool.room(alone=False) == 2
            pool.give(0, {})
            pool.give(1, {})
            assert (pool.room(alone=False), pool.has_room(alone=False)) == (2, False)
            pool.look(0.0)
            pool.give(2, {})
            assert (tmp_path / "given").read_text().splitlines() == ["a 1 1", "b 64 64", "a 1 1"]
            assert pool.cancel() == []
            assert pool.room(alone=False) == 2

    def test_with_a_number_of_cores_a_node_takes_as_many_as_it_has_room_for(self, tmp_path: Path) -> None:
        with RayPool("auto", 8, None, "cpu") as pool:
            assert (pool.room(alone=False), pool.capacity) == (8, 8)
            pool.give(0, {})
            assert (tmp_path / "given").read_text().splitlines() == ["b 8 8"]

    def test_what_has_to_be_alone_has_all_cores_of_a_node(self, tmp_path: Path) -> None:
        with RayPool("auto", 8, None, "cpu") as pool:
            pool.give(0, {"alone": True})
            assert (tmp_path / "given").read_text().splitlines() == ["b 64 64"]
            assert not pool.has_room(alone=False)

    def test_what_has_come_to_nothing_on_a_node_is_sent_to_another_one(self, tmp_path: Path) -> None:
        with RayPool("auto", 1, None, "cpu") as pool:
            pool.give(0, {})
            pool.give(1, {})
            # The first node loses what it has; the second one has room for many more.
            pool.look(0.0)
            pool.give(2, {"before": [1]})
            assert (tmp_path / "given").read_text().splitlines() == ["a 1 1", "b 1 1", "a 1 1"]

    def test_a_node_is_told_how_much_memory_is_to_be_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with RayPool("auto", 8, None, "cpu") as pool:
            said: list[str] = []
            monkeypatch.setattr(pool, "_ask", lambda *it, told, **other: said.append(told))
            pool.give(0, {})
        assert json.loads(said[0])["variables"] == {KEPT_FREE: "0.05"}

    def test_a_process_that_ends_is_no_end_of_ours(self) -> None:
        with RayPool("auto", None, None, "cpu") as pool:
            with pytest.raises(MeasurementError, match="Ray fails: ended with exit code 1: the cluster is gone"):
                pool.give(0, {"what": "the end"})
            assert pool.cancel() == []


GROWING = """
import json, sys
head, node = ({"id": name, "cpus": cpus, "gpus": gpus} for name, cpus, gpus in (("a", 0, 0), ("b", 4, 1)))
looks = 0
for line in sys.stdin:
    asked = json.loads(line)
    looks += asked["do"] == "look"
    if asked["do"] == "give":
        print(asked["node"], asked["gpus"], file=open(sys.argv[1], "w"))
    nodes = [head, node] if looks > 2 else [head]
    print(json.dumps({"ok": {"nodes": nodes, "may_grow": MAY_GROW, "ended": []}, "peak_bytes": 0}), flush=True)
"""


def test_a_cluster_that_is_just_being_started_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play(f"MAY_GROW = True\n{GROWING}", tmp_path, monkeypatch)
    with RayPool("auto", None, None, "auto") as pool:
        assert pool.room(alone=False) == 1
        pool.give(0, {})
    assert (tmp_path / "given").read_text() == "b 1\n"


@pytest.mark.parametrize(("may_grow", "patience"), [(False, 60.0), (True, 0.0)])
def test_a_cluster_that_has_no_room_in_the_end_is_refused(
    may_grow: bool, patience: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(f"MAY_GROW = {may_grow}\n{GROWING}", tmp_path, monkeypatch)
    monkeypatch.setattr(ray_pool, "PATIENCE", patience)
    with pytest.raises(UsageError, match="No node of the cluster has a CPU for a launch"):
        RayPool("auto", None, None, "cpu")


INTERRUPTING = """
import json, os, signal, sys, time
def interrupt(times):
    for _ in range(times):
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(0.1)
looks, cancels = TIMES
nodes = [{"id": "a", "cpus": 2.0, "gpus": 0.0}]
for line in sys.stdin:
    what = json.loads(line)["do"]
    answers = {
        "connect": {"nodes": nodes, "may_grow": True},
        "look": {"nodes": nodes, "ended": [{"number": 0, "part": {}}]},
        "cancel": [{"number": 1, "part": {}}],
    }
    interrupt({"look": looks, "cancel": cancels}.get(what, 0))
    if what == "cancel":
        open(sys.argv[1], "w").close()
    print(json.dumps({"ok": answers.get(what), "peak_bytes": 0}), flush=True)
"""


@pytest.mark.parametrize(
    ("looks", "cancels", "back"),
    [
        # What has come back is kept, and so is what comes of cancelling the rest.
        (1, 0, [0, 1]),
        # A second Ctrl-C does not wait for the answer, and the next question has its own all the same.
        (2, 0, [1]),
        (1, 1, [0, 1]),
        # Who does not want to wait for those that are cancelled need not.
        (1, 2, [0]),
    ],
)
def test_an_interruption_loses_nothing_that_has_come_back(
    looks: int, cancels: int, back: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(f"TIMES = {looks, cancels}\n{INTERRUPTING}", tmp_path, monkeypatch)
    pieces = Numbers(2)
    with RayPool("auto", 1, None, "cpu") as pool:
        assert isinstance(Sweep(pieces, pool, Silent()).run(), KeyboardInterrupt)
    assert (pieces.back, pieces.status) == (back, "interrupted")
    # Those that are under way have time to end what they have started, unless even that is interrupted.
    assert cancels == 2 or (tmp_path / "given").exists()


def test_without_ray_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'paco-prof\[ray\]'"):
        ray_engine.refuse_without_ray()


def record_of(**settings: Any) -> ComparisonRecord:
    chosen = compared(Field(RESNET50.model_copy(update=settings)), ("baseline", "exact"))
    return new_comparison(chosen, ComparisonPlan(launches=1, pairs=3))


def test_a_launch_without_a_gpu_of_its_own_does_not_look_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = PlayedPool(1, lambda number: launcher_of(Players(steady())))
    monkeypatch.setattr(ray_engine, "RayPool", lambda *how: contextlib.nullcontext(pool))
    RayEngine("auto", gpus=0).compare(record_of(device="auto"), Silent(), lambda _: None)
    (given,) = pool.all_given
    devices = [contestant["workload"]["device"] for contestant in given["record"]["contestants"]]
    assert devices == ["cpu", "cpu"]


def test_more_threads_than_a_launch_has_cores_are_refused() -> None:
    with pytest.raises(UsageError, match="8 threads are more than the 1 of --cpus-per-launch"):
        RayEngine("auto", cpus=1).compare(record_of(threads=8), Silent(), lambda _: None)

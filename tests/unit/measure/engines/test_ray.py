"""What we ask of Ray, and what we make of its answers, with a module in its place."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from paco_prof.errors import MeasurementError, UsageError
from paco_prof.measure.engines import ray_engine, ray_pool
from paco_prof.measure.engines.ray_driver import RayDriver
from paco_prof.measure.engines.ray_pool import Needs, RayPool


class RayError(Exception):
    """Ray's own: what ran is lost."""


class OutOfMemoryError(RayError):
    """A node has too little memory left."""


class NodeDiedError(RayError):
    """A node is gone."""


class RayTaskError(RayError):
    """What ran has raised."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class PlayedRay:
    """Ray, as far as it is used: every task is over at once."""

    exceptions = SimpleNamespace(RayError=RayError, OutOfMemoryError=OutOfMemoryError, RayTaskError=RayTaskError)

    def __init__(self, result: str | Exception = '{"part": {}}') -> None:
        self.result = result
        self.asked: dict[str, Any] = {}
        self.cancelled: list[str] = []

    def init(self, **options: Any) -> None:
        self.asked = options

    def nodes(self) -> list[dict[str, Any]]:
        dead = {"Alive": False, "Resources": {"CPU": 64.0}}
        return [{"Alive": True, "Resources": {"CPU": 4.0, "GPU": 1.0}}, {"Alive": True, "Resources": {}}, dead]

    def remote(self, function: Any) -> Any:
        def options(**asked: Any) -> Any:
            self.asked = asked
            return SimpleNamespace(remote=lambda told: f"task {told}")

        return SimpleNamespace(options=options)

    def wait(self, tasks: list[str], num_returns: int, timeout: float) -> tuple[list[str], list[str]]:
        return tasks[:num_returns], tasks[num_returns:]

    def get(self, task: str) -> str:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def cancel(self, task: str, force: bool) -> None:
        self.cancelled.append(task)


def asked(driver: RayDriver, what: str, **told: Any) -> Any:
    return driver.answer({"do": what, **told})


def given(ray: PlayedRay) -> RayDriver:
    driver = RayDriver(ray)
    asked(driver, "connect", address="local")
    asked(driver, "give", number=7, told="it", cpus=2, gpus=1)
    return driver


class TestDriver:
    """The process that speaks with Ray."""

    def test_a_cluster_of_its_own_is_small_and_silent(self) -> None:
        ray = PlayedRay()
        answer = asked(RayDriver(ray), "connect", address=None)
        assert answer["ok"] == [{"cpus": 4.0, "gpus": 1.0}, {"cpus": 0.0, "gpus": 0.0}]
        assert ray.asked["address"] == "local"
        assert (ray.asked["include_dashboard"], ray.asked["log_to_driver"]) == (False, False)

    def test_the_environment_may_name_the_cluster(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{server.getsockname()[1]}")
            ray = PlayedRay()
            asked(RayDriver(ray), "connect", address=None)
            assert ray.asked["address"].startswith("127.0.0.1:")
            assert "object_store_memory" not in ray.asked

    @pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "ray://127.0.0.1:10001", "127.0.0.1:99999999"])
    def test_where_there_is_no_cluster_one_line_says_so_at_once(self, address: str) -> None:
        begun = time.monotonic()
        failed = asked(RayDriver(PlayedRay()), "connect", address=address)["failed"]
        assert failed["kind"] == "not applicable"
        assert address in failed["detail"]
        assert "\n" not in failed["detail"]
        assert time.monotonic() - begun < 10

    def test_a_cluster_that_lets_nobody_in_is_not_said_to_be_missing(self) -> None:
        class Locked(PlayedRay):
            def init(self, **options: Any) -> None:
                raise RuntimeError("Authentication token is missing or incorrect")

        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"127.0.0.1:{server.getsockname()[1]}"
            failed = asked(RayDriver(Locked()), "connect", address=address)["failed"]
        assert failed["kind"] == "not applicable"
        assert address in failed["detail"]
        assert "token is missing" in failed["detail"]
        assert "RAY_AUTH_TOKEN" in failed["hint"]

    def test_a_launch_has_its_cores_and_gpus_and_is_not_tried_behind_our_back(self) -> None:
        ray = PlayedRay()
        given(ray)
        assert (ray.asked["num_cpus"], ray.asked["num_gpus"], ray.asked["max_retries"]) == (2, 1, 0)

    def test_what_comes_back_is_told_once_with_the_nodes(self) -> None:
        driver = given(PlayedRay())
        seen = asked(driver, "look", seconds=0.0)["ok"]
        assert seen["ended"] == [{"number": 7, "part": {}}]
        assert len(seen["nodes"]) == 2
        assert asked(driver, "look", seconds=0.0)["ok"]["ended"] == []

    @pytest.mark.parametrize(
        ("error", "kind"), [(NodeDiedError("the node died"), "died"), (OutOfMemoryError("95 %"), "out of memory")]
    )
    def test_who_was_lost_is_told_and_how(self, error: Exception, kind: str) -> None:
        (ended,) = asked(given(PlayedRay(error)), "look", seconds=0.0)["ok"]["ended"]
        assert (ended["number"], ended["kind"]) == (7, kind)
        assert "part" not in ended

    def test_a_node_without_the_package_ends_the_sweep(self) -> None:
        error = RayTaskError(ModuleNotFoundError("No module named 'paco_prof'"))
        failed = asked(given(PlayedRay(error)), "look", seconds=0.0)["failed"]
        assert failed["detail"] == "A node of the cluster cannot measure: No module named 'paco_prof'."

    def test_a_fault_of_ours_is_no_loss_of_a_node(self) -> None:
        failed = asked(given(PlayedRay(RayTaskError(KeyError("oops")))), "look", seconds=0.0)["failed"]
        assert failed["kind"] == "raised"

    def test_a_node_that_refuses_is_heard(self) -> None:
        failed = asked(given(PlayedRay('{"refused": {"message": "No.", "hint": "Do."}}')), "look", seconds=0.0)[
            "failed"
        ]
        assert (failed["kind"], failed["detail"], failed["hint"]) == ("not applicable", "No.", "Do.")

    def test_what_is_under_way_is_cancelled(self) -> None:
        ray = PlayedRay()
        assert asked(given(ray), "cancel")["ok"] is None
        assert ray.cancelled == ["task it"]


NODES = [{"cpus": 0.0, "gpus": 0.0}, {"cpus": 4.0, "gpus": 0.0}, {"cpus": 16.0, "gpus": 2.0}]


class TestNeeds:
    """What a launch has for itself."""

    def test_by_default_the_smallest_node_is_a_launchs_own(self) -> None:
        needs = Needs(None, None, "cpu", NODES)
        assert (needs.cpus, needs.gpus) == (4, 0)
        assert needs.room(NODES) == 5

    @pytest.mark.parametrize("device", ["auto", "cuda", "cuda:0"])
    def test_where_it_runs_on_a_gpu_it_has_one(self, device: str) -> None:
        needs = Needs(None, None, device, NODES)
        assert (needs.cpus, needs.gpus) == (16, 1)
        assert needs.room(NODES) == 1
        assert Needs(8, None, device, NODES).room(NODES) == 2

    def test_gpus_that_are_asked_for_choose_the_nodes(self) -> None:
        assert Needs(5, 2, "cpu", NODES).room(NODES) == 1

    def test_without_a_gpu_auto_is_the_cpu(self) -> None:
        assert Needs(2, None, "auto", NODES[:2]).gpus == 0

    @pytest.mark.parametrize(
        ("cpus", "gpus", "device", "words"),
        [
            (999, None, "cpu", "--cpus-per-launch 999 is more than any node of the cluster has: 16 at most"),
            (None, 3, "cpu", "A launch needs 3 GPUs, and no node of the cluster has more than 2"),
        ],
    )
    def test_more_than_any_node_has_is_refused(
        self, cpus: int | None, gpus: int | None, device: str, words: str
    ) -> None:
        with pytest.raises(UsageError, match=words):
            Needs(cpus, gpus, device, NODES)

    def test_a_gpu_that_nobody_has_is_refused(self) -> None:
        with pytest.raises(UsageError, match="needs 1 GPU, and no node"):
            Needs(None, None, "cuda", NODES[:2])

    def test_nodes_without_a_cpu_take_nothing(self) -> None:
        with pytest.raises(UsageError, match="No node of the cluster has a CPU"):
            Needs(None, None, "cpu", NODES[:1])


DRIVER = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    nodes = [{"cpus": 1.0, "gpus": 0.0}]
    answers = {"connect": nodes, "look": {"nodes": nodes, "ended": [{"number": 0, "kind": "died", "detail": "gone"}]}}
    if asked["do"] == "give":
        sys.exit("the cluster is gone")
    print(json.dumps({"ok": answers.get(asked["do"]), "peak_bytes": 0}), flush=True)
"""


class TestPool:
    """The process that speaks with Ray, as a sweep sees it."""

    @pytest.fixture(autouse=True)
    def _driver(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        script = tmp_path / "driver.py"
        script.write_text(DRIVER)
        monkeypatch.setattr(ray_pool, "COMMAND", (ray_pool.sys.executable, str(script)))

    def test_what_its_process_tells_arrives(self) -> None:
        with RayPool("auto", None, None, "cpu") as pool:
            assert pool.room == 1
            (ended,) = pool.look(0.0)
            assert (ended.number, ended.part, ended.kind) == (0, None, "died")

    def test_a_process_that_ends_is_no_end_of_ours(self) -> None:
        with RayPool("auto", None, None, "cpu") as pool:
            with pytest.raises(MeasurementError, match="Ray fails: ended with exit code 1: the cluster is gone"):
                pool.give(0, {})
            pool.cancel()


def test_without_ray_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'paco-prof\[ray\]'"):
        ray_engine.refuse_without_ray()
